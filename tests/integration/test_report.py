"""The report takes over what scheduled runs left on a real server; what is saved says when it was made."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ABSENT = {"name": "never_was", "table": "BehaviorLog", "state": "absent"}


def test_saved_results_have_a_time_and_the_newer_one_is_reported(server: Any, tmp_path: Path) -> None:
    places = {"pgkeel_report_dir": str(tmp_path), "schedule_state_dir": "/var/tmp/pgkeel-report-test"}
    own = tmp_path / server.name / "audit.json"
    audited = server.playbook("playbooks/audit.yml", {**places, "audit_declared_indexes": [ABSENT]})
    assert audited.returncode == 0, audited.stdout
    document = json.loads(own.read_text())
    finished = datetime.fromisoformat(document["finished"])
    assert abs(datetime.now(UTC) - finished) < timedelta(minutes=5)
    assert document["declared_indexes"] == []

    alone = server.playbook("playbooks/report.yml", places)
    assert alone.returncode == 0, alone.stdout
    assert "Newer on the server: nothing" in alone.stdout
    assert "no backup is known" in alone.stdout

    there = f"{places['schedule_state_dir']}/reports/{server.name}"
    later = {**document, "finished": (finished + timedelta(seconds=1)).isoformat(), "seconds": 4321.5}
    backup = {"finished": document["finished"], "databases": [{"bytes": 5, "snapshot_time": "2026-01-02T03:00:00+00:00"}]}
    try:
        server.run(f"install -d -m 700 {there}")
        for name, content in (("audit", later), ("backup", backup)):
            server.run(f"umask 077; cat > {there}/{name}.json", stdin=json.dumps(content))
        collected = server.playbook("playbooks/report.yml", places)
        assert collected.returncode == 0, collected.stdout
        assert "Newer on the server: audit, backup" in collected.stdout
        assert json.loads(own.read_text()) == later
        assert "2026-01-02 03:00 UTC" in (tmp_path / server.name / "report.md").read_text()
        assert server.playbook("playbooks/report.yml", places).changed_tasks == []
    finally:
        server.run(f"rm -rf {places['schedule_state_dir']}")
