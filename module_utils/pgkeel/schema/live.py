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
    parent: str = ""
    """The statement whose rows it was called for, one call a row; empty for an aggregate of one key."""


@dataclass(frozen=True)
class Statistics:
    """What pg_stat_statements has seen of this database."""

    since: str
    """When it began to count: an ISO date and time with its zone."""
    statements: int
    calls: int
    repeated: tuple[Repeated, ...] = ()
    """Suspects, the most time-consuming first."""


@dataclass(frozen=True)
class Production:
    """Beside the schema."""

    migrations: tuple[Migration, ...] | None
    """None where Prisma's bookkeeping does not exist."""
    other_migrators: tuple[str, ...]
    statistics: Statistics | None
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
    return Production(migrations, others, _statistics(connection))


_OURS = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
_KEYED = r"query ~* '^\s*select\y.*\ywhere\y[^=]*=\s*\$\d' AND query !~* '\ygroup\s+by\y'"
_AGGREGATE = r"query ~* '^\s*select\y.*\y(count|sum|avg|min|max)\s*\(.*\yfrom\y'"
# A statement that was called once for each row that another one returned, to within this share, was most likely called in a loop.
_TOLERANCE = 0.005
_ROWS_OF_A_LIST = 5


def _statistics(connection: Connection) -> Statistics | None:
    """What was counted, and the two shapes of N+1 that the counts can show; which of several users called it they cannot."""
    try:
        info = connection.execute(
            f"""
            SELECT to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
                   count(s.query), coalesce(sum(s.calls), 0)::bigint
              FROM pg_stat_statements_info LEFT JOIN pg_stat_statements s ON {_OURS} GROUP BY stats_reset
            """.encode()  # noqa: S608 - constants of this file
        ).fetchone()
        rows = connection.execute(
            rf"""
            WITH seen AS (
                SELECT query, sum(calls)::bigint AS calls, sum(rows)::bigint AS returned, sum(total_exec_time)::float8 AS time
                  FROM pg_stat_statements WHERE {_OURS} AND query ~* '^\s*select\y' GROUP BY query
            ), keyed AS (
                SELECT *, {_AGGREGATE} AS aggregate FROM seen WHERE calls >= %(calls)s AND {_KEYED}
            ), lists AS (
                SELECT * FROM seen WHERE returned >= %(calls)s AND returned >= %(list)s * calls
            )
            SELECT k.query, k.calls, k.returned::float8 / k.calls, k.time, coalesce(l.query, '')
              FROM keyed k LEFT JOIN LATERAL (
                  SELECT query FROM lists
                   WHERE lists.query <> k.query AND NOT k.aggregate AND abs(k.calls - returned) <= returned * %(share)s
                   ORDER BY abs(k.calls - returned) LIMIT 1
              ) l ON true
             WHERE k.aggregate OR l.query IS NOT NULL
             ORDER BY k.time DESC LIMIT 5
            """.encode(),  # noqa: S608 - constants of this file
            {"calls": N_PLUS_ONE_CALLS, "list": _ROWS_OF_A_LIST, "share": _TOLERANCE},
        ).fetchall()
    except psycopg.Error:
        return None
    if info is None:
        return None
    found = (Repeated(redact(query), calls, each, time, redact(parent)) for query, calls, each, time, parent in rows)
    return Statistics(str(info[0]), int(info[1]), int(info[2]), tuple(found))
