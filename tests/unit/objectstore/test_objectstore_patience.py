"""Retrying is bounded in tries and time, and never repeats what cannot pass."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.objectstore.patience import Patience, persist
from pgkeel.postgres.interruption import InterruptedRunError


def answer(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


class Failing:
    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


QUICK = Patience(tries=4, seconds=60, first_delay=0.0)


@pytest.mark.parametrize(
    "error",
    [
        answer(429, "TooManyRequests"),
        answer(500, "InternalError"),
        answer(503, "SlowDown"),
        answer(400, "BadDigest"),
        ReadTimeoutError(endpoint_url="https://store"),
    ],
    ids=repr,
)
def test_what_passes_is_tried_again(error: Exception) -> None:
    operation = Failing(error, 2)
    heard: list[BaseException] = []
    assert persist(operation, QUICK, on_retry=heard.append) == "done"
    assert operation.calls == 3
    assert heard == [error, error]


@pytest.mark.parametrize("error", [answer(403, "AccessDenied"), answer(404, "NoSuchKey"), KeyError("x")], ids=repr)
def test_what_does_not_pass_is_not(error: Exception) -> None:
    operation = Failing(error, 1)
    with pytest.raises(type(error)):
        persist(operation, QUICK)
    assert operation.calls == 1


def test_tries_are_bounded() -> None:
    operation = Failing(answer(503, "SlowDown"), 99)
    with pytest.raises(ClientError):
        persist(operation, QUICK)
    assert operation.calls == QUICK.tries


def test_time_is_bounded() -> None:
    now = iter(range(0, 1000, 10))
    operation = Failing(answer(503, "SlowDown"), 99)
    with pytest.raises(ClientError):
        persist(operation, Patience(tries=99, seconds=15, first_delay=0.0), clock=lambda: next(now))
    assert operation.calls == 2


def test_a_stop_ends_the_pause() -> None:
    stop = threading.Event()
    stop.set()
    operation = Failing(answer(503, "SlowDown"), 99)
    with pytest.raises(ClientError):
        persist(operation, Patience(first_delay=60, longest_delay=60), stop=stop)
    assert operation.calls == 1


@given(st.integers(1, 60))
def test_pauses_grow_up_to_their_limit(tries: int) -> None:
    patience = Patience()
    assert patience.bound(tries) <= patience.bound(tries + 1) <= patience.longest_delay


def test_a_signal_inside_a_request_ends_the_trying() -> None:
    """As botocore does it: whatever ends a request becomes its own error of the connection."""
    calls = []

    def request() -> str:
        calls.append(1)
        try:
            raise InterruptedRunError("The run was ended by SIGTERM", "Run it again")  # noqa: TRY301 - in a request
        except InterruptedRunError as error:
            raise HTTPClientError(error=error)  # noqa: B904 - botocore names no cause either

    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        persist(request, QUICK)
    assert len(calls) == 1


def test_cleaning_up_after_a_signal_still_tries_again() -> None:
    operation = Failing(HTTPClientError(error="the connection broke"), 2)
    try:
        raise InterruptedRunError("The run was ended by SIGTERM", "Run it again")  # noqa: TRY301 - in a request
    except InterruptedRunError:
        assert persist(operation, QUICK) == "done"
    assert operation.calls == 3
