"""Which index serves which question about the newest rows: a year of logs, measured. Prints the table of docs/architect.md.

KEEP=1 python tools/integration.py tests/integration/recent_rows_bench.py -s
"""

import json
import os
import statistics
from pathlib import Path

import pytest

ROWS = int(os.environ.get("BENCH_ROWS", "1200000"))
STEP = 365 * 86400 / ROWS
ROUNDS = 5
OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "recent_rows.json"
TABLE = """
CREATE TABLE log{suffix} (id bigint NOT NULL, user_id int NOT NULL, at timestamptz NOT NULL, kind text, duration float8,
                          payload text){by}
"""
FILL = f"""
INSERT INTO log{{suffix}} SELECT n, n % 5000 * 7919 % 5000, date_trunc('day', now()) - ({ROWS} - n) * interval '{STEP} seconds',
  'kind ' || n % 7, n % 90, repeat('x', 120) FROM generate_series(1, {ROWS}) n
"""
QUESTIONS = {
    "30 days, literal": "SELECT count(*), avg(duration) FROM log WHERE at >= {literal}",
    "30 days, now()": "SELECT count(*), avg(duration) FROM log WHERE at >= now() - interval '29 days'",
    "latest 100 of a user": "SELECT id, at, kind FROM log WHERE user_id = 77 ORDER BY at DESC LIMIT 100",
    "30 days of a user, literal": "SELECT count(*), sum(duration) FROM log WHERE user_id = 77 AND at >= {literal}",
}
PARTITIONS = "monthly partitions (pg_partman)"
WAYS = {
    "no index": "",
    "rolling (user_id, at), 30 days": "rolling",
    "BRIN (at)": "CREATE INDEX i ON log USING brin (at)",
    "(user_id, at) INCLUDE (duration)": "CREATE INDEX i ON log (user_id, at) INCLUDE (duration)",
    PARTITIONS: "partman",
}


@pytest.fixture
def base(server, connection, database):
    server.run("apt-get install -y --no-install-recommends postgresql-17-partman >/dev/null", timeout=300)
    opened = connection(database("recent"))
    opened.execute("SET max_parallel_workers_per_gather = 0")
    opened.execute(TABLE.format(suffix="", by="") + ";" + FILL.format(suffix=""))
    opened.execute("VACUUM ANALYZE log")
    return opened


def partition(base):
    base.execute("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman; ALTER TABLE log RENAME TO log_whole")
    base.execute(TABLE.format(suffix="", by=" PARTITION BY RANGE (at)"))
    base.execute("CREATE INDEX log_user_at ON log (user_id, at)")
    base.execute(
        "SELECT partman.create_parent('public.log', 'at', '1 month', p_start_partition => (SELECT min(at)::text FROM log_whole))"
    )
    base.execute("INSERT INTO log SELECT * FROM log_whole")
    base.execute("VACUUM ANALYZE log")


def measure(base, query):
    times, plan = [], {}
    for _ in range(ROUNDS):
        plan = base.execute(f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) {query}").fetchone()[0][0]
        times.append(plan["Planning Time"] + plan["Execution Time"])
    return statistics.median(times), "log_whole" not in str(plan) and "Index" in str(plan)


def test_measure(server, base, capsys):
    (literal,) = base.execute("SELECT quote_literal(date_trunc('day', now()) - interval '29 days')").fetchone()
    rows = []
    for way, make in WAYS.items():
        if make == "rolling":
            rolling = {"column": "at", "keep": "30 days"}
            index = {"name": "i", "table": "log", "columns": ["user_id", "at"], "rolling": rolling}
            assert server.module("pg_index", {"login_db": base.info.dbname, "indexes": [index]})["changed"]
        elif make == "partman":
            partition(base)
        elif make:
            base.execute(make)
        base.execute("ANALYZE log")
        (size,) = base.execute(
            "SELECT coalesce(sum(pg_relation_size(indexrelid)), 0)::bigint FROM pg_index i JOIN pg_class c ON c.oid = indrelid "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'log%'"
        ).fetchone()
        row = {"way": way, "bytes": size, "milliseconds": {}, "index_used": {}}
        for question, query in QUESTIONS.items():
            took, used = measure(base, query.format(literal=literal))
            row["milliseconds"][question], row["index_used"][question] = round(took, 2), used
        rows.append(row)
        base.execute("DROP INDEX IF EXISTS i")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"rows": ROWS, "rounds": ROUNDS, "ways": rows}, indent=2))
    with capsys.disabled():
        print("\n| | size, MB | " + " | ".join(QUESTIONS) + " |\n|---|---:|" + "---:|" * len(QUESTIONS))  # noqa: T201 - the table
        for row in rows:
            cells = [f"{row['milliseconds'][q]:,.2f}{'' if row['index_used'][q] else ' (scan)'}" for q in QUESTIONS]
            print(f"| {row['way']} | {row['bytes'] / 1024**2:.2f} | " + " | ".join(cells) + " |")  # noqa: T201
