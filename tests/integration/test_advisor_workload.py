"""The workload of a window, read from a server that really ran it."""

import re
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgkeel.advisor.index_ages import note_indexes, read_index_ages
from pgkeel.advisor.production import read_policies, read_production
from pgkeel.advisor.snapshots import find_snapshot, read_counters, read_history, write_down
from pgkeel.advisor.store import ensure_store, installed_version
from pgkeel.advisor.workload import HIDDEN, OURS, SYSTEM, TEMPORARY, TOO_LONG, UTILITY, known_relations, read_window, summarize
from pgkeel.errors import PgkeelError
from psycopg import sql

KEEP = timedelta(days=60)
DAY = timedelta(days=1)


@pytest.fixture
def base(connection, database):
    """A database with the extension and a table, and a connection to it."""
    name = database("advisor")
    opened = connection(name)
    opened.execute("CREATE EXTENSION pg_stat_statements")
    opened.execute("CREATE TABLE t AS SELECT n AS a, n % 7 AS b FROM generate_series(1, 1000) n")
    yield opened
    opened.execute("SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)")


def now(base):
    return base.execute("SELECT clock_timestamp()").fetchone()[0]


def ask(base, times, value=3):
    for _ in range(times):
        base.execute(f"SELECT count(*) FROM t WHERE b = {value}")


def of_t(workload):
    return next(one for one in workload.statements if "count(*) FROM t WHERE b = " in one.text)


def test_a_window_not_a_lifetime(base):
    name = base.info.dbname
    ask(base, 5)
    lifetime = read_window(base, name, now(base))
    assert of_t(lifetime).calls == 5
    assert "No snapshot is as old" in lifetime.warnings[0]

    write_down(base, read_counters(base, name), KEEP)
    begin = now(base)
    ask(base, 3)
    window = read_window(base, name, begin)
    assert of_t(window).calls == 3
    assert of_t(window).rows == 3
    assert not [one for one in window.warnings if "No snapshot" in one]
    assert window.since <= begin <= window.until

    # A window that began before the snapshot was taken is not judged from it.
    assert of_t(read_window(base, name, begin - DAY)).calls == 8


def test_texts_carry_no_literal_and_parse(base):
    ask(base, 2, value="6 /* request 4711 */")
    base.execute("PREPARE p AS SELECT a FROM t WHERE b = 5 AND a > $1")
    base.execute("EXECUTE p(990)")
    workload = read_window(base, base.info.dbname, datetime.now(UTC) - DAY)
    assert of_t(workload).text == "SELECT count(*) FROM t WHERE b = $1"
    assert of_t(workload).fingerprint
    prepared = next(one for one in workload.statements if "a > " in one.text)
    assert prepared.text == "SELECT a FROM t WHERE b = $2 AND a > $1"
    assert (prepared.calls, prepared.rows) == (1, 2)
    assert not any("4711" in one.text for one in workload.statements)


def test_a_reset_of_one_statement_and_of_all_within_the_window(base):
    name = base.info.dbname
    ask(base, 50)
    base.execute("UPDATE t SET a = a WHERE b = 1")
    write_down(base, read_counters(base, name), KEEP)
    begin = now(base)
    base.execute(
        "SELECT pg_stat_statements_reset(0, d.oid, s.queryid) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
        "WHERE d.datname = current_database() AND s.query LIKE 'SELECT count(*) FROM t WHERE%'"
    )
    ask(base, 4)
    window = read_window(base, name, begin)
    assert of_t(window).calls == 4
    assert any("1 statement(s) began to count anew" in one for one in window.warnings)

    base.execute("SELECT pg_stat_statements_reset()")
    ask(base, 2)
    window = read_window(base, name, begin)
    assert of_t(window).calls == 2
    assert any("were reset at" in one for one in window.warnings)


def test_what_is_skipped_is_counted(base):
    base.execute("SELECT relname FROM pg_class LIMIT 1")
    base.execute("VACUUM t")
    base.execute("CREATE TEMP TABLE scratch AS SELECT 1 AS a")
    base.execute("SELECT * FROM scratch")
    ensure_store(base)
    base.execute("SELECT * FROM pgkeel.workload_snapshot")
    base.execute(f"INSERT INTO t VALUES (1, 1 {' ' * 1_000_000})")
    workload = read_window(base, base.info.dbname, datetime.now(UTC) - DAY)
    skipped = {one.reason: one.statements for one in workload.skipped}
    assert skipped[TEMPORARY] == 1, [one.text for one in workload.statements]
    assert skipped[OURS] >= 1
    assert skipped[TOO_LONG] == 1
    assert skipped[UTILITY] >= 3
    assert skipped[SYSTEM] >= 1
    assert all(one.total_ms > 0 for one in workload.skipped)


def test_a_role_without_the_right_sees_how_much_it_does_not_see(base):
    role = f"advisor_{time.time_ns()}"
    ask(base, 3)
    base.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    try:
        base.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        workload = read_window(base, base.info.dbname, datetime.now(UTC) - DAY)
        hidden = next(one for one in workload.skipped if one.reason == HIDDEN)
        assert hidden.statements >= 2
        assert hidden.total_ms > 0
        with pytest.raises(PgkeelError, match="may not create the schema pgkeel"):
            ensure_store(base)
    finally:
        base.execute("RESET ROLE")
        base.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(sql.Identifier(role), sql.Identifier(role)))


def test_whom_row_security_binds_is_known_and_who_ran_a_statement(base):
    roles = {who: f"{who}_{time.time_ns()}" for who in ("owner", "heir", "tenant", "exempt")}
    try:
        for role in roles.values():
            base.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        owner, heir, tenant, exempt = map(sql.Identifier, roles.values())
        base.execute(sql.SQL("GRANT {} TO {}; ALTER ROLE {} BYPASSRLS").format(owner, heir, exempt))
        base.execute(sql.SQL("ALTER TABLE t OWNER TO {}; GRANT SELECT ON t TO {}").format(owner, tenant))
        base.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        base.execute(sql.SQL("SET ROLE {}").format(tenant))
        ask(base, 2)
        base.execute("RESET ROLE")
        oids = dict(base.execute("SELECT rolname, oid::int8 FROM pg_roles").fetchall())
        read = read_production(base, base.info.dbname, datetime.now(UTC) - DAY)
        base.execute("RESET default_transaction_read_only")
        assert of_t(read.workload).users == {oids[roles["tenant"]]}

        def bound(policies):
            return {who for who, role in roles.items() if oids[role] in policies["public", "t"]}

        assert read.policies.keys() == {("public", "t")}
        assert bound(read.policies) == {"tenant"}
        base.execute("ALTER TABLE t FORCE ROW LEVEL SECURITY")
        assert bound(read_policies(base)) == {"owner", "heir", "tenant"}
        assert oids["postgres"] not in read_policies(base)["public", "t"]
    finally:
        base.execute("RESET ROLE; RESET default_transaction_read_only")
        for role in map(sql.Identifier, roles.values()):
            base.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(role, role))


def test_the_store_is_made_once_for_its_owner_only_and_not_taken_from_others(base, connection, database):
    assert installed_version(base) == 0
    assert ensure_store(base) > 0
    assert ensure_store(base) == 0
    (acl,) = base.execute("SELECT nspacl::text FROM pg_namespace WHERE nspname = 'pgkeel'").fetchone()
    assert re.fullmatch(r"\{postgres=UC/postgres\}", acl)
    base.execute("INSERT INTO pgkeel.version (number) VALUES (99)")
    with pytest.raises(PgkeelError, match="is at version 99"):
        ensure_store(base)

    other = connection(database("foreign"))
    role = f"stranger_{time.time_ns()}"
    other.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    try:
        other.execute(sql.SQL("CREATE SCHEMA pgkeel AUTHORIZATION {}").format(sql.Identifier(role)))
        with pytest.raises(PgkeelError, match="belongs to stranger_"):
            ensure_store(other)
    finally:
        other.execute(sql.SQL("DROP OWNED BY {}; DROP ROLE {}").format(sql.Identifier(role), sql.Identifier(role)))


def test_the_age_of_indexes_is_kept_and_an_older_store_is_brought_up_to_date(base, server):
    base.execute("CREATE INDEX rolling ON t (a)")
    assert read_index_ages(base) == {}
    ensure_store(base)
    base.execute("DROP TABLE pgkeel.index_seen")
    base.execute("DELETE FROM pgkeel.version WHERE number > 2")
    assert read_index_ages(base) == {}
    did = server.module("pg_advisor", {"login_db": base.info.dbname})
    assert did["changed"], did
    assert read_index_ages(base)["public", "rolling"] < 1
    base.execute("UPDATE pgkeel.index_seen SET first_seen = first_seen - interval '40 days'")
    note_indexes(base)
    assert read_index_ages(base)["public", "rolling"] > 39
    base.execute("DROP INDEX rolling")
    base.execute("CREATE INDEX rolling ON t (a)")
    assert ("public", "rolling") not in read_index_ages(base)
    note_indexes(base)
    assert read_index_ages(base)["public", "rolling"] < 1


def test_a_store_cut_off_in_the_middle_is_finished_by_the_next_run(base):
    with base.transaction(force_rollback=True):
        ensure_store(base)
    assert installed_version(base) == 0
    assert ensure_store(base) > 0


def test_old_snapshots_go_and_a_broken_run_leaves_none(base):
    name = base.info.dbname
    old = write_down(base, read_counters(base, name), KEEP)
    base.execute("UPDATE pgkeel.workload_snapshot SET taken_at = taken_at - interval '61 days'")
    counters = read_counters(base, name)
    assert find_snapshot(base, counters, counters.taken_at) == old
    newer = write_down(base, counters, KEEP)
    assert base.execute("SELECT array_agg(id) FROM pgkeel.workload_snapshot").fetchone() == ([newer],)
    assert base.execute("SELECT DISTINCT snapshot FROM pgkeel.workload_entry").fetchall() == [(newer,)]
    assert [one.taken_at for one in read_history(base, counters, counters.taken_at - DAY)] == [counters.taken_at]
    base.execute("ALTER TABLE pgkeel.workload_entry ADD CHECK (calls < 0) NOT VALID")
    with pytest.raises(psycopg.errors.CheckViolation):
        write_down(base, read_counters(base, name), KEEP)
    assert base.execute("SELECT array_agg(id) FROM pgkeel.workload_snapshot").fetchone() == ([newer],)


def test_a_full_view_is_told(base):
    ensure_store(base)
    ask(base, 2)
    name = base.info.dbname
    write_down(base, read_counters(base, name), KEEP)
    (capacity,) = base.execute("SELECT current_setting('pg_stat_statements.max')::int").fetchone()
    # Statements differ by the columns they add up; names and constants would be all the same to it.
    base.execute(
        f"""DO $$BEGIN FOR n IN 1..{capacity + 100} LOOP
          EXECUTE 'SELECT ' || (SELECT string_agg(CASE n>>k&1 WHEN 1 THEN 'a' ELSE 'b' END, '+') FROM generate_series(0, 14) k)
                  || ' FROM t LIMIT 0';
        END LOOP; END$$"""
    )
    warnings = " ".join(read_window(base, name, now(base)).warnings)
    assert "made room" in warnings
    assert "Raise pg_stat_statements.max" in warnings
    # It forgot the rarest ones, one at a time for many, and is as good as full.
    assert f"of {capacity} statements" in warnings


def test_without_the_extension_there_is_one_clear_sentence(connection, database):
    bare = connection(database("bare"))
    with pytest.raises(PgkeelError, match=r"has no extension pg_stat_statements.*CREATE EXTENSION"):
        read_window(bare, bare.info.dbname, datetime.now(UTC))
    with pytest.raises(PgkeelError, match="connection is to"):
        read_window(bare, "postgres", datetime.now(UTC))


def test_five_thousand_statements_are_read_in_seconds(base, record_property):
    """Distinct ones, of the length that ORMs write."""
    base.execute("CREATE TABLE wide (" + ", ".join(f"c{n} int" for n in range(200)) + ")")
    capacity = int(base.execute("SHOW pg_stat_statements.max").fetchone()[0])
    wanted = 4500 if capacity <= 5000 else 5000
    with base.pipeline():
        for number in range(wanted):
            columns = ", ".join(f"w.c{(number * k) % 200} AS f{k}" for k in range(1, 9))
            base.execute(
                f"SELECT {columns}, t.a AS x{number} FROM wide w JOIN t ON t.a = w.c{number % 200} "
                f"LEFT JOIN t u ON u.b = w.c{number % 199} WHERE w.c{number % 197} = {number} AND t.b IN (1, 2, 3) "
                f"ORDER BY w.c{number % 193} LIMIT 20"
            )
    started = time.monotonic()
    counters = read_counters(base, base.info.dbname)
    read = time.monotonic()
    workload = summarize(counters, None, datetime.now(UTC) - DAY, known_relations(base))
    understood = time.monotonic()
    write_down(base, counters, KEEP)
    done = time.monotonic()
    figures = (len(workload.statements), read - started, understood - read, done - understood)
    record_property("statements, seconds to read, to redact and fingerprint, to write down", figures)
    assert len(workload.statements) >= 0.95 * wanted
    assert all(one.fingerprint for one in workload.statements)
    assert done - started < 60


def test_a_server_that_does_not_preload_it_is_told_so(server):
    folder = f"/var/tmp/advisor_{time.time_ns()}"
    binaries = "/usr/lib/postgresql/17/bin"
    control = (
        f"su postgres -c \"{binaries}/pg_ctl -D {folder}/data -o '-k {folder} -p 5999 -c listen_addresses=' -w -l {folder}/log"
    )
    make = f"install -d -o postgres {folder} && su postgres -c '{binaries}/initdb -D {folder}/data -N >/dev/null'"
    server.run(f'{make} && {control} start"')
    try:
        login = {"login_unix_socket": folder, "login_port": 5999, "login_db": "postgres"}
        without = server.module("pg_advisor", login)
        assert "has no extension pg_stat_statements" in without["msg"]
        server.run(f"su postgres -c \"psql -h {folder} -p 5999 -c 'CREATE EXTENSION pg_stat_statements'\"")
        unloaded = server.module("pg_advisor", login)
        assert unloaded["failed"]
        assert "is not preloaded" in unloaded["msg"]
        assert "shared_preload_libraries" in unloaded["msg"]
        left = server.run(f'su postgres -c "psql -XAt -h {folder} -p 5999 -c \\"SELECT to_regnamespace(\'pgkeel\')\\""')
        assert left.stdout.strip() == ""
    finally:
        server.run(f'{control} stop -m immediate"; rm -rf {folder}', check=False)
