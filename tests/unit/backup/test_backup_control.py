"""The negative control notices damage, and notices a drill that would not."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from pgkeel.backup import control
from pgkeel.backup.contents import TableContent
from pgkeel.backup.control import refusals
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.drill_result import DrillResult, check_budgets
from pgkeel.backup.encryption import encrypt, make_identity, recipient_of
from pgkeel.backup.keys import Shelf
from pgkeel.backup.manifest import KIND
from pgkeel.backup.signature import public_key_of, sign

KEY = base64.b64encode(bytes(range(32))).decode()
IDENTITY = make_identity()
MANIFEST = sign(b'{"format": 2}', KIND, KEY)
SEALED = encrypt(b"CREATE ROLE app;", [recipient_of(IDENTITY)])


def detected() -> list[bool]:
    return [entry["detected"] for entry in refusals(MANIFEST, SEALED, IDENTITY, (public_key_of(KEY),))]


def test_every_damage_is_found() -> None:
    assert detected() == [True, True, True]


def test_a_drill_that_believes_any_manifest_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "verify", lambda *_: b"")
    assert detected() == [False, True, True]


def test_a_drill_that_decrypts_anything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "decrypt", lambda *_: b"")
    assert detected() == [True, False, False]


@pytest.mark.parametrize(
    ("rto", "rpo", "verdicts"),
    [(0, 0, []), (60, 0, ["PASS"]), (59, 0, ["FAIL"]), (60, 3600, ["PASS", "PASS"]), (0, 3599, ["FAIL"])],
)
def test_budgets(tmp_path, rto: float, rpo: float, verdicts: list[str]) -> None:
    request = DrillRequest(
        shelf=Shelf("p", "s", "d"), base_dir=tmp_path, bin_dir=tmp_path, rto_budget_seconds=rto, rpo_budget_seconds=rpo
    )
    result = DrillResult(rto_seconds=60.0, rpo_seconds=3600.0)
    assert [check.verdict.value for check in check_budgets(result, request)] == verdicts


LOG = TableContent("public", "log", 3, "7")


class Session:
    """A copy whose table has one row less after a DELETE, unless that is refused or finds none."""

    def __init__(self, deleted: int = 1, refusal: psycopg.Error | None = None) -> None:
        self.rowcount, self.refusal = deleted, refusal
        self.asked: list[str] = []

    @contextmanager
    def transaction(self, *, force_rollback: bool) -> Iterator[None]:
        assert force_rollback
        yield

    def execute(self, query: Any) -> Session:
        self.asked.append(query if isinstance(query, str) else query.as_string(None))
        if self.refusal is not None and "DELETE" in self.asked[-1]:
            raise self.refusal
        return self


@pytest.fixture
def less(monkeypatch: pytest.MonkeyPatch) -> TableContent:
    monkeypatch.setattr(control, "row_hash", lambda *_: psycopg.sql.SQL('"the row".*'))
    monkeypatch.setattr(control, "read_table", lambda *_: TableContent("public", "log", 2, "5"))
    return TableContent("public", "log", 2, "5")


def test_a_row_whose_hash_is_nothing_is_not_the_one_deleted(less: TableContent) -> None:
    """Of a row without columns, or of nulls alone, it is 0: without it the sum stays what it was, and that is no one's fault."""
    session = Session()
    assert control._without_a_row(session, LOG) == less  # type: ignore[arg-type]
    assert 'pg_catalog.hash_record_extended("the row".*, 0) <> 0' in session.asked[-1]
    assert control._without_a_row(Session(deleted=0), LOG) is None  # type: ignore[arg-type]


@pytest.mark.usefixtures("less")
@pytest.mark.parametrize(
    "refusal",
    [
        psycopg.errors.RaiseException("the log is for ever"),
        psycopg.errors.UndefinedTable("what an ALWAYS trigger writes to is not in the search_path"),
        psycopg.errors.ObjectNotInPrerequisiteState("no replica identity"),
        psycopg.errors.InvalidColumnReference("row filter"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_table_of_which_nothing_can_be_deleted_is_passed_over(refusal: psycopg.Error) -> None:
    assert control._without_a_row(Session(refusal=refusal), LOG) is None  # type: ignore[arg-type]


@pytest.mark.usefixtures("less")
@pytest.mark.parametrize("trouble", [psycopg.errors.DiskFull("full"), psycopg.InterfaceError("the connection is closed")])
def test_trouble_of_the_server_is_told(trouble: psycopg.Error) -> None:
    with pytest.raises(type(trouble)):
        control._without_a_row(Session(refusal=trouble), LOG)  # type: ignore[arg-type]
