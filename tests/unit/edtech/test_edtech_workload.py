"""The workload's arithmetic; the queries themselves run in tests/integration."""

from __future__ import annotations

import threading
import time
from datetime import date
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.edtech import workload
from pgkeel.edtech.load import Loaded, require_same
from pgkeel.edtech.operations import OPERATIONS, new_id
from pgkeel.edtech.sizes import SIZES
from pgkeel.edtech.workload import Outcome, Workload, percentile
from pgkeel.errors import PgkeelError


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values, ratio):
    found = percentile(values, ratio)
    assert found in values
    assert sum(1 for value in values if value <= found) >= ratio * len(values) - 1e-6
    assert sum(1 for value in values if value < found) < ratio * len(values)


def test_percentiles_of_a_hundred_values_and_of_none():
    assert (percentile(range(1, 101), 0.5), percentile(range(1, 101), 0.95)) == (50, 95)
    assert percentile([], 0.5) == 0


def test_failed_operations_are_counted_and_their_times_left_out():
    done = Workload(2.0, (Outcome("feed", 0.010), Outcome("feed", 9.0, "57014: canceled"), Outcome("log_in", 0.002)), False)
    assert done.errors == 1
    assert done.by_kind() == {
        "feed": {"count": 2, "errors": 1, "p50_ms": 10.0, "p95_ms": 10.0, "first_error": "57014: canceled"},
        "log_in": {"count": 1, "errors": 0, "p50_ms": 2.0, "p95_ms": 2.0, "first_error": ""},
    }


def test_every_kind_of_operation_comes_up_in_two_thousand():
    weights = [weight for _, weight in OPERATIONS]
    assert sum(weights) == 1000
    chosen = set(Random("1:0").choices([operation.__name__ for operation, _ in OPERATIONS], weights, k=2000))
    assert len(chosen) == len(OPERATIONS)


def test_the_application_never_makes_an_identifier_twice():
    assert len({new_id() for _ in range(2000)}) == 2000


PRESENT = Loaded("tiny", 1, date(2026, 3, 2), {"User": 50, "Course": 50}, 2.0)


def test_a_load_is_the_same_with_or_without_its_date_named():
    require_same(PRESENT, SIZES["tiny"], 1, None)
    require_same(PRESENT, SIZES["tiny"], 1, date(2026, 3, 2))
    assert PRESENT.rows_per_second == 50


@pytest.mark.parametrize(("size", "seed", "reference"), [("demo", 1, None), ("tiny", 2, None), ("tiny", 1, date(2026, 3, 3))])
def test_another_load_is_refused(size, seed, reference):
    with pytest.raises(PgkeelError, match=r"size tiny, seed 1, date 2026-03-02; asked for was .*drop the database"):
        require_same(PRESENT, SIZES[size], seed, reference)


def test_an_operation_is_timed_from_when_it_was_due(monkeypatch):
    def slow(_session):
        time.sleep(0.05)

    monkeypatch.setattr(workload, "OPERATIONS", [(slow, 1)])
    session = SimpleNamespace(random=Random(1), connection=None)
    began = time.monotonic()
    due = [began + 0.1, began + 0.11, began + 0.12, began + 99]
    done = workload._operate(session, due, began + 2, threading.Event())
    first, second, third = (outcome.seconds for outcome in done)
    # The second waited for the first, and the third for both; the fourth was due after the end.
    assert first >= 0.05
    assert second >= first + 0.035
    assert third >= second + 0.035
    assert 2 <= time.monotonic() - began < 20
