"""Building chosen indexes on the copy for real, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from ..postgres.index_declaration import IndexDeclaration, create_index
from .candidates import Candidate

BUILD_TIMEOUT_MS = 1_200_000


def build(session: psycopg.Connection[Any], chosen: Sequence[Candidate], rejected: dict[str, str]) -> dict[str, int]:
    """Build them; bytes by name. What PostgreSQL refuses goes into ``rejected`` with the reason."""
    sizes: dict[str, int] = {}
    session.execute(f"SET statement_timeout = {BUILD_TIMEOUT_MS}")
    for candidate in chosen:
        index = candidate.index
        try:
            if candidate.needs_extension:
                session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(candidate.needs_extension)))
            session.execute(
                create_index(index, name=index.name, relation=sql.Identifier(index.schema, index.table), concurrently=False)
            )
            row = session.execute(
                "SELECT pg_relation_size(%s::regclass)", (sql.Identifier(index.schema, index.name).as_string(None),)
            ).fetchone()
            sizes[index.name] = int(row[0]) if row else 0
        except psycopg.Error as error:
            if session.closed:
                raise
            rejected[index.name] = f"PostgreSQL would not build it on the copy ({error.sqlstate})."
    for table in sorted({candidate.table for candidate in chosen if any(key.expression for key in candidate.index.keys)}):
        session.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(*table)))
    session.execute("RESET statement_timeout")
    return sizes


def keep_budget(
    session: psycopg.Connection[Any],
    chosen: Sequence[Candidate],
    sizes: dict[str, int],
    budget: int,
    *,
    worth: Mapping[str, float],
    rejected: dict[str, str],
) -> dict[Candidate, int]:
    """Drop what is worth least until the rest fits; what was dropped and its bytes, the most worth first."""
    spare: dict[Candidate, int] = {}
    by_name = {candidate.index.name: candidate for candidate in chosen}
    while (excess := sum(sizes.values()) - budget) > 0:
        name = too_much(sizes, excess, worth)
        spare[by_name[name]] = sizes.pop(name)
        rejected[name] = f"Built for real it has {spare[by_name[name]]} bytes: the set does not fit the budget of {budget} bytes."
        drop(session, by_name[name].index)
    return dict(sorted(spare.items(), key=lambda item: -worth[item[0].index.name]))


def too_much(sizes: Mapping[str, int], excess: int, worth: Mapping[str, float]) -> str:
    """Which to drop: of those that make room enough alone the one that is worth least, and where none does, the largest."""
    alone = [name for name, size in sizes.items() if size >= excess]
    if alone:
        return min(alone, key=lambda name: (worth[name], sizes[name], name))
    return max(sizes, key=lambda name: (sizes[name], name))


def drop(session: psycopg.Connection[Any], index: IndexDeclaration) -> None:
    """Drop it again."""
    session.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index.schema, index.name)))
