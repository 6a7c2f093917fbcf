"""Statements that are not judged: the reason says what is the matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pgkeel.advisor.facts import Catalog
from pgkeel.advisor.model import Statement
from pgkeel.advisor.prepare import AMBIGUOUS, INSERTS, prepare
from unit.advisor.shop import CATALOG


class Nobody:
    """A session that is never asked about a statement."""

    def execute(self, _query: str) -> Nobody:
        return self

    def fetchall(self) -> list[tuple[int, str]]:
        return []


def reasons(text: str, catalog: Catalog = CATALOG) -> list[str]:
    statement = Statement(1, text, 5, 10.0, 5, 0, 0, datetime(2026, 1, 1, tzinfo=UTC))
    return [one.reason for one in prepare(Nobody(), [statement], catalog).skipped]


def test_a_name_in_several_schemas_is_said_to_be_that() -> None:
    twice = replace(CATALOG, tables={**CATALOG.tables, ("other", "item"): CATALOG.tables["stock", "item"]})
    assert reasons("SELECT id FROM item WHERE shelf = $1", twice) == [AMBIGUOUS]
    assert reasons("SELECT id FROM nowhere WHERE shelf = $1") == ["about a table that is not on the copy"]


def test_an_insert_is_no_statement_about_nothing() -> None:
    assert reasons("INSERT INTO lines (item) VALUES ($1)") == [INSERTS]
    assert reasons("SELECT $1 + $2") == ["about no table of the application"]
