from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pgkeel.schedule.jobs import parse_jobs
from pgkeel.schedule.runs import KEPT, Run, main, read_runs, record_end, record_start
from pgkeel.schedule.status import judge, parse_time, problems, read_reports, render_status

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
(JOB,) = parse_jobs([{"name": "backup", "playbook": "playbooks/backup.yml", "calendar": "daily"}], "UTC")
LOADED = {"LoadState": "loaded", "ActiveState": "inactive"}
TIMER = {"LoadState": "loaded", "ActiveState": "active", "NextElapseUSecRealtime": "Mon 2026-11-23 04:49:27 UTC"}


def run(folder, number, result="success", exit_status="0"):
    environment = {"INVOCATION_ID": f"{number:032x}", "SERVICE_RESULT": result, "EXIT_STATUS": exit_status}
    record_start(folder, "backup", environment, NOON + timedelta(minutes=number))
    record_end(folder, "backup", environment, NOON + timedelta(minutes=number, seconds=30))


def test_a_run_has_a_start_and_an_end(tmp_path):
    run(tmp_path / "runs", 1, "exit-code", "2")
    (only,) = read_runs(tmp_path / "runs", "backup")
    assert (only.result, only.exit_status, only.seconds) == ("exit-code", "2", 30.0)


def test_the_newest_fifty_stay(tmp_path):
    for number in range(KEPT + 5):
        run(tmp_path, number)
    runs = read_runs(tmp_path, "backup")
    assert len(runs) == KEPT
    assert runs[0].invocation_id == f"{KEPT + 4:032x}"


def test_an_end_without_a_start_is_kept_and_a_start_without_an_end_stays_open(tmp_path):
    record_start(tmp_path, "backup", {"INVOCATION_ID": "a"}, NOON)
    record_end(tmp_path, "backup", {"INVOCATION_ID": "b", "SERVICE_RESULT": "success"}, NOON)
    ended, open_run = read_runs(tmp_path, "backup")
    assert (ended.invocation_id, ended.result) == ("b", "success")
    assert (open_run.ended, open_run.seconds) == ("", None)


def test_a_damaged_record_is_replaced(tmp_path):
    (tmp_path / "backup.json").write_text('{"runs": [{"job"')
    assert read_runs(tmp_path, "backup") == ()
    run(tmp_path, 1)
    assert len(read_runs(tmp_path, "backup")) == 1


def test_called_as_systemd_does(tmp_path, monkeypatch):
    monkeypatch.setenv("INVOCATION_ID", "c")
    monkeypatch.setenv("SERVICE_RESULT", "timeout")
    main(["start", str(tmp_path), "backup"])
    main(["end", str(tmp_path), "backup"])
    assert [item.result for item in read_runs(tmp_path, "backup")] == ["timeout"]


def state(runs=(), service=LOADED, timer=TIMER):
    return judge(JOB, runs, service, timer)


def test_states():
    done = Run("backup", "a", "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", "success", "0")
    failed = Run("backup", "b", "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", "signal", "KILL")
    cut = Run("backup", "c", "2026-01-01T00:00:00+00:00")
    assert state().state == "never ran"
    assert state([done]).state == "succeeded"
    assert state([done]).problem == ""
    assert state([done]).seconds == 60
    assert state([failed, done]).state == "failed"
    assert "KILL" in state([failed]).problem
    assert "journalctl _SYSTEMD_INVOCATION_ID=b" in state([failed]).problem
    assert state([cut, done]).state == "interrupted"
    assert "was cut off" in state([cut]).problem
    assert state([cut], {**LOADED, "ActiveState": "activating", "InvocationID": "c"}).state == "running"
    assert state().next_run == "2026-11-23T04:49:27+00:00"


def test_a_failure_too_early_for_a_record_is_seen():
    done = Run("backup", "a", "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", "success", "0")
    service = {
        **LOADED,
        "ActiveState": "failed",
        "InvocationID": "z",
        "Result": "exit-code",
        "ExecMainStatus": "200",
        "InactiveEnterTimestamp": "@1767225600",
    }
    status = state([done], service)
    assert (status.state, status.exit_status, status.last_run) == ("failed", "200", "2026-01-01T00:00:00+00:00")
    assert "status 200" in status.problem
    begun = Run("backup", "z", "2025-12-31T23:59:00+00:00")
    status = state([begun, done], {**service, "Result": "signal", "ExecMainStatus": "9"})
    assert (status.state, status.result, status.seconds) == ("failed", "signal", 60)


def test_what_is_not_installed_or_not_active_is_a_problem():
    assert "not installed" in state(service={}).problem
    assert "not active" in state(timer={**TIMER, "ActiveState": "inactive"}).problem
    (disabled,) = parse_jobs([{"name": "x", "playbook": "x.yml", "calendar": "daily", "enabled": False}], "UTC")
    status = judge(disabled, [], LOADED, {})
    assert (status.problem, status.next_run) == ("", "")


def test_times_of_systemctl():
    assert parse_time("@1767225600") == "2026-01-01T00:00:00+00:00"
    assert parse_time("Thu 2026-01-01 00:00:00 UTC") == "2026-01-01T00:00:00+00:00"
    assert [parse_time(text) for text in ("", "n/a", "@", "infinity")] == ["", "", "", ""]


def test_reports_and_table(tmp_path):
    folder = tmp_path / "db1"
    folder.mkdir()
    (folder / "backup.json").write_text(json.dumps({"bytes": 240_000_000, "seconds": 6.7, "failures": []}))
    (folder / "drill.json").write_text(json.dumps({"verdict": "COULD NOT VERIFY", "rto_seconds": None}))
    (folder / "audit.json").write_text("{")
    reports = {line.name: line for line in read_reports(tmp_path)}
    assert reports["backup"].text == "240 MB in 6.70 s"
    assert reports["backup"].problem == ""
    assert "COULD NOT VERIFY" in reports["drill"].problem
    assert "cannot be read" in reports["audit"].problem
    (folder / "backup.json").write_text(json.dumps({"bytes": 0, "seconds": 0, "failures": ["edtech: no space"]}))
    assert "failed" in read_reports(tmp_path)[0].problem
    (folder / "audit.json").write_text(json.dumps({"findings_by_priority": {"P0": 0, "P1": 2}, "could_not_verify": 1}))
    assert read_reports(tmp_path)[2].text == "P0 0, P1 2, could not verify 1"

    status = state([Run("backup", "b", "2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", "signal", "KILL")])
    table = render_status([status], read_reports(tmp_path))
    lines = table.splitlines()
    assert lines[0].split() == ["job", "state", "last", "run", "(UTC)", "took", "next", "run", "(UTC)"]
    assert lines[1].startswith("backup  failed  2026-01-01 00:00  1 min")
    assert all(problem in table for problem in problems([status], read_reports(tmp_path)))
