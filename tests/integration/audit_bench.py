"""Two clusters for the tests of the audit: one as it should be, into which faults are put later, and one wrong from the start."""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from integration.waiting import end, wait_until
from pgkeel.audit.checks import ALL
from pgkeel.audit.run import AuditReport, Options, run_audit
from pgkeel.audit.thresholds import Thresholds
from pgkeel.postgres.connect import Login

BIN = "/usr/lib/postgresql/17/bin"
TODAY = date(2026, 3, 1)
IDS = [check.id for check in ALL]
PASSWORD = secrets.token_urlsafe(12)

GOOD = """
autovacuum_naptime = 1h  # so that only the tests change the statistics
archive_mode = on
archive_command = 'true'
deadlock_timeout = 10ms
listen_addresses = ''
log_lock_waits = on
log_min_duration_statement = 1s
log_temp_files = 10MB
log_parameter_max_length = 0
max_prepared_transactions = 5
max_wal_size = 1GB
shared_buffers = 160MB
shared_preload_libraries = pg_stat_statements
pg_stat_statements.max = 10000
pg_stat_statements.track = all
ssl = on
ssl_cert_file = '/etc/ssl/certs/ssl-cert-snakeoil.pem'
ssl_key_file = '/etc/ssl/private/ssl-cert-snakeoil.key'
track_io_timing = on
"""
BAD = """
archive_mode = on
archive_command = 'false'
autovacuum = off
fsync = off
full_page_writes = off
listen_addresses = '*'
log_checkpoints = off
log_lock_waits = off
log_min_duration_statement = -1
log_temp_files = -1
max_connections = 600
password_encryption = md5
port = 25432
shared_buffers = 16MB
ssl = off
synchronous_commit = off
track_counts = off
track_io_timing = off
work_mem = 4MB
"""
GOOD_HBA = "local all postgres peer\nlocal all all scram-sha-256\nhostssl all all 0.0.0.0/0 scram-sha-256\n"
# The open line admits an address that no packet can come from.
BAD_HBA = """
local all postgres peer
local all all trust
host all all 127.0.0.1/32 trust
host all all 233.252.0.0/24 trust
host all all 198.51.100.0/24 md5
host all all 203.0.113.0/24 password
"""

# Sharp enough for small tables; the healthy database is audited with the same.
SHARP: dict[str, Any] = {
    "idle_in_transaction_seconds": 0,
    "long_transaction_seconds": 0,
    "lock_wait_seconds": 0,
    "prepared_transaction_seconds": 0,
    "slot_retained_bytes": 1,
    "dead_rows": 100,
    "unanalyzed_table_bytes": 0,
    "stale_rows": 100,
    "spill_bytes_per_day": 1,
    "deadlocks_per_day": 0.5,
    "statistics_minimum_days": 0,
    "unused_index_bytes": 0,
    "unused_index_table_scans": 20,
    "foreign_key_table_bytes": 0,
    "sequential_scan_table_bytes": 0,
    "sequential_scans": 5,
    "sequential_scan_rows": 1000,
    "containment_calls": 1,
    "containment_table_bytes": 0,
}
# What cannot be produced in a test: the rule fires when its threshold says so, and is silent at the default.
HAIR: dict[str, Any] = {
    "wraparound_warning_ratio": 0,
    "cache_hit_ratio": 1,
    "cache_minimum_blocks": 0,
    "checkpoints_minimum": 1,
    "checkpoints_requested_ratio": 0,
    "connections_warning_ratio": 0.01,
    "slow_statement_mean_milliseconds": 20,
    "slow_statement_calls": 3,
    "heavy_statement_ratio": 0.01,
    "heavy_statement_seconds": 0.05,
    "spilling_statement_bytes": 1,
    "spilling_statement_calls": 1,
    "reading_statement_bytes": 8192,
    "reading_statement_calls": 1,
    "default_buffers_data_bytes": 0,
    "evictions_per_day": 1,
}

HEALTHY = """
CREATE ROLE app_owner NOLOGIN;
CREATE ROLE app_writer LOGIN PASSWORD '{password}';
ALTER ROLE app_writer SET statement_timeout = '60s';
ALTER ROLE app_writer IN DATABASE healthy SET idle_in_transaction_session_timeout = 60000;
CREATE ROLE app_reader LOGIN PASSWORD '{password}';
GRANT CREATE ON SCHEMA public TO app_owner;
SET ROLE app_owner;
CREATE TABLE "User" (id text PRIMARY KEY, email text UNIQUE, metadata jsonb, serial_no int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE "BehaviorLog" (
  id bigint PRIMARY KEY, "userId" text NOT NULL REFERENCES "User", kind text, at timestamp(3), payload jsonb
);
CREATE INDEX log_user_at ON "BehaviorLog" ("userId", at);
CREATE INDEX log_at_user ON "BehaviorLog" (at, "userId");
CREATE INDEX log_kind_user ON "BehaviorLog" (kind, "userId");
CREATE INDEX log_kind_pattern ON "BehaviorLog" (kind text_pattern_ops);
CREATE INDEX log_kind_recent ON "BehaviorLog" (kind) WHERE at > '2026-01-01';
CREATE INDEX log_kind_at ON "BehaviorLog" (kind COLLATE "C", at);
CREATE INDEX log_lower_kind ON "BehaviorLog" (lower(kind));
CREATE INDEX log_payload ON "BehaviorLog" USING gin (payload jsonb_path_ops);
CREATE TABLE measure (at date NOT NULL, value int, PRIMARY KEY (at, value)) PARTITION BY RANGE (at);
CREATE TABLE measure_2026 PARTITION OF measure FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE ordered (id int PRIMARY KEY, n int);
CREATE INDEX ordered_n ON ordered (n);
CREATE INDEX ordered_n_desc ON ordered (n DESC);
CREATE INDEX ordered_n_few ON ordered (n) WHERE n < 10;
CREATE TABLE visited (id int PRIMARY KEY, a int, b int);
CREATE INDEX visited_a ON visited (a);
CREATE INDEX visited_b ON visited (b);
CREATE TABLE few (id int PRIMARY KEY);
CREATE TABLE span (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
CREATE POLICY own ON "User" USING (id = current_user);
ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION pinned() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp RETURN 1;
GRANT INSERT, UPDATE, SELECT ON "BehaviorLog" TO app_writer;
GRANT SELECT ON "BehaviorLog" TO app_reader;
RESET ROLE;
INSERT INTO "User" SELECT 'u' || n, n || '@example.org', '{{"n": 1}}' FROM generate_series(1, 50) n;
INSERT INTO "BehaviorLog"
  SELECT n, 'u' || n % 50 + 1, 'k' || n % 7, '2026-02-01', jsonb_build_object('n', n) FROM generate_series(1, 3000) n;
INSERT INTO visited SELECT n, n, n FROM generate_series(1, 3000) n;
ANALYZE visited;
DO $$ BEGIN FOR n IN 1..30 LOOP PERFORM * FROM visited WHERE a = n; PERFORM * FROM visited WHERE b = n; END LOOP; END $$;
SELECT count(*) FROM "BehaviorLog" WHERE payload @> '{{"n": 7}}';
DELETE FROM "BehaviorLog" WHERE id > 2990;
INSERT INTO few SELECT generate_series(1, 10);
CREATE TABLE of_an_extension (id int);
ALTER EXTENSION pg_stat_statements ADD TABLE of_an_extension;
CREATE FUNCTION function_of_an_extension() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
ALTER EXTENSION pg_stat_statements ADD FUNCTION function_of_an_extension();
SELECT pg_stat_force_next_flush();
VACUUM ANALYZE;
DELETE FROM few WHERE id <= 8;
DELETE FROM visited WHERE id <= 150;
"""

FAULTY = """
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pg_buffercache;
CREATE ROLE app_wild LOGIN PASSWORD 'app_wild';
CREATE ROLE app_old LOGIN;
SET password_encryption = 'md5'; ALTER ROLE app_old PASSWORD 'postgres'; RESET password_encryption;
CREATE ROLE second_super LOGIN SUPERUSER PASSWORD '{password}';
CREATE ROLE program_runner LOGIN PASSWORD '{password}';
GRANT pg_execute_server_program TO program_runner;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE LANGUAGE untrusted_sample HANDLER plpgsql_call_handler;
CREATE FUNCTION loose(name text) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE "No Key" (id int, parent_id int CONSTRAINT no_index REFERENCES parent);
CREATE TABLE dead (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
INSERT INTO dead SELECT generate_series(1, 1000);
SELECT pg_stat_force_next_flush();
ANALYZE dead;
DELETE FROM dead WHERE id <= 600;
CREATE TABLE never_analyzed (id int PRIMARY KEY);
INSERT INTO never_analyzed SELECT generate_series(1, 5000);
CREATE TABLE stale (id int PRIMARY KEY);
INSERT INTO stale SELECT generate_series(1, 100);
SELECT pg_stat_force_next_flush();
ANALYZE stale;
INSERT INTO stale SELECT generate_series(101, 1000);
SELECT count(*) FROM never_analyzed;
CREATE TABLE parted (at date) PARTITION BY RANGE (at);
CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX parted_one ON parted (at);
CREATE INDEX parted_two ON parted (at);
CREATE INDEX key_second ON "No Key" (id, parent_id);
CREATE UNLOGGED TABLE forgetful (id int PRIMARY KEY);
CREATE TABLE counter (id serial PRIMARY KEY);
SELECT setval('counter_id_seq', 2000000000);
CREATE TABLE wide_counter (id int PRIMARY KEY);
CREATE SEQUENCE wide_seq OWNED BY wide_counter.id;
SELECT setval('wide_seq', 1700000000);
CREATE TABLE indexed (id int PRIMARY KEY, a int, b int, c text, p int REFERENCES parent);
INSERT INTO indexed SELECT n, n % 10, n, 'x' FROM generate_series(1, 3000) n;
CREATE INDEX dup_one ON indexed (a, b);
CREATE INDEX dup_two ON indexed (a, b);
CREATE INDEX dup_of_key ON indexed (id);
CREATE INDEX short_one ON indexed (b);
CREATE INDEX long_one ON indexed (b, c);
CREATE INDEX idle_one ON indexed (c);
CREATE INDEX supports_a_key ON indexed (p);
CREATE UNIQUE INDEX enforces ON indexed (id, b);
CREATE INDEX declared_idle ON indexed (a, c);
CREATE INDEX declared_drifted ON indexed (b, a);
ANALYZE indexed;
CREATE POLICY inert ON parent USING (true);
CREATE TABLE docs (id int PRIMARY KEY, body jsonb);
INSERT INTO docs SELECT n, '{{"a": 1}}' FROM generate_series(1, 500) n;
ANALYZE docs;
SELECT count(*) FROM docs d WHERE d.body @> '{{"a": "SECRET-LITERAL"}}';
CREATE TABLE other_docs (id int PRIMARY KEY, body jsonb);
INSERT INTO other_docs SELECT * FROM docs;
ANALYZE other_docs;
CREATE TABLE damaged (id int PRIMARY KEY, filler text);
INSERT INTO damaged SELECT n, repeat('x', 500) FROM generate_series(1, 500) n;
ANALYZE damaged;
GRANT INSERT, UPDATE ON parent TO app_wild;
"""

DECLARED = [
    {"name": "log_user_at", "database": "healthy", "table": "BehaviorLog", "columns": ["userId", {"column": "at"}]},
    {"name": "another_name", "database": "healthy", "table": "BehaviorLog", "columns": ["at", "userId"]},
    {"name": "visited_a", "database": "healthy", "table": "visited", "columns": ["a"]},
    {
        "name": "log_payload",
        "database": "healthy",
        "table": "BehaviorLog",
        "method": "gin",
        "columns": [{"column": "payload", "opclass": "jsonb_path_ops"}],
    },
    {"name": "log_lower_kind", "database": "healthy", "table": "BehaviorLog", "columns": [{"expression": "LOWER(kind)"}]},
    {"name": "log_kind_recent", "database": "healthy", "table": "BehaviorLog", "columns": ["kind"], "where": "at > '2026-01-01'"},
    {"name": "never_was", "database": "healthy", "table": "BehaviorLog", "state": "absent"},
]
DECLARED_FAULTY = [
    {"name": "declared_missing", "database": "faulty", "table": "indexed", "columns": ["c", "id"]},
    {"name": "declared_drifted", "database": "faulty", "table": "indexed", "columns": ["b", "a", "c"]},
    {"name": "broken_unique", "database": "faulty", "table": "indexed", "columns": ["a"], "unique": True},
    {"name": "declared_idle", "database": "faulty", "table": "indexed", "columns": ["a", "c"]},
]


@dataclass
class Cluster:
    """A throwaway cluster on the lab server, reached through a forwarded socket as its superuser."""

    server: Any
    folder: str
    socket_dir: str
    port: int
    opened: list[psycopg.Connection] = field(default_factory=list)

    @property
    def login(self) -> Login:
        return Login(host=self.socket_dir, port=self.port)

    def sh(self, command: str, *, check: bool = True) -> None:
        self.server.run(f"cd / && runuser -u postgres -- sh -c {shlex.quote(command)}", check=check)

    def restart(self) -> None:
        self.sh(f"{BIN}/pg_ctl -D {self.folder}/data -w -m fast -l {self.folder}/log restart")

    def append(self, file: str, text: str) -> None:
        self.server.run(f"cat >> {self.folder}/data/{file}", stdin=text)

    def connect(self, database: str = "postgres", **more: Any) -> psycopg.Connection:
        opened = psycopg.connect(
            host=self.socket_dir, port=self.port, user="postgres", dbname=database, autocommit=True, connect_timeout=60, **more
        )
        self.opened.append(opened)
        return opened

    def script(self, database: str, text: str) -> None:
        with self.connect(database) as session:
            for statement in text.split(";\n"):
                if statement.strip():
                    session.execute(statement)
            session.execute("SELECT pg_stat_force_next_flush()")

    def audit(self, thresholds: dict[str, Any] | None = None, **options: Any) -> AuditReport:
        return run_audit(self.login, Options(thresholds=Thresholds.from_mapping(thresholds or {}), **options), TODAY)


def start(server: Any, stack: ExitStack, name: str, *, initdb: str, configuration: str, hba: str, port: int) -> Cluster:
    folder = f"/var/tmp/pgkeel-audit-{name}-{secrets.token_hex(4)}"
    local = tempfile.mkdtemp(prefix="pgkeel-audit-")
    cluster = Cluster(server, folder, local, port)
    stack.callback(shutil.rmtree, local, ignore_errors=True)
    stack.callback(server.run, f"rm -rf {folder}", check=False)
    server.run(f"install -d -o postgres -g postgres -m 700 {folder}")
    cluster.sh(f"{BIN}/initdb -D {folder}/data -A peer --no-sync {initdb} >/dev/null")
    cluster.append("postgresql.conf", f"unix_socket_directories = '{folder}'\n{configuration}")
    server.run(f"cat > {folder}/data/pg_hba.conf", stdin=hba)
    stack.callback(cluster.sh, f"{BIN}/pg_ctl -D {folder}/data -m immediate stop", check=False)
    cluster.sh(f"{BIN}/pg_ctl -D {folder}/data -w -l {folder}/log start >/dev/null || (cat {folder}/log; exit 1)")
    *ssh, target = server.ssh("postgres")
    socket = Path(local, f".s.PGSQL.{port}")
    forward = subprocess.Popen([*ssh, "-N", "-L", f"{socket}:{folder}/.s.PGSQL.{port}", target])
    stack.callback(end, forward)
    stack.callback(lambda: [session.close() for session in cluster.opened])
    wait_until(socket.exists, "the forward to the throwaway cluster did not come up")
    return cluster


def sleeping(session: psycopg.Connection, statement: str) -> None:
    """Start a statement and do not wait for it."""
    session.pgconn.send_query(statement.encode())


def wait_true(session: psycopg.Connection, condition: str) -> None:
    wait_until(lambda: session.execute(f"SELECT {condition}").fetchone()[0], f"{condition} did not come true")


EVICT = "SELECT pg_buffercache_evict(bufferid) FROM pg_buffercache WHERE relfilenode = pg_relation_filenode(%s::regclass)"


def read_badly(main: psycopg.Connection) -> None:
    """Statements that find no index, no cached block, and not enough work_mem."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        main.execute("CREATE UNIQUE INDEX CONCURRENTLY broken_unique ON indexed (a)")
    main.execute("CHECKPOINT")
    main.execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off")
    for _ in range(5):
        main.execute(EVICT, ["indexed"])
        main.execute("SELECT count(*) FROM indexed WHERE id = 5")
        main.execute("SELECT pg_sleep(0.2)")
    main.execute("DO $$ BEGIN FOR n IN 1..20 LOOP PERFORM count(*) FROM indexed; END LOOP; END $$")
    main.execute("SET work_mem = '64kB'")
    main.execute("SELECT count(*) FROM (SELECT g, random() AS r FROM generate_series(1, 100000) g ORDER BY r OFFSET 10) s")


def damage_a_block(good: Cluster, main: psycopg.Connection) -> None:
    """As a disk would, behind the server's back."""
    main.execute(EVICT, ["damaged"])
    path = main.execute("SELECT pg_relation_filepath('damaged')").fetchone()[0]
    good.sh(f"printf damage | dd of={good.folder}/data/{path} bs=1 seek=9000 conv=notrunc status=none")
    with pytest.raises(psycopg.errors.DataCorrupted):
        main.execute("SELECT count(*) FROM damaged")


def collide(good: Cluster) -> None:
    """A deadlock, and a row lock that two transactions share (which makes a multixact)."""
    one, two = good.connect("faulty"), good.connect("faulty")
    for session, key in ((one, 1), (two, 2)):
        session.execute("BEGIN")
        session.execute("SELECT * FROM stale WHERE id = 1 FOR SHARE")
        session.execute("SELECT pg_advisory_xact_lock(%s)", [key])
    sleeping(one, "SELECT pg_advisory_xact_lock(2)")
    with suppress(psycopg.errors.DeadlockDetected):  # either of the two may be the one that is told
        two.execute("SELECT pg_advisory_xact_lock(1)")
    one.close()
    two.close()


def stand_in_the_way(good: Cluster) -> None:
    """Sessions, a prepared transaction and a slot that hold others up, until the cluster goes."""
    prepared = good.connect("faulty")
    prepared.execute("CREATE TABLE prepared_table (id int PRIMARY KEY)")
    prepared.execute("INSERT INTO prepared_table VALUES (0)")
    prepared.execute("ANALYZE prepared_table")
    prepared.execute("BEGIN")
    prepared.execute("INSERT INTO prepared_table VALUES (1)")
    prepared.execute("PREPARE TRANSACTION 'left-over'")
    prepared.execute("SELECT pg_create_physical_replication_slot('nobody', true)")
    prepared.execute("SELECT pg_switch_wal()")
    idle = good.connect("faulty", application_name="idler")
    idle.execute("BEGIN")
    idle.execute("SELECT pg_advisory_xact_lock(7)")
    sleeping(good.connect("faulty", application_name="waiter"), "SELECT pg_advisory_xact_lock(7)")
    sleeping(good.connect("faulty", application_name="worker"), "SELECT pg_sleep(120)")
