"""amcheck is asked where it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from pgkeel.backup import structure
from pgkeel.backup.check import Verdict
from pgkeel.postgres.connect import Login
from pgkeel.postgres.throwaway_database import ThrowawayDatabase


class Session:
    """Answers as a copy does that has the extension in a schema, and says what it was asked."""

    def __init__(self, schema: str | None) -> None:
        self.schema = schema
        self.asked: list[str] = []
        self.rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        pass

    def execute(self, query: Any, parameters: list[Any] | None = None) -> Session:
        if parameters is not None:
            self.asked.append(query.as_string(None))
        elif query == structure.COMPUTED:
            self.rows = [(17, "by_name")]
        else:
            self.rows = [] if self.schema is None else [(self.schema,)]
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None


class Copy:
    def login(self, database: str) -> str:
        return database


@pytest.mark.parametrize(
    ("schema", "verdict", "function"),
    [
        ("pg_catalog", Verdict.PASS, ['"pg_catalog"."bt_index_check"']),
        ("My tools", Verdict.PASS, ['"My tools"."bt_index_check"']),
        (None, Verdict.COULD_NOT_VERIFY, []),
    ],
)
def test_the_schema_is_the_extension_s(
    monkeypatch: pytest.MonkeyPatch, schema: str | None, verdict: Verdict, function: list[str]
) -> None:
    session = Session(schema)
    monkeypatch.setattr(structure, "connect", lambda _: session)
    copy: ThrowawayDatabase = Copy()  # type: ignore[assignment]
    assert structure._check_computed(copy, "edtech").verdict is verdict
    assert [asked.removeprefix("SELECT ").partition("(")[0] for asked in session.asked] == function


def test_a_name_with_an_equals_sign_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare, libpq takes it for a connection string, and the check would read another server."""
    commands: list[list[str]] = []

    class Elsewhere:
        def login(self, database: str) -> Login:
            return Login(host="/run/copy", database=database)

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "not run")

    monkeypatch.setattr(structure.subprocess, "run", run)
    copy: ThrowawayDatabase = Elsewhere()  # type: ignore[assignment]
    assert structure.check_structure(Path("/bin"), copy, "host=db a", 2).verdict is Verdict.COULD_NOT_VERIFY
    assert commands[0][-1] == "dbname='host=db a'"
