"""Making the copy as production is between two runs of autovacuum: its newest rows on pages that are not known to be visible.

A restored and vacuumed copy flatters index-only scans: in production the rows that applications ask for most have just been
written, and for each of them such a scan goes to the table after all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from .facts import TableFacts, Writes
from .writes import written_columns

AGED_SHARE = 0.1
"""Of a table's pages, the last ones. Autovacuum comes after a fifth of a table was inserted: on average it is half way."""
MOST_AGED_ROWS = 200_000
LEAST_ROWS = 1_000
TIMEOUT_MS = 120_000


def age(
    session: psycopg.Connection[Any], tables: Mapping[tuple[str, str], TableFacts], writes: Mapping[tuple[str, str], Writes]
) -> tuple[str, ...]:
    """Write the last rows of every table that gets new rows once more, unchanged; the names of those tables.

    For the throwaway copy only. Triggers and foreign keys do not fire. Raises psycopg.Error when the server is lost.
    """
    done = []
    session.execute(
        "SELECT set_config('session_replication_role', 'replica', false), set_config('statement_timeout', %s, false)",
        [str(TIMEOUT_MS)],
    )
    for key, table in tables.items():
        written = writes.get(key)
        if table.kind != "r" or written is None or not written.inserted or table.rows < LEAST_ROWS or not table.pages:
            continue
        pages = min(table.pages * AGED_SHARE, MOST_AGED_ROWS * table.pages / table.rows)
        last = sql.Literal(f"({int(table.pages - pages)},1)")
        # An identity column may refuse to be written: then another one.
        if any(_rewrite(session, key, column, last) for column in reversed(written_columns(session, table)[-3:])):
            done.append(".".join(key))
    session.execute("RESET session_replication_role")
    session.execute("RESET statement_timeout")
    return tuple(done)


def _rewrite(session: psycopg.Connection[Any], table: tuple[str, str], column: str, first: sql.Literal) -> bool:
    name = sql.Identifier(column)
    try:
        session.execute(sql.SQL("UPDATE ONLY {} SET {} = {} WHERE ctid >= {}").format(sql.Identifier(*table), name, name, first))
    except psycopg.Error:
        if session.closed:
            raise
        return False
    return True
