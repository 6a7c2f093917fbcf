"""What is hashed of a row, by what its table is."""

from __future__ import annotations

from typing import Any

import pytest
from pgkeel.backup.content_hash import OUTPUT, row_hash


class Session:
    """Answers with the columns of one table: name, portable, exact, whether the table inherits."""

    def __init__(self, columns: list[tuple[str, bool, bool, bool]]) -> None:
        self.columns = columns
        self.query = ""

    def execute(self, query: str, _parameters: dict[str, Any]) -> Session:
        self.query = query
        return self

    def fetchall(self) -> list[tuple[str, bool, bool, bool]]:
        return self.columns


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([("a", True, True, False), ("b", True, True, False)], '"the row".*'),
        ([], '"the row".*'),
        ([("a", True, True, False), ("m", False, True, False)], 'ROW("the row"."a", "the row"."m"::pg_catalog.text)'),
        ([("w", True, False, False)], 'ROW("the row"."w"::pg_catalog.text COLLATE pg_catalog."C")'),
        ([("a", True, True, True), ("b", True, True, True)], 'ROW("the row"."a", "the row"."b")'),
    ],
    ids=["as it is", "without columns", "an enum", "a blind collation", "a table that inherits"],
)
def test_the_row(columns: list[tuple[str, bool, bool, bool]], expected: str) -> None:
    assert row_hash(Session(columns), "public", "t").as_string(None) == expected  # type: ignore[arg-type]


def test_columns_of_a_table_that_inherits_come_by_name() -> None:
    """A restore puts those of the parents first: ALTER TABLE parent ADD COLUMN had put them last."""
    session = Session([])
    row_hash(session, "public", "t")  # type: ignore[arg-type]
    assert "ORDER BY CASE WHEN c.inherits THEN a.attname END, a.attnum" in session.query


@pytest.mark.parametrize(
    ("setting", "value"), [("standard_conforming_strings", "on"), ("quote_all_identifiers", "off"), ("search_path", "")]
)
def test_definitions_are_written_in_one_way(setting: str, value: str) -> None:
    """ALTER DATABASE SET holds in production and not in the copy; backslashes and quotes would differ."""
    assert OUTPUT[setting] == value
