"""What the tasks of the architect make of several databases and of a long window, with Ansible's own templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TASKS = yaml.safe_load((Path(__file__).parents[3] / "roles/backup/tasks/optimize.yml").read_text())
BY_NAME: dict[str, dict[str, Any]] = {task["name"]: task for task in TASKS}


def filled(text: str, **variables: Any) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(text))


def run(database: str, *fingerprints: str) -> dict[str, Any]:
    return {"item": database, "recommendations": [{"fingerprint": one, "kind": "drop_index"} for one in fingerprints]}


def test_the_same_advice_for_two_databases_is_two_rows() -> None:
    runs = [run("one", "a", "b"), run("two", "a"), {"item": "three", "msg": "no"}, run("one", "b", "c"), run("two", "a", "c")]
    rows = filled(BY_NAME["Optimize | Sum up"]["vars"]["__backup_optimize_rows"], __backup_optimize_all=runs)
    found = [(row["database"], row["fingerprint"]) for row in rows]
    assert found == [("one", "a"), ("one", "b"), ("two", "a"), ("one", "c"), ("two", "c")]


@pytest.mark.parametrize(("days", "kept"), [(None, 60), (0.5, 60), (59, 60), (60, 61), (89.2, 91), ("90", 91)])
def test_snapshots_are_kept_longer_than_the_window(days: Any, kept: int) -> None:
    given = {} if days is None else {"optimize_window_days": days}
    advisor = BY_NAME["Optimize | Advise on what needs no proof"]["pg_advisor"]
    assert int(filled(advisor["retention_days"], **given)) == kept
    assert int(filled(advisor["window_hours"], **given)) < 24 * kept
