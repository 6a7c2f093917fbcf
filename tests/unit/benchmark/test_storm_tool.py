"""`make storm` itself: an old result is none of this run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

import storm

TIMES = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
ROW = {
    "path": "pgbouncer",
    "arrival": "at once",
    "success_rate": 1.0,
    **dict.fromkeys(("connect_ms", "login_ms", "transaction_ms"), TIMES),
    **dict.fromkeys(("drain_s", "peak_backends", "peak_waiting", "cpu_share", "clients_cpu_share"), 1),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders of our own, with no lab."""
    (tmp_path / "build" / "reports" / storm.SERVER).mkdir(parents=True)
    (tmp_path / "build" / "bench").mkdir()
    monkeypatch.setattr(storm, "ROOT", tmp_path)
    monkeypatch.setattr(storm, "lab", lambda *_: None)
    monkeypatch.setattr(storm, "release", lambda *_: None)
    return tmp_path


def playing(monkeypatch, statuses, *, writes=()):
    def play(playbook, *_):
        for path in writes if "benchmark" in playbook else ():
            path.write_text(json.dumps({"storms": [ROW]}))
        return statuses["benchmark" if "benchmark" in playbook else "site"]

    monkeypatch.setattr(storm, "play", play)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("statuses", [{"site": 0, "benchmark": 2}, {"site": 0, "benchmark": 0}, {"site": 2}])
def test_a_run_without_a_result_says_so_and_leaves_no_old_one(place, monkeypatch, capsys, old, statuses):
    result, out = place / "build/reports" / storm.SERVER / "storm.json", place / "build/bench/storm.json"
    if old:
        result.write_text(json.dumps({"storms": [ROW]}))
        out.write_text(json.dumps([ROW]))
    playing(monkeypatch, statuses)
    assert storm.main() > 0
    assert not out.exists()
    assert not result.exists()
    assert ("ended before it had a result" in capsys.readouterr().err) is (statuses["site"] == 0)


@pytest.mark.parametrize("status", [2, 0])
def test_a_result_is_kept_and_shown_also_where_the_storm_found_a_problem(place, monkeypatch, capsys, status):
    result = place / "build/reports" / storm.SERVER / "storm.json"
    playing(monkeypatch, {"site": 0, "benchmark": status}, writes=[result])
    assert storm.main() == status
    assert json.loads((place / "build/bench/storm.json").read_text()) == [ROW]
    assert "at once" in capsys.readouterr().out
