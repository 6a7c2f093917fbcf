"""Backups and drills on a real server and a real store: what is whole passes, and what is not is refused loudly."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from integration.backup_bench import DRILL, GROUND, OPERATOR, Bench, dump_key, plain_dump
from integration.holding import Background, frozen, held, streaming
from integration.waiting import wait_until
from pgkeel.backup.encryption import decrypt
from pgkeel.objectstore.objects import delete_object, read_small
from pgkeel.objectstore.store import Store

SEED = """
CREATE EXTENSION pgcrypto;
CREATE TABLE "User" (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE);
INSERT INTO "User" (email) SELECT 'u' || n || '@example.org' FROM generate_series(1, 500) n;
CREATE TABLE log (id bigint, payload bytea) PARTITION BY RANGE (id);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (1000);
CREATE TABLE log_2 PARTITION OF log DEFAULT;
INSERT INTO log SELECT n, gen_random_bytes(1000) FROM generate_series(1, 3000) n;
CREATE TABLE parent (a int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child VALUES (1), (2);
CREATE TABLE nothing (a int);
ALTER TABLE nothing ADD CONSTRAINT later CHECK (a > 0) NOT VALID;
CREATE SCHEMA "We""ird; schema";
CREATE TABLE "We""ird; schema"."a table" (x text);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM "User";
DELETE FROM "User" WHERE id = 7;
CREATE SEQUENCE down INCREMENT -3;
SELECT nextval('down');
CREATE SEQUENCE elsewhere;
SELECT setval('elsewhere', 1000, false);
SELECT lo_from_bytea(0, 'large');
CREATE VIEW seen AS SELECT email FROM "User";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, m mood);
CREATE DOMAIN short AS varchar(10) DEFAULT 'x' CHECK (VALUE IN ('x', 'y')) NOT NULL;
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE odd (
  id int GENERATED ALWAYS AS IDENTITY, m mood, ms mood[], p pair, s short, j json, b jsonb DEFAULT '{}', r int4range,
  c varchar(20) CHECK (c IN ('a', 'b')), w text COLLATE blind, f float8, v numeric(10, 2), i interval, t timestamptz, money money,
  doubled int GENERATED ALWAYS AS (n * 2) STORED, n int, dropped int, x xml, owner regrole, o tsvector, pt point
);
ALTER TABLE odd DROP COLUMN dropped;
INSERT INTO odd (m, ms, p, s, j, r, c, w, f, v, i, t, money, n, x, owner, o, pt)
  SELECT 'sad', '{sad,ok}', '(1,ok)', 'x', '{"a": 1}', '[1,5)', 'a', 'Word', 1.1 / 3, 3.1,
    '1 month', '2026-01-01 00:00+00', 3.5, n, '<a/>', 'postgres', 'cat fat', '(1,2)'
  FROM generate_series(1, 20) n;
ALTER TABLE odd ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON odd FOR SELECT TO PUBLIC USING (c IN ('a', 'b') AND n > 3);
CREATE INDEX odd_partial ON odd (lower(c)) WHERE c IN ('a', 'b');
CREATE INDEX half_built ON nothing (a);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half_built'::regclass;
CREATE INDEX not_of_every_partition ON ONLY log (id);
CREATE STATISTICS odd_statistics ON c, n FROM odd;
CREATE FUNCTION twice(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * $2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON odd FOR EACH ROW WHEN (OLD.c IN ('a')) EXECUTE FUNCTION touch();
CREATE AGGREGATE product (int) (sfunc = int4mul, stype = int, initcond = '1');
CREATE VIEW filtered AS SELECT id, c FROM odd WHERE c IN ('a', 'b') AND twice(n) > 2;
CREATE UNLOGGED TABLE fleeting (a int);
COMMENT ON COLUMN odd.c IS 'one of two';
COMMENT ON FUNCTION twice(int, int) IS 'doubles';
GRANT SELECT (id), UPDATE (c) ON odd TO PUBLIC;
REVOKE EXECUTE ON FUNCTION twice(int, int) FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor;
CREATE PUBLICATION part FOR TABLE odd (id, c) WHERE (id > 3);
"""
TABLES = 9
ROWS = 499 + 3000 + 2 + 20


@pytest.fixture
def bench(server: Any, store: Store, database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> Bench:
    name = database("bk")
    with connection(name) as session:
        session.execute(SEED)
    return Bench(server, store, name)


def make_large(bench: Bench, connection: Callable[..., psycopg.Connection], megabytes: int) -> None:
    """Rows that do not compress, so that a backup of them takes some seconds."""
    with connection(bench.database) as session:
        session.execute(
            "CREATE TABLE large AS SELECT n, gen_random_bytes(1000) FROM generate_series(1, %s) n" % (megabytes * 1000)
        )


def failed_checks(result: dict[str, Any]) -> set[str]:
    return {check["name"] for check in result["checks"] if check["verdict"] == "FAIL"}


def test_a_backup_is_taken_and_proved(bench: Bench) -> None:
    planned = bench.backup(check=True)
    assert planned["changed"]
    assert "Would back up" in planned["msg"]
    assert bench.keys() == []
    assert bench.uploads() == []

    taken = bench.backup(module=True)
    assert not taken["failed"], taken["msg"]
    assert taken["changed"]
    assert (taken["tables"], taken["rows"]) == (TABLES, ROWS)
    assert taken["database_bytes"] > taken["bytes"] > 3_000_000
    assert bench.keys() == [
        f"{bench.folder}{taken['backup_id']}/{name}" for name in ("dump.pgc.age", "globals.sql.age", "manifest.json")
    ]
    assert bench.uploads() == []

    planned = bench.drill(check=True)
    assert not planned["changed"]
    assert planned["verdict"] == "COULD NOT VERIFY"
    assert taken["backup_id"] in planned["msg"]

    begun = time.monotonic()
    proved = bench.drill(
        module=True, assertions=[{"name": "users", "query": 'SELECT count(*) > 400 FROM "User"', "expected": "true"}]
    )
    assert proved["verdict"] == "PASS", proved
    assert not proved["changed"]
    assert proved["backup_id"] == taken["backup_id"]
    assert {check["verdict"] for check in proved["checks"]} == {"PASS"}
    assert (proved["tables_compared"], proved["rows_compared"]) == (TABLES, ROWS)
    assert set(proved["phases"]) == {"locate", "prepare", "fetch", "decrypt", "restore", "analyse", "verify", "clean"}
    assert 0 < proved["rto_seconds"] < time.monotonic() - begun
    assert proved["rpo_seconds"] > 0
    assert proved["negative_control"]["detected"] is True
    assert len(proved["negative_control"]["damages"]) == 5
    assert [record["verdict"] for record in proved["history"]] == ["PASS"]
    assert bench.leftovers() == []


def test_the_newest_is_restored_whatever_its_name_and_a_run_without_manifest_is_not_there(bench: Bench) -> None:
    none = bench.drill()
    assert (none["verdict"], none["failed"]) == ("COULD NOT VERIFY", True)
    assert "no committed backup" in none["msg"]
    first, second, third = bench.backup(), bench.backup(), bench.backup()
    delete_object(bench.store, third["manifest_key"])
    # Written last, and still the older one.
    bench.put(first["manifest_key"], read_small(bench.store, first["manifest_key"]))
    assert bench.drill()["backup_id"] == second["backup_id"]


def test_globals_hold_roles_and_their_verifiers_encrypted(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    role = f"it_{secrets.token_hex(4)}"
    with connection() as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'canary-password'")
        admin.execute(f"COMMENT ON ROLE {role} IS 'it''s; CREATE ROLE postgres;'")
        try:
            with connection(bench.database) as session:
                session.execute(f'GRANT SELECT ON "User" TO {role}; ALTER TABLE parent OWNER TO {role}')
            taken = bench.backup()
            sealed = read_small(bench.store, taken["manifest_key"].replace("manifest.json", "globals.sql.age"))
            assert b"SCRAM" not in sealed
            for identity in (OPERATOR, DRILL):
                globals_sql = decrypt(sealed, identity, "globals").decode()
                assert f"CREATE ROLE {role};" in globals_sql
                assert "SCRAM-SHA-256" in globals_sql
            assert bench.drill()["verdict"] == "PASS"
        finally:
            with connection(bench.database) as session:
                session.execute(f"ALTER TABLE parent OWNER TO postgres; DROP OWNED BY {role}")
            admin.execute(f"DROP ROLE {role}")


def test_limits_that_roles_bring_along_do_not_end_a_drill(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection() as admin:
        admin.execute("ALTER ROLE postgres SET statement_timeout = '40ms'; ALTER ROLE postgres SET transaction_timeout = '50ms'")
        try:
            taken = bench.backup()
        finally:
            admin.execute("ALTER ROLE postgres RESET statement_timeout; ALTER ROLE postgres RESET transaction_timeout")
    assert not taken["failed"], taken
    slow = {"name": "slow", "query": "SELECT true FROM pg_sleep(0.2)", "expected": "true"}
    found = bench.drill(assertions=[slow])
    assert found["verdict"] == "PASS", found["reason"]


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_a_database_that_every_cluster_has_is_drilled(
    server: Any, store: Store, connection: Callable[..., psycopg.Connection], name: str
) -> None:
    bench = Bench(server, store, name)
    with connection(name) as session:
        session.execute("CREATE TABLE it_kept AS SELECT generate_series(1, 50) AS id")
    try:
        taken = bench.backup()
        assert not taken["failed"], taken
        found = bench.drill()
    finally:
        with connection(name) as session:
            session.execute("DROP TABLE it_kept")
    assert found["verdict"] == "PASS", found["reason"]


def test_a_forged_count_is_found(bench: Bench) -> None:
    taken = bench.backup()

    def forge(manifest: dict[str, Any]) -> None:
        next(table for table in manifest["contents"]["tables"] if table["name"] == "User")["rows"] += 1

    bench.rewrite_manifest(taken, forge)
    found = bench.drill()
    assert (found["verdict"], found["failed"], failed_checks(found)) == ("FAIL", True, {"row counts"})
    assert "public.User has 499 rows, 500 expected" in found["msg"]
    assert found["negative_control"]["detected"] is True


def test_a_backup_without_hashes_cannot_pass_and_has_its_time(bench: Bench) -> None:
    """The benchmark takes the time from such a drill."""
    assert not bench.backup(hash_contents=False)["failed"]
    found = bench.drill()
    assert found["verdict"] == "COULD NOT VERIFY"
    assert {check["name"] for check in found["checks"] if check["verdict"] != "PASS"} == {"row contents", "negative control"}
    assert found["rto_seconds"] > 0


# While a restore builds the index, the view that the function reads is not filled yet.
TRAP = """
CREATE TABLE rates AS SELECT n AS kind, n * 10 AS rate FROM generate_series(1, 5) n;
CREATE MATERIALIZED VIEW rate_now AS SELECT kind, rate FROM public.rates;
CREATE FUNCTION rate_of(k int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN RETURN (SELECT rate FROM public.rate_now r WHERE r.kind = k);
   EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN 0; END';
CREATE TABLE sale AS SELECT 1 + n % 5 AS kind FROM generate_series(1, 200) n;
CREATE INDEX sale_rate ON sale (rate_of(kind));
"""


def test_an_index_that_a_restore_builds_wrong_is_found(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    """pg_restore exits with 0, every row is there, and queries through the index miss them."""
    with connection(bench.database) as session:
        session.execute(TRAP)
    bench.backup()
    found = bench.drill()
    assert (found["verdict"], failed_checks(found)) == ("FAIL", {"tables and indexes agree"})
    assert "sale_rate" in found["msg"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_object_is_refused(bench: Bench, damage: str) -> None:
    taken = bench.backup()
    dump = bytearray(read_small(bench.store, dump_key(taken)))
    dump[len(dump) // 2] ^= 1
    if damage == "gone":
        delete_object(bench.store, dump_key(taken))
    else:
        bench.replace_dump(taken, bytes(dump) if damage == "flipped" else bytes(dump[:-1000]), forge=False)
    found = bench.drill()
    assert (found["verdict"], found["failed"]) == ("FAIL", True)
    assert ("missing" if damage == "gone" else "is damaged") in found["msg"]
    assert bench.leftovers() == []


def test_a_cut_dump_that_its_manifest_vouches_for_is_found(bench: Bench) -> None:
    taken = bench.backup()
    dump = plain_dump(bench, taken)
    bench.replace_dump(taken, dump[: len(dump) // 2], forge=True)
    found = bench.drill()
    assert found["verdict"] == "FAIL"
    assert "could not be restored" in found["msg"]


@pytest.mark.parametrize("option", ["--exclude-table-data=public.log_2", "--exclude-table=public.child"])
def test_a_dump_that_lacks_a_table_is_found(bench: Bench, option: str) -> None:
    """pg_restore is content with such a dump."""
    taken = bench.backup()
    bench.server.run(f"su postgres -c 'pg_dump -Fc {option} {bench.database}' | base64 > /tmp/pgkeel-it-dump")

    lacking = base64.b64decode(bench.server.run("cat /tmp/pgkeel-it-dump; rm /tmp/pgkeel-it-dump").stdout)
    bench.replace_dump(taken, lacking, forge=True)
    found = bench.drill()
    assert found["verdict"] == "FAIL"
    assert failed_checks(found) >= {"row counts"}
    assert ("public.child is missing" if "child" in option else "public.log_2 has 0 rows") in found["msg"]


def test_a_manifest_that_cannot_be_believed_is_never_passed_over(bench: Bench) -> None:
    bench.backup()
    newer = bench.backup()
    bench.put(newer["manifest_key"], read_small(bench.store, newer["manifest_key"])[:-100])
    found = bench.drill()
    assert (found["verdict"], failed_checks(found)) == ("FAIL", {"manifests"})
    assert newer["backup_id"] in found["msg"]


def test_an_empty_database_verifies_nothing(bench: Bench, database: Callable[..., str]) -> None:
    empty = Bench(bench.server, bench.store, database("bk_empty"))
    assert not empty.backup()["failed"]
    found = empty.drill()
    assert (found["verdict"], found["failed"]) == ("COULD NOT VERIFY", True)


WRONG = [
    ({"access_key": "canary-access"}, "does not accept the access key"),
    ({"secret_key": "canary-secret"}, "does not accept the access key"),
    ({"bucket": "it-not-there-4711"}, "bucket does not exist"),
    ({"endpoint": "https://127.0.0.1:9"}, "cannot be reached"),
    ({"ca_file": "/nonexistent"}, "cannot be read"),
    ({"ca_file": "/etc/ssl/certs/ca-certificates.crt"}, "is not trusted"),
    ({"bin_dir": "/nonexistent"}, "is missing"),
    ({"signing_key": "CHANGE-ME"}, "signing_key is still the placeholder"),
    ({"endpoint": "https://ACCOUNT_ID.r2.cloudflarestorage.com"}, "endpoint is still the placeholder"),
    ({"server_name": "../other"}, "cannot be part of an object's key"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=str)
def test_what_is_wrong_is_said(bench: Bench, change: dict[str, str], words: str) -> None:
    # Where a secret is wrong, the module's own answer must not show it.
    module = any(name.endswith("_key") or "ACCOUNT" in value for name, value in change.items())
    drilled = bench.drill(module=module, **change)
    for result in (bench.backup(module=module, **change), drilled):
        assert result["failed"]
        assert words in result["msg"]
        assert "canary" not in json.dumps({**result, "invocation": None})
        assert bench.store.address.secret_key not in json.dumps(result)
    assert drilled["verdict"] == "COULD NOT VERIFY"
    assert bench.keys() == []


def test_check_mode_fails_where_the_run_would(bench: Bench) -> None:
    assert "bucket does not exist" in bench.backup(check=True, bucket="it-not-there-4711")["msg"]
    assert "no committed backup" in bench.drill(check=True)["msg"]


def test_a_database_that_does_not_exist(bench: Bench) -> None:
    result = bench.backup(database="it_not_there")
    assert result["failed"]
    assert 'database "it_not_there" does not exist' in result["msg"]


def pg_dump_pid(bench: Bench) -> str:
    """Of the pg_dump that dumps this very database."""
    return bench.server.run(
        f"for p in $(pgrep -x pg_dump); do grep -qaz '^PGDATABASE={bench.database}$' /proc/$p/environ && echo $p; done; true"
    ).stdout.strip()


def nothing_committed_and_a_rerun_succeeds(bench: Bench) -> None:
    assert bench.keys() == []
    assert bench.uploads() == []
    assert pg_dump_pid(bench) == ""
    assert not bench.backup()["failed"]
    assert bench.drill()["verdict"] == "PASS"


def test_a_killed_pg_dump(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 60)
    with streaming(bench) as (running, pid):
        bench.server.run(f"kill -9 {pid}")
    result = running.wait()
    assert result["failed"]
    assert "pg_dump was ended by SIGKILL" in result["msg"]
    nothing_committed_and_a_rerun_succeeds(bench)


@pytest.mark.parametrize("application", ["pgkeel program", "pgkeel backup"])
def test_a_killed_backend(bench: Bench, connection: Callable[..., psycopg.Connection], application: str) -> None:
    make_large(bench, connection, 60)
    with streaming(bench) as (running, _), connection() as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = %s",
            [bench.database, application],
        ).fetchall()
    assert ended == [(True,)]
    result = running.wait()
    assert result["failed"]
    said = {"pgkeel program": "pg_dump exited with 1", "pgkeel backup": "The server ended the backup's session"}
    assert said[application] in result["msg"]
    nothing_committed_and_a_rerun_succeeds(bench)


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_killed_module(bench: Bench, connection: Callable[..., psycopg.Connection], signal: str) -> None:
    make_large(bench, connection, 60)
    with streaming(bench) as (running, pid):
        bench.server.run(f"kill -{signal} $(ps -o ppid= -p {pid})")
    result = running.wait()
    assert result["failed"]
    wait_until(lambda: not pg_dump_pid(bench))
    if signal == "TERM":
        assert "ended by SIGTERM" in result["msg"]
        nothing_committed_and_a_rerun_succeeds(bench)
    else:
        assert bench.keys() == []
        assert bench.drill()["verdict"] == "COULD NOT VERIFY"
        again = bench.backup()
        assert again["stale_uploads_aborted"] == 1
        assert bench.uploads() == []
        assert bench.drill()["verdict"] == "PASS"


def test_two_at_once(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with held(bench, connection, '"User"') as running:
        second = bench.backup()
    assert second["failed"]
    assert "is running" in second["msg"]
    assert not running.wait()["failed"]


def test_no_secret_in_process_list_or_environment(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 60)
    with streaming(bench, module=True) as (running, pid):
        seen = bench.server.run("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true").stdout
        names = bench.server.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout.split("\n")
    assert not running.wait()["failed"]
    assert bench.store.address.secret_key not in seen
    assert bench.store.address.access_key not in seen
    assert all(name.startswith("PG") for name in names if name)


def test_the_application_goes_first(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 60)
    ours = "SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = %s AND application_name = ANY (%s)"
    with connection("postgres") as watcher, streaming(bench, module=True) as (running, pid):

        def nicenesses() -> list[str]:
            (backends,) = watcher.execute(ours, [bench.database, ["pgkeel program", "pgkeel backup"]]).fetchone() or ([],)
            processes = [pid, *(backends or [])]
            # "/autogroup-17 nice 10", where the kernel shares processors among sessions.
            sessions = "; ".join(f"tail -c 3 /proc/{process}/autogroup 2>/dev/null || echo 10" for process in processes)
            return bench.server.run(f"ps -o ni= -p {','.join(map(str, processes))}; {sessions}").stdout.split()

        # pg_dump, its backend, and the one that hashes.
        wait_until(lambda: nicenesses() == ["10"] * 6, "the backup does not give way")
    assert not running.wait()["failed"]


def test_tables_that_are_locked_are_waited_for_and_then_reported(
    bench: Bench, connection: Callable[..., psycopg.Connection]
) -> None:
    with connection(bench.database) as session:
        session.execute('BEGIN; LOCK TABLE "User" IN ACCESS EXCLUSIVE MODE')
        result = bench.backup(lock_wait_seconds=1)
    assert result["failed"]
    assert "stayed locked" in result["msg"]
    assert bench.keys() == []


def test_too_little_disk_is_said_before_anything_is_done(bench: Bench) -> None:
    bench.backup()
    result = bench.drill(space_factor=100, drill_dir=small_disk(bench))
    assert (result["verdict"], result["failed"]) == ("COULD NOT VERIFY", True)
    assert "Not enough disk space" in result["msg"]
    assert "prepare" not in result["phases"]


def small_disk(bench: Bench) -> str:
    bench.server.run(
        f"mountpoint -q {GROUND}-small || {{ install -d -o postgres -g postgres -m 700 {GROUND}-small && "
        f"mount -t tmpfs -o size=200m,uid=$(id -u postgres),gid=$(id -g postgres),mode=700 pgkeel-it {GROUND}-small; }}"
    )
    return f"{GROUND}-small"


def test_a_disk_that_fills_during_the_restore(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection(bench.database) as session:
        # Small as a dump, large as a table.
        session.execute("CREATE TABLE wide AS SELECT n, repeat('x', 1500) AS t FROM generate_series(1, 200000) n")
    bench.backup()
    folder = small_disk(bench)
    result = bench.drill(space_factor=0.01, drill_dir=folder)
    left = bench.server.run(f"ls -A {folder}; umount {folder}; rmdir {folder}").stdout.split()
    assert (result["verdict"], result["failed"]) == ("COULD NOT VERIFY", True)
    assert "The disk is full" in result["msg"]
    assert left == [".pgkeel-proving-ground"]


def kill_drill(bench: Bench, signal: str) -> None:
    owner = f"cat {GROUND}/ground-*/owner.json"
    bench.server.run(f"kill -{signal} $({owner} | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"pid\"])')")


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_killed_drill_is_cleaned_up(bench: Bench, connection: Callable[..., psycopg.Connection], signal: str) -> None:
    make_large(bench, connection, 40)
    bench.backup()
    running = Background(bench.drill)
    with frozen(bench, "pg_restore"):
        kill_drill(bench, signal)
    result = running.wait()
    assert result["failed"]
    if signal == "TERM":
        assert (result["verdict"], bench.leftovers()) == ("COULD NOT VERIFY", [])
        assert "ended by SIGTERM" in result["msg"]
    else:
        assert len(bench.leftovers()) == 1
        wait_until(lambda: not bench.server.run(f"pgrep -f '[p]ostgres -D {GROUND}' || true").stdout)
    proved = bench.drill()
    assert proved["verdict"] == "PASS"
    assert bench.leftovers() == []


def test_two_drills_at_once_do_not_sweep_each_other(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    make_large(bench, connection, 50)
    bench.backup()
    drills = [Background(bench.drill), Background(bench.drill)]
    assert [drill.wait()["verdict"] for drill in drills] == ["PASS", "PASS"]
    assert bench.leftovers() == []


@pytest.mark.parametrize("folder", ["/var/lib/postgresql", "/tmp", "/root", "/var/lib/postgresql/" + "x" * 80, "relative"])
def test_a_drill_directory_that_is_not_ours_is_refused_and_untouched(bench: Bench, folder: str) -> None:
    bench.backup()
    before = bench.server.run(f"ls -A {folder} 2>&1 || true").stdout
    result = bench.drill(drill_dir=folder)
    assert (result["verdict"], result["failed"]) == ("COULD NOT VERIFY", True)
    assert bench.server.run(f"ls -A {folder} 2>&1 || true").stdout == before
