"""What the role makes of the modules' answers, also of those that broke: one without a word must not hide the others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = Path(__file__).parents[3] / "roles" / "backup"
DRILLED = {"item": "one", "database": "one", "verdict": "FAIL", "msg": "FAIL: x", "tables_compared": 3, "rows_compared": 30}
BROKEN = {"item": "two", "failed": True, "exception": "Traceback"}


def load(path: str) -> Any:
    return DataLoader().load_from_file(str(ROLE / path), trusted_as_template=True)


def summed_up(what: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    (task,) = [task for task in load(f"tasks/{what}.yml") if task["name"].endswith("Sum up")]
    variables = {**load("vars/main.yml"), **task["vars"]}
    variables["__backup_runs" if what == "backup" else "__backup_drill_runs"] = {"results": results}
    facts = task["ansible.builtin.set_fact"]
    (name,) = facts
    return dict(Templar(loader=DataLoader(), variables=variables).template(facts[name]))


def test_a_drill_that_broke_does_not_hide_the_others() -> None:
    result = summed_up("drill", [DRILLED, BROKEN])
    assert result["verdict"] == "COULD NOT VERIFY"
    assert result["failures"] == ["two: it ended without a reason", "one: FAIL: x"]
    assert [found["database"] for found in result["databases"]] == ["one"]
    assert result["rows_compared"] == 30


def test_a_backup_that_broke_does_not_hide_the_others() -> None:
    made = {"item": "one", "database": "one", "backup_id": "r", "manifest_key": "k", "msg": "m"}
    sizes = {"bytes": 1, "database_bytes": 2, "seconds": 3.0, "tables": 4, "rows": 5}
    result = summed_up("backup", [{**made, **sizes}, BROKEN])
    assert result["failures"] == ["two: it ended without a reason"]
    assert result["rows"] == 5
