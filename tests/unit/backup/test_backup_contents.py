"""What is read of a database, and in what order."""

from __future__ import annotations

from typing import Any

import pytest
from pgkeel.backup import contents
from pgkeel.backup.contents import TableContent, read_collations, read_contents


class Session:
    """Knows of nothing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, query: Any) -> Session:
        self.asked.append(query)
        return self

    def __iter__(self) -> Any:
        return iter(())

    def fetchall(self) -> list[tuple[Any, ...]]:
        return []


def test_definitions_are_read_before_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL tells them as they are now, in spite of the snapshot: hours after pg_dump they could be others."""
    order: list[str] = []
    monkeypatch.setattr(contents, "read_catalog", lambda _: order.append("definitions") or {})
    monkeypatch.setattr(contents, "list_tables", lambda _: [("public", "t")])
    monkeypatch.setattr(contents, "read_table", lambda *_, **__: order.append("rows") or TableContent("public", "t", 1, "7"))
    monkeypatch.setattr(contents, "hash_large_objects", lambda _: (0, "0"))
    assert read_contents(Session(), ()).rows == 1  # type: ignore[arg-type]
    assert order == ["definitions", "rows"]


@pytest.mark.parametrize("left_out", ["NOT a.attisdropped", "c.relpersistence <> 't'"])
def test_collations_that_no_restore_has_are_not_asked_for(left_out: str) -> None:
    """Of a dropped column PostgreSQL keeps the collation: the copy has no such column, and the drill could not verify it."""
    session = Session()
    assert read_collations(session) == {}  # type: ignore[arg-type]
    assert left_out in session.asked[0]
