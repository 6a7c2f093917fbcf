"""What production has beside its schema: migrations that were applied, tables that other tools left, query statistics."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from ..audit.redaction import redact

Connection = psycopg.Connection[TupleRow]

PRISMA_TABLE = "_prisma_migrations"
# Bookkeeping of other tools that migrate: drizzle-orm's migrator, Kysely's Migrator, node-pg-migrate, Knex, TypeORM.
OTHER_MIGRATORS = (
    "drizzle.__drizzle_migrations",
    "__drizzle_migrations",
    "kysely_migration",
    "kysely_migration_lock",
    "pgmigrations",
    "knex_migrations",
    "knex_migrations_lock",
)
BOOKKEEPING = (PRISMA_TABLE, *OTHER_MIGRATORS)
N_PLUS_ONE_CALLS = 1000


@dataclass(frozen=True)
class Migration:
    """A row of Prisma's bookkeeping."""

    name: str
    finished: bool
    rolled_back: bool


@dataclass(frozen=True)
class Repeated:
    """A statement that asks for one thing at a time, again and again."""

    query: str
    """Normalised: constants are $1, $2 …"""
    calls: int
    rows_per_call: float
    total_milliseconds: float


@dataclass(frozen=True)
class Production:
    """Beside the schema."""

    migrations: tuple[Migration, ...] | None
    """None where Prisma's bookkeeping does not exist."""
    other_migrators: tuple[str, ...]
    repeated: tuple[Repeated, ...] | None
    """None where pg_stat_statements cannot be read."""


def read_production(connection: Connection) -> Production:
    """Read all of it; changes nothing."""
    present = {
        name
        for (name,) in connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS t (name) WHERE to_regclass("
            "CASE WHEN name LIKE '%%.%%' THEN name ELSE 'public.' || quote_ident(name) END) IS NOT NULL",
            (list(BOOKKEEPING),),
        )
    }
    migrations = None
    if PRISMA_TABLE in present:
        migrations = tuple(
            Migration(name, finished, rolled_back)
            for name, finished, rolled_back in connection.execute(
                'SELECT migration_name, finished_at IS NOT NULL, rolled_back_at IS NOT NULL FROM public."_prisma_migrations" '
                "ORDER BY started_at"
            )
        )
    others = tuple(name for name in OTHER_MIGRATORS if name in present)
    return Production(migrations, others, _repeated(connection))


def _repeated(connection: Connection) -> tuple[Repeated, ...] | None:
    """Aggregates over the rows of one key, asked so often that one grouped query should have done: the shape of N+1."""
    try:
        rows = connection.execute(
            r"""
            SELECT query, sum(calls)::bigint, (sum(rows) / sum(calls))::float8, sum(total_exec_time)::float8
              FROM pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND query ~* '^\s*select\y.*\y(count|sum|avg|min|max)\s*\(.*\ywhere\y[^=]*=\s*\$\d' AND query !~* '\ygroup\s+by\y'
             GROUP BY query HAVING sum(calls) >= %s
             ORDER BY 4 DESC LIMIT 5
            """,
            (N_PLUS_ONE_CALLS,),
        ).fetchall()
    except psycopg.Error:
        return None
    return tuple(Repeated(redact(query), calls, per_call, milliseconds) for query, calls, per_call, milliseconds in rows)
