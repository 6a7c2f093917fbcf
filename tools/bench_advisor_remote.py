"""Runs on the lab server as postgres: workloads advised in three ways and measured. JSON in, JSON out; see bench_advisor.py."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from bench_advisor_workloads import SHAPES, Query, Shape
from pgkeel.advisor.advise import Limits, advise, all_candidates
from pgkeel.advisor.candidates import GIN_METHODS, Candidate
from pgkeel.advisor.choice import Price
from pgkeel.advisor.facts import Writes
from pgkeel.advisor.facts_read import read_catalog, read_writes
from pgkeel.advisor.model import Statement, Workload
from pgkeel.advisor.prepare import Ready, prepare
from pgkeel.advisor.prices import price_of
from pgkeel.advisor.rivals import greedy_set, is_single
from pgkeel.advisor.whatif import Planner
from pgkeel.edtech.load import Schema, load
from pgkeel.edtech.operations import OPERATIONS, Session, read_cast
from pgkeel.edtech.sizes import Size
from pgkeel.postgres.connect import connect
from pgkeel.postgres.index_declaration import create_index
from pgkeel.postgres.proving_ground import Ground, ProvingGround, create_database, proving_ground
from psycopg import sql

SLOWER = 1.15
NOISE_MS = 0.05
"""A run; below this a difference is the machine's."""
LEAST_RUNS = 6
"""Of every operation of the application, in each of three runs."""
DATABASE = "measured"
COPY = "copied"
WITHOUT = "without"
Times = dict[str, float]
"""Milliseconds a statement, all its runs together."""


def recreate(ground: ProvingGround, name: str, template: str = "") -> None:
    """A fresh database, or a copy of another."""
    with connect(ground.login()) as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        if template:
            session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
    if not template:
        create_database(ground, name, Ground(Path("/")).locale)


def read_statements(ground: ProvingGround) -> Workload:
    """What pg_stat_statements saw, as production's would be read."""
    with connect(ground.login(DATABASE)) as session:
        rows = session.execute(
            """SELECT s.queryid, s.query, sum(s.calls)::bigint, sum(s.total_exec_time), sum(s.rows)::bigint,
                      sum(s.shared_blks_hit)::bigint, sum(s.shared_blks_read)::bigint
               FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
               WHERE d.datname = %s AND s.query ~* '^(select|with|update|delete|insert)' AND s.query !~ 'pg_'
               GROUP BY 1, 2 ORDER BY 4 DESC""",
            (DATABASE,),
        ).fetchall()
    now = datetime.now(UTC)
    found = tuple(Statement(q, text, calls, ms, n, hit, read, now) for q, text, calls, ms, n, hit, read in rows)
    return Workload(DATABASE, now, now, found)


def run_queries(ground: ProvingGround, queries: Sequence[Query], databases: Sequence[str], rounds: int) -> dict[str, Times]:
    """Each query in every database in turn, in a transaction that is rolled back; medians of the rounds, summed by its text."""
    found: dict[str, Times] = {name: defaultdict(float) for name in databases}
    with ExitStack() as stack:
        sessions = {name: stack.enter_context(connect(ground.login(name))) for name in databases}
        for text, values in queries:
            times: dict[str, list[float]] = defaultdict(list)
            for number in range(rounds + 1):
                for name, session in list(sessions.items())[:: 1 if number % 2 else -1]:
                    session.prepare_threshold = None
                    session.execute("BEGIN")
                    begun = time.perf_counter()
                    cursor = session.execute(text, values)
                    if cursor.description:
                        cursor.fetchall()
                    if number:  # the first warms
                        times[name].append((time.perf_counter() - begun) * 1000)
                    session.execute("ROLLBACK")
            for name in databases:
                found[name][text] += statistics.median(times[name])
    return found


class Generated:
    """A workload of our own statements."""

    def __init__(self, shape: Shape, scale: float, seed: int) -> None:
        self.name = shape.name
        self.shape = shape
        self.scale = scale
        self.queries = shape.queries(Random(seed), scale)  # noqa: S311 - a choice of queries
        self.runs: Mapping[str, int] = Counter(text for text, _ in self.queries)

    def fill(self, ground: ProvingGround) -> None:
        """Make the tables and their rows."""
        with connect(ground.login(DATABASE)) as session:
            session.execute(self.shape.setup(self.scale))

    def exercise(self, ground: ProvingGround) -> None:
        """Run it once, for pg_stat_statements to see."""
        with connect(ground.login(DATABASE)) as session:
            for text, values in self.queries:
                session.execute(text, values, prepare=True)

    def measure(self, ground: ProvingGround, databases: Sequence[str]) -> dict[str, Times]:
        """Run it in every database in turn; medians of five."""
        return run_queries(ground, self.queries, databases, 5)


class EdTech:
    """The application's own workload, by kind of operation."""

    name = "edtech"

    def __init__(self, scale: float, seed: int, schema: Schema) -> None:
        self.size = Size("advisor", int(1_000 * scale) or 50, int(200_000 * scale) or 2_000)
        self.seed = seed
        self.schema = schema
        self.operations = 600
        self.runs: Mapping[str, int] = {}

    def fill(self, ground: ProvingGround) -> None:
        """Make the tables and their rows."""
        today = datetime.now(UTC).date()
        with connect(ground.login(DATABASE)) as session:
            # Up to today: what is asked about the last week must find a week of logs, as in any application that lives.
            load(session, self.size, seed=self.seed, reference=today, schema=self.schema, owner="postgres")

    def _run(self, ground: ProvingGround, databases: Sequence[str], least: int = 0) -> dict[str, dict[str, list[float]]]:
        """Every operation in every database before the next one: what else the machine does strikes all of them.

        Milliseconds by database and kind. Kinds that come up less than ``least`` times are done that often all the same.
        """
        choice = Random(f"{self.seed} operations")  # noqa: S311 - a choice of queries
        weights = list(accumulate(weight for _, weight in OPERATIONS))
        operations = choice.choices([operation for operation, _ in OPERATIONS], cum_weights=weights, k=self.operations)
        self.runs = Counter(operation.__name__ for operation in operations)
        rare = {operation.__name__: operation for operation in operations if self.runs[operation.__name__] < least}
        operations += [operation for name, operation in rare.items() for _ in range(least - self.runs[name])]
        times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in databases}
        with ExitStack() as stack:
            sessions = {}
            for name in databases:
                connection = stack.enter_context(connect(ground.login(name)))
                connection.prepare_threshold = 0  # as the application's clients do
                sessions[name] = Session(connection, Random(self.seed), read_cast(connection))  # noqa: S311
            for number, operation in enumerate(operations):
                for name in databases[:: 1 if number % 2 else -1]:
                    begun = time.perf_counter()
                    operation(sessions[name])
                    times[name][operation.__name__].append((time.perf_counter() - begun) * 1000)
        return times

    def exercise(self, ground: ProvingGround) -> None:
        """Run it once, for pg_stat_statements to see."""
        self._run(ground, [DATABASE])

    def measure(self, ground: ProvingGround, databases: Sequence[str]) -> dict[str, Times]:
        """Run it in all databases; medians over three runs after one that warms, times what each kind comes up in one."""
        runs = [self._run(ground, databases, LEAST_RUNS) for _ in range(4)][1:]
        return {
            name: {kind: statistics.median(ms for run in runs for ms in run[name][kind]) * self.runs[kind] for kind in self.runs}
            for name in databases
        }


def by_pgkeel(
    connector: Callable[[], Any], workload: Workload, writes: Mapping[Any, Writes], budget: int, given: dict[str, Any]
) -> list[Candidate]:
    """Candidates, choice and proof, as pg_optimize does it: what was rejected is left out."""
    advice = advise(connector, workload, writes, Limits(budget, proof_seconds=given["proof_seconds"]))
    proved = {one.index.name for one in advice.recommendations if one.index and one.state.value == "proved"}
    texts = {statement.query_id: statement.text for statement in workload.statements}
    for query, found in (advice.proof.compared if advice.proof else {}).items():
        print(
            round(found.saved_ms), round(found.worst, 2), found.unchanged, sorted(found.used), texts[query][:120], file=sys.stderr
        )
    for one in advice.recommendations:
        print(one.state.value, one.ddl, one.estimated_gain, one.measured, one.state_reason, file=sys.stderr)
    print(advice.phases, advice.planned, advice.candidates, advice.skipped, advice.warnings, file=sys.stderr)
    return [candidate for candidate in advice.chosen if candidate.index.name in proved]


def prepared(connector: Callable[[], Any], workload: Workload) -> tuple[list[Ready], Any]:
    """The statements made ready, and the catalog."""
    with connector() as session:
        catalog = read_catalog(session)
        return prepare(session, workload.statements, catalog).ready, catalog


def by_column(
    connector: Callable[[], Any], workload: Workload, writes: Mapping[Any, Writes], budget: int, _given: dict[str, Any]
) -> list[Candidate]:
    """One column an index, each judged alone by the planner, the most saving for its size first."""
    statements, catalog = prepared(connector, workload)
    single = [candidate for candidate in all_candidates(statements) if is_single(candidate)]
    planner = Planner(connector)
    worth: dict[str, float] = defaultdict(float)
    for ready in statements:
        base = planner.plans(ready, [])
        for candidate in single if base else ():
            if candidate.table in {use.table.id for use in ready.usage.uses}:
                found = planner.plans(ready, [candidate])
                if found and base and found[1]:
                    worth[candidate.index.name] += ready.statement.total_ms * max(0.0, 1 - found[0] / base[0])
    planner.close()
    prices = {c.index.name: price_of(c.index, catalog.tables[c.table], writes.get(c.table, Writes())) for c in single}
    return filled(
        [c for c in single if worth[c.index.name] > 0], prices, budget, lambda c: worth[c.index.name] / prices[c.index.name].bytes
    )


def filled(
    candidates: list[Candidate], prices: Mapping[str, Price], budget: int, key: Callable[[Candidate], float]
) -> list[Candidate]:
    """As many as fit the budget, the best first."""
    taken, left = [], budget
    for candidate in sorted(candidates, key=key, reverse=True):
        if prices[candidate.index.name].bytes <= left:
            taken.append(candidate)
            left -= prices[candidate.index.name].bytes
    return taken


def by_greedy(
    connector: Callable[[], Any], workload: Workload, writes: Mapping[Any, Writes], budget: int, _given: dict[str, Any]
) -> list[Candidate]:
    """The planner's word taken for it: the index that lowers the workload's estimated cost most, again and again."""
    statements, catalog = prepared(connector, workload)
    candidates = [c for c in all_candidates(statements) if c.index.method not in GIN_METHODS]
    prices = {c.index.name: price_of(c.index, catalog.tables[c.table], writes.get(c.table, Writes())) for c in candidates}
    planner = Planner(connector)
    names = greedy_set(planner, statements, candidates, {name: Price(p.bytes) for name, p in prices.items()}, budget)
    planner.close()
    return [c for name in names for c in candidates if c.index.name == name]


METHODS = {"pgkeel": by_pgkeel, "single_column": by_column, "greedy_whatif": by_greedy}


def ddl(candidate: Candidate) -> str:
    """Its CREATE INDEX statement."""
    index = candidate.index
    relation = sql.Identifier(index.schema, index.table)
    return create_index(index, name=index.name, relation=relation, concurrently=False).as_string(None)


def build(ground: ProvingGround, chosen: Sequence[Candidate], database: str = DATABASE) -> int:
    """Build them where the measuring is done; their bytes."""
    size = 0
    with connect(ground.login(database)) as session:
        for candidate in chosen:
            index = candidate.index
            if candidate.needs_extension:
                session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(candidate.needs_extension)))
            session.execute(
                create_index(index, name=index.name, relation=sql.Identifier(index.schema, index.table), concurrently=False)
            )
            row = session.execute(
                "SELECT pg_relation_size(%s::regclass)", (sql.Identifier(index.schema, index.name).as_string(None),)
            )
            size += (row.fetchone() or (0,))[0]
        session.execute("VACUUM ANALYZE")
        session.execute("CHECKPOINT")
    return size


def regressions(before: Times, after: Times, runs: Mapping[str, int]) -> list[str]:
    """Statements that got more than 15 % slower, by more than noise."""
    return [name for name in before if after[name] > before[name] * SLOWER and after[name] - before[name] > NOISE_MS * runs[name]]


def least(first: dict[str, Times], again: dict[str, Times]) -> dict[str, Times]:
    """The shorter time of each statement: the machine's other work only ever adds."""
    return {name: {key: min(found[key], again[name][key]) for key in found} for name, found in first.items()}


def worst(before: Times, after: Times, runs: Mapping[str, int]) -> float:
    """Time with over time without of the reading statement that fared worst, beyond noise; 1.0 where none got slower."""
    return max(
        [1.0]
        + [
            after[name] / before[name]
            for name in before
            if after[name] - before[name] > NOISE_MS * runs[name] and not writes_rows(name)
        ]
    )


def writes_rows(name: str) -> bool:
    """Whether a statement, or an operation of the application, only writes."""
    return name.startswith(("INSERT", "UPDATE", "DELETE", "insert_", "update_", "send_", "log_in"))


def bench(ground: ProvingGround, work: Generated | EdTech, given: dict[str, Any]) -> list[dict[str, Any]]:
    """One workload: measured as it is, and after each method."""
    begun = time.monotonic()
    recreate(ground, DATABASE)
    with connect(ground.login(DATABASE)) as session:
        session.execute("CREATE EXTENSION pg_stat_statements")
        session.execute("CREATE EXTENSION hypopg")
    work.fill(ground)
    build(ground, ())
    with connect(ground.login(DATABASE)) as session:
        session.execute("SELECT pg_stat_reset(), pg_stat_statements_reset()")
    work.exercise(ground)
    workload = read_statements(ground)
    with connect(ground.login(DATABASE)) as session:
        writes = read_writes(session)
        tables = session.execute(
            "SELECT sum(pg_table_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        budget = int((tables.fetchone() or (0,))[0] * given["budget_share"])
    recreate(ground, "pristine", DATABASE)
    # All are measured in turn, on copies of the same age: what else the machine does strikes every one of them.
    databases = {method: f"with_{method}" for method in METHODS}
    recreate(ground, WITHOUT, "pristine")
    build(ground, (), WITHOUT)
    chosen: dict[str, list[Candidate]] = {}
    sizes: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for method, advisor in METHODS.items():
        recreate(ground, COPY, "pristine")
        started = time.monotonic()
        chosen[method] = advisor(lambda: connect(ground.login(COPY)), workload, writes, budget, given)
        seconds[method] = time.monotonic() - started
        while True:
            recreate(ground, databases[method], "pristine")
            sizes[method] = build(ground, chosen[method], databases[method])
            if sizes[method] <= budget or not chosen[method]:
                break
            # The same storage for each: what was chosen last goes, as the planner's estimate of sizes was wrong.
            chosen[method] = chosen[method][:-1]
    every = [WITHOUT, *databases.values()]
    first, again = work.measure(ground, every), work.measure(ground, every)
    times = least(first, again)
    if any(regressions(times[WITHOUT], times[name], work.runs) for name in every):
        # Measured once more before anybody is accused.
        times = least(times, work.measure(ground, every))
    spread = max(abs(1 - sum(again[name].values()) / sum(first[name].values())) for name in every)
    before = times[WITHOUT]
    rows = []
    for method, database in databases.items():
        after = times[database]
        slower = regressions(before, after, work.runs)
        rows.append(
            {
                "workload": work.name,
                "method": method,
                "total_before_s": round(sum(before.values()) / 1000, 4),
                "total_after_s": round(sum(after.values()) / 1000, 4),
                "spread": round(spread, 4),
                "bytes": sizes[method],
                "budget_bytes": budget,
                "advise_s": round(seconds[method], 2),
                # An index must be kept up to date: what only writes is told apart, for no adviser can have one for nothing.
                "regressions": sum(not writes_rows(name) for name in slower),
                "slower_writes": sum(writes_rows(name) for name in slower),
                "worst_query_change": round(worst(before, after, work.runs) - 1, 4),
                "slower": [{"statement": name, "ratio": round(after[name] / before[name], 2)} for name in slower],
                "indexes": [ddl(candidate) for candidate in chosen[method]],
            }
        )
        print(rows[-1], file=sys.stderr)
        recreate(ground, database)
    print(work.name, round(time.monotonic() - begun, 1), "s", file=sys.stderr)
    return rows


def main() -> int:
    """Everything, JSON in, JSON out."""
    given = json.load(sys.stdin)
    schema = Schema(given["tables_sql"], given["constraints_sql"], given["migrations_sql"])
    works: list[Generated | EdTech] = [Generated(shape, given["scale"], given["seed"]) for shape in SHAPES]
    works.insert(0, EdTech(given["scale"], given["seed"], schema))
    rows = []
    ground = Ground(
        base_dir=Path(given["ground_dir"]),
        preload_libraries=("pg_stat_statements",),
        shared_buffers="1GB",
        settings={
            "pg_stat_statements.track": "all",
            "random_page_cost": "1.1",
            "max_parallel_workers_per_gather": "0",
            "jit": "off",
        },
    )
    with proving_ground(ground) as running:
        for work in works:
            if not given["only"] or work.name in given["only"]:
                rows += bench(running, work, given)
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
