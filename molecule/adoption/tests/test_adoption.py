"""The server of before is all there, with one announced restart; and the check had told all of it."""

import json
import os
from pathlib import Path

import pytest

# The lab's inventory may hold other servers that run now.
testinfra_hosts = ["ansible://adoption"]

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
READY = "database system is ready to accept connections"


@pytest.fixture(scope="module")
def plans():
    return {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in ("predicted", "done", "after")}


@pytest.fixture(scope="module")
def sql(host):
    def ask(statement, database="postgres"):
        done = host.run("runuser -u postgres -- psql -XAtq -d %s -c %s", database, statement)
        assert done.rc == 0, done.stderr
        return done.stdout.strip()

    return ask


def test_the_check_told_every_change_though_there_was_no_driver(plans):
    assert plans["predicted"] == plans["done"]


def test_the_second_check_has_nothing_left(plans):
    assert plans["after"]["empty"] is True, plans["after"]


def test_no_row_is_lost_and_every_confirmed_sale_is_there(host, sql):
    assert sql("SELECT count(*), count(DISTINCT name) FROM customer", "shop") == "20000|20000"
    confirmed = host.file("/root/application.done").content_string.split()
    stored = set(sql("SELECT token FROM sale", "shop").split())
    assert len(confirmed) > 50
    assert set(confirmed) - stored == set()


def test_the_application_still_works(host):
    before = host.run("wc -l < /root/application.done").stdout
    host.run("sleep 2")
    assert int(host.run("wc -l < /root/application.done").stdout) > int(before)


def test_one_restart_and_it_was_announced(host, plans):
    count = f"grep -c '{READY}'"
    before = int(host.run(f"{count} /root/log-before").stdout)
    after = int(host.run(f"{count} /var/log/postgresql/postgresql-17-main.log").stdout)
    assert after - before == 1
    assert plans["predicted"]["action"] == "restart"
    assert "shared_preload_libraries" in plans["predicted"]["restart_settings"]


def test_their_library_is_kept_and_ours_is_added(sql):
    assert sql("SHOW shared_preload_libraries") == "auto_explain,pg_stat_statements"
    assert sql("SHOW auto_explain.log_min_duration") == "5s"


def test_their_settings_that_pgkeel_does_not_declare_stay(host, sql):
    assert sql("SHOW deadlock_timeout") == "1500ms"
    assert "work_mem = 3MB" in host.file("/etc/postgresql/17/main/conf.d/tuning.conf").content_string


def test_alter_system_stays_and_is_named(sql, plans):
    assert sql("SHOW maintenance_work_mem") == "99MB"
    shadowed = {row["name"]: row for row in plans["done"]["shadowed"]}
    assert shadowed["maintenance_work_mem"]["effective"] == "99MB"
    assert shadowed["maintenance_work_mem"]["file"].endswith("postgresql.auto.conf")


def test_their_roles_and_privileges_stay(sql):
    assert (
        sql("SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname IN ('shop', 'report')") == "report shop"
    )
    assert sql("SELECT has_table_privilege('report', 'customer', 'SELECT')", "shop") == "t"
    assert sql("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'") == "shop"


def test_their_access_rules_are_kept_beside_ours(host):
    kept = host.file("/etc/postgresql/17/main/pg_hba.conf.before-pgkeel").content_string
    assert kept.startswith("host shop shop 127.0.0.1/32 scram-sha-256")


def test_pgkeel_goes_and_the_server_stays(host, sql):
    """The last test: docs/adoption.md, "To stop using pgkeel", back to the settings and the access rules of before."""
    folder = "/etc/postgresql/17/main"
    psql = "runuser -u postgres -- psql -XAtq"
    sales = int(sql("SELECT count(*) FROM sale", "shop"))
    steps = (
        f"rm {folder}/conf.d/10-pgkeel-restart.conf {folder}/conf.d/20-pgkeel-reload.conf {folder}/conf.d/*.last-started",
        f"cp {folder}/pg_hba.conf.before-pgkeel {folder}/pg_hba.conf",
        "apt-get remove --yes --quiet pgbouncer",
        f"{psql} -c 'DROP EXTENSION pg_stat_statements' -c 'DROP SCHEMA pgbouncer CASCADE' -c 'DROP ROLE pgbouncer'",
        "rm -r /opt/pgkeel",
        "systemctl restart postgresql@17-main",
    )
    for step in steps:
        host.run_expect([0], step)
    assert sql("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"
    assert sql("SHOW shared_preload_libraries") == "auto_explain"
    assert sql("SHOW work_mem") == "3MB"
    assert sql("SHOW maintenance_work_mem") == "99MB"
    assert sql("SELECT count(*) FROM customer", "shop") == "20000"
    host.run_expect([0], "sleep 3")
    assert int(sql("SELECT count(*) FROM sale", "shop")) > sales
