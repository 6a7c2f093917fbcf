"""Arrivals, percentiles, SQLSTATEs and the verdict of a storm."""

import base64
import hashlib
import re
from itertools import pairwise

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.benchmark.distribution import distribution
from pgkeel.benchmark.storm import Storm, arrival_times, judge, merge
from pgkeel.benchmark.storm_client import Visit, sqlstate
from pgkeel.benchmark.storm_ticket import Ticket, make_keys
from pgkeel.errors import PgkeelError
from pgkeel.postgres.connect import Login


def row(path="pgbouncer", arrival="burst", p99=100.0, **errors):
    return {"path": path, "arrival": arrival, "errors": errors, "login_ms": {"p99": p99}}


def test_a_burst_comes_at_once_and_a_stream_over_its_time():
    assert arrival_times("burst", 3, 10, 1) == arrival_times("cold", 3, 10, 1) == [0, 0, 0]
    stream = arrival_times("poisson", 2000, 10, 1)
    assert stream == sorted(stream) == arrival_times("poisson", 2000, 10, 1)
    assert stream[0] >= 0
    assert stream[-1] <= 10
    gaps = [later - earlier for earlier, later in pairwise(stream)]
    # Exponential gaps: the mean is 5 ms, and one in e^2 is longer than twice that.
    assert sum(gaps) / len(gaps) == pytest.approx(0.005, rel=0.05)
    assert sum(gap > 0.01 for gap in gaps) / len(gaps) == pytest.approx(0.1353, abs=0.03)


def test_nothing_measured_is_not_zero():
    assert set(distribution([]).as_dict().values()) == {None}


@given(st.lists(st.floats(0, 100), min_size=1))
def test_a_percentile_is_a_measured_time(seconds):
    found = distribution(seconds)
    milliseconds = [round(value * 1000, 2) for value in seconds]
    assert {found.p50, found.p95, found.p99, found.max} <= set(milliseconds)
    assert found.p50 <= found.p95 <= found.p99 <= found.max == max(milliseconds)
    assert sum(value <= found.p95 for value in milliseconds) >= 0.95 * len(milliseconds)


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("FATAL:  sorry, too many clients already", "53300"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "53300"),
        ("FATAL:  no more connections allowed (max_client_conn)", "53300"),
        ("FATAL:  query_wait_timeout", "08P01"),
        ("connection timeout expired", "08001"),
        ("FATAL:  password authentication failed for user", "28P01"),
        ("server closed the connection unexpectedly", "08006"),
    ],
)
def test_a_refusal_gets_the_sqlstate_that_libpq_hides(message, state):
    assert sqlstate(psycopg.OperationalError(message)) == state


def test_a_known_sqlstate_is_kept():
    assert sqlstate(psycopg.errors.QueryCanceled("x")) == "57014"


def test_a_row_counts_each_client_once():
    visits = (
        Visit(0.01, (0.002, 0.004), 0.012, "", 100.5),
        Visit(0.02, (0.003,), 0.023, "57014", 101.0),
        Visit(None, (), None, "53300", 100.1),
    )
    found = Storm("pgbouncer", "burst", 3, visits, 1.0, 10, 2, 1, 0.5, 0.2).as_dict()
    assert found["success_rate"] == 0.3333
    assert found["errors"] == {"53300": 1, "57014": 1}
    assert found["transactions"] == 3
    assert found["connect_ms"]["max"] == 20.0
    assert found["transaction_ms"]["p50"] == 3.0
    assert found["drain_s"] == 1.0


def test_rounds_are_judged_together():
    good, bad = Visit(0.01, (0.002,), 0.012, "", 100.5), Visit(None, (), None, "53300", 100.1)
    merged = merge(
        [Storm("x", "burst", 1, (good,), 1.0, 10, 2, 2, 0.4, 0.1), Storm("x", "burst", 1, (bad,), 2.0, 9, 3, 1, 0.6, 0.3)]
    )
    found = merged.as_dict()
    assert (found["clients"], found["rounds"], found["success_rate"], found["errors"]) == (1, 2, 0.5, {"53300": 1})
    assert (found["drain_s"], found["peak_backends"], found["peak_waiting"], found["cpu_share"]) == (2.0, 10, 3, 0.5)
    assert (found["peak_lookups"], found["clients_cpu_share"]) == (2, 0.2)


def test_a_good_storm_is_silent():
    assert judge([row(), row("direct_tuned", p99=200.0), row("direct_default", p99=1.0)]) == []


def test_direct_connections_that_failed_compare_with_nothing():
    assert judge([row(), row("direct_tuned", p99=50.0, **{"53300": 3})]) == []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([row(**{"53300": 1})], "clients failed"),
        ([row(), row("direct_tuned", p99=199.0)], "more than half of the 199 ms"),
        ([row(p99=None)], "could not verify"),
        ([row("direct_tuned")], "could not verify anything"),
        ([], "could not verify anything"),
    ],
)
def test_a_bad_storm_is_named(rows, problem):
    assert problem in judge(rows)[0]


def test_the_keys_are_those_of_the_verifier():
    """RFC 5802: the server stores H(ClientKey), and both know the ServerKey. Neither is shown by accident."""
    keys = make_keys()
    iterations, salt, stored, server = re.fullmatch(r"SCRAM-SHA-256\$(\d+):(.+)\$(.+):(.+)", keys.verifier).groups()
    assert base64.b64encode(hashlib.sha256(base64.b64decode(keys.client_key)).digest()).decode() == stored
    assert (iterations, len(base64.b64decode(salt)), server) == ("4096", 16, keys.server_key)
    assert keys.client_key not in repr(Ticket(Login(), keys))
    assert make_keys().verifier != keys.verifier


def test_a_libpq_that_takes_no_keys_is_named(monkeypatch):
    monkeypatch.setattr(psycopg.pq, "version", lambda: 170005)
    with pytest.raises(PgkeelError, match="needs libpq 18, and psycopg brings 17"):
        make_keys()
