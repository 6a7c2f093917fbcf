"""The choice: within the budget, never worse than nothing, and the best there is where that can be told."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgkeel.advisor import choice as module
from pgkeel.advisor.advise import clearly_better
from pgkeel.advisor.choice import Costed, Option, Price, choose

NAMES = "abcdefgh"


def costed(query: int, weight: float, base: float, **options: float) -> Costed:
    return Costed(query, weight, base, tuple(Option(frozenset(names), cost) for names, cost in options.items()))


def test_one_index_for_several_statements_beats_one_each() -> None:
    queries = [costed(1, 100, 10, a=1, c=2), costed(2, 100, 10, b=1, c=2)]
    prices = {"a": Price(60), "b": Price(60), "c": Price(100)}
    found = choose(queries, prices, 100)
    assert (found.indexes, found.bytes, found.saved_ms) == (("c",), 100, pytest.approx(160))
    assert found.served == {"c": (2, 1)}


def test_two_that_help_only_together_are_found() -> None:
    found = choose([costed(1, 100, 10, ab=1)], {"a": Price(1), "b": Price(1)}, 10)
    assert found.indexes == ("a", "b")


def test_writing_can_cost_more_than_reading_saves() -> None:
    queries = [costed(1, 100, 10, a=1)]
    assert choose(queries, {"a": Price(1, write_ms=89)}, 10).indexes == ("a",)
    assert choose(queries, {"a": Price(1, write_ms=91)}, 10).indexes == ()


def test_what_earns_too_little_is_left_out() -> None:
    queries = [costed(1, 100, 10, a=1), costed(2, 1, 10, b=1)]
    assert choose(queries, {"a": Price(1), "b": Price(1)}, 10, least_ms=5).indexes == ("a",)


def test_without_a_price_there_is_no_choice() -> None:
    assert choose([costed(1, 100, 10, a=1)], {}, 10).indexes == ()


def test_an_unplannable_statement_saves_nothing() -> None:
    assert choose([Costed(1, 100, 0.0)], {"a": Price(1)}, 10).saved_ms == 0


workloads = st.lists(
    st.builds(
        Costed,
        st.integers(1, 50),
        st.floats(0, 1e4),
        st.floats(1, 1e5),
        st.lists(
            st.builds(Option, st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3), st.floats(0.1, 1e5)), max_size=5
        ).map(tuple),
    ),
    max_size=8,
)
price_lists = st.fixed_dictionaries({name: st.builds(Price, st.integers(1, 100), st.floats(0, 500)) for name in NAMES})


def net(queries, prices, names) -> float:
    return sum(q.weight_ms - q.milliseconds(frozenset(names)) for q in queries) - sum(prices[name].write_ms for name in names)


@settings(max_examples=150, deadline=None)
@given(workloads, price_lists, st.integers(0, 300))
def test_few_candidates_are_chosen_exactly(queries, prices, budget) -> None:
    found = choose(queries, prices, budget)
    assert found.bytes == sum(prices[name].bytes for name in found.indexes) <= budget
    subsets = chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1))
    best = max(net(queries, prices, names) for names in subsets if sum(prices[name].bytes for name in names) <= budget)
    assert net(queries, prices, found.indexes) == pytest.approx(best, abs=1e-6, rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(workloads, price_lists, st.integers(0, 300))
def test_many_candidates_are_chosen_well(queries, prices, budget) -> None:
    exact = net(queries, prices, choose(queries, prices, budget).indexes)
    before, module.EXACT_UP_TO = module.EXACT_UP_TO, 0
    try:
        found = choose(queries, prices, budget)
    finally:
        module.EXACT_UP_TO = before
    mine = net(queries, prices, found.indexes)
    assert found.bytes <= budget
    assert mine >= -1e-6
    assert mine >= 0.5 * exact - 1e-6
    for name in found.indexes:
        assert net(queries, prices, set(found.indexes) - {name}) <= mine + 1e-6


def test_a_rival_set_must_be_clearly_better() -> None:
    assert clearly_better(102.0, 100.0)
    assert not clearly_better(100.5, 100.0)
    assert not clearly_better(-100.5, -100.0)
    assert clearly_better(-90.0, -100.0)
    assert not clearly_better(0.0, 0.0)
