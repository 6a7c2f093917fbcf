"""Whatever connects to PostgreSQL does so on the port that the inventory names."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
MODULES = {path.stem for path in (ROOT / "library").glob("*.py") if "import CONNECTION_ARGUMENTS" in path.read_text()}


def tasks(node):
    """Every mapping of a YAML document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from tasks(value)
    elif isinstance(node, list):
        for value in node:
            yield from tasks(value)


def connecting():
    """File, task's name and arguments of every task that connects."""
    files = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
    for file in files:
        for task in tasks(yaml.safe_load(file.read_text())):
            for module in MODULES & task.keys():
                # What predicts a server that is not there connects to none.
                if isinstance(task[module], dict) and "new_server" not in task[module]:
                    yield file.relative_to(ROOT), task.get("name"), task[module]


def test_every_task_that_connects_names_the_port():
    found = list(connecting())
    assert len(found) >= 10
    assert [(str(file), name) for file, name, arguments in found if "login_port" not in arguments] == []


def test_every_port_follows_the_inventory():
    defaults = {}
    for file in ROOT.glob("roles/*/defaults/main.yml"):
        defaults |= yaml.safe_load(file.read_text()) or {}
    ports = {name: defaults[name] for name in ("database_port", "backup_port", "pgbouncer_server_port")}
    assert set(ports.values()) == {"{{ postgresql_port | default(5432) }}"}
