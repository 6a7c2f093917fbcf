"""The reference database and its workload, on a real server."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgkeel.edtech.load import Schema, load
from pgkeel.edtech.sizes import SIZES
from psycopg import sql

FOLDER = Path(__file__).parents[2] / "files" / "edtech"
ROWS = SIZES["tiny"].rows()


@pytest.fixture
def owner(connection):
    """A role that owns the tables, with a password; dropped afterwards, so ask for databases after it: they must go first."""
    name, password = f"it_app_{secrets.token_hex(4)}", secrets.token_urlsafe(18)
    admin = connection()
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
    yield name, password
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def arguments(owner, database) -> dict[str, Any]:
    return {
        "login_db": database("edtech"),
        "size": "tiny",
        "owner": owner[0],
        "tables_sql": (FOLDER / "tables.sql").read_text(),
        "constraints_sql": (FOLDER / "constraints.sql").read_text(),
        "migrations_sql": (FOLDER / "prisma_migrations.sql").read_text(),
    }


def objects(database: psycopg.Connection) -> list[tuple[Any, ...]]:
    return database.execute(
        "SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE nspname IN ('public', 'pgkeel') ORDER BY 1, 2"
    ).fetchall()


def counts(database: psycopg.Connection) -> dict[str, int]:
    return {
        table: database.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()[0] for table in ROWS
    }


def test_check_load_and_load_again(server, connection, arguments):
    database = connection(arguments["login_db"])

    predicted = server.module("edtech_load", arguments, check=True)
    assert predicted["changed"]
    assert predicted["rows"] == ROWS
    assert objects(database) == []

    first = server.module("edtech_load", arguments)
    assert first["changed"], first
    assert first["rows"] == ROWS == counts(database)
    assert first["seconds"] > 0
    assert first["rows_per_second"] > 0

    before = objects(database)
    for check in (False, True):
        again = server.module("edtech_load", arguments, check=check)
        assert not again["changed"]
        assert {key: again[key] for key in ("rows", "size", "seed", "reference_date")} == {
            key: first[key] for key in ("rows", "size", "seed", "reference_date")
        }
    assert objects(database) == before
    assert counts(database) == ROWS

    owners = database.execute(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT typowner::regrole::text FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'"
    ).fetchall()
    assert owners == [(arguments["owner"],)]
    assert database.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated").fetchone() == (31,)
    assert database.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'BehaviorLog'").fetchone() == (8,)
    migration = database.execute(
        'SELECT migration_name, length(checksum), applied_steps_count FROM "_prisma_migrations"'
    ).fetchall()
    assert migration == [("20260105000000_init", 64, 1)]

    another = server.module("edtech_load", {**arguments, "seed": 2})
    assert another["failed"]
    assert "size tiny, seed 1" in another["msg"]
    assert "drop the database" in another["msg"]


def test_of_two_loads_at_once_one_waits_and_finds_the_other(connection, arguments):
    schema = Schema(arguments["tables_sql"], arguments["constraints_sql"], arguments["migrations_sql"])

    def once(opened: psycopg.Connection) -> bool:
        return load(opened, SIZES["tiny"], seed=1, reference=date(2026, 3, 2), schema=schema, owner=arguments["owner"])[0]

    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(once, [connection(arguments["login_db"]) for _ in range(3)]))
    assert sorted(outcomes) == [False, False, True]
    assert counts(connection(arguments["login_db"])) == ROWS


def test_text_arrives_as_it_was_written(server, connection, arguments):
    server.module("edtech_load", {**arguments, "reference_date": "2026-03-02"})
    database = connection(arguments["login_db"])
    days = database.execute('SELECT min("timestamp")::date::text, max("timestamp")::date::text FROM "BehaviorLog"').fetchone()
    assert days == ("2025-12-02", "2026-03-01")
    found = database.execute(
        r"""
        SELECT count(*) FILTER (WHERE content LIKE E'%answer\nand the second, indented:\n\tx = 4%') > 0,
               count(*) FILTER (WHERE position('C:\Users\me\homework' in content) > 0) > 0
          FROM "ChatMessage"
        """
    ).fetchone()
    assert found == (True, True)
    theme = """SELECT count(*) FROM "User" WHERE metadata @> '{"preferences":{"theme":"solarized"}}'"""
    assert database.execute(theme).fetchone() == (1,)


@pytest.mark.parametrize(
    "taken", ['CREATE TABLE "Course" (id int)', 'CREATE VIEW "User" AS SELECT 1', "CREATE TYPE \"UserRole\" AS ENUM ('X')"]
)
def test_foreign_objects_of_the_same_name_are_left_alone(server, connection, arguments, taken):
    database = connection(arguments["login_db"])
    database.execute(taken)
    before = objects(database)
    for check in (True, False):
        refused = server.module("edtech_load", arguments, check=check)
        assert refused["failed"]
        assert "which this module did not load" in refused["msg"]
    assert objects(database) == before


def test_a_load_that_fails_leaves_nothing(server, connection, arguments):
    database = connection(arguments["login_db"])
    broken = {**arguments, "constraints_sql": arguments["constraints_sql"] + 'CREATE INDEX x ON "Course"("nothing");'}
    stopped = server.module("edtech_load", broken)
    assert stopped["failed"]
    assert 'rolled back: column "nothing" does not exist (SQLSTATE 42703)' in stopped["msg"]
    assert objects(database) == []
    assert server.module("edtech_load", arguments)["changed"]


def test_a_lost_table_is_not_called_loaded(server, connection, arguments):
    server.module("edtech_load", arguments)
    connection(arguments["login_db"]).execute('DROP TABLE "Notification"')
    refused = server.module("edtech_load", arguments)
    assert refused["failed"]
    assert "Notification is gone" in refused["msg"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"owner": "nobody_of_this_name"}, "role 'nobody_of_this_name', which should own the tables, does not exist"),
        ({"reference_date": "yesterday"}, "which is no date"),
        ({"size": "huge"}, "value of size must be one of"),
        ({"login_db": "no_such_database"}, "Cannot connect to database 'no_such_database'"),
    ],
)
def test_bad_input_is_refused_before_any_change(server, connection, arguments, wrong, message):
    refused = server.module("edtech_load", {**arguments, **wrong})
    assert refused["failed"]
    assert message in refused["msg"]
    assert objects(connection(arguments["login_db"])) == []


@pytest.fixture
def application(server, owner, arguments) -> dict[str, Any]:
    """The login of the application to a loaded database, over TCP."""
    assert server.module("edtech_load", arguments)["changed"]
    return {
        "login_host": "127.0.0.1",
        "login_user": owner[0],
        "login_password": owner[1],
        "login_db": arguments["login_db"],
        "transactions": 300,
    }


def test_the_workload_gives_figures(server, connection, application):
    database = connection(application["login_db"])
    before = counts(database)
    assert server.module("edtech_workload", application, check=True)["changed"]
    assert counts(database) == before

    done = server.module("edtech_workload", application)
    assert not done["failed"], done["msg"]
    assert done["count"] == 300 == sum(kind["count"] for kind in done["operations"].values())
    assert done["errors"] == 0
    assert not done["stopped"]
    assert done["operations_per_second"] > 0
    assert 0 < done["p50_ms"] <= done["p95_ms"] <= max(kind["p95_ms"] for kind in done["operations"].values())
    for kind in done["operations"].values():
        assert 0 < kind["p50_ms"] <= kind["p95_ms"]
    after = counts(database)
    inserted = done["operations"]["insert_log"]["count"] + 25 * done["operations"]["insert_log_batch"]["count"]
    assert after["BehaviorLog"] - before["BehaviorLog"] == inserted
    assert after["ChatMessage"] - before["ChatMessage"] == done["operations"]["send_message"]["count"]

    again = server.module("edtech_workload", application)
    kinds = {name: kind["count"] for name, kind in done["operations"].items()}
    assert {name: kind["count"] for name, kind in again["operations"].items()} == kinds


def test_a_database_that_was_worked_on_still_counts_as_loaded(server, application, arguments):
    server.module("edtech_workload", application)
    assert not server.module("edtech_load", arguments)["changed"]


def test_the_time_limit_stops_the_workload(server, application):
    done = server.module("edtech_workload", {**application, "transactions": 1_000_000, "seconds": 1})
    assert not done["failed"]
    assert done["stopped"]
    assert 0 < done["count"] < 1_000_000
    assert done["seconds"] < 10


def test_a_rate_is_kept(server, application):
    done = server.module("edtech_workload", {**application, "transactions": 101, "rate": 50})
    assert not done["failed"], done.get("msg")
    assert (done["count"], done["stopped"]) == (101, False)
    # The last is due after two seconds.
    assert 2 <= done["seconds"] < 10


@pytest.mark.parametrize("rate", [-1, 100_001])
def test_a_senseless_rate_is_refused(server, rate):
    assert "rate is" in server.module("edtech_workload", {"rate": rate})["msg"]


def test_an_operation_that_fails_fails_the_workload_with_its_figures(server, connection, application):
    connection(application["login_db"]).execute('ALTER TABLE "ChatMessage" ADD CHECK (length(content) < 1) NOT VALID')
    done = server.module("edtech_workload", application)
    assert done["failed"]
    assert "in send_message: 23514: new row" in done["msg"]
    assert done["operations"]["send_message"]["errors"] == done["errors"] == done["operations"]["send_message"]["count"] > 0
    assert done["operations"]["recent_logs"]["errors"] == 0


def test_refused_connections_are_named_and_the_password_is_not(server, application):
    secret = "not-the-password"
    for wrong in ({"login_password": secret}, {"login_port": 9}, {"login_port": 6432, "login_password": secret}):
        refused = server.module("edtech_workload", {**application, **wrong})
        assert refused["failed"]
        assert "Cannot connect to" in refused["msg"]
        assert secret not in str(refused)


def test_without_the_reference_database_the_workload_says_so(server, application, database):
    refused = server.module("edtech_workload", {**application, "login_db": database()})
    assert refused["failed"]
    assert "The reference database cannot be read" in refused["msg"]


@pytest.mark.parametrize("wrong", [{"transactions": 0}, {"seconds": -1}, {"clients": 201}])
def test_senseless_numbers_are_refused(server, wrong):
    refused = server.module("edtech_workload", wrong)
    assert refused["failed"]
    assert "Choose a number from 1 to" in refused["msg"]


def test_the_playbooks_load_index_grant_and_work_through_the_pooler(server, connection):
    database = connection("edtech")
    extra = {"edtech_size": "tiny"}
    if database.execute("SELECT to_regclass('pgkeel.edtech_load') IS NOT NULL").fetchone() == (True,):
        size, seed = database.execute("SELECT size, seed FROM pgkeel.edtech_load").fetchone()
        extra = {"edtech_size": size, "edtech_seed": seed}
    loaded = server.playbook("playbooks/edtech.yml", extra)
    assert loaded.returncode == 0, loaded.stdout
    for check in (False, True):
        again = server.playbook("playbooks/edtech.yml", extra, check=check)
        assert (again.returncode, again.changed_tasks) == (0, []), again.stdout

    before = counts(database)
    worked = server.playbook("playbooks/workload.yml", {"edtech_workload_transactions": 200})
    assert worked.returncode == 0, worked.stdout
    assert "recent_logs_since:" in worked.stdout
    assert counts(database)["BehaviorLog"] > before["BehaviorLog"]
    gin = "SELECT indisvalid FROM pg_index WHERE indexrelid = '\"BehaviorLog_payload_idx\"'::regclass"
    assert database.execute(gin).fetchone() == (True,)
