"""The check told what the run did, and has nothing to tell after it."""

import json
import os
from pathlib import Path

import pytest

# The lab's inventory may hold other servers that run now.
testinfra_hosts = ["ansible://plan"]

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture(scope="module")
def plans():
    return {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("predicted", "done", "after")}


def test_the_check_predicted_every_change_of_the_run(plans):
    assert plans["predicted"] == plans["done"]


def test_there_was_something_to_predict(plans):
    done = plans["done"]
    assert done["creates_cluster"] is True
    assert done["action"] == "restart"
    assert {"name": "shared_preload_libraries", "old": "", "new": "pg_stat_statements", "needs": "restart"} in done["settings"]
    assert {"name": "app", "action": "create"} in done["roles"]
    assert done["databases"] == ["edtech"]
    assert {"database": "edtech", "what": "extension", "subject": "pg_stat_statements"} in done["privileges"]
    assert done["pgbouncer"] == "install"
    assert {"postgresql-17", "pgbouncer"} <= set(done["packages"])
    assert (done["environment"], done["certificate"], done["firewall"]) == ("build", "make", "set")
    jobs = ["audit", "backup", "drill", "indexes", "optimize"]
    assert [row["job"] for row in done["schedule"]["jobs"] if row["action"] == "set"] == jobs
    assert (done["schedule"]["release"], done["schedule"]["inventory"]) == (True, True)


def test_the_second_check_has_nothing_left(plans):
    assert plans["after"]["empty"] is True, plans["after"]
    # Nor does any task of it that the plan might not know of.
    assert json.loads((FOLDER / "record.json").read_text())["changed"] == []


def test_what_was_predicted_is_what_postgresql_runs_with(host, plans):
    done = host.run("runuser -u postgres -- psql -XAtq -c \"SELECT name || '=' || current_setting(name) FROM pg_settings\"")
    running = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    shown = {change["name"]: change["new"] for change in plans["predicted"]["settings"]}
    assert {name: running[name] for name in shown} == shown


def test_a_check_leaves_nothing_behind(host):
    assert not host.file("/run/pgkeel-check").exists
