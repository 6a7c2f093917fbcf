"""What a run says of itself, and what of it is shown."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
from pgkeel.backup import progress as module
from pgkeel.backup.progress import Amount, Progress, reported

ROOT = Path(__file__).resolve().parents[3]


def test_a_line_tells_phase_share_and_amount() -> None:
    progress = Progress(phase="restore", measure=lambda phase: Amount(450_000_000, 1_000_000_000) if phase == "restore" else None)
    assert progress.line() == "restore, 45 %, 450 MB of 1.00 GB, 0 s"
    progress.phase = "verify"
    assert progress.line() == "verify, 0 s"
    progress.measure = lambda _: Amount(5_000_000, note="part 2")
    assert progress.line() == "verify, 5.00 MB, part 2, 0 s"
    progress.measure = lambda _: Amount(5_000_000, note="part 2", percent=41)
    assert progress.line() == "verify, 41 %, 5.00 MB, part 2, 0 s"


def test_more_than_expected_is_not_more_than_everything() -> None:
    assert Progress(phase="restore", measure=lambda _: Amount(120, 100)).line().startswith("restore, 100 %")


def test_a_measure_that_fails_disturbs_nothing() -> None:
    def broken(_phase: str) -> Amount:
        raise OSError("gone")

    assert Progress(phase="fetch", measure=broken).line() == "fetch, 0 s"


def test_the_file_follows_the_phase_and_its_loss_disturbs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.02)
    file = tmp_path / "progress"
    with reported(Progress(file)) as progress:
        for phase in ("fetch", "verify"):
            progress.phase = phase
            deadline = time.monotonic() + 60
            while not file.exists() or not file.read_text().startswith(phase):
                assert time.monotonic() < deadline
                time.sleep(0.01)
    with reported(Progress(tmp_path / "not there" / "progress")) as progress:
        time.sleep(0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["progress"]


def test_only_one_printable_line_of_a_server_is_shown() -> None:
    spec = importlib.util.spec_from_file_location("pg_backup_action", ROOT / "plugins" / "action" / "pg_backup.py")
    assert spec is not None
    assert spec.loader is not None
    action = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(action)
    assert action.shown("dump, 5 s\nmore\n") == "dump, 5 s"
    assert action.shown("\x1b[31mred\x07") == "?[31mred?"
    assert action.shown("x" * 999) == "x" * 160
    assert action.shown("") == ""
