"""What a database did within a window of time: the difference of two readings, statement by statement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg

from ..errors import PgkeelError
from .model import Skipped, Statement, Workload
from .redaction import Understood, understand
from .snapshots import LONGEST_TEXT, Counters, Entry, find_snapshot, read_counters, read_snapshot
from .store import SCHEMA

NEARLY_FULL = 0.9
"""Share of pg_stat_statements.max from which on a new statement soon pushes out an old one."""

_EARLY = 0.1
"""A snapshot may be younger than the window asked for by this share of it: a weekly run is never a week apart to the second."""

OURS = "pgkeel's own"
SYSTEM = "reads only system catalogs or what an extension made"
TEMPORARY = "names a table that is temporary or no longer there"
UTILITY = "no SELECT, INSERT, UPDATE, DELETE or MERGE"
UNPARSED = "its text cannot be parsed"
TOO_LONG = "its text is too long to be a query that waits for advice"
MISSING = "its text is gone from pg_stat_statements"
HIDDEN = "this role may not read its text (GRANT pg_read_all_stats)"


def read_window(
    connection: psycopg.Connection[Any], database: str, since: datetime, *, longest_text: int = LONGEST_TEXT
) -> Workload:
    """What ``database``, to which the connection is, did from about ``since`` until now, the slowest statement in sum first.

    The window begins with the newest snapshot of the same counters that is about as old as ``since``; without one, where the
    counters themselves begin, and a warning says so. Changes nothing. ``longest_text`` is in bytes.

    Raises PgkeelError as ``read_counters`` does, and where the connection is to another database.
    """
    if connection.info.dbname != database:
        raise PgkeelError(
            f"The connection is to {connection.info.dbname}, and the workload of {database} is asked for",
            "Connect to the database that is judged",
        )
    counters = read_counters(connection, database, longest_text)
    return judge_window(connection, counters, since)


def judge_window(connection: psycopg.Connection[Any], counters: Counters, since: datetime) -> Workload:
    """``read_window`` of counters that have been read already."""
    baseline = None
    if not counters.standby:
        latest = since + _EARLY * (counters.taken_at - since)
        number = find_snapshot(connection, counters, latest)
        baseline = read_snapshot(connection, number) if number is not None else None
    return summarize(counters, baseline, since, known_relations(connection))


@dataclass(frozen=True)
class Relations:
    """The tables, views and sequences that a statement may name, temporary ones apart; schema and name each."""

    own: frozenset[tuple[str, str]]
    system: frozenset[tuple[str, str]] = frozenset()
    """Of the system catalogs, and what extensions made."""

    @cached_property
    def all_own(self) -> frozenset[tuple[str, str]]:
        """The own ones, and each without its schema: as statements name them."""
        return self.own | {("", name) for _, name in self.own}

    @cached_property
    def all_system(self) -> frozenset[tuple[str, str]]:
        """The same of the system's."""
        return self.system | {("", name) for _, name in self.system}


def known_relations(connection: psycopg.Connection[Any]) -> Relations:
    """What the database that the connection is to has now."""
    rows = connection.execute(
        """
        SELECT n.nspname::text, c.relname::text,
               n.nspname ~ '^pg_' OR n.nspname = 'information_schema'
               OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                           WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
        """
    ).fetchall()
    return Relations(
        frozenset((schema, name) for schema, name, system in rows if not system),
        frozenset((schema, name) for schema, name, system in rows if system),
    )


def summarize(counters: Counters, baseline: Counters | None, since: datetime, relations: Relations) -> Workload:
    """The difference between two readings as a workload: pure.

    Lines are compared one by one, a user and level each: one whose own count began after the baseline, or that has counted
    less than there, was reset or pushed out meanwhile, and all it has now belongs to the window.
    """
    begin = baseline.taken_at if baseline else counters.counters_since
    warnings = _warnings(counters, baseline, since)
    by_query: dict[int, list[Entry]] = defaultdict(list)
    restarted = 0
    for entry, afresh in differences(counters, baseline):
        restarted += afresh
        if entry.calls > 0:
            by_query[entry.query_id].append(entry)
    if restarted:
        warnings.append(
            f"{restarted} statement(s) began to count anew within the window: what they did before is not in the figures"
        )
    statements: list[Statement] = []
    skipped: Counter[str] = Counter()
    skipped_ms: dict[str, float] = defaultdict(float)
    if counters.hidden_statements:
        # Their lines have no identity to compare by: this is their lifetime.
        skipped[HIDDEN], skipped_ms[HIDDEN] = counters.hidden_statements, counters.hidden_ms
    for query_id, entries in by_query.items():
        text = counters.texts.get(query_id)
        total_ms = sum(one.total_ms for one in entries)
        if text is None:
            reason = TOO_LONG if query_id in counters.lengths else MISSING
        else:
            understood = understand(text)
            reason = _unsuited(understood, relations)
            if not reason:
                statements.append(_statement(query_id, entries, understood, begin))
        if reason:
            skipped[reason] += 1
            skipped_ms[reason] += total_ms
    return Workload(
        database=counters.database,
        since=begin,
        until=counters.taken_at,
        statements=tuple(sorted(statements, key=lambda one: (-one.total_ms, one.query_id))),
        skipped=tuple(
            Skipped(reason, count, round(skipped_ms[reason], 3))
            for reason, count in sorted(skipped.items(), key=lambda item: -skipped_ms[item[0]])
        ),
        warnings=tuple(warnings),
    )


def differences(counters: Counters, baseline: Counters | None) -> Iterable[tuple[Entry, bool]]:
    """Each line less what it had at the baseline, and whether it lost figures that the baseline still had."""
    before = {one.key: one for one in baseline.entries} if baseline else {}
    for entry in counters.entries:
        old = before.get(entry.key)
        if old is None:
            yield entry, False
        elif entry.since != old.since or entry.calls < old.calls:
            yield entry, True
        else:
            yield (
                replace(
                    entry,
                    calls=entry.calls - old.calls,
                    total_ms=max(0.0, entry.total_ms - old.total_ms),
                    rows=entry.rows - old.rows,
                    blocks_hit=entry.blocks_hit - old.blocks_hit,
                    blocks_read=entry.blocks_read - old.blocks_read,
                ),
                False,
            )


def _statement(query_id: int, entries: list[Entry], understood: Understood, begin: datetime) -> Statement:
    return Statement(
        query_id=query_id,
        text=understood.text,
        calls=sum(one.calls for one in entries),
        total_ms=sum(one.total_ms for one in entries),
        rows=sum(one.rows for one in entries),
        blocks_hit=sum(one.blocks_hit for one in entries),
        blocks_read=sum(one.blocks_read for one in entries),
        since=max(begin, min(one.since for one in entries)),
        fingerprint=understood.fingerprint,
        users=frozenset(one.user_id for one in entries),
    )


def _unsuited(understood: Understood, relations: Relations) -> str:
    """Why nothing can be advised about a statement; empty when something may."""
    if not understood.kind or understood.lost:
        return UNPARSED
    if not understood.reads_or_writes_rows:
        return UTILITY
    named = understood.relations
    if any(schema == SCHEMA for schema, _ in named):
        return OURS
    # System catalogs come first where a name has no schema, as they do in PostgreSQL.
    system = named & relations.all_system
    if named and system == named:
        return SYSTEM
    return "" if named - system <= relations.all_own else TEMPORARY


def _warnings(counters: Counters, baseline: Counters | None, since: datetime) -> list[str]:
    found = []
    begin = baseline.taken_at if baseline else counters.counters_since
    evicted = counters.evictions - (baseline.evictions if baseline else 0)
    if counters.standby:
        found.append("This server is a standby: its counters are judged for their whole life, and no snapshot can be kept here")
    elif baseline is None and counters.counters_since > since:
        found.append(
            f"The counters were reset at {begin:%Y-%m-%d %H:%M:%S %Z}, within the window: what ran before is not in the figures"
        )
    elif baseline is None:
        found.append(
            f"No snapshot is as old as the window: all since {begin:%Y-%m-%d %H:%M:%S %Z} is judged. "
            "The snapshot of this run makes the next one exact"
        )
    if evicted > 0:
        found.append(
            f"pg_stat_statements made room {evicted} time(s) in the window: statements and their figures are lost. "
            "Raise pg_stat_statements.max and restart, or look for statements that differ only in the length of an IN list"
        )
    if counters.capacity and counters.used >= NEARLY_FULL * counters.capacity:
        found.append(
            f"pg_stat_statements holds {counters.used} of {counters.capacity} statements: it soon forgets the least used ones"
        )
    return found
