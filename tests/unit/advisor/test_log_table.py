"""The application's own table: numbers that it can hold."""

from __future__ import annotations

from typing import Any

import pytest
from pgkeel.advisor.log_table import Column, LogTable, greatest, misfit
from pgkeel.advisor.optimization_log import OptimizationLog

COLUMNS = {
    "id": Column("id", "uuid", True, True),
    "querytext": Column("queryText", "text", True, False),
    "recommendation": Column("recommendation", "text", True, False),
    "performancegain": Column("performanceGain", "numeric", False, False, most=999.99),
    "confidence": Column("confidence", "numeric", True, False, most=999.99),
    "source": Column("source", "character varying", True, False, length=5),
    "createdat": Column("createdAt", "timestamp with time zone", True, True),
    "appliedat": Column("appliedAt", "timestamp with time zone", False, False),
}


@pytest.mark.parametrize(
    ("digits", "places", "most"), [(5, 2, 999.99), (3, 2, 9.99), (10, 0, 9_999_999_999.0), (2, -3, 99_000.0), (2, 4, 0.0099)]
)
def test_the_largest_number_of_a_column(digits: int, places: int, most: float) -> None:
    assert greatest((digits << 16) | (places & 0x7FF)) == pytest.approx(most)


def test_a_column_without_room_for_a_confidence_is_named() -> None:
    assert misfit(COLUMNS) == ""
    assert greatest(None) is None
    narrow = {**COLUMNS, "confidence": Column("confidence", "numeric", True, False, most=9.99)}
    assert misfit(narrow) == "its column confidence holds 9.99 at most, where confidence goes to 100"


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("performancegain", -2900.0, -999.99),
        ("performancegain", 93.5, 93.5),
        ("performancegain", None, None),
        ("source", "heuristic", "heuri"),
    ],
)
def test_what_does_not_fit_is_cut_and_loses_no_row(column: str, value: Any, kept: Any) -> None:
    log = object.__new__(OptimizationLog)
    log.table = LogTable("public", "OptimizationLog", COLUMNS)
    assert log._fitting(column, value) == kept
