"""Where a sequence stands, also one that gave no value yet."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pgkeel.backup.compare import compare_sequences
from pgkeel.backup.contents import Sequence, read_sequences
from unit.backup.test_backup_manifest import CONTENTS


class Session:
    """Answers as the server does: the list of sequences, then the one asked for."""

    def __init__(self, increment: int, own: tuple[int, bool]) -> None:
        self.increment, self.own = increment, own
        self.asked: list[str] = []

    def execute(self, query: Any) -> Session:
        self.asked.append(query if isinstance(query, str) else query.as_string(None))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [
            ("public", "s", None, self.increment, False, True),
            ("public", "used", 7, 1, False, True),
            ("public", "unlogged", None, 1, False, False),
        ]

    def fetchone(self) -> tuple[int, bool]:
        return self.own


@pytest.mark.parametrize(
    ("increment", "own", "reached"), [(1, (1, False), 0), (1, (1000, False), 999), (-3, (-1, False), 2), (1, (1000, True), 1000)]
)
def test_one_that_was_never_used_stands_before_its_first(increment: int, own: tuple[int, bool], reached: int) -> None:
    session = Session(increment, own)
    found = tuple(read_sequences(session))  # type: ignore[arg-type]
    assert [sequence.last_value for sequence in found] == [reached, 7, None]
    assert session.asked[1:] == ['SELECT last_value, is_called FROM "public"."s"']


@pytest.mark.parametrize(("expected", "copy", "fails"), [(999, 0, True), (999, 999, False), (999, 1003, False), (None, 0, False)])
def test_a_restart_that_was_lost_is_found(expected: int | None, copy: int, fails: bool) -> None:
    """None is what manifests said of one never used before this was read."""

    def holding(value: int | None) -> Any:
        return dataclasses.replace(CONTENTS, sequences=(Sequence("public", "s", value, 1, False),))

    assert (compare_sequences(holding(expected), holding(copy)).verdict.value == "FAIL") is fails
