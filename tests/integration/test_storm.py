"""A small storm on a real server: nobody fails through pgbouncer, and nothing of it stays."""

LITTLE = {"transactions": 2, "seconds": 1.0, "stay": 0.1}


def leftovers(connection):
    names = connection().execute(
        "SELECT datname::text FROM pg_database WHERE datname LIKE 'pgkeel_storm%' "
        "UNION ALL SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pgkeel_storm%'"
    )
    return names.fetchall()


def test_two_hundred_through_pgbouncer(server, connection):
    done = server.module("pg_storm", {**LITTLE, "clients": 200, "paths": ["pgbouncer"], "arrivals": ["burst", "cold"]})
    assert not done["failed"], done.get("msg")
    assert done["problems"] == []
    for storm in done["storms"]:
        assert (storm["success_rate"], storm["errors"], storm["transactions"]) == (1.0, {}, 400)
        assert storm["connect_ms"]["p50"] <= storm["connect_ms"]["p99"] <= storm["connect_ms"]["max"]
        # The pool and its reserve, never a backend for each client.
        assert 1 <= storm["peak_backends"] <= 15
        assert storm["peak_lookups"] <= 2
        assert 0 < storm["clients_cpu_share"] < 1
    assert leftovers(connection) == []


def test_more_clients_than_connections_fail_without_a_pooler(server):
    done = server.module(
        "pg_storm", {**LITTLE, "clients": 150, "stay": 3, "paths": ["direct_default"], "arrivals": ["burst"]}, timeout=120
    )
    assert not done["failed"], done.get("msg")
    (storm,) = done["storms"]
    assert set(storm["errors"]) == {"53300"}
    assert storm["success_rate"] < 1
    assert done["problems"] == ["could not verify anything: no storm went through pgbouncer"]
    assert server.run("ls ~postgres/pgkeel-storm").stdout.split() == []


def test_what_a_killed_run_left_is_mended(server, connection):
    connection().execute("CREATE ROLE pgkeel_storm")
    connection().execute("CREATE DATABASE pgkeel_storm OWNER pgkeel_storm")
    done = server.module("pg_storm", {**LITTLE, "clients": 5, "paths": ["pgbouncer"], "arrivals": ["burst"]})
    assert not done["failed"], done.get("msg")
    assert leftovers(connection) == []


def test_a_check_runs_nothing(server):
    done = server.module("pg_storm", {"paths": ["pgbouncer"]}, check=True)
    assert (done["failed"], done["changed"], done.get("storms")) == (False, False, None)


def test_a_pooler_that_is_not_there_is_named(server, connection):
    done = server.module("pg_storm", {**LITTLE, "paths": ["pgbouncer"], "pgbouncer_port": 6999})
    assert done["failed"]
    assert "Cannot connect to" in done["msg"]
    assert "6999" in done["msg"]
    assert leftovers(connection) == []
