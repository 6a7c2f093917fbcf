"""What the database refuses is told in a sentence, not in a traceback."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgkeel.advisor import optimization_log, optimize
from pgkeel.advisor.log_table import LogTable
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.errors import PgkeelError
from pgkeel.postgres.connect import Login


class Session:
    """A connection that may not do anything."""

    def execute(self, *_: Any) -> Any:
        raise psycopg.errors.InsufficientPrivilege("permission denied for view x")


@pytest.mark.parametrize("run", [optimize.run_optimize, optimize.check_optimize])
def test_production_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    monkeypatch.setattr(optimize, "connect", lambda *_, **__: nullcontext(Session()))
    nothing: Any = None
    drill = DrillRequest(shelf=nothing, base_dir=Path("/nowhere"), bin_dir=Path("/nowhere"))
    request = optimize.OptimizeRequest(login=Login(database="app", user="reader"), drill=drill)
    with pytest.raises(PgkeelError, match=r"Reading database 'app' as 'reader' .* broke off: permission denied for view x"):
        run(nothing, request)


def test_a_log_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = Session()
    for call in (lambda: optimization_log.keep_rows(session, [], None), lambda: optimization_log.would_keep(session, [])):
        with pytest.raises(PgkeelError, match="The optimization log could not be read or written"):
            call()
    row = dict.fromkeys(optimization_log._NEEDED, "")
    monkeypatch.setattr(optimization_log, "find_log_table", lambda _: LogTable("public", "OptimizationLog", {}))
    monkeypatch.setattr(optimization_log, "ensure_store", lambda _: 0)
    monkeypatch.setattr(optimization_log, "installed_version", lambda _: optimization_log.WITH_LOG)
    session.transaction = nullcontext
    for call in (lambda: optimization_log.keep_rows(session, [row], None), lambda: optimization_log.would_keep(session, [row])):
        with pytest.raises(PgkeelError, match=r'The table "public"\."OptimizationLog" could not be read or written'):
            call()
