"""What comes over a connection is text, whatever the database's encoding is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from pgkeel.postgres.connect import Login, connect


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize(("encoding", "said"), [("SQL_ASCII", ["SET client_encoding TO 'LATIN1'"]), ("UTF8", []), ("LATIN1", [])])
def test_text_is_decoded(monkeypatch: pytest.MonkeyPatch, encoding: str, said: list[str], autocommit: bool) -> None:
    """Of a database that takes any bytes psycopg would give bytes, and the server would refuse to send them as UTF-8."""
    asked: dict[str, Any] = {}
    executed: list[str] = []

    def opened(**parameters: Any) -> SimpleNamespace:
        asked.update(parameters)
        status = {"server_encoding": encoding}
        return SimpleNamespace(info=SimpleNamespace(parameter_status=status.get), execute=executed.append, autocommit=True)

    monkeypatch.setattr(psycopg, "connect", opened)
    assert connect(Login(), autocommit=autocommit).autocommit is autocommit
    # What is said here begins no transaction.
    assert (asked["client_encoding"], asked["autocommit"]) == ("UTF8", True)
    assert executed == said
