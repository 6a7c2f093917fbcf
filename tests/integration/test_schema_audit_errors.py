"""What cannot be read or reached is one sentence, never consistent, and never exit status 0 where an operator asked for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from integration.schema_audit_bench import Audit, swap


def test_every_side_that_cannot_be_read_says_why_in_one_sentence(audit: Audit, tmp_path: Path) -> None:
    app = tmp_path / "app"
    for side in ("prisma", "drizzle", "kysely"):
        (app / side).mkdir(parents=True)
    (app / "drizzle" / "schema.ts").write_text("export const a = pgTable(")
    result = audit(app, "no_such_database")
    assert result["verdict"] == "could not verify"
    assert result["type_safety_percent"] is None
    assert result["findings"] == []
    assert {pair["verdict"] for pair in result["pairs"]} == {"could not verify"}
    reasons = {reason.partition(": ")[2] for reason in result["could_not_verify"]}
    for words in (
        "There is no .prisma file in",
        "schema.ts",
        "There is no TypeScript file in",
        'database "no_such_database" does not exist',
    ):
        said = [reason for reason in reasons if words in reason]
        assert len(said) == 1, (words, reasons)
        assert "\n" not in said[0]
    assert {one["status"] for one in result["checklist"]} <= {"could not verify", "not applicable"}


def test_the_exit_status_is_what_was_asked_for(server: Any, app: Path, tmp_path: Path) -> None:
    given = {f"schema_audit_{side}": str(app / side) for side in ("prisma", "drizzle")}
    given |= {
        "schema_audit_live": "false",
        "schema_audit_report_dir": str(tmp_path / "report"),
        "schema_audit_fail_on": "unverified",
    }
    assert server.playbook("playbooks/schema_audit.yml", given).returncode == 0
    swap(app / "drizzle/enums.ts", ('["EASY", "HARD"]', '["EASY"]'))
    inconsistent = server.playbook("playbooks/schema_audit.yml", {**given, "schema_audit_fail_on": "inconsistent"})
    assert inconsistent.returncode != 0
    assert "The schemas are not consistent: inconsistent." in inconsistent.stdout
    swap(app / "drizzle/enums.ts", ('["EASY"]', '["EASY"'))
    assert server.playbook("playbooks/schema_audit.yml", {**given, "schema_audit_fail_on": "inconsistent"}).returncode == 0
    unverified = server.playbook("playbooks/schema_audit.yml", given)
    assert unverified.returncode != 0
    assert "The schemas are not consistent: could not verify." in unverified.stdout


def test_a_path_that_does_not_exist_is_refused(server: Any, tmp_path: Path) -> None:
    run = server.playbook(
        "playbooks/schema_audit.yml", {"schema_audit_prisma": str(tmp_path / "none"), "schema_audit_live": True}
    )
    assert run.returncode != 0
    assert "does not exist. Correct schema_audit_prisma." in run.stdout


def test_without_node_the_operator_reads_what_to_install(
    server: Any, app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in (Path("/usr/bin"), Path("/bin")):
        for program in folder.iterdir():
            if program.name not in ("node", "nodejs", "npm", "npx") and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    run = server.playbook("playbooks/schema_audit.yml", {"schema_audit_prisma": str(app / "prisma"), "schema_audit_live": True})
    assert run.returncode != 0
    assert "node is not installed on this machine" in run.stdout
    assert "Install Node 20 or newer" in run.stdout
