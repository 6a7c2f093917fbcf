"""Indexes taken away and built for a measurement, and put back as they were, by a later run if need be."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .cases import Index

Connection = psycopg.Connection[TupleRow]
LOCK_MS = 20_000
CUTOFF_DAYS = 31


def definition_of(index: Index, reference: datetime) -> str:
    """The definition with its cut-off."""
    return index.definition.format(cutoff=(reference - timedelta(days=CUTOFF_DAYS)).strftime("%Y-%m-%d %H:%M:%S"))


def build_command(table: str, name: str, definition: str) -> sql.Composed:
    """CREATE INDEX; the definition is one of ours, or the server's own text of an index that was there."""
    return sql.SQL("CREATE INDEX {} ON public.{} ").format(sql.Identifier(name), sql.Identifier(table)) + sql.SQL(definition)


def restore(connection: Connection) -> list[str]:
    """Put back what a run, this one or one that was killed, has changed. Returns sentences.

    Raises PgkeelError where the server refuses; what is left is put back by the next run.
    """
    if connection.execute("SELECT to_regclass('pgkeel.bench_indexes')").fetchone() == (None,):
        return []
    done = []
    rows = connection.execute('SELECT name, "table", definition FROM pgkeel.bench_indexes ORDER BY name').fetchall()
    try:
        for name, table, definition in rows:
            there = connection.execute(
                "SELECT substr(found, strpos(found, ' USING ') + 1) FROM pg_get_indexdef(to_regclass(%s)) AS found",
                [_qualified(name)],
            ).fetchone()
            found = there[0] if there else None
            if found is not None and found != definition:
                connection.execute(sql.SQL("DROP INDEX public.{}").format(sql.Identifier(name)))
                done.append(f"dropped {name}")
            if definition is not None and found != definition:
                connection.execute(build_command(table, name, definition))
                done.append(f"built {name} again")
            connection.execute("DELETE FROM pgkeel.bench_indexes WHERE name = %s", [name])
        connection.execute("DROP TABLE pgkeel.bench_indexes")
    except psycopg.Error as error:
        raise PgkeelError(
            f"An index could not be put back: {(error.diag.message_primary or str(error)).strip()}",
            "Run the benchmark again, which puts back what an earlier run has changed",
        ) from error
    return done


def take_away(connection: Connection, indexes: Iterable[Index], reference: datetime) -> None:
    """Drop the indexes, and those of the same definition under another name, after writing down how to put them back.

    Ours that are not there are written down too: they are dropped at the end. Raises PgkeelError when a lock is not to be had.
    """
    connection.execute(
        'CREATE TABLE IF NOT EXISTS pgkeel.bench_indexes (name text PRIMARY KEY, "table" text NOT NULL, definition text)'
    )
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_MS)])
            for index in indexes:
                wanted = definition_of(index, reference)
                present = _present(connection, index, wanted)
                for name, definition in present:
                    connection.execute(
                        "INSERT INTO pgkeel.bench_indexes VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                        [name, index.table, definition],
                    )
                    if definition is not None:
                        connection.execute(sql.SQL("DROP INDEX public.{}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise PgkeelError(
            f"An index could not be taken away: {(error.diag.message_primary or str(error)).strip()}",
            "See in pg_stat_activity who holds the table, and run it again when nobody works in this database",
        ) from error


def build(connection: Connection, index: Index, reference: datetime) -> dict[str, Any]:
    """Build one, and what it cost: ``index``, ``bytes``, ``wal_bytes`` (of the whole server meanwhile), ``seconds``."""
    definition = definition_of(index, reference)
    known = connection.execute(
        'SELECT name FROM pgkeel.bench_indexes WHERE "table" = %s ORDER BY name <> %s LIMIT 1', [index.table, index.name]
    ).fetchone()
    name = known[0] if known else index.name
    with connection.transaction():
        connection.execute("SELECT set_config('maintenance_work_mem', '256MB', true)")
        wal, began = _wal(connection), time.monotonic()
        connection.execute(build_command(index.table, name, definition))
        seconds = time.monotonic() - began
        wal = _wal(connection) - wal
    size = connection.execute("SELECT pg_relation_size(%s::regclass)", [_qualified(name)]).fetchone()
    return {"index": name, "bytes": size[0] if size else 0, "wal_bytes": wal, "seconds": round(seconds, 2)}


def _wal(connection: Connection) -> int:
    row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0


def _qualified(name: str) -> str:
    return 'public."' + name.replace('"', '""') + '"'


def _present(connection: Connection, index: Index, wanted: str) -> list[tuple[str, str | None]]:
    """Name and definition (after the table) of the index, by its name or by its definition; None where it is not there."""
    rows = connection.execute(
        """
        SELECT relname, substr(pg_get_indexdef(indexrelid), strpos(pg_get_indexdef(indexrelid), ' USING ') + 1)
          FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = %s::regclass AND NOT indisunique
        """,
        [_qualified(index.table)],
    ).fetchall()
    return [(name, definition) for name, definition in rows if name == index.name or definition == wanted] or [(index.name, None)]
