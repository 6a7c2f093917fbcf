"""How long the entries of a new btree are: PostgreSQL takes no row whose entry does not fit, and the INSERT fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import sql

from ..postgres.index_declaration import IndexKey, key_value
from .candidates import Candidate
from .facts import TableFacts

LONGEST_ENTRY = 2_704
"""Bytes: a third of a page (BTMaxItemSize in PostgreSQL's nbtree.h)."""
LONGEST_NOW = LONGEST_ENTRY // 3
"""Of the longest values that there are: what is longer by a few times must not be the end of an INSERT."""
WORTH_SAYING = LONGEST_ENTRY // 10
READ_TIMEOUT_MS = 60_000


def longest_entries(
    session: psycopg.Connection[Any], candidates: Iterable[Candidate], tables: Mapping[tuple[str, str], TableFacts]
) -> dict[str, int]:
    """Bytes that the longest values of each btree's columns have together, by its name; only those that may grow count.

    An index is left out where its values cannot be read: an expression that fails, or a table that takes too long.
    """
    wanted: dict[tuple[str, str], dict[IndexKey, None]] = {}
    growing: dict[str, tuple[tuple[str, str], list[IndexKey]]] = {}
    for candidate in candidates:
        index = candidate.index
        every = [IndexKey(key.column, key.expression) for key in index.keys] + [IndexKey(name) for name in index.include]
        columns = tables[candidate.table].columns
        keys = [key for key in every if key.expression or (key.column in columns and columns[key.column].growing)]
        if index.method == "btree" and keys:
            growing[index.name] = candidate.table, keys
            wanted.setdefault(candidate.table, {}).update(dict.fromkeys(keys))
    session.execute(f"SET statement_timeout = {READ_TIMEOUT_MS}")
    known = {table: _longest_values(session, table, list(keys)) for table, keys in wanted.items()}
    session.execute("RESET statement_timeout")
    return {
        name: sum(known[table][key] for key in keys)
        for name, (table, keys) in growing.items()
        if all(key in known[table] for key in keys)
    }


def _longest_values(session: psycopg.Connection[Any], table: tuple[str, str], keys: list[IndexKey]) -> dict[IndexKey, int]:
    sizes = [sql.SQL("coalesce(max(pg_catalog.pg_column_size({})), 0)").format(key_value(key)) for key in keys]
    # No parameters: an expression may hold a percent sign.
    query = sql.SQL("SELECT {} FROM ONLY {}").format(sql.SQL(", ").join(sizes), sql.Identifier(*table))
    try:
        row = session.execute(query).fetchone()
    except psycopg.errors.QueryCanceled:
        return {}
    except psycopg.Error:
        if session.closed:
            raise
        # One of the expressions fails: the others are asked alone.
        return {} if len(keys) == 1 else {k: n for key in keys for k, n in _longest_values(session, table, [key]).items()}
    return dict(zip(keys, row or (), strict=True))
