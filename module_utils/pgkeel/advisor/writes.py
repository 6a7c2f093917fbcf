"""What indexes cost those who write: rows of the copy written again, with the indexes and without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from .facts import TableFacts, Writes

SAMPLE = 1_000
ROUNDS = 5
TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class WriteCost:
    """Milliseconds for the sample's rows, medians."""

    without_ms: float
    with_ms: float
    wal_without: int
    wal_with: int
    indexes: int = 1
    """How many were compared with none."""

    @property
    def row_ms(self) -> float:
        """What a written row costs more, in milliseconds."""
        return (self.with_ms - self.without_ms) / SAMPLE

    @property
    def ratio(self) -> float:
        """With over without."""
        return self.with_ms / self.without_ms if self.without_ms > 0 else 1.0


def write_cost(
    session: psycopg.Connection[Any],
    table: TableFacts,
    indexes: Sequence[tuple[str, str]],
    writes: Writes,
    assigned: frozenset[str] = frozenset(),
) -> WriteCost | None:
    """Insert, and where the workload updates columns update, a sample of rows; None where that cannot be done.

    Everything happens in transactions that are rolled back; "without" drops the indexes (schema, name) in there first. Triggers
    and foreign keys do not fire: what they do is the same on both sides, and may reach beyond the copy.
    """
    columns = written_columns(session, table)
    if not columns or table.rows < 1:
        return None
    # Exchanged among rows of a sample, unique values would collide with those that stay.
    updated = sorted((assigned & set(columns)) - unique_columns(session, table)) if assigned and writes.updated else []
    kinds: list[tuple[list[str], float]] = [(updated, writes.updated)] if updated else []
    if writes.inserted or not kinds:
        kinds.append(([], writes.inserted or 1.0))
    times: dict[bool, list[float]] = {False: [], True: []}
    wal: dict[bool, list[int]] = {False: [], True: []}
    total = sum(weight for _, weight in kinds)
    try:
        for number in range(ROUNDS + 1):
            for present in (False, True) if number % 2 else (True, False):
                parts = [(_once(session, table, () if present else indexes, columns, kind), w / total) for kind, w in kinds]
                if number:  # the first warms
                    times[present].append(sum(part[0] * share for part, share in parts))
                    wal[present].append(int(sum(part[1] * share for part, share in parts)))
    except psycopg.Error:
        if session.closed:
            raise
        return None
    return WriteCost(
        statistics.median(times[False]),
        statistics.median(times[True]),
        int(statistics.median(wal[False])),
        int(statistics.median(wal[True])),
        len(indexes),
    )


def written_columns(session: psycopg.Connection[Any], table: TableFacts) -> list[str]:
    """Columns that an INSERT may name, in their order; generated ones are left out."""
    rows = session.execute(
        """SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
           ORDER BY a.attnum""",
        table.id,
    )
    return [name for (name,) in rows]


def unique_columns(session: psycopg.Connection[Any], table: TableFacts) -> frozenset[str]:
    """Columns whose values decide whether a row may stand beside another: of unique indexes and exclusion constraints."""
    rows = session.execute(
        """SELECT DISTINCT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid
           WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
             AND (i.indisunique OR i.indisexclusion)
             AND (EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) k WHERE i.indkey[k] = a.attnum)
                  -- An expression and a predicate depend on the columns that they name.
                  OR ((i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND EXISTS (
                      SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum)))""",
        table.id,
    )
    return frozenset(name for (name,) in rows)


def _once(
    session: psycopg.Connection[Any],
    table: TableFacts,
    dropped: Sequence[tuple[str, str]],
    columns: list[str],
    updated: list[str],
) -> tuple[float, int]:
    """Milliseconds and bytes of write-ahead log for writing the sample once; ``updated`` empty means inserting it.

    Without the rows of tables that inherit from it: their places are their own, and their keys may stand there twice.
    """
    relation = sql.Identifier(*table.id)
    session.execute("BEGIN")
    try:
        session.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        session.execute("SET LOCAL session_replication_role = replica")
        for name in dropped:
            session.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(*name)))
        share = min(100.0, max(100.0 * 3 * SAMPLE / max(table.rows, 1.0), 0.01))
        session.execute(
            sql.SQL(
                "CREATE TEMP TABLE pgkeel_sample ON COMMIT DROP AS SELECT ctid AS pgkeel_at, * FROM ONLY {}"
                " TABLESAMPLE SYSTEM ({}) REPEATABLE (7) LIMIT {}"
            ).format(relation, sql.Literal(share), sql.Literal(SAMPLE))
        )
        if updated:
            return _timed(session, _exchange(relation, updated))
        session.execute(sql.SQL("DELETE FROM ONLY {} t USING pgkeel_sample s WHERE t.ctid = s.pgkeel_at").format(relation))
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        insert = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pgkeel_sample")
        return _timed(session, insert.format(relation, listed, listed))
    finally:
        if not session.closed:
            session.execute("ROLLBACK")


def _exchange(relation: sql.Composable, updated: Sequence[str]) -> sql.Composed:
    """Each row gets the values of another one, so that what is indexed really changes."""
    names = [sql.Identifier(name) for name in updated]
    return sql.SQL("UPDATE ONLY {} t SET {} FROM (SELECT pgkeel_at, {} FROM pgkeel_sample) s WHERE t.ctid = s.pgkeel_at").format(
        relation,
        sql.SQL(", ").join(sql.SQL("{} = s.{}").format(name, name) for name in names),
        sql.SQL(", ").join(sql.SQL("lead({}, 1, {}) OVER (ORDER BY pgkeel_at) AS {}").format(name, name, name) for name in names),
    )


def _timed(session: psycopg.Connection[Any], statement: sql.Composed) -> tuple[float, int]:
    before = _position(session)
    begun = time.perf_counter()
    session.execute(statement)
    spent = (time.perf_counter() - begun) * 1000
    return spent, _position(session) - before


def _position(session: psycopg.Connection[Any]) -> int:
    row = session.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0
