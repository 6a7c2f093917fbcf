"""Plans are told apart by what they do, and settled ones are followed as PostgreSQL follows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pgkeel.advisor.cures import Cured
from pgkeel.advisor.model import Statement
from pgkeel.advisor.plan_changes import Changed, Draw, _compare, _Planned, _Rule, shape_of
from pgkeel.advisor.prepare import Ready
from pgkeel.advisor.usage import Usage

SCAN: dict[str, Any] = {"Node Type": "Seq Scan", "Relation Name": "t"}


def by(index: str, condition: str) -> dict[str, Any]:
    return {"Node Type": "Index Scan", "Relation Name": "t", "Index Name": index, "Index Cond": condition}


def test_values_do_not_make_another_plan_and_another_condition_does() -> None:
    first = shape_of(by("i", "((a = ANY ('{x,y}'::text[])) AND (at >= '2026-01-01 00:00:00'::timestamp without time zone))"))
    assert first == shape_of(by("i", "((a = ANY ($1)) AND (at >= $2))"))
    assert first != shape_of(by("i", "(a = ANY ($1))"))
    assert first != shape_of(SCAN)


@pytest.mark.parametrize(
    ("mode", "general", "custom", "settles"),
    [
        ("auto", 100.0, [90.0, 120.0], True),
        ("auto", 99.0, [90.0, 100.0], True),  # planning for each call has its price: 5 here
        ("auto", 101.0, [90.0, 100.0], False),
        ("force_custom_plan", 1.0, [90.0], False),
        ("force_generic_plan", 100.0, [1.0], True),
    ],
)
def test_when_a_prepared_statement_settles(mode: str, general: float, custom: list[float], settles: bool) -> None:
    assert _Rule(mode, 0.0025).settles(general, custom, 1) is settles


def changed(*, custom: tuple[Any, Any], settled: tuple[Any, Any]) -> list[Draw]:
    now = datetime.now(UTC)
    ready = Ready(
        Statement(1, "q", 1, 1.0, 1, 0, 0, now), Cured("q", 1), Usage(), ("integer",), ("q5",), (), (), guessed=False,
        replayable="", arguments={"q5": "(5)"}, replay=("q5",),
    )  # fmt: skip
    one = Changed(ready)
    _compare(one, _Planned({"q5": custom[0]}, settled[0]), _Planned({"q5": custom[1]}, settled[1]), frozenset({"i", "j"}))
    return one.draws


EXECUTE = "EXECUTE pgkeel_settled(5)"


def test_the_same_plan_is_not_run() -> None:
    assert changed(custom=(SCAN, SCAN), settled=(None, None)) == []
    assert changed(custom=(SCAN, SCAN), settled=(SCAN, SCAN)) == []


def test_a_client_that_settles_with_the_indexes_only_is_compared_with_itself() -> None:
    draws = changed(custom=(SCAN, SCAN), settled=(None, by("i", "(a = $1)")))
    assert draws == [Draw("q5", EXECUTE, frozenset({"i"}))]


def test_a_client_that_stops_settling_is_compared_with_itself() -> None:
    draws = changed(custom=(by("j", "(a = 5)"), by("i", "(b = 5)")), settled=(SCAN, None))
    assert draws == [Draw("q5", "q5", frozenset({"i"})), Draw(EXECUTE, "q5", frozenset({"i"}))]


def test_what_both_kinds_of_client_get_is_run_once() -> None:
    draws = changed(custom=(SCAN, by("i", "(a = 5)")), settled=(SCAN, by("i", "(a = $1)")))
    assert draws == [Draw("q5", "q5", frozenset({"i"}))]
