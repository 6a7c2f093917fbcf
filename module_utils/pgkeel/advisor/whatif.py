"""Asking the planner of the copy what indexes would change, with HypoPG and, where that cannot pretend, with real ones.

HypoPG can end the server process with a segmentation fault, and every session with it. That is why it runs on the proving ground
only, and why a crash there is an answer: the candidate is left out, and the rest is asked again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError
from ..postgres.index_declaration import IndexDeclaration, create_index
from .candidates import GIN_METHODS, Candidate
from .choice import Costed, Option
from .prepare import Ready, set_path

MOST_CANDIDATES = 28
"""Asked about for one statement."""
MOST_SINGLES = 150
"""Statements, those that take the most time, for which every candidate is tried alone, and more than one choice of values."""
VALUES = 2
MOST_PEELS = 3
MOST_CRASHES = 6
WORTH_LOOKING = 0.97
RECOVERY_SECONDS = 60.0
PLAN_TIMEOUT_MS = 5_000
SLOWEST_BUILD_MS = 120_000

Connector = Callable[[], psycopg.Connection[Any]]


class LostError(Exception):
    """The server of the copy ended under a session."""


@dataclass
class Planner:
    """A session on the copy that plans statements under pretended indexes, and survives that the copy's server does not."""

    connector: Connector
    crashes: list[str] = field(default_factory=list)
    """What the server died of, one sentence each."""
    culprits: set[str] = field(default_factory=set)
    """Names of candidates that are not asked about any more."""
    refused: set[str] = field(default_factory=set)
    session: psycopg.Connection[Any] = field(init=False, repr=False)
    _path: tuple[str, ...] = ()
    _pretended: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Our name of each index that HypoPG pretends now: its oid, and HypoPG's name."""
    _definitions: dict[IndexDeclaration, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._open()

    def _open(self) -> None:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            try:
                self.session = self.connector()
                # Each text is sent once or twice: preparing them would only cost.
                self.session.prepare_threshold = None
                self.session.execute("CREATE EXTENSION IF NOT EXISTS hypopg")
                self.session.execute(f"SET statement_timeout = {PLAN_TIMEOUT_MS}")
                break
            except (PgkeelError, psycopg.OperationalError) as error:
                if time.monotonic() > deadline:
                    raise PgkeelError(
                        "The proving ground did not come back after HypoPG had ended it",
                        "Run it again; without HypoPG (package postgresql-17-hypopg) nothing can be estimated",
                    ) from error
                time.sleep(0.2)
            except psycopg.errors.FeatureNotSupported as error:
                raise PgkeelError(
                    "HypoPG is not installed on this server", "Run site.yml, which installs postgresql-17-hypopg"
                ) from error
        self._path, self._pretended = (), {}

    def reset_path(self) -> None:
        """Back to the database's own search path, where an extension is created and an operator class is found."""
        self.session.execute("RESET search_path")
        self._path = ()

    def close(self) -> None:
        """End the session."""
        self.session.close()

    def plans(
        self, ready: Ready, indexes: Sequence[Candidate], *, generic: bool = False, values: int = VALUES
    ) -> tuple[float, frozenset[str]] | None:
        """Mean cost over the statement's values, and the names of the pretended indexes that its plans use.

        None where it cannot be planned. A crash is survived once: then without the candidate that caused it.
        """
        usable = [candidate for candidate in indexes if candidate.index.name not in self.culprits | self.refused]
        try:
            return self._plans(ready, usable, generic=generic, values=values)
        except LostError:
            self._find_culprit(ready, usable)
            rest = [candidate for candidate in usable if candidate.index.name not in self.culprits]
            try:
                return self._plans(ready, rest if rest != usable else [], generic=generic, values=values)
            except LostError:
                self._survive(f"planning statement {ready.statement.query_id}")
                return None

    def _plans(
        self, ready: Ready, indexes: Sequence[Candidate], *, generic: bool, values: int
    ) -> tuple[float, frozenset[str]] | None:
        if ready.search_path != self._path:
            try:
                set_path(self.session, ready.search_path)
            except psycopg.OperationalError as error:
                raise LostError from error
            self._path = ready.search_path
        names = self._pretend(indexes)
        texts = () if generic else ready.bound[:values]
        costs: list[float] = []
        used: set[str] = set()
        for text in texts:
            found = self._explain("EXPLAIN (FORMAT JSON) ", text)
            if found is not None:
                costs.append(found[0])
                used |= found[1]
        if not costs:
            found = self._explain("EXPLAIN (GENERIC_PLAN, FORMAT JSON) ", ready.cured.sql)
            if found is not None:
                costs.append(found[0])
                used |= found[1]
        if not costs:
            return None
        return sum(costs) / len(costs), frozenset(names[name] for name in used if name in names)

    def _pretend(self, indexes: Sequence[Candidate]) -> dict[str, str]:
        """Have exactly these indexes pretended; HypoPG's name of each, and ours."""
        wanted = {candidate.index.name for candidate in indexes}
        extra = [name for name in self._pretended if name not in wanted]
        if extra and wanted <= set(self._pretended) and len(extra) < len(wanted):
            self._run("SELECT hypopg_drop_index(i) FROM unnest(%s::oid[]) i", ([self._pretended.pop(name)[0] for name in extra],))
        elif wanted != set(self._pretended):
            if self._pretended:
                self._run("SELECT hypopg_reset()")
            self._pretended = {}
            self._create({self._definition(candidate.index): candidate.index.name for candidate in indexes})
        return {theirs: ours for ours, (_, theirs) in self._pretended.items()}

    def _create(self, definitions: dict[str, str]) -> None:
        if not definitions:
            return
        query = "SELECT d, (hypopg_create_index(d)).* FROM unnest(%s::text[]) d"
        try:
            made = self._run(query, (list(definitions),)).fetchall()
        except psycopg.Error:
            made = []
            self._run("SELECT hypopg_reset()")
            for definition, name in definitions.items():
                try:
                    made += self._run(query, ([definition],)).fetchall()
                except psycopg.Error:
                    self.refused.add(name)
        self._pretended = {definitions[definition]: (oid, theirs) for definition, oid, theirs in made}

    def _definition(self, index: IndexDeclaration) -> str:
        known = self._definitions.get(index)
        if known is None:
            relation = sql.Identifier(index.schema, index.table)
            known = create_index(index, name=index.name, relation=relation, concurrently=False).as_string(self.session)
            self._definitions[index] = known
        return known

    def _explain(self, prefix: str, text: str) -> tuple[float, set[str]] | None:
        try:
            row = self._run((prefix + text).encode()).fetchone()
        except psycopg.Error:
            return None
        if row is None:
            return None
        plan = row[0][0]["Plan"]
        return float(plan["Total Cost"]), set(index_names(plan))

    def _run(self, query: str | bytes, parameters: Sequence[object] | None = None) -> psycopg.Cursor[Any]:
        try:
            return self.session.execute(query, parameters)
        except psycopg.OperationalError as error:
            if self.session.closed:
                raise LostError from error
            raise

    def _find_culprit(self, ready: Ready, indexes: Sequence[Candidate]) -> None:
        """Try the candidates one by one; one that crashes the server again is never asked about any more."""
        self._survive(f"HypoPG while planning statement {ready.statement.query_id} with {len(indexes)} candidates")
        for candidate in indexes:
            try:
                self._plans(ready, [candidate], generic=False, values=1)
            except LostError:
                self.culprits.add(candidate.index.name)
                self._survive(f"HypoPG with {candidate.index.describe()}")
                return
        # Only together do they crash it: none of them is asked about.
        self.culprits |= {candidate.index.name for candidate in indexes if candidate.index.where or candidate.index.include}

    def _survive(self, what: str) -> None:
        self.crashes.append(f"The proving ground's server ended: {what}. It was started again, and the candidate is left out.")
        if len(self.crashes) > MOST_CRASHES:
            raise PgkeelError(
                f"HypoPG ended the proving ground {len(self.crashes)} times", "Report the statements; nothing was changed"
            )
        self.session.close()
        self._open()


def index_names(plan: Mapping[str, Any]) -> Iterable[str]:
    """Names of all indexes in a plan (EXPLAIN's JSON)."""
    if "Index Name" in plan:
        yield plan["Index Name"]
    for child in plan.get("Plans", ()):
        yield from index_names(child)


def cost_table(planner: Planner, statements: Sequence[Ready], candidates: Sequence[Candidate]) -> list[Costed]:
    """What every statement would cost under sets of candidates that its plans would use.

    The most expensive statements first: for those every candidate is also tried alone, so that the choice can share one
    index among several statements.
    """
    by_table: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        if candidate.index.method not in GIN_METHODS and not candidate.needs_extension:
            by_table[candidate.table].append(candidate)
    heavy = sorted(statements, key=lambda ready: -ready.statement.total_ms)
    return [
        _costed(planner, ready, relevant(ready, by_table), singles=number < MOST_SINGLES) for number, ready in enumerate(heavy)
    ]


def relevant(ready: Ready, by_table: Mapping[tuple[str, str], Sequence[Candidate]]) -> list[Candidate]:
    """Its own candidates first, then those of other statements that begin with a key that it compares, joins or sorts by."""
    own = {candidate.index.name for candidate in ready.candidates}
    found: dict[str, Candidate] = {}
    foreign: dict[str, Candidate] = {}
    for use in ready.usage.uses:
        sorted_by = [key for places in (use.order, *use.windows) for key, _, _ in places]
        keys = {*use.equal, *use.joins, *use.ranges, *use.either, *use.group, *use.extremes, *sorted_by}
        for candidate in by_table.get(use.table.id, ()):
            if candidate.index.name in own:
                found[candidate.index.name] = candidate
            elif candidate.leading in keys and (not candidate.index.where or candidate.index.where in use.constants):
                foreign[candidate.index.name] = candidate
    return list({**dict(list(found.items())[:MOST_CANDIDATES]), **foreign}.values())[:MOST_CANDIDATES]


def _costed(planner: Planner, ready: Ready, candidates: list[Candidate], *, singles: bool) -> Costed:
    identity, weight = ready.statement.query_id, ready.statement.total_ms
    values = VALUES if singles else 1
    base = planner.plans(ready, [], values=values)
    if base is None:
        return Costed(identity, weight, 0.0)
    options: dict[frozenset[str], float] = {}
    left = list(candidates)
    for _ in range(MOST_PEELS if singles else 2):
        found = planner.plans(ready, left, values=values) if left else None
        if found is None or not found[1] or found[0] > base[0] * WORTH_LOOKING:
            break
        options[found[1]] = min(found[0], options.get(found[1], found[0]))
        left = [candidate for candidate in left if candidate.index.name not in found[1]]
    if options and singles:
        for candidate in candidates:
            name = frozenset((candidate.index.name,))
            if name in options:
                continue
            found = planner.plans(ready, [candidate], values=values)
            if found is not None and found[1] and found[0] <= base[0] * WORTH_LOOKING:
                options[name] = found[0]
    elif options:
        for one in set[str]().union(*options):
            alone = [candidate for candidate in candidates if candidate.index.name == one]
            found = planner.plans(ready, alone, values=values) if frozenset((one,)) not in options else None
            if found is not None and found[1] and found[0] <= base[0] * WORTH_LOOKING:
                options[frozenset((one,))] = found[0]
    return Costed(identity, weight, base[0], tuple(Option(indexes, cost) for indexes, cost in options.items()))


def real_costs(
    planner: Planner, statements: Sequence[Ready], candidate: Candidate, bases: Mapping[int, float]
) -> tuple[dict[int, float], int]:
    """Costs of statements with one index built for real and dropped again, and its size in bytes. For GIN and GiST."""
    session = planner.session
    index = candidate.index
    costs: dict[int, float] = {}
    try:
        session.execute(f"SET statement_timeout = {SLOWEST_BUILD_MS}")
        planner.reset_path()
        if candidate.needs_extension:
            session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(candidate.needs_extension)))
        session.execute(
            create_index(index, name=index.name, relation=sql.Identifier(index.schema, index.table), concurrently=False)
        )
        session.execute(f"SET statement_timeout = {PLAN_TIMEOUT_MS}")
        row = session.execute("SELECT pg_relation_size(%s::regclass)", (_qualified(index),)).fetchone()
        for ready in statements:
            found = planner.plans(ready, [])
            if found is not None and found[0] <= bases.get(ready.statement.query_id, 0.0) * WORTH_LOOKING:
                costs[ready.statement.query_id] = found[0]
        return costs, int(row[0]) if row else 0
    except psycopg.Error:
        if session.closed:
            raise
        planner.refused.add(index.name)
        return {}, 0
    finally:
        session = planner.session
        session.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(index.schema, index.name)))
        session.execute(f"SET statement_timeout = {PLAN_TIMEOUT_MS}")


def _qualified(index: IndexDeclaration) -> str:
    return sql.Identifier(index.schema, index.name).as_string(None)
