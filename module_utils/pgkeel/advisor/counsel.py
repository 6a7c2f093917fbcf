"""All advice that needs no copy to be proved on: what to drop, to say differently, to analyse, to leave room for, to batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from pglast.error import Error as ParseFailure

from ..postgres.index_redundancy import Names
from .drop_advice import Drops, Node, Standbys, advise_drops, count_standbys, read_node
from .facts import Catalog
from .facts_read import read_catalog
from .fillfactor_advice import advise_fillfactor, read_updates
from .index_ages import read_index_ages
from .model import Recommendation, Statement, Workload
from .n_plus_one import advise_batches, find_loops, intervals_of, read_foreign_keys
from .resolve import read_usage
from .rewrite_advice import advise_rewrites, wildcards_in
from .snapshots import Counters
from .statistics_advice import (
    advise_analyze,
    advise_correlated,
    columns_together,
    observe,
    read_blind,
    read_extended,
)
from .store import SCHEMA
from .usage import Use

MOST_FOLLOWED = 400
"""Statements among which loops are looked for, the most called first: every two are compared."""


@dataclass(frozen=True)
class Circumstances:
    """What is known beside the database itself."""

    least_total_ms: float = 0.0
    """Statements that took less in the window get no advice."""
    history: Sequence[Counters] = ()
    """Snapshots within the window, the oldest first."""
    texts: Mapping[int, Iterable[str]] = field(default_factory=dict)
    """Statements with their literals, by query_id, to look for patterns in; they stay here."""
    patterns_known: bool = False
    """Whether ``texts`` has examples of what applications send, beside what pg_stat_statements keeps."""
    standbys: tuple[Node, ...] = ()
    declared: Names = frozenset()
    ours: Names = frozenset()
    sample: bool = True
    """Whether tables may be sampled for columns that belong together."""


@dataclass(frozen=True)
class Counsel:
    """The advice, and the questions without an answer."""

    recommendations: tuple[Recommendation, ...]
    unverified: tuple[str, ...]


def counsel(connection: psycopg.Connection[Any], workload: Workload, known: Circumstances) -> Counsel:
    """Ask everything that the catalog and the workload answer; reads, and samples tables, and changes nothing.

    A question that PostgreSQL refuses to answer becomes an unverified one, and the others are asked all the same.
    Raises PgkeelError or psycopg.Error only where the catalog itself cannot be read.
    """
    whole = read_catalog(connection)
    catalog = replace(whole, tables={name: table for name, table in whole.tables.items() if name[0] != SCHEMA})
    statements = tuple(one for one in workload.statements if one.total_ms >= known.least_total_ms)
    found: list[Recommendation] = []
    unverified: list[str] = []

    def ask(question: str, answer: Callable[[], Iterable[Recommendation]]) -> None:
        try:
            with connection.transaction():
                found.extend(answer())
        except psycopg.Error as error:
            if connection.closed:
                raise
            # The primary message only: detail and context may quote data.
            reason = error.diag.message_primary or type(error).__name__
            unverified.append(f"{question}: PostgreSQL answered: {reason}")

    def drops() -> Iterable[Recommendation]:
        result = _drops(connection, known)
        unverified.extend(result.unverified)
        return result.recommendations

    def rewrites() -> Iterable[Recommendation]:
        result = advise_rewrites(statements, catalog, wildcards_in(known.texts), patterns_known=known.patterns_known)
        unverified.extend(result.unverified)
        return result.recommendations

    def batches() -> Iterable[Recommendation]:
        often = sorted(workload.statements, key=lambda one: -one.calls)[:MOST_FOLLOWED]
        loops = find_loops(often, intervals_of(known.history), catalog, read_foreign_keys(connection))
        return advise_batches(loops, catalog)

    ask("Which indexes may go", drops)
    ask("Which statements to say differently", rewrites)
    ask("Which columns were never analysed", lambda: advise_analyze(read_blind(connection), _used(statements, catalog)))
    if known.sample:
        ask("Which columns belong together", lambda: _correlated(connection, statements, catalog))
    ask("Where pages need room", lambda: advise_fillfactor(read_updates(connection), statements, catalog))
    ask("Which statements run in a loop", batches)
    return Counsel(each_once(found), tuple(unverified))


def each_once(found: Iterable[Recommendation]) -> tuple[Recommendation, ...]:
    """The same advice about statements that differ in the length of a list only, for all of them."""
    known: dict[str, Recommendation] = {}
    for one in found:
        first = known.setdefault(one.fingerprint, one)
        if first is not one:
            known[one.fingerprint] = replace(first, statements=tuple(dict.fromkeys((*first.statements, *one.statements))))
    return tuple(known.values())


def _drops(connection: psycopg.Connection[Any], known: Circumstances) -> Drops:
    primary = read_node(connection, "the primary")
    indexes = tuple(index for index in primary.indexes if index.schema != SCHEMA)
    standbys = Standbys(known.standbys, count_standbys(connection))
    ages = read_index_ages(connection)
    return advise_drops(replace(primary, indexes=indexes), standbys, ages=ages, declared=known.declared, ours=known.ours)


def _correlated(
    connection: psycopg.Connection[Any], statements: Sequence[Statement], catalog: Catalog
) -> Iterable[Recommendation]:
    pairs = columns_together(statements, catalog)
    observed = [observe(connection, pair, catalog.tables[pair.table]) for pair in pairs]
    return advise_correlated([one for one in observed if one is not None], read_extended(connection))


def _used(statements: Iterable[Statement], catalog: Catalog) -> Mapping[tuple[str, str], frozenset[str]]:
    """The columns whose values the planner has to guess at."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for statement in statements:
        try:
            uses = read_usage(statement.text, catalog).uses
        except (ParseFailure, RecursionError):
            continue
        for use in uses:
            found[use.table.id] |= _guessed(use)
    return {table: frozenset(columns) for table, columns in found.items()}


def _guessed(use: Use) -> set[str]:
    keys = [*use.equal, *use.ranges, *use.joins, *use.either, *use.group, *(key for key, _, _ in use.order)]
    return {key.column for key in keys if key.column}
