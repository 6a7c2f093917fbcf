"""Partitioned tables that pg_partman keeps: declared, given partitions ahead of time, rid of old ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError

EXTENSION = "pg_partman"
HOME = "partman"
"""Its schema, where it has none yet."""
MOST_AHEAD = 60


@dataclass(frozen=True)
class Partitioned:
    """A declaration."""

    table: str
    column: str
    interval: str
    """As PostgreSQL reads it: ``1 month``."""
    schema: str = "public"
    ahead: int = 4
    """Partitions that exist before they are needed."""
    keep: str = ""
    """How long rows stay; partitions wholly older are dropped. Empty: for ever."""

    @property
    def name(self) -> str:
        """As pg_partman calls it."""
        return f"{self.schema}.{self.table}"


@dataclass
class Kept:
    """What became of a declaration."""

    name: str
    state: str = "ok"
    """``ok``, ``skipped``, ``declared`` (to pg_partman), ``changed`` or ``maintained`` (partitions came or went)."""
    partitions: int = 0
    drops: list[str] = field(default_factory=list)
    """Partitions that were dropped, or in check mode would be: all their rows are older than declared."""
    queries: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return asdict(self)


def parse_partitioned(rows: Sequence[Mapping[str, Any]]) -> list[Partitioned]:
    """Declarations from a module's arguments. Raises PgkeelError where one makes no sense."""
    found = []
    for row in rows:
        one = Partitioned(
            row["table"],
            row["column"],
            row["interval"],
            row.get("schema") or "public",
            row.get("ahead", 4),
            row.get("keep") or "",
        )
        if not 1 <= one.ahead <= MOST_AHEAD:
            raise PgkeelError(f"{one.name} is to have {one.ahead} partitions ahead", f"Give a number from 1 to {MOST_AHEAD}")
        found.append(one)
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise PgkeelError(f"{name} is declared {names.count(name)} times", "Declare it once")
    return found


def keep_partitions(
    connection: psycopg.Connection[Any], declared: Sequence[Partitioned], *, skip_missing: bool, check: bool
) -> list[Kept]:
    """Have pg_partman keep every declared table, and do now what is due.

    With ``check`` nothing is done: what would be declared and dropped is told, not what would be made ahead. All declarations are
    looked at before the first is touched. ``skip_missing`` leaves tables out that a migration has yet to make. Raises PgkeelError
    when a table is not there, not partitioned by range of that column, or kept at another interval, and where pg_partman is not
    installed.
    """
    for one in declared:
        for period in filter(None, (one.interval, one.keep)):
            _require_period(connection, one, period)
    there = [one for one in declared if _is_there(connection, one, skip_missing=skip_missing)]
    home = _home(connection)
    if home is None and there and not check:
        home = _install(connection)
    skipped = [Kept(one.name, "skipped") for one in declared if one not in there]
    if home is None:
        return [*[Kept(one.name, "declared", drops=_too_old(_partitions(connection, one))) for one in there], *skipped]
    return [*[_kept(connection, home, one, check=check) for one in there], *skipped]


def _require_period(connection: psycopg.Connection[Any], one: Partitioned, period: str) -> None:
    try:
        row = connection.execute("SELECT %s::interval > interval '0'", [period]).fetchone()
    except psycopg.DataError:
        row = None
    if row != (True,):
        raise PgkeelError(f"{one.name} is declared with {period!r}, which is no period", "Say it as 1 month, 1 week or 12 months")


def _home(connection: psycopg.Connection[Any]) -> str | None:
    row = connection.execute(
        """SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           WHERE e.extname = %s""",
        [EXTENSION],
    ).fetchone()
    return str(row[0]) if row else None


def _install(connection: psycopg.Connection[Any]) -> str:
    names = {"home": sql.Identifier(HOME), "extension": sql.Identifier(EXTENSION)}
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {home}").format(**names))
            connection.execute(sql.SQL("CREATE EXTENSION {extension} SCHEMA {home}").format(**names))
    except psycopg.errors.FeatureNotSupported as error:
        raise PgkeelError(
            f"The extension {EXTENSION} is not installed on this server",
            "Install the package postgresql-17-partman, as the role database does for database_partitions",
        ) from error
    return HOME


def _is_there(connection: psycopg.Connection[Any], one: Partitioned, *, skip_missing: bool) -> bool:
    row = connection.execute(
        """SELECT c.relkind, p.partstrat,
                  ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum = ANY(p.partattrs))
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
           WHERE n.nspname = %s AND c.relname = %s""",
        [one.schema, one.table],
    ).fetchone()
    if row is None:
        if skip_missing:
            return False
        raise PgkeelError(f"There is no table {one.name}", "Let the application's migration make it, PARTITION BY RANGE")
    if row[0] != "p":
        raise PgkeelError(
            f"{one.name} is not partitioned, and pgkeel does not convert a table with rows in it",
            f'Make a table PARTITION BY RANGE ("{one.column}") in a migration, move the rows, and exchange the names',
        )
    if row[1] != "r" or row[2] != [one.column]:
        raise PgkeelError(
            f"{one.name} is partitioned by {', '.join(row[2]) or 'an expression'}, and not by range of {one.column}",
            "Declare the column that it is partitioned by",
        )
    return True


def _kept(connection: psycopg.Connection[Any], home: str, one: Partitioned, *, check: bool) -> Kept:
    before = _partitions(connection, one)
    found = Kept(one.name, partitions=len(before))
    config = sql.Identifier(home, "part_config")
    row = connection.execute(
        sql.SQL(
            """SELECT partition_interval::interval = %s::interval, premake, coalesce(retention, ''), partition_interval
               FROM {} WHERE parent_table = %s"""
        ).format(config),
        [one.interval, one.name],
    ).fetchone()
    if row is not None and not row[0]:
        raise PgkeelError(
            f"{one.name} is kept in partitions of {row[3]}, and {one.interval} is declared",
            "Declare the interval that it has; another one needs a new table",
        )
    todo: list[sql.Composed] = []
    if row is None:
        found.state = "declared"
        create = "SELECT {}(p_parent_table => {}, p_control => {}, p_interval => {}, p_premake => {})"
        values = [sql.Literal(value) for value in (one.name, one.column, one.interval, one.ahead)]
        todo.append(sql.SQL(create).format(sql.Identifier(home, "create_parent"), *values))
    elif (row[1], row[2]) != (one.ahead, one.keep):
        found.state = "changed"
    if row is None or found.state == "changed":
        todo.append(
            sql.SQL("UPDATE {} SET premake = {}, retention = {}, retention_keep_table = false WHERE parent_table = {}").format(
                config, sql.Literal(one.ahead), sql.Literal(one.keep or None), sql.Literal(one.name)
            )
        )
    maintain = sql.SQL("SELECT {}({})").format(sql.Identifier(home, "run_maintenance"), sql.Literal(one.name))
    found.queries = [statement.as_string(connection) for statement in todo]
    if check:
        found.drops = _too_old(before)
        if found.drops and found.state == "ok":
            found.state, found.queries = "maintained", [maintain.as_string(connection)]
        return found
    try:
        with connection.transaction():
            for statement in todo:
                connection.execute(statement)
        connection.execute(maintain)
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip()
        raise PgkeelError(
            f"pg_partman refused {one.name}: {said}", "See its documentation, mend the declaration, and run again"
        ) from error
    after = _partitions(connection, one)
    found.partitions, found.drops = len(after), sorted(before.keys() - after)
    if found.state == "ok" and after.keys() != before.keys():
        found.state = "maintained"
        found.queries.append(maintain.as_string(connection))
    return found


def _partitions(connection: psycopg.Connection[Any], one: Partitioned) -> dict[str, bool]:
    """By name, whether pg_partman would drop it: its end is longer ago than rows stay."""
    rows = connection.execute(
        """SELECT name, CASE WHEN dated AND upto IS NOT NULL THEN now() - upto::timestamptz > %(keep)s::interval END
           FROM (
             SELECT pg_catalog.format('%%I.%%I', s.nspname, c.relname) AS name,
                    substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM $$ TO \\('([^']+)'\\)$$) AS upto,
                    EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.oid AND a.attname = %(column)s
                            AND a.atttypid = ANY ('{date,timestamp,timestamptz}'::regtype[])) AS dated
             FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
             JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
             JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
             WHERE n.nspname = %(schema)s AND p.relname = %(table)s
           ) AS partition""",
        {"schema": one.schema, "table": one.table, "column": one.column, "keep": one.keep or None},
    )
    return {str(name): bool(too_old) for name, too_old in rows}


def _too_old(partitions: Mapping[str, bool]) -> list[str]:
    return sorted(name for name, too_old in partitions.items() if too_old)
