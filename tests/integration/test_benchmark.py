"""The success metrics on a tiny data set: every client, both ways, the same answers; and what happens when something is amiss."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import yaml
from integration.conftest import BIN, ROOT
from integration.waiting import wait_until
from pgkeel.benchmark.cases import group_named
from pgkeel.benchmark.clients import Clients
from pgkeel.benchmark.metrics_run import Bench, Effort, measure_group
from pgkeel.benchmark.stage import read_stage
from pgkeel.postgres.connect import Login, connect
from pgkeel.postgres.interruption import InterruptedRunError, interruptible
from psycopg import sql

FOLDER = "/var/lib/postgresql/pgkeel-bench-it"
SCHEMA = ROOT / "files" / "edtech"
PLAYBOOK = "playbooks/benchmark.yml"
INDEXES = (
    "User_metadata_idx",
    "BehaviorLog_payload_idx",
    "BehaviorLog_timestamp_covering_idx",
    "BehaviorLog_userId_timestamp_covering_idx",
    "BehaviorLog_recent_idx",
)


@pytest.fixture(scope="module")
def clients(server):
    """Node and the clients on the server."""
    server.run("command -v node >/dev/null || apt-get install -y -qq --no-install-recommends nodejs >/dev/null", timeout=300)
    archive = ROOT / "build" / "bench" / "clients.tar.gz"
    subprocess.run([ROOT / "files" / "bench" / "pack", archive], check=True)
    with archive.open("rb") as packed:
        unpack = f"rm -rf {FOLDER} && install -d -o postgres {FOLDER} && tar xz --no-same-owner -C {FOLDER}"
        subprocess.run([*server.ssh(), unpack], stdin=packed, check=True)
    yield FOLDER
    server.run(f"rm -rf {FOLDER}")


@pytest.fixture(scope="module")
def password(server):
    wanted = "{{ (database_roles | selectattr('name', 'equalto', 'app') | first).password }}"
    command = [BIN / "ansible", server.name, "-i", server.inventory, "-m", "debug", "-a", json.dumps({"msg": wanted})]
    environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"][server.name]["msg"]


@pytest.fixture(scope="module")
def bench(server):
    """A database with the tiny data set, and its name."""
    name = "it_bench"
    with psycopg.connect(host=server.socket_dir, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER app").format(sql.Identifier(name)))
        arguments = {
            "login_db": name,
            "size": "tiny",
            "owner": "app",
            "tables_sql": (SCHEMA / "tables.sql").read_text(),
            "constraints_sql": (SCHEMA / "constraints.sql").read_text(),
            "migrations_sql": (SCHEMA / "prisma_migrations.sql").read_text(),
        }
        loaded = server.module("edtech_load", arguments)
        assert not loaded["failed"], loaded.get("msg")
        yield name
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def application(bench, clients, password):
    """Arguments of the module that lead to the clients."""
    return {"login_db": bench, "clients_dir": clients, "clients_user": "app", "clients_password": password}


@pytest.fixture
def measure(server, application):
    def run(group, **change):
        return server.module("pg_bench", {**application, "seconds": 0.1, "least": 1, "inserted": 50, "group": group, **change})

    return run


def state(connection, bench):
    """All indexes, and all logs, as they are."""
    database = connection(bench)
    indexes = database.execute("SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'pgkeel') ORDER BY 1").fetchall()
    logs = database.execute('SELECT count(*), sum(hashtext(log::text)) FROM "BehaviorLog" AS log').fetchone()
    tables = database.execute("SELECT relname FROM pg_class WHERE relnamespace = 'pgkeel'::regnamespace ORDER BY 1").fetchall()
    return indexes, logs, tables


@pytest.mark.parametrize(
    ("group", "count"),
    [("recent_logs", 5), ("weekly_scan", 3), ("jsonb_users", 5), ("logs", 10), ("analytics_now", 2), ("analytics_literal", 2)],
)
def test_each_client_gives_the_same_answer_both_ways(measure, connection, bench, group, count):
    before = state(connection, bench)
    done = measure(group)
    assert not done["failed"], done.get("msg")
    rows = done["rows"]
    assert len(rows) == count
    for row in rows:
        assert (row["reason"], row["difference"]) == ("", ""), row
        assert row["before_ms"]["median"] > 0 < row["after_ms"]["median"]
        assert row["ratio"] == pytest.approx(row["before_ms"]["median"] / row["after_ms"]["median"], rel=0.02, abs=0.01)
        if row["client"] != "pgbench":
            assert row["rows"] > 0
        if not row["metric"].startswith("insert"):
            assert "actual time" in row["plan_before"]
            assert "actual time" in row["plan_after"]
    by_metric = {(row["metric"], row["client"]): row for row in rows}
    if group == "recent_logs":
        assert "Limit" in by_metric["recent_logs", "Drizzle"]["plan_after"]
        assert "Limit" not in by_metric["recent_logs", "Drizzle"]["plan_before"]
        assert "Limit" in by_metric["recent_logs", "Prisma"]["plan_after"]
    if group == "weekly_scan":
        assert "Nested Loop" in by_metric["weekly_scan", "Kysely"]["plan_after"]
    if group == "logs":
        assert "payload_idx" not in by_metric["jsonb_logs_0.01%", "Drizzle"]["plan_before"]
        assert by_metric["insert_batched", "Drizzle"]["rows"] == 50
        (cost,) = done["indexes"]
        assert cost["bytes"] > 0 < cost["wal_bytes"]
        assert cost["insert_with"]["wal_bytes"] > cost["insert_without"]["wal_bytes"]
    for one in done["raw"]:
        assert one["before_ms"]
        assert one["after_ms"]
    assert state(connection, bench) == before


def test_every_drawn_user_has_recent_logs(connection, bench):
    """Two empty answers are equal whatever is wrong."""
    database = connection(bench)
    for seed in range(1, 6):
        stage = read_stage(database, seed=seed, inserted=50)
        assert stage.active
        since = (stage.reference - timedelta(days=7)).replace(tzinfo=None)
        recent = 'SELECT DISTINCT "userId" FROM "BehaviorLog" WHERE timestamp >= %s'
        assert set(stage.active) <= {user for (user,) in database.execute(recent, [since]).fetchall()}


BATCHES = """
import { inBatches } from "./application/batches.mjs";
const told = { sizes: [], error: "", under_way: 0, most: 0, left: 0 };
const insert = async (rows) => {
  told.most = Math.max(told.most, ++told.under_way);
  told.sizes.push(rows.length);
  await new Promise((done) => setTimeout(done, rows[0] === FAILS ? 5 : 50));
  told.under_way--;
  if (rows[0] === FAILS) throw new Error("refused");
};
const rows = Array.from({ length: 11 }, (_, number) => number);
await inBatches(rows, insert, { size: 3 }).catch(({ message }) => (told.error = message));
told.left = told.under_way;
console.log(JSON.stringify(told));
"""


@pytest.mark.parametrize(("fails", "sizes", "error"), [(99, [3, 3, 3, 2], ""), (3, [3, 3], "refused")])
def test_batches_go_two_at_a_time_and_a_failure_leaves_nothing_under_way(server, clients, fails, sizes, error):
    script = shlex.quote(BATCHES.replace("FAILS", str(fails)))
    told = json.loads(server.run(f"cd {clients} && node --input-type=module -e {script}").stdout)
    assert told == {"sizes": sizes, "error": error, "under_way": 0, "most": 2, "left": 0}


def test_indexes_that_were_there_are_there_again(measure, connection, bench):
    database = connection(bench)
    # By its name, with another definition; and by its definition, with another name.
    database.execute('CREATE INDEX "User_metadata_idx" ON "User" USING gin (metadata)')
    database.execute('CREATE INDEX another_name ON "User" USING gin (metadata jsonb_path_ops)')
    try:
        before = state(connection, bench)
        plans = [row["plan_before"] for row in measure("jsonb_users", first_only=True)["rows"]]
        assert not any("another_name" in (plan or "") or "metadata_idx" in (plan or "") for plan in plans)
        assert state(connection, bench) == before
    finally:
        database.execute('DROP INDEX "User_metadata_idx", another_name')


def when_it_waits(admin, bench):
    """End this process's run as soon as the benchmark waits for a lock."""
    waiting = "SELECT FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX%%'"
    wait_until(lambda: admin.execute(waiting, [bench]).fetchone() is not None)
    os.kill(os.getpid(), signal.SIGTERM)


def test_an_interruption_while_an_index_is_built_leaves_everything_as_it_was(server, connection, bench, tmp_path):
    login = Login(host=server.socket_dir, port=5432, user="postgres", password="", database=bench)
    before = state(connection, bench)
    with connect(login, application_name="pgkeel bench") as working, connection(bench) as writer:
        stage = read_stage(working, seed=1, inserted=50)
        clients = Clients(login, tmp_path, Path("/nonexistent"))
        with writer.transaction(), interruptible():
            # CREATE INDEX waits for whoever writes.
            writer.execute('LOCK TABLE "User" IN ROW EXCLUSIVE MODE')
            strike = threading.Thread(target=when_it_waits, args=(connection(), bench))
            strike.start()
            with pytest.raises(InterruptedRunError):
                measure_group(Bench(working, stage, clients, Effort(0.1, least=1)), group_named("jsonb_users"), lambda *_: None)
    strike.join()
    assert state(connection, bench) == before


def test_a_run_that_was_killed_is_mended_by_the_next(measure, connection, bench):
    before = state(connection, bench)
    database = connection(bench)
    database.execute('CREATE TABLE pgkeel.bench_indexes (name text PRIMARY KEY, "table" text NOT NULL, definition text)')
    for record in (("lost_idx", "User", 'USING btree ("firstName")'), ("ours_idx", "User", None)):
        database.execute("INSERT INTO pgkeel.bench_indexes VALUES (%s, %s, %s)", record)
    database.execute('CREATE INDEX ours_idx ON "User" (id)')
    assert not measure("analytics_now", first_only=True)["failed"]
    indexes = [row[0] for row in database.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'User'").fetchall()]
    assert "lost_idx" in indexes
    assert "ours_idx" not in indexes
    database.execute("DROP INDEX lost_idx")
    assert state(connection, bench) == before


def test_a_missing_client_is_told_and_the_others_are_measured(measure, server, clients):
    server.run(f"mv {clients}/node_modules/.bench-client {clients}/away")
    try:
        done = measure("jsonb_users")
    finally:
        server.run(f"mv {clients}/away {clients}/node_modules/.bench-client")
    assert not done["failed"], done.get("msg")
    reasons = {(row["client"], row["met"]): row["reason"] for row in done["rows"] if row["reason"]}
    assert list(reasons) == [("Prisma", None)]
    assert "Prisma is not in" in reasons["Prisma", None]
    assert sum(row["after_ms"] is not None for row in done["rows"]) == 4


def test_a_different_answer_is_a_failure(measure, server, clients):
    source = f"{clients}/application/drizzle.mjs"
    server.run(f"cp {source} {clients}/kept && sed -i 's/logs.timestamp, since/logs.timestamp, new Date(0)/' {source}")
    try:
        rows = measure("recent_logs")["rows"]
    finally:
        server.run(f"mv {clients}/kept {source}")
    wrong = [row for row in rows if row["difference"]]
    assert {row["client"] for row in wrong} == {"Drizzle"}
    assert all(row["met"] is False for row in wrong)
    assert wrong[0]["difference"].startswith("call ")


def test_a_database_with_other_data_is_refused(measure, database):
    name = database("bench_other")
    done = measure("logs", login_db=name)
    assert done["failed"]
    assert "does not hold the EdTech reference data" in done["msg"]


def test_a_wrong_password_is_told_and_nothing_stays(measure, connection, bench):
    before = state(connection, bench)
    done = measure("analytics_now", clients_password="wrong-for-sure")
    assert {row["met"] for row in done["rows"]} == {None}
    assert all("could not measure before" in row["reason"] for row in done["rows"])
    assert "wrong-for-sure" not in json.dumps(done)
    assert state(connection, bench) == before


def test_when_ansible_is_ended_everything_is_put_back(server, connection, bench, application):
    before = state(connection, bench)
    kept = f"{application['clients_dir']}/measured.jsonl"
    server.run(f"rm -f {kept}")
    arguments = json.dumps({**application, "group": "logs", "seconds": 3, "keep_file": kept, "inserted": 2000})
    command = [BIN / "ansible", server.name, "-i", server.inventory, "-m", "pg_bench", "-a", arguments]
    command += ["-e", "ansible_python_interpreter=/opt/pgkeel/venv/bin/python", "--become", "--become-user", "postgres"]
    watch = connection(bench)
    ansible = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: server.run(f"cat {kept} 2>/dev/null", check=False).stdout, "no figure was kept")
        assert len(state(connection, bench)[2]) > len(before[2])
    finally:
        os.killpg(ansible.pid, signal.SIGINT)
        ansible.wait()
    ask = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgkeel bench'"
    wait_until(lambda: watch.execute(ask).fetchone() == (0,), "the module still runs")
    assert server.run("pgrep -f bench.mjs", check=False).stdout == ""
    assert state(connection, bench) == before
    first = json.loads(server.run(f"head -1 {kept}").stdout)
    assert (first["database"], first["row"]["metric"], first["raw"]["metric"]) == (bench, *["jsonb_logs_0.01%"] * 2)
    assert first["raw"]["before_ms"]


def test_the_function_and_the_migration_of_the_documents_work(connection, bench):
    database = connection(bench)
    application = ROOT / "files" / "bench" / "application"
    with database.transaction(force_rollback=True):
        database.execute((application / "user_figures.sql").read_bytes())
        database.execute((application / "migration.sql").read_bytes())
        users = [row[0] for row in database.execute('SELECT id FROM "User" ORDER BY id').fetchall()]
        since = "2000-01-01"
        found = database.execute("SELECT * FROM user_figures(%s, %s) ORDER BY 1", [[*users, users[0]], since]).fetchall()
        figures = 'SELECT count(*), count(DISTINCT "eventType"), avg(duration) FROM "BehaviorLog" WHERE "userId" = %s'
        wanted = [(user, *database.execute(figures, [user]).fetchone()) for user in users]
        assert [(*row[:3], pytest.approx(row[3])) for row in wanted] == found
        names = {row[0] for row in database.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'").fetchall()}
        assert names >= {"BehaviorLog_payload_idx", "User_metadata_idx"}


def test_the_declared_indexes_of_the_documents_can_be_built(server, connection, bench):
    declared = yaml.safe_load((ROOT / "files" / "bench" / "application" / "indexes.yml").read_text())
    indexes = [{key: value for key, value in one.items() if key != "database"} for one in declared]
    done = server.module("pg_index", {"login_db": bench, "indexes": indexes})
    assert done["changed"], done
    for name in (one["name"] for one in indexes):
        connection(bench).execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))


def test_more_data_than_the_disk_holds_is_refused(server, connection):
    """A tablespace on a disk of 64 MB."""
    place = "/mnt/pgkeel-small"
    server.run(f"mkdir -p {place} && mount -t tmpfs -o size=64m tmpfs {place} && install -d -o postgres -m 700 {place}/data")
    admin = connection()
    try:
        admin.execute(f"CREATE TABLESPACE it_small LOCATION '{place}/data'")
        admin.execute("CREATE DATABASE it_small OWNER app TABLESPACE it_small")
        arguments = {
            "login_db": "it_small",
            "size": "bench",
            "owner": "app",
            **{f"{name}_sql": "SELECT 1" for name in ("tables", "constraints", "migrations")},
        }
        for check in (True, False):
            done = server.module("edtech_load", arguments, check=check)
            assert done["failed"]
            assert "bench needs about" in done["msg"]
            assert "are free" in done["msg"]
    finally:
        admin.execute("DROP DATABASE IF EXISTS it_small WITH (FORCE)")
        admin.execute("DROP TABLESPACE IF EXISTS it_small")
        server.run(f"umount {place}; rmdir {place}")


def test_the_playbook_measures_saves_and_takes_its_clients_away(server, bench, password):
    extra = {
        "benchmark_database": bench,
        "benchmark_groups": ["analytics_now"],
        "benchmark_seconds": 0.1,
        "benchmark_first_only": True,
    }
    run = server.playbook(PLAYBOOK, extra, tags="metrics", arguments=("-vvv",))
    assert run.returncode == 0, run.stdout[-3000:]
    saved = json.loads((ROOT / "build" / "reports" / server.name / f"bench-{bench}-analytics_now.json").read_text())
    assert [row["client"] for row in saved["rows"]] == ["Kysely"]
    assert saved["machine"]["cores"] > 0
    assert f"In database {bench} the indexes" in run.stdout
    assert password not in run.stdout
    assert server.run("ls -d /var/lib/postgresql/pgkeel-bench", check=False).returncode != 0
