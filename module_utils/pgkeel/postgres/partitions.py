"""Partitioned tables that pg_partman keeps: declared, given partitions ahead of time, rid of old ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError

EXTENSION = "pg_partman"
HOME = "partman"
"""Its schema, where it has none yet."""
MOST_AHEAD = 60
LOCK_TIMEOUT = "10s"
DATED = ("date", "timestamp", "timestamptz")


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
) -> Iterator[Kept]:
    """Have pg_partman keep every declared table, and do now what is due; yields each table as it is done.

    With ``check`` nothing is done: what would be declared and dropped is told, not what would be made ahead. All declarations are
    looked at before the first is touched. ``skip_missing`` leaves tables out that a migration has yet to make. Raises PgkeelError
    when a table is not there, not partitioned by range of that column, kept at another interval, or has a partition that
    pg_partman would drop too early, and where pg_partman is not installed.
    """
    for one in declared:
        for period in filter(None, (one.interval, one.keep)):
            _require_period(connection, one, period)
    there = {one: _partitions(connection, one) for one in declared if _is_there(connection, one, skip_missing=skip_missing)}
    yield from (Kept(one.name, "skipped") for one in declared if one not in there)
    if not check and there:
        _prepare_session(connection)
    home = _home(connection)
    if home is None and there and not check:
        home = _install(connection)
    for one, before in there.items():
        if home is None:
            yield Kept(one.name, "declared", len(before), _too_old(before))
        else:
            yield _kept(connection, home, one, before, check=check)


def _prepare_session(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise PgkeelError("This server is a standby, where no partition can be made", "Run against its primary")
    # Whoever waits for a lock on the table has everybody who comes after wait as well.
    for name, value in {"statement_timeout": "0", "lock_timeout": LOCK_TIMEOUT, "lc_messages": "C"}.items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


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
                        WHERE a.attrelid = c.oid AND a.attnum = ANY(p.partattrs)),
                  (SELECT t.typname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                   WHERE a.attrelid = c.oid AND a.attname = %s)
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
           WHERE n.nspname = %s AND c.relname = %s""",
        [one.column, one.schema, one.table],
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
    if row[3] not in DATED:
        raise PgkeelError(
            f"{one.name}.{one.column} is {row[3]}, and no time", f"Declare tables partitioned by {', '.join(DATED)}"
        )
    return True


def _kept(connection: psycopg.Connection[Any], home: str, one: Partitioned, before: Mapping[str, bool], *, check: bool) -> Kept:
    found = Kept(one.name, partitions=len(before))
    config = sql.Identifier(home, "part_config")
    row = connection.execute(
        sql.SQL(
            """SELECT partition_interval::interval = %s::interval, partition_interval,
                      (premake, coalesce(retention, ''), retention_keep_table, retention_schema IS NULL, infinite_time_partitions)
                      = (%s, %s, false, true, true)
               FROM {} WHERE parent_table = %s"""
        ).format(config),
        [one.interval, one.ahead, one.keep, one.name],
    ).fetchone()
    if row is not None and not row[0]:
        raise PgkeelError(
            f"{one.name} is kept in partitions of {row[1]}, and {one.interval} is declared",
            "Declare the interval that it has; another one needs a new table",
        )
    todo: list[sql.Composed] = []
    if row is None:
        found.state = "declared"
        create = "SELECT {}(p_parent_table => {}, p_control => {}, p_interval => {}, p_premake => {})"
        values = [sql.Literal(value) for value in (one.name, one.column, one.interval, one.ahead)]
        todo.append(sql.SQL(create).format(sql.Identifier(home, "create_parent"), *values))
    elif not row[2]:
        found.state = "changed"
    if found.state != "ok":
        # Infinite: partitions are made ahead of the clock. Otherwise it is of the newest row, and after a pause without rows the
        # first one falls into the default partition, which no later run can divide.
        todo.append(
            sql.SQL(
                "UPDATE {} SET premake = {}, retention = {}, retention_keep_table = false, retention_schema = NULL,"
                " infinite_time_partitions = true WHERE parent_table = {}"
            ).format(config, sql.Literal(one.ahead), sql.Literal(one.keep or None), sql.Literal(one.name))
        )
    maintain = sql.SQL("SELECT {}({})").format(sql.Identifier(home, "run_maintenance"), sql.Literal(one.name))
    found.queries = [statement.as_string(connection) for statement in todo]
    if check:
        found.drops = _too_old(before)
        if found.drops and found.state == "ok":
            found.state, found.queries = "maintained", [maintain.as_string(connection)]
        return found
    try:
        # Together: a table that is declared and cannot be maintained would have been left to nobody.
        with connection.transaction():
            for statement in (*todo, maintain):
                connection.execute(statement)
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip().splitlines()[0]
        # pg_partman passes errors on as its own, without their code.
        if "lock timeout" in said:
            raise PgkeelError(
                f"{one.name} stayed locked by somebody else for {LOCK_TIMEOUT}",
                "A backup or a long query holds it: run it later",
            ) from error
        raise PgkeelError(
            f"pg_partman refused {one.name}: {said}", "See its documentation, mend the declaration, and run again"
        ) from error
    after = _names(connection, one)
    found.partitions, found.drops = len(after), sorted(before.keys() - after)
    if found.state == "ok" and after != before.keys():
        found.state = "maintained"
        found.queries.append(maintain.as_string(connection))
    return found


_BOUNDS = """
    SELECT pg_catalog.format('%%I.%%I', s.nspname, c.relname), b.text,
           substring(b.text FROM $$FROM \\('([^']+)'\\)$$), substring(b.text FROM $$ TO \\('([^']+)'\\)$$)
    FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
    JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_expr(c.relpartbound, c.oid)) AS b (text)
    WHERE n.nspname = %(schema)s AND p.relname = %(table)s
"""


def _names(connection: psycopg.Connection[Any], one: Partitioned) -> set[str]:
    return {str(row[0]) for row in connection.execute(_BOUNDS, {"schema": one.schema, "table": one.table})}


def _partitions(connection: psycopg.Connection[Any], one: Partitioned) -> dict[str, bool]:
    """By name, whether pg_partman would drop it. Raises PgkeelError where that would cost rows that are to stay.

    pg_partman drops what began an interval and the time of keeping ago, wherever it ends. That is right for its own partitions;
    one of a migration may be wider.
    """
    found: dict[str, bool] = {}
    for name, bounds, lower, upper in connection.execute(_BOUNDS, {"schema": one.schema, "table": one.table}).fetchall():
        if bounds == "DEFAULT":
            found[name] = False
            continue
        if lower is None:
            raise PgkeelError(
                f"{name} begins at MINVALUE, which pg_partman cannot read",
                "Detach it, and attach it again from the date of its oldest row",
            )
        row = connection.execute(
            """SELECT %(lower)s::timestamptz + %(interval)s::interval < now() - %(keep)s::interval,
                      %(upper)s::timestamptz <= now() - %(keep)s::interval""",
            {"lower": lower, "upper": upper, "interval": one.interval, "keep": one.keep or None},
        ).fetchone()
        too_old, all_of_it = row or (None, None)
        if too_old and not all_of_it:
            raise PgkeelError(
                f"{name} reaches to {upper or 'MAXVALUE'}, and pg_partman would drop it with rows younger than {one.keep}: "
                f"it looks where a partition begins",
                f"Divide it into partitions of {one.interval}, or leave out keep until all of it is old enough",
            )
        found[name] = bool(too_old)
    return found


def _too_old(partitions: Mapping[str, bool]) -> list[str]:
    return sorted(name for name, too_old in partitions.items() if too_old)
