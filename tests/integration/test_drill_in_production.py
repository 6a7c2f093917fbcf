"""A drill in production's own cluster: it proves what it can, says what it cannot, and touches nothing but its own database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from integration.backup_bench import Bench, dump_key
from integration.holding import Background, frozen, step
from integration.test_backup_and_drill import ROWS, SEED, TABLES, kill_drill, make_large
from integration.waiting import wait_until
from pgkeel.objectstore.objects import read_small
from pgkeel.objectstore.store import Store
from psycopg import sql

OURS = "pgkeel_drill_"
ALL_CHECKS = {
    "manifests", "roles in globals.sql", "row counts", "row contents", "definitions, owners, privileges", "materialized views",
    "sequences", "extensions", "large objects", "collation versions", "validated constraints", "roles", "encoding and locale",
    "valid indexes", "copy is isolated", "negative control", "tables and indexes agree",
}  # fmt: skip


@pytest.fixture
def bench(server: Any, store: Store, database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> Bench:
    name = database("own")
    with connection(name) as session:
        session.execute(SEED)
    return Bench(server, store, name)


def drill(bench: Bench, **change: Any) -> dict[str, Any]:
    return bench.drill(target="database", **change)


def state(session: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Every database with its owner, settings and comment, and every role: what a drill must leave alone."""
    return session.execute(
        "SELECT datname, datdba, datacl::text, datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database"
        " UNION ALL SELECT rolname, oid, rolpassword, rolconnlimit, NULL FROM pg_authid"
        " UNION ALL SELECT 'setting', setrole, setconfig::text, setdatabase::int, NULL FROM pg_db_role_setting ORDER BY 1, 2, 3"
    ).fetchall()


def ours(session: psycopg.Connection) -> list[str]:
    return [name for (name,) in session.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [OURS])]


def test_a_good_backup_passes_and_nothing_else_is_touched(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    taken = bench.backup()
    with connection() as admin:
        before = state(admin)
        planned = bench.drill(check=True, target="database")
        assert "into a throwaway database" in planned["msg"]
        assert state(admin) == before
        proved = drill(bench, module=True)
        assert state(admin) == before
    assert proved["verdict"] == "PASS", proved
    assert proved["backup_id"] == taken["backup_id"]
    assert [(one["verdict"], one["target"]) for one in proved["history"]] == [("PASS", "database")]
    assert {check["name"] for check in proved["checks"]} == ALL_CHECKS
    assert (proved["tables_compared"], proved["rows_compared"]) == (TABLES, ROWS)
    assert proved["negative_control"]["detected"] is True
    assert len(proved["negative_control"]["damages"]) == 5
    assert [item["name"] for item in proved["not_verified"]] == [
        "roles restore on an empty cluster",
        "the backup starts a cluster of its own",
    ]
    assert all(item["reason"] for item in proved["not_verified"])
    assert set(proved["phases"]) == {"locate", "prepare", "fetch", "decrypt", "restore", "analyse", "verify", "clean"}
    assert bench.leftovers() == []


def test_limits_of_the_server_and_its_roles_do_not_end_a_drill(
    bench: Bench, connection: Callable[..., psycopg.Connection]
) -> None:
    bench.backup()
    with connection() as admin:
        admin.execute("ALTER ROLE postgres SET statement_timeout = '40ms'; ALTER ROLE postgres SET transaction_timeout = '50ms'")
        try:
            found = drill(bench)
        finally:
            admin.execute("ALTER ROLE postgres RESET statement_timeout; ALTER ROLE postgres RESET transaction_timeout")
    # The role itself differs from the backup's meanwhile; everything else was read.
    assert {check["name"] for check in found["checks"] if check["verdict"] != "PASS"} == {"roles"}, found


@pytest.mark.parametrize("damage", ["a bit", "a count"])
def test_a_damaged_backup_fails(bench: Bench, connection: Callable[..., psycopg.Connection], damage: str) -> None:
    taken = bench.backup()
    if damage == "a bit":
        dump = bytearray(read_small(bench.store, dump_key(taken)))
        dump[len(dump) // 2] ^= 1
        bench.replace_dump(taken, bytes(dump), forge=False)
    else:

        def forge(manifest: dict[str, Any]) -> None:
            next(table for table in manifest["contents"]["tables"] if table["name"] == "User")["rows"] += 1

        bench.rewrite_manifest(taken, forge)
    found = drill(bench)
    assert (found["verdict"], found["failed"]) == ("FAIL", True), found
    assert ("is damaged" if damage == "a bit" else "public.User has 499 rows, 500 expected") in found["msg"]
    with connection() as admin:
        assert ours(admin) == []


def test_another_cluster_is_refused(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    taken = bench.backup()
    bench.rewrite_manifest(taken, lambda manifest: manifest["server"].update(system_identifier="7000000000000000001"))
    with connection() as admin:
        before = state(admin)
        found = drill(bench)
        assert (found["verdict"], found["failed"]) == ("COULD NOT VERIFY", True)
        assert "has system identifier" in found["msg"]
        assert "prepare" not in found["phases"]
        assert state(admin) == before


def test_a_database_of_our_name_that_is_not_ours_is_refused_and_left_alone(
    bench: Bench, connection: Callable[..., psycopg.Connection]
) -> None:
    bench.backup()
    with connection() as admin:
        for comment, closed in (
            (None, False),
            ("somebody's", True),
            (json.dumps({"pgkeel": "restore drill", "database": "another"}), True),
        ):
            name = sql.Identifier(f"{OURS}0badcafe")
            admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
            admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, comment))
            if closed:
                admin.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false CONNECTION LIMIT 0").format(name))
            try:
                found = drill(bench)
                assert (found["verdict"], found["failed"]) == ("COULD NOT VERIFY", True)
                assert "does not carry its marker" in found["msg"]
                assert ours(admin) == [f"{OURS}0badcafe"]
            finally:
                admin.execute(sql.SQL("DROP DATABASE {}").format(name))


def test_one_that_was_killed_before_it_was_marked_is_swept(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    bench.backup()
    with connection() as admin:
        admin.execute(f"CREATE DATABASE {OURS}00c0ffee TEMPLATE template0 ALLOW_CONNECTIONS false CONNECTION LIMIT 0")
        assert drill(bench)["verdict"] == "PASS"
        assert ours(admin) == []


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_killed_drill_is_swept(bench: Bench, connection: Callable[..., psycopg.Connection], signal: str) -> None:
    make_large(bench, connection, 60)
    bench.backup()
    with connection() as admin:
        running = Background(lambda: drill(bench))
        open_to_app = "SELECT has_database_privilege('app', datname, 'CONNECT'), datconnlimit FROM pg_database WHERE datname = %s"
        with frozen(bench, "pg_restore", OURS):
            (name,) = ours(admin)
            assert admin.execute(open_to_app, [name]).fetchone() == (False, 0)
            kill_drill(bench, signal)
        result = running.wait()
        assert result["failed"]
        if signal == "TERM":
            assert "ended by SIGTERM" in result["msg"]
            assert ours(admin) == []
        else:
            assert ours(admin) == [name]
            wait_until(lambda: not bench.server.run(f"pgrep -f '[p]g_restore .*{OURS}' || true").stdout)
        assert drill(bench)["verdict"] == "PASS"
        assert ours(admin) == []
    assert bench.leftovers() == []


def test_two_at_once_do_not_sweep_each_other(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 30)
    bench.backup()
    with connection() as admin:
        first = Background(lambda: drill(bench))
        # The second sweeps while the first one's database is there.
        wait_until(lambda: ours(admin))
        second = Background(lambda: drill(bench))
        assert [running.wait()["verdict"] for running in (first, second)] == ["PASS", "PASS"]
        assert ours(admin) == []


def test_a_role_that_changed_since_is_not_called_proved(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection() as admin:
        admin.execute("CREATE ROLE it_own_changed")
        try:
            bench.backup()
            admin.execute("ALTER ROLE it_own_changed CREATEDB")
            changed = drill(bench)
            admin.execute("DROP ROLE it_own_changed")
            gone = drill(bench)
        finally:
            admin.execute("DROP ROLE IF EXISTS it_own_changed")
    assert changed["verdict"] == "COULD NOT VERIFY"
    assert "changed in production since the backup: it_own_changed" in changed["msg"]
    assert gone["verdict"] == "COULD NOT VERIFY"
    assert "lacks roles that the backup names: it_own_changed" in gone["msg"]


def test_the_servers_trouble_is_not_the_backups(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 60)
    bench.backup()
    running = Background(lambda: drill(bench))
    with connection() as admin:
        with frozen(bench, "pg_restore", OURS) as pid:
            (name,) = ours(admin)
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = 'pg_restore'"
            wait_until(lambda: admin.execute(end, [name]).fetchall() or step(bench, pid))
        result = running.wait()
        assert result["verdict"] == "COULD NOT VERIFY", result
        assert "The server stood in the way" in result["msg"]
        assert ours(admin) == []


def test_production_keeps_its_reserve_of_disk(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 60)
    bench.backup()
    found = drill(bench, disk_runs_low=True)
    assert found["verdict"] == "COULD NOT VERIFY", found
    assert "were left for production" in found["msg"]
    with connection() as admin:
        assert ours(admin) == []
    assert drill(bench)["verdict"] == "PASS"
