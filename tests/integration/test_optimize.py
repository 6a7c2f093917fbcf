"""The architect end to end: a real workload, a real backup, a copy, and indexes proved on it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from integration.backup_bench import DRILL, GROUND, PREFIX, ROOT, Bench, lay_driver
from pgkeel.objectstore.objects import delete_object, list_objects
from pgkeel.objectstore.store import Store, StoreAddress, open_store

ROW = {
    "fingerprint", "statement", "ddl", "source", "confidence", "estimated_gain", "measured_gain", "worst_query_change",
    "write_cost", "bytes", "state", "reason",
}  # fmt: skip
SECRET = "somebody@example.org"
SEED = f"""
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE SCHEMA fleet;
CREATE TABLE fleet.trip (
  id bigint PRIMARY KEY, driver int NOT NULL, began timestamp NOT NULL, state text NOT NULL, mail text, data jsonb
);
INSERT INTO fleet.trip
  SELECT n, (hashint4(n) & 65535) % 3000, timestamp '2026-01-01' + n * interval '1 min', (ARRAY['open','done'])[1 + n % 2],
  CASE WHEN n = 7 THEN '{SECRET}' ELSE 'm' || n || '@example.org' END, jsonb_build_object('kind', n % 900, 'note', md5(n::text))
  FROM generate_series(1, 80000) n;
CREATE VIEW fleet.open_trip AS SELECT id, driver, began FROM fleet.trip WHERE state = 'open';
ANALYZE;
"""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    found = open_store(
        StoreAddress(
            endpoint=os.environ["PGKEEL_TEST_S3_ENDPOINT"],
            bucket="pgkeel",
            access_key=os.environ["PGKEEL_TEST_S3_ACCESS_KEY"],
            secret_key=os.environ["PGKEEL_TEST_S3_SECRET_KEY"],
            ca_file=os.environ["PGKEEL_TEST_S3_CA_FILE"],
        )
    )
    yield found
    for item in list_objects(found, f"{PREFIX}/"):
        delete_object(found, item.key)


@pytest.fixture
def bench(server: Any, store: Store, database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> Bench:
    lay_driver(server, store)
    name = database("opt")
    with connection(name) as session:
        session.execute(SEED)
    with connection(name) as session:
        # The load is not what the application does: neither its statements nor its rows count as writing.
        session.execute("SELECT pg_stat_reset()")
        session.execute("SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()")
    return Bench(server, store, name)


def work(session: psycopg.Connection) -> None:
    """What the application does, with values of people."""
    for number in range(12):
        session.execute(
            "SELECT id, began FROM fleet.trip WHERE driver = %s ORDER BY began DESC LIMIT 10", (number,), prepare=True
        )
        session.execute("SELECT count(*) FROM fleet.trip WHERE mail = %s", (SECRET,), prepare=True)
        session.execute("SELECT id FROM fleet.open_trip WHERE driver = %s", (number,), prepare=True)
    session.execute("SELECT count(*) FROM fleet.trip WHERE data @> %s::jsonb", ('{"kind": 5}',), prepare=True)
    session.execute("UPDATE fleet.trip SET state = 'done' WHERE mail = %s", (SECRET,), prepare=True)


def optimize(bench: Bench, *, check: bool = False, **change: Any) -> dict[str, Any]:
    arguments = {
        **bench.arguments,
        "identity": DRILL,
        "drill_dir": GROUND,
        "space_factor": 0.5,
        "proof_seconds": 60,
        "budget_share": 1.0,
        **change,
    }
    return bench.server.module("pg_optimize", arguments, check=check)


def leftovers(bench: Bench) -> list[str]:
    return bench.leftovers()


def test_indexes_are_advised_and_proved(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection(bench.database) as session:
        work(session)
        before = session.execute("SELECT count(*) FROM pg_class WHERE relkind = 'i'").fetchone()
        bench.backup()
        result = optimize(bench)
        after = session.execute("SELECT count(*) FROM pg_class WHERE relkind = 'i'").fetchone()
    assert not result["failed"], result.get("msg")
    assert result["changed"] is False
    assert before == after
    proved = [row for row in result["recommendations"] if row["state"] == "proved"]
    assert {key for row in proved for key in ROW} <= set(proved[0])
    ddl = " ".join(row["ddl"] for row in proved)
    assert '("driver"' in ddl
    assert '"mail"' in ddl
    assert "jsonb_path_ops" in ddl
    for row in proved:
        assert row["ddl"].startswith("CREATE INDEX CONCURRENTLY")
        assert row["measured_gain"] > 0.3
        assert row["worst_query_change"] <= 0.15
        assert row["bytes"] > 0
    assert max(row["confidence"] for row in proved) > 90
    assert SECRET not in json.dumps(result)
    assert leftovers(bench) == []


def test_check_mode_restores_nothing(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection(bench.database) as session:
        work(session)
    bench.backup()
    result = optimize(bench, check=True)
    assert not result["failed"], result.get("msg")
    assert "nothing was restored" in result["msg"]
    assert result["recommendations"] == []
    assert leftovers(bench) == []


def test_bad_input_is_one_sentence(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    refused = optimize(bench, apply="safe")
    assert refused["failed"]
    assert "Applying comes with a later version" in refused["msg"]
    assert "budget_share is 0" in optimize(bench, budget_share=0)["msg"]
    with connection(bench.database) as session:
        idle = optimize(bench)
        assert (idle["failed"], idle["recommendations"]) == (False, [])
        assert any("nothing to advise on" in warning for warning in idle["warnings_found"])
        work(session)
        assert "There is no committed backup" in optimize(bench)["msg"]
        session.execute("DROP EXTENSION pg_stat_statements")
        missing = optimize(bench)
    assert missing["failed"]
    assert "pg_stat_statements" in missing["msg"]
    assert leftovers(bench) == []


def test_what_the_copy_does_not_have_is_said(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    with connection(bench.database) as session:
        session.execute("CREATE TABLE fleet.ping (id int, at date) PARTITION BY RANGE (at)")
        session.execute("CREATE TABLE fleet.ping_1 PARTITION OF fleet.ping FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
        bench.backup()
        session.execute("SELECT count(*) FROM fleet.ping WHERE id = %s", (1,), prepare=True)
        # Autovacuum may come at any moment, and would collect the statistics that are to be missed.
        session.execute(
            "CREATE TABLE fleet.newer WITH (autovacuum_enabled = off) AS"
            " SELECT n AS id, n % 100 AS k FROM generate_series(1, 50000) n"
        )
        session.execute("SELECT count(*) FROM fleet.newer WHERE k = %s", (1,), prepare=True)
        session.execute("SELECT count(*) FROM fleet.trip WHERE driver IN (" + ", ".join(["1"] * 400_000) + ")")
        work(session)
        result = optimize(bench)
    assert not result["failed"], result.get("msg")
    warnings = " ".join(result["warnings_found"])
    assert "fleet.newer" in warnings
    assert "Statistics were never collected for fleet.newer" in warnings
    reasons = " ".join(skipped["reason"] for skipped in result["not_judged"])
    assert "not on the copy" in reasons
    assert "too long" in reasons
    assert [one["statements"] for one in result["not_judged"] if "partitioned table" in one["reason"]] == [1]
    assert not any("newer" in row["subject"] for row in result["recommendations"])


@pytest.mark.parametrize("phase", ["restore", "what-if", "build", "proof"])
@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_killed_run_leaves_nothing_that_the_next_does_not_remove(
    bench: Bench, connection: Callable[..., psycopg.Connection], phase: str, signal: str
) -> None:
    with connection(bench.database) as session:
        work(session)
    bench.backup()
    found: dict[str, Any] = {}
    running = threading.Thread(target=lambda: found.update(optimize(bench)))
    running.start()
    # All on the server and in one go: what is waited for may last a tenth of a second.
    seen = {
        "restore": f"pgrep -f '[p]g_restore .*{bench.database}'",
        "what-if": f"pgrep -f '[p]ostgres: postgres {bench.database} .local. EXPLAIN'",
        "build": f"pgrep -f '[p]ostgres: postgres {bench.database} .local. CREATE INDEX'",
        "proof": f"pgrep -f '[p]ostgres: postgres {bench.database} .local. EXPLAIN'",
    }[phase]
    owner = f"$(python3 -c 'import json,sys; print(json.load(sys.stdin)[\"pid\"])' < $(ls {GROUND}/ground-*/owner.json))"
    hunt = f"for i in $(seq 4000); do {seen} >/dev/null && kill -{signal} {owner} && exit 0; sleep 0.01; done; exit 1"
    bench.server.run(hunt, timeout=100)
    running.join(timeout=120)
    assert found.get("failed"), found.get("msg")
    if signal == "TERM":
        assert leftovers(bench) == []
    again = optimize(bench)
    assert not again["failed"], again.get("msg")
    assert any(row["state"] == "proved" for row in again["recommendations"])
    assert leftovers(bench) == []


def test_the_playbook_saves_its_result(server: Any, connection: Callable[..., psycopg.Connection]) -> None:
    with connection("edtech") as load:
        load.execute(
            "CREATE TABLE optimize_it AS SELECT n AS id, n % 5000 AS k, repeat('x', 50) AS t FROM generate_series(1, 60000) n"
        )
    with connection("edtech") as session:
        try:
            # The load is not what the application does; a session reports what it wrote when it ends.
            session.execute("SELECT pg_stat_reset()")
            for number in range(5):
                session.execute("SELECT t FROM optimize_it WHERE k = %s", (number,), prepare=True)
            session.execute("ANALYZE optimize_it")
            assert server.playbook("playbooks/backup.yml").returncode == 0
            checked = server.playbook("playbooks/optimize.yml", check=True)  # as the schedule runs it: nothing given
            done = server.playbook("playbooks/optimize.yml", {"optimize_apply": "never", "optimize_proof_seconds": 30})
            logged = dict(session.execute("SELECT fingerprint, state FROM pgkeel.recommendation").fetchall())
            again = server.playbook("playbooks/optimize.yml", check=True)  # as the schedule runs it: nothing given
        finally:
            session.execute("DROP TABLE optimize_it")
    assert checked.returncode == 0, checked.stdout[-3000:]
    assert done.returncode == 0, done.stdout[-3000:]
    assert again.returncode == 0, again.stdout[-3000:]
    assert again.stats[server.name]["changed"] == 0  # what was found is logged already
    saved = json.loads((ROOT / "build" / "reports" / server.name / "optimize.json").read_text(encoding="utf-8"))
    mine = [row for row in saved["recommendations"] if row["subject"] == "public.optimize_it" and row["kind"] == "create_index"]
    assert [(row["state"], row["database"]) for row in mine] == [("proved", "edtech")]
    assert set(mine[0]) >= ROW
    assert logged[mine[0]["fingerprint"]] == "proved"
    refused = server.playbook("playbooks/optimize.yml", {"optimize_apply": "safe"})
    assert refused.returncode
    assert "Applying comes with a later version" in refused.stdout
