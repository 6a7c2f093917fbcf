"""Part sizes keep to the store's rules at any length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.objectstore.parts import (
    LARGEST_PART,
    MEMORY_BUDGET,
    MIB,
    MOST_PARTS,
    SMALLEST_PART,
    USUAL_PART,
    plan_parts,
)

TIB = 1024 * 1024 * MIB


@given(st.integers(0, 5 * TIB), st.integers(1, 8))
def test_every_plan_keeps_the_rules_and_carries_the_estimate(estimate: int, in_flight: int) -> None:
    plan = plan_parts(estimate, in_flight)
    assert SMALLEST_PART <= plan.part_bytes <= LARGEST_PART
    assert plan.part_bytes % MIB == 0
    assert -(-estimate // plan.part_bytes) <= MOST_PARTS
    assert 1 <= plan.in_flight <= in_flight


@given(st.integers(0, 600 * 1024 * MIB), st.integers(1, 8))
def test_memory_stays_within_the_budget(estimate: int, in_flight: int) -> None:
    assert plan_parts(estimate, in_flight).memory <= MEMORY_BUDGET


def test_a_small_database_gets_usual_parts_and_a_large_one_fewer_in_flight() -> None:
    assert plan_parts(0).part_bytes == USUAL_PART
    assert plan_parts(0).in_flight == 3
    large = plan_parts(600 * 1024 * MIB)
    assert (large.part_bytes, large.in_flight) == (77 * MIB, 1)


@pytest.mark.parametrize(("estimate", "in_flight"), [(-1, 1), (0, 0)])
def test_nonsense_is_refused(estimate: int, in_flight: int) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        plan_parts(estimate, in_flight)
