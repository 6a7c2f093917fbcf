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


ONE = {"kind": "healthchecks", "url": "https://hc.example/1"}
TWO = {"kind": "healthchecks", "url": "https://hc.example/2"}
ASKED = {"name": "n", "query": "SELECT 1", "expected": "1"}


def drill_tasks(databases: list[str], push: list[dict[str, str]], assertions: list[dict[str, str]]) -> dict[str, Any]:
    """Whether it is refused, and what each database's drill is given."""
    tasks = {task["name"].removeprefix("Drill | "): task for task in load("tasks/drill.yml")}
    variables = {"backup_databases": databases, "backup_drill_push": push, "backup_drill_assertions": assertions}
    refuse = tasks["Refuse monitors and assertions that do not say of which database"]
    drill = tasks["Restore and compare the newest backup of each database"]
    given = {}
    for item in databases:
        own = {name: value for name, value in drill["vars"].items() if name in {"__backup_drill_asserted", "__backup_drill_told"}}
        template = Templar(loader=DataLoader(), variables={**variables, **own, "item": item}).template
        given[item] = [template(drill["pg_restore_drill"][name]) for name in ("push", "assertions")]
    holds = Templar(loader=DataLoader(), variables=variables).evaluate_conditional(refuse["ansible.builtin.assert"]["that"])
    return {"refused": not holds, **given}


def test_of_one_database_a_monitor_need_not_say_which() -> None:
    assert drill_tasks(["a"], [ONE], [ASKED]) == {"refused": False, "a": [[ONE], [ASKED]]}


def test_of_several_each_has_its_own() -> None:
    found = drill_tasks(["a", "b"], [{**ONE, "database": "a"}, {**TWO, "database": "b"}], [{**ASKED, "database": "b"}])
    assert found == {"refused": False, "a": [[ONE], []], "b": [[TWO], [ASKED]]}


def test_of_several_one_that_does_not_say_which_is_refused() -> None:
    assert drill_tasks(["a", "b"], [{**ONE, "database": "a"}, TWO], [])["refused"]
    assert drill_tasks(["a", "b"], [], [ASKED])["refused"]
