"""`make bench` itself: it stops by itself, ends what it started, and keeps what it has."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

import bench
from pgkeel.benchmark import timing
from pgkeel.benchmark.cases import GROUPS
from pgkeel.benchmark.results import missed


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folders of our own, and an ansible-playbook that notes its process and sleeps."""
    program = tmp_path / "bin" / "ansible-playbook"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 300\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "OUT", tmp_path / "out")
    monkeypatch.setattr(bench, "PARTS", tmp_path / "out" / "parts")
    monkeypatch.setattr(bench, "COSTS", tmp_path / "out" / "costs.json")
    return tmp_path


def gone(place):
    """Whether the process that ansible-playbook was has ended."""
    return not Path("/proc", (place / "pid").read_text().strip()).exists()


def test_it_stops_when_the_time_is_up(place):
    run = bench.Run(minutes=5 / 60)
    began = time.monotonic()
    with pytest.raises(bench.StoppedError, match="the time was up in site"):
        run.play("site", "site.yml", {})
    assert time.monotonic() - began < 60
    assert gone(place)
    with pytest.raises(bench.StoppedError, match="the time was up"):
        run.play("next", "next.yml", {})


def test_an_interruption_ends_the_playbook(place):
    def interrupt():
        while not (place / "pid").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(bench.StoppedError, match="the run was interrupted in load"):
        bench.Run(minutes=1).play("load", "edtech.yml", {})
    assert gone(place)


def test_a_playbook_that_must_not_fail_says_why_it_did(place, capsys):
    (place / "bin" / "ansible-playbook").write_text("#!/bin/sh\necho ok\necho 'fatal: [bench]: no room'\nexit 2\n")
    run = bench.Run(minutes=1)
    assert run.play("storm", "benchmark.yml", {}, must=False) is False
    with pytest.raises(bench.StoppedError, match=r"load failed: all of it is in out/log/load\.log"):
        run.play("load", "edtech.yml", {})
    assert "no room" in capsys.readouterr().err


def save(place, group, database):
    rows = [
        {
            "metric": case.metric,
            "client": case.client,
            "before_ms": {"median": 10.0, "p95": 10.0},
            "after_ms": {"median": 0.1, "p95": 0.2},
            "ratio": 100.0,
            "rows": 1,
            "target": case.target,
            "met": True,
            "plan_before": None,
            "plan_after": None,
            "ratio_p95": 50.0,
            "before_spread": None,
            "after_spread": None,
            "difference": "",
            "reason": "",
            "note": "",
        }
        for case in group.cases
    ]
    folder = place / "out" / "parts" / bench.SERVER
    folder.mkdir(parents=True, exist_ok=True)
    data = {"size": "small", "logs": 100_000, "users": 1000, "reference": "2026-03-02"}
    raw = [{"metric": row["metric"], "client": row["client"], "before_ms": [10.0], "after_ms": [0.1]} for row in rows]
    part = {"rows": rows, "raw": raw, "indexes": [], "data": data}
    (folder / f"bench-{database}-{group.name}.json").write_text(json.dumps(part))


def test_what_was_measured_is_kept_and_the_rest_says_why_not(place, capsys):
    save(place, GROUPS[0], "bench_small")
    status = bench.conclude(bench.Run(minutes=1), ["small"], "the run was interrupted in measure_small", datetime.now(UTC))
    assert status == 1
    rows = json.loads((place / "out" / "results.json").read_text())
    measured = [row for row in rows if not row["reason"]]
    assert len(measured) == len(GROUPS[0].cases)
    assert all("the run was interrupted in measure_small" in row["reason"] for row in rows if row["reason"])
    assert (place / "out" / "raw" / "small" / "recent-logs-drizzle.json").exists()
    page = (place / "out" / "benchmarks.html").read_text()
    assert "the run was interrupted in measure_small" in page
    said = capsys.readouterr()
    assert "what was measured so far is kept" in said.err
    assert "NOT MEASURED" in said.out


def test_stopped_before_anything_was_measured_it_says_so(place, capsys):
    assert bench.conclude(bench.Run(minutes=1), ["small"], "site failed: all of it is in a log", datetime.now(UTC)) == 1
    rows = json.loads((place / "out" / "results.json").read_text())
    assert all("site failed" in row["reason"] for row in rows)
    assert "1,000 users" in (place / "out" / "benchmarks.html").read_text()
    assert "what was measured so far is kept" in capsys.readouterr().err


def test_a_part_that_was_rescued_is_kept_with_its_samples(place, monkeypatch):
    row = {**timing.row({"metric": "recent_logs", "client": "Drizzle", "target": 10}, [9.0], [0.5], 3, {}), "note": ""}
    line = {"database": "bench_small", "row": row, "raw": {"metric": "recent_logs", "client": "Drizzle", "before_ms": [9.0]}}
    strange = {**line, "database": "bench_other", "row": {**row, "rows": 99}}
    lines = [json.dumps(line), json.dumps(strange), json.dumps(line)[:50]]
    monkeypatch.setattr(bench, "ssh", lambda command: "\n".join(lines) if command.startswith("cat ") else "0")
    bench.rescue("bench_small")
    assert bench.conclude(bench.Run(minutes=1), ["small"], "the time was up", datetime.now(UTC)) == 1
    measured = [one for one in json.loads((place / "out" / "results.json").read_text()) if not one["reason"]]
    assert measured == [row]
    assert json.loads((place / "out" / "raw" / "small" / "recent-logs-drizzle.json").read_text())["before_ms"] == [9.0]


def test_a_storm_in_which_nobody_logged_in_has_no_times(place):
    nobody = {"p50": None, "p95": None}
    storms = [
        {"path": path, "arrival": "burst", "errors": {"08006": 200}, "login_ms": nobody, "clients": 200}
        for path in ("pgbouncer", "direct_tuned")
    ]
    (place / "storm.json").write_text(json.dumps({"storms": storms, "problems": []}))
    row = bench.storm_row(place, "")
    assert (row["before_ms"], row["after_ms"], row["ratio"], row["met"]) == (None, None, None, False)


def test_a_whole_run_is_a_success(place):
    for group in GROUPS:
        save(place, group, "bench_small")
    folder = place / "out" / "parts" / bench.SERVER
    login = {"p50": 10.0, "p95": 20.0}
    storms = [
        {"path": path, "arrival": "burst", "errors": {}, "login_ms": login, "clients": 200}
        for path in ("pgbouncer", "direct_tuned")
    ]
    (folder / "storm.json").write_text(json.dumps({"storms": storms, "problems": []}))
    (folder / "schema_audit.json").write_text('{"verdict": "drift"}')
    run = bench.Run(minutes=1)
    run.seconds["schema_audit"] = 12.0
    assert bench.conclude(run, ["small"], "", datetime.now(UTC)) == 0
    rows = {row["metric"]: row for row in json.loads((place / "out" / "results.json").read_text())}
    assert rows["login_storm"]["met"] is True
    # Stopped while only the growth was left: each row is there, and yet it is no success.
    assert bench.conclude(run, ["small"], "the time was up in load_million", datetime.now(UTC)) == 1
    assert (rows["schema_check"]["met"], rows["schema_check"]["after_ms"]["median"]) == (True, 12000.0)
    storms[0]["errors"] = {"53300": 1}
    (folder / "storm.json").write_text(json.dumps({"storms": storms, "problems": []}))
    assert bench.storm_row(folder, "")["met"] is False
    (folder / "storm.json").write_text(json.dumps({"storms": storms, "problems": ["poisson: p99 is too long"]}))
    storm = bench.storm_row(folder, "")
    assert storm["met"] is False
    assert storm["note"].endswith("Poisson: p99 is too long.")
    assert missed([storm]) == [f"login_storm, 200 clients: {storm['note']}"]
    run.seconds["schema_audit"] = 61.0
    assert bench.schema_row(run, "")["met"] is False


def test_a_wrong_size_among_several_is_named(monkeypatch):
    monkeypatch.setenv("BENCH_SIZES", "small,enormous")
    with pytest.raises(SystemExit, match="BENCH_SIZES: There is no size 'enormous'"):
        bench.main()


def test_a_wrong_size_is_named(monkeypatch):
    monkeypatch.setenv("BENCH_SIZE", "huge")
    with pytest.raises(SystemExit, match="Choose quick or full"):
        bench.main()


def test_a_schema_that_could_not_be_verified_is_no_success(place):
    folder = place / "out" / "parts"
    folder.mkdir(parents=True)
    run = bench.Run(minutes=1)
    run.seconds["schema_audit"] = 12.0
    for verdict, met in (("drift", True), ("consistent", True), ("could not verify", None)):
        (folder / "schema_audit.json").write_text(json.dumps({"verdict": verdict}))
        assert bench.schema_row(run, "")["met"] is met
    assert "could not verify" in bench.schema_row(run, "")["reason"]
