"""A drill always ends with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pgkeel.backup import drill
from pgkeel.backup.check import Verdict
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.keys import Shelf


def test_what_nobody_thought_of_is_not_a_verdict_on_the_backup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        b"CREATE ROLE caf\xe9".decode()

    monkeypatch.setattr(drill, "_drill", broken)
    monkeypatch.setattr(drill, "remember", lambda *_: [])
    result = drill.run_drill(None, DrillRequest(Shelf("pgkeel", "db1", "edtech"), tmp_path, tmp_path))  # type: ignore[arg-type]
    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert "UnicodeDecodeError in broken, line" in result.reason
    assert "caf" not in str(result.as_dict())
