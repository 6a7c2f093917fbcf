"""Runs on the server as postgres: the advisor's logic on a throwaway cluster, without Ansible, backup or production.

``optimize_driver.py CASE FOLDER``; the answer as JSON on stdout.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from pgkeel.advisor.advise import Limits, advise
from pgkeel.advisor.aging import age
from pgkeel.advisor.building import build, drop
from pgkeel.advisor.candidates import GIN_METHODS, Candidate
from pgkeel.advisor.cures import cure
from pgkeel.advisor.facts import Writes
from pgkeel.advisor.facts_read import read_catalog
from pgkeel.advisor.model import Statement, Workload
from pgkeel.advisor.plan_changes import Switch, changed_plans
from pgkeel.advisor.prepare import prepare
from pgkeel.advisor.prices import index_bytes
from pgkeel.advisor.proof import prove
from pgkeel.advisor.replay import compare, oids_of
from pgkeel.advisor.whatif import Planner, real_costs
from pgkeel.advisor.writes import unique_columns, write_cost
from pgkeel.postgres.connect import connect
from pgkeel.postgres.index_declaration import IndexDeclaration, IndexKey, create_index
from pgkeel.postgres.proving_ground import Ground, ProvingGround, proving_ground
from psycopg import sql

NOW = datetime.now(UTC)
EVENTS = """
CREATE TABLE event (id bigint PRIMARY KEY, a int NOT NULL, b int NOT NULL, at timestamp NOT NULL, filler text NOT NULL);
INSERT INTO event SELECT n, CASE WHEN n > 114000 THEN 1 ELSE n % 50 + 2 END, CASE WHEN n > 114000 THEN 1 ELSE n % 50 + 2 END,
  timestamp '2026-01-01' + n * interval '1 s', repeat('f', 100) FROM generate_series(1, 120000) n ORDER BY hashint8(n);
SET synchronous_commit = on;
CHECKPOINT;
VACUUM ANALYZE event;
"""


def statement(number: int, text: str, total_ms: float = 1000.0, calls: int = 10) -> Statement:
    return Statement(number, text, calls, total_ms, calls, 0, 0, NOW)


def workload(*texts: str) -> Workload:
    return Workload("postgres", NOW, NOW, tuple(statement(number, text) for number, text in enumerate(texts, 1)))


def connector(ground: ProvingGround) -> Callable[[], psycopg.Connection]:
    return lambda: connect(ground.login())


def fill(ground: ProvingGround, script: str) -> None:
    with connect(ground.login()) as session:
        for part in script.split(";\n"):
            if part.strip():
                session.execute(part)


def bad_index(ground: ProvingGround) -> dict:
    """An index that the planner likes and that runs badly, because two conditions are not independent."""
    fill(ground, EVENTS)
    work = workload(
        "SELECT id, filler FROM event WHERE a = $1 AND b = $2 ORDER BY at LIMIT $3", "SELECT filler FROM event WHERE at = $1"
    )
    with connect(ground.login()) as session:
        catalog = read_catalog(session)
        ready = prepare(session, work.statements, catalog).ready
    bad = Candidate(IndexDeclaration("event_at_idx", "event", (IndexKey("at"),)))
    good = Candidate(IndexDeclaration("event_a_b_at_idx", "event", (IndexKey("a"), IndexKey("b"), IndexKey("at"))))
    planner = Planner(connector(ground))
    costs = [(planner.plans(ready[0], indexes) or (0.0,))[0] for indexes in ([], [bad])]
    planner.close()
    found = {}
    for name, chosen in (("bad", [bad]), ("good", [good])):
        proof = prove(
            connector(ground), ready[:1], chosen, catalog, {("public", "event"): Writes(inserted=100)},
            served={c.index.name: [1] for c in chosen}, seconds=60, budget_bytes=10**9,
        )  # fmt: skip
        found[name] = {
            "proved": {n: {"time": p.measured.time_ratio, "write": p.measured.write_ratio} for n, p in proof.proved.items()},
            "rejected": proof.rejected,
        }
    whole = advise(connector(ground), work, {}, Limits(10**8, proof_seconds=60))
    with connect(ground.login()) as session:
        left = session.execute("SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'event%'").fetchone()
    return {
        **found,
        "estimated": costs,
        "advised": [{"ddl": one.ddl, "state": one.state, "confidence": one.confidence} for one in whole.recommendations],
        "indexes_left": left[0],
    }


def crash(ground: ProvingGround) -> dict:
    """A server process that really ends with signal 11 while HypoPG pretends an index."""
    fill(ground, EVENTS)
    with connect(ground.login()) as session:
        session.execute(
            """CREATE FUNCTION fall() RETURNS int LANGUAGE plpgsql VOLATILE AS $$BEGIN
                 COPY (SELECT 1) TO PROGRAM 'kill -SEGV $PPID'; RETURN 1; END$$"""
        )
        session.execute("CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN fall(); END$$")
        catalog = read_catalog(session)
        ready = prepare(session, workload("SELECT filler FROM event WHERE a = $1 AND b = $2").statements, catalog).ready
    deadly = Candidate(IndexDeclaration("deadly", "event", (IndexKey("b"),), where="a > boom()"))
    good = Candidate(IndexDeclaration("good", "event", (IndexKey("a"), IndexKey("b"))))
    with connect(ground.login()) as session:
        session.execute("CHECKPOINT")
    planner = Planner(connector(ground))
    found = planner.plans(ready[0], [good, deadly])
    again = planner.plans(ready[0], [good, deadly])
    planner.close()
    return {
        "alive": ground.alive,
        "used": sorted(found[1]) if found else None,
        "again": sorted(again[1]) if again else None,
        "culprits": sorted(planner.culprits),
        "crashes": planner.crashes,
        "log": "signal 11" in ground.log_tail(200),
    }


TEXTS = """
SELECT 1 FROM event WHERE at > now() - interval $1
SELECT 1 FROM event WHERE at > timestamp $1
SELECT 1 FROM event WHERE at > timestamp with time zone $1
SELECT 1 FROM event WHERE at::date = date $1
SELECT date_trunc($1, at), count(*) FROM event GROUP BY date_trunc($2, at)
SELECT a + $1, count(*) FROM event GROUP BY a + $2 ORDER BY a + $3
SELECT DISTINCT left(filler, $1) FROM event ORDER BY left(filler, $2)
EXPLAIN (ANALYZE) SELECT * FROM event WHERE a = $1
PREPARE q AS SELECT * FROM event WHERE a = $1
COPY (SELECT * FROM event WHERE a = 5) TO STDOUT
DECLARE c CURSOR FOR SELECT * FROM event WHERE a = $1
SELECT extract($1 FROM at) FROM event WHERE b = $2
SELECT 1 FROM event WHERE at > now() - $1
SELECT * FROM event WHERE a = $1 LIMIT $2
SELECT * FROM event WHERE filler LIKE $1
SELECT * FROM event WHERE a BETWEEN $1 AND $2
SELECT * FROM event WHERE a = ANY($1)
SELECT * FROM event WHERE a IN ($1, $2, $3)
SELECT * FROM event WHERE (a, b) = ($1, $2)
UPDATE event SET a = a + $1 WHERE id = $2
DELETE FROM event WHERE at < $1
INSERT INTO event SELECT id + $1, a, b, at, filler FROM event WHERE a = $2
WITH x AS (SELECT a, count(*) AS n FROM event GROUP BY a) SELECT * FROM x WHERE n > $1
SELECT $1 FROM event
SELECT coalesce($1, $2), a FROM event
SELECT * FROM event WHERE $1 IS NULL OR a = $2
SELECT CASE WHEN a > $1 THEN $2 ELSE $3 END FROM event
SELECT a, sum(b) OVER (ORDER BY at ROWS $1 PRECEDING) FROM event
SELECT * FROM generate_series($1, $2) g JOIN event e ON e.a = g
SELECT to_char(at, $1), count(*) FROM event GROUP BY to_char(at, $2) HAVING count(*) > $3
"""


def cures(ground: ProvingGround) -> dict:
    """How many raw texts PostgreSQL plans as they are, cured, and with values."""
    fill(ground, EVENTS)
    texts = [line for line in TEXTS.splitlines() if line]
    found = {"texts": len(texts), "raw": 0, "cured": 0, "with_values": 0, "failed": []}
    with connect(ground.login()) as session:
        for text in texts:
            cured = cure(text)
            for kind, query in (("raw", text), ("cured", cured.sql if cured else "")):
                try:
                    session.execute(("EXPLAIN (GENERIC_PLAN) " + query).encode())
                    found[kind] += 1
                except psycopg.Error as error:
                    if kind == "cured":
                        found["failed"].append([text, str(error).splitlines()[0]])
        catalog = read_catalog(session)
        for text in texts:
            done = prepare(session, [statement(1, text)], catalog)
            try:
                for bound in done.ready[0].bound:
                    session.execute(("EXPLAIN " + bound).encode())
                found["with_values"] += 1
            except (IndexError, psycopg.Error) as error:
                found["failed"].append([text, "values", str(error).splitlines()[0] if str(error) else done.skipped[0].reason])
        session.execute(
            "CREATE TABLE country AS SELECT 'DE'::char(2) AS code, B'1010'::bit(4) AS bits FROM generate_series(1, 100)"
        )
        session.execute("ANALYZE country")
        catalog = read_catalog(session)
        for column in ("code", "bits"):
            done = prepare(session, [statement(1, f"SELECT 1 FROM country WHERE {column} = $1")], catalog)
            found[column] = session.execute(done.ready[0].bound[0].encode()).rowcount
    return found


def sizes(ground: ProvingGround) -> dict:
    """Our estimate of sizes beside the real ones, and HypoPG's."""
    fill(ground, EVENTS)
    shapes = [("a",), ("b", "a"), ("at",), ("id", "a"), ("a", "at"), ("filler",)]
    rows = []
    with connect(ground.login()) as session:
        session.execute("CREATE EXTENSION hypopg")
        table = read_catalog(session).tables["public", "event"]
        for number, keys in enumerate(shapes):
            index = IndexDeclaration(f"event_{number}", "event", tuple(IndexKey(key) for key in keys))
            text = create_index(index, name=index.name, relation=sql.Identifier("public", "event"), concurrently=False)
            session.execute(text)
            real = session.execute("SELECT pg_relation_size(%s::regclass)", (index.name,)).fetchone()[0]
            pretended = session.execute(
                "SELECT hypopg_relation_size(indexrelid) FROM hypopg_create_index(%s)", (text.as_string(session),)
            ).fetchone()[0]
            rows.append({"keys": keys, "real": real, "ours": index_bytes(index, table), "hypopg": pretended})
    return {"rows": rows}


SCHEMAS, TABLES, COLUMNS = 5, 20, 10


def scan(ground: ProvingGround) -> dict:
    """5,000 different statements over a hundred tables of five schemas: how long without replay, and with the proof of 20."""
    script = []
    for schema in range(SCHEMAS):
        script.append(f"CREATE SCHEMA s{schema}")
        for table in range(TABLES):
            columns = ", ".join(f"c{n} int" for n in range(COLUMNS))
            values = ", ".join(
                f"(hashint4(n * {n + 1} + {table}) & 65535) % {(10, 100, 1000, 5000)[n % 4]}" for n in range(COLUMNS)
            )
            script.append(f"CREATE TABLE s{schema}.t{table} (id int PRIMARY KEY, at timestamp, word text, {columns})")
            script.append(
                f"INSERT INTO s{schema}.t{table} SELECT n, timestamp '2026-01-01' + n * interval '1 min', 'w' || n % 700,"
                f" {values} FROM generate_series(1, 12000) n"
            )
    script.append("VACUUM ANALYZE")
    fill(ground, ";\n".join(script))
    texts = []
    number = 0
    while len(texts) < 5_000:
        s, t, u = number % SCHEMAS, number // SCHEMAS % TABLES, (number * 7 + 3) % TABLES
        a, b, c = number % COLUMNS, (number // 3 + 1) % COLUMNS, (number // 7 + 2) % COLUMNS
        one, two = f"s{s}.t{t}", f"s{s}.t{u}"
        texts += [
            f"SELECT id, c{b} FROM {one} WHERE c{a} = $1 AND c{c} > $2 /* {number} */",
            f"SELECT * FROM {one} WHERE c{a} = $1 AND word = $2 ORDER BY at DESC LIMIT $3 /* {number} */",
            f"SELECT x.id, y.c{c} FROM {one} x JOIN {two} y ON y.c3 = x.c3 WHERE x.c{a} = $1 AND y.c{b} = $2 /* {number} */",
            f"SELECT c{a}, count(*), max(at) FROM {one} WHERE at > now() - interval $1 GROUP BY c{a} /* {number} */",
            f"UPDATE {one} SET c{a} = $1 WHERE c{b} = $2 /* {number} */",
        ]
        number += 1
    statements = tuple(statement(n, text, total_ms=5_000.0 / (1 + n % 997), calls=5) for n, text in enumerate(texts[:5_000], 1))
    work = Workload("postgres", NOW, NOW, statements)
    found = {}
    for name, seconds in (("without_replay", 0.0), ("with_proof", 420.0)):
        begun = time.monotonic()
        advice = advise(connector(ground), work, {}, Limits(60 * 2**20, proof_seconds=seconds))
        found[name] = {
            "seconds": round(time.monotonic() - begun, 1),
            "phases": {key: round(value, 1) for key, value in advice.phases.items()},
            "planned": advice.planned,
            "candidates": advice.candidates,
            "chosen": len(advice.chosen),
            "states": sorted({one.state.value for one in advice.recommendations}),
            "replayed": len(advice.proof.compared) if advice.proof else 0,
            "skipped": [[one.reason, one.statements] for one in advice.skipped],
        }
    return found


def aged(ground: ProvingGround) -> dict:
    """What an index-only scan has to look up in the table, of the newest rows and of old ones, before and after aging."""
    script = (
        "CREATE TABLE {0} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, k int,"
        " twice int GENERATED ALWAYS AS (k * 2) STORED)"
    )
    for name in ("busy", "quiet"):
        fill(ground, script.format(name) + f";\nINSERT INTO {name} (k) SELECT n % 100 FROM generate_series(1, 50000) n;\n")
    fill(
        ground,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'fired'; END$$;\n"
        "CREATE TRIGGER no BEFORE UPDATE ON busy FOR EACH ROW EXECUTE FUNCTION no();\n"
        "SET synchronous_commit = on;\nCHECKPOINT;\nVACUUM ANALYZE;\n",
    )
    found = {}
    with connect(ground.login()) as session:
        session.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")

        def look() -> dict:
            fetched = {}
            for name in ("busy", "quiet"):
                for place, low in (("old", 1), ("new", 49_000)):
                    row = session.execute(
                        f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT id FROM {name} WHERE id BETWEEN {low} AND {low + 900}"
                    ).fetchone()
                    fetched[f"{name} {place}"] = row[0][0]["Plan"]["Heap Fetches"]
            return fetched

        def sums() -> tuple:
            return session.execute("SELECT count(*), sum(k), sum(twice), sum(id) FROM busy").fetchone()

        rows = sums()
        found["before"] = look()
        found["tables"] = age(session, read_catalog(session).tables, {("public", "busy"): Writes(inserted=5)})
        found["after"] = look()
        found["same"] = rows == sums()
    return found


def unlike(ground: ProvingGround) -> dict:
    """How many choices of values are left out, where production's calls read little, and where nothing is known of them."""
    fill(ground, EVENTS)
    text = "SELECT id, a FROM event WHERE id = ANY($1)"
    index = Candidate(IndexDeclaration("event_id_idx", "event", (IndexKey("id"),), include=("a",)))
    found = {}
    for name, blocks in (("little", 3), ("unknown", 0)):
        known = Statement(1, text, 10, 1000.0, 250, blocks * 10, 0, NOW)
        with connect(ground.login()) as session:
            catalog = read_catalog(session)
            ready = prepare(session, [known], catalog).ready
        # Not the whole proof: whether the index is kept is a matter of time, and of no interest here.
        with connector(ground)() as session:
            session.prepare_threshold = None
            build(session, [index], {})
            switch = Switch(session, oids_of(session, [("public", index.index.name)]))
            (changed,) = changed_plans(session, switch, ready)
            compared = compare(session, switch, changed)
            drop(session, index.index)
        found[name] = {"left_out": compared.unlike, "run": len(compared.pairs)}
    return found


def unique_writes(ground: ProvingGround) -> dict:
    """What an index costs an UPDATE whose columns are partly unique, by name, by expression and by predicate."""
    fill(
        ground,
        """CREATE TABLE account (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, nick text, active bool, status text);
INSERT INTO account SELECT n, n || '@x', 'n' || n, n % 2 = 0, 's' || n % 9 FROM generate_series(1, 5000) n;
CREATE UNIQUE INDEX account_nick ON account (lower(nick));
CREATE UNIQUE INDEX account_active ON account (id) WHERE active;
CREATE INDEX account_status ON account (status);
VACUUM ANALYZE account;
""",
    )
    assigned = frozenset({"email", "nick", "active", "status"})
    with connect(ground.login()) as session:
        session.prepare_threshold = None
        table = read_catalog(session).tables["public", "account"]
        cost = write_cost(session, table, [("public", "account_status")], Writes(updated=100), assigned)
        return {"unique": sorted(unique_columns(session, table)), "ratio": cost.ratio if cost else None}


def long_values(ground: ProvingGround) -> dict:
    """What becomes of indexes over text whose longest values are short, long, or so long that a few bytes more are refused."""
    fill(
        ground,
        """CREATE TABLE page (id bigint PRIMARY KEY, slug text, title text, link text, code varchar(200), body jsonb);
INSERT INTO page SELECT n, 's' || n, 't' || n, 'l' || n, 'c' || n, jsonb_build_object('kind', 'k' || n, 'n', n)
  FROM generate_series(1, 30000) n;
UPDATE page SET title = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 12) n) WHERE id = 7;
UPDATE page SET link = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 40) n), code = repeat('x', 200) WHERE id = 7;
SET synchronous_commit = on;
CHECKPOINT;
VACUUM ANALYZE page;
""",
    )
    values = ("slug", "title", "link", "code", "body ->> 'kind'", "1 / (id - 7)")
    texts = [f"SELECT id FROM page WHERE {one} = $1" for one in values]
    found = advise(connector(ground), workload(*texts), {}, Limits(10**9, proof_seconds=30))
    return {
        "warnings": found.warnings,
        "advised": {
            one.ddl.partition("USING ")[2]: [one.state, one.reason.partition("longest entry has ")[2]]
            for one in found.recommendations
        },
    }


def policies(ground: ProvingGround) -> dict:
    """The same advice where row security binds the role that runs the statement, and where another one runs it."""
    fill(ground, EVENTS)
    found = {}
    for name, user in (("bound", 42), ("free", 43)):
        (one,) = workload("SELECT filler FROM event WHERE b = $1 AND at = $2").statements
        work = Workload("postgres", NOW, NOW, (replace(one, users=frozenset({user})),))
        advice = advise(
            connector(ground), work, {}, Limits(10**9, proof_seconds=30), policies={("public", "event"): frozenset({42})}
        )
        found[name] = [[row.state, row.confidence, row.reason] for row in advice.recommendations]
    return found


VISITS = """
CREATE SCHEMA extra;
CREATE EXTENSION pg_trgm SCHEMA extra;
CREATE TABLE visit (id bigint PRIMARY KEY, at timestamptz NOT NULL, note text NOT NULL, during tstzrange NOT NULL, k int);
INSERT INTO visit SELECT n, t, md5(n::text) || repeat(' x', 20), tstzrange(t, t + interval '2 h'), (hashint8(n) & 65535) % 4000
  FROM generate_series(1, 30000) n, LATERAL (SELECT timestamptz '2026-01-01' + n * interval '1 min' AS t) x;
CREATE TABLE target (id bigint PRIMARY KEY, k int, v int);
INSERT INTO target SELECT n, n, 0 FROM generate_series(1, 30000) n;
SET synchronous_commit = on;
CHECKPOINT;
VACUUM ANALYZE;
"""
ODD = {
    "cast": "SELECT id FROM visit WHERE CAST(at AS date) = $1",
    "trigrams": "SELECT id FROM visit WHERE note LIKE '%abcd12%'",
    "range": "SELECT id FROM visit WHERE during @> $1::timestamptz",
    "merge": "MERGE INTO target t USING (SELECT k, id FROM visit WHERE k = $1) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = $2"
    " WHEN NOT MATCHED THEN INSERT (id, k, v) VALUES (s.id + 100000, s.k, $3)",
    "upsert": "INSERT INTO target (id, k, v) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET v = target.v + $4"
    " WHERE target.k = $5",
    "copy": "INSERT INTO target (id, k, v) SELECT id, k, $2 FROM visit WHERE k = $1 ON CONFLICT (id) DO NOTHING",
}


def odd(ground: ProvingGround) -> dict:
    """What HypoPG or EXPLAIN may not take: planned for values and for parameters, each candidate alone."""
    fill(ground, VISITS)
    work = workload(*ODD.values())
    with connect(ground.login()) as session:
        prepared = prepare(session, work.statements, read_catalog(session))
    found = {}
    planner = Planner(connector(ground))
    for name, ready in zip(ODD, prepared.ready, strict=True):
        plans = {generic: planner.plans(ready, [], generic=generic) for generic in (False, True)}
        base = plans[False][0]
        helped = {}
        for one in ready.candidates:
            key = ", ".join([one.index.table, *[key.column or key.expression for key in one.index.keys]])
            if one.index.method in GIN_METHODS:
                costs, _ = real_costs(planner, [ready], one, {ready.statement.query_id: base})
                helped[f"{one.index.method} {key}"] = bool(costs)
            elif not one.index.include:
                costs = [planner.plans(ready, [one], generic=generic)[0] for generic in (False, True)]
                helped[key] = "refused" if one.index.name in planner.refused else max(costs) < 0.9 * base
        found[name] = {"planned": all(plans.values()), "helped": helped}
    crashes = list(planner.crashes)
    planner.close()
    advice = advise(connector(ground), work, {}, Limits(10**9, proof_seconds=60))
    states = {f"{row.index.table}.{row.index.keys[0].column}": row.state for row in advice.recommendations}
    return {"statements": found, "crashes": crashes + advice.warnings, "states": states}


CASES = {
    "odd": odd,
    "policies": policies,
    "long_values": long_values,
    "unique_writes": unique_writes,
    "unlike": unlike,
    "aged": aged,
    "bad_index": bad_index,
    "crash": crash,
    "cures": cures,
    "sizes": sizes,
    "scan": scan,
}


def main() -> None:
    ground = Ground(base_dir=Path(sys.argv[2]), settings={"random_page_cost": "1.1", "max_parallel_workers_per_gather": "0"})
    with proving_ground(ground) as running:
        json.dump(CASES[sys.argv[1]](running), sys.stdout, default=str)


if __name__ == "__main__":
    main()
