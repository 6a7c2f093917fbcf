"""Loading the reference database: one transaction, recognised when it is already there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .sizes import Size
from .tables import TABLES, Table
from .world import build_world

Connection = psycopg.Connection[TupleRow]

MIGRATION = "20260105000000_init"
LOCK = 7_301_952_017
"""Key of the advisory lock that lets one load into a database at a time."""
_CREATED = re.compile(r'^CREATE (TABLE|TYPE) "(\w+)"', re.MULTILINE)


@dataclass(frozen=True)
class Schema:
    """The SQL of files/edtech."""

    tables: str
    """Types, tables, primary keys: run before the data."""
    constraints: str
    """Indexes and foreign keys: run after it."""
    migrations: str
    """Prisma's table of migrations."""

    def created(self) -> list[tuple[str, str]]:
        """What it makes: ``TABLE`` or ``TYPE``, and the name."""
        return [(found[1], found[2]) for found in _CREATED.finditer(self.tables + "\n" + self.migrations)]


@dataclass(frozen=True)
class Loaded:
    """A complete load, as the marker row tells it."""

    size: str
    seed: int
    reference: date
    rows: dict[str, int]
    seconds: float

    @property
    def rows_per_second(self) -> int:
        """Over the whole load, indexes and foreign keys included."""
        return round(sum(self.rows.values()) / self.seconds) if self.seconds else 0


def loaded(connection: Connection, schema: Schema) -> Loaded | None:
    """What is loaded in this database, or None where nothing is.

    Raises PgkeelError where the names are taken by tables that were not loaded from here, or where tables of a load are gone.
    """
    names = [name for _, name in schema.created()]
    # Each table has a row type of its name, so that one look finds tables, views, enums and domains.
    taken = {
        row[0]
        for row in connection.execute(
            "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = ANY(%s)", [names]
        )
    }
    row = None
    if connection.execute("SELECT to_regclass('pgkeel.edtech_load') IS NOT NULL").fetchone() == (True,):
        row = connection.execute("SELECT size, seed, reference, rows, seconds FROM pgkeel.edtech_load").fetchone()
    if row is None:
        if taken:
            raise PgkeelError(
                f"The database already has {', '.join(sorted(taken))}, which this module did not load",
                "Name an empty database; nothing was changed",
            )
        return None
    missing = [name for name in names if name not in taken]
    if missing:
        raise PgkeelError(
            f"The reference database was loaded here, but {', '.join(missing)} is gone",
            "Drop this database, create it again and repeat the load",
        )
    return Loaded(row[0], row[1], row[2], row[3], row[4])


def require_same(present: Loaded, size: Size, seed: int, reference: date | None) -> None:
    """Raise PgkeelError when what is loaded is not what was asked for; without a reference date any date will do."""
    same_date = reference is None or present.reference == reference
    if (present.size, present.seed) != (size.name, seed) or not same_date:
        raise PgkeelError(
            f"The database holds the reference data of size {present.size}, seed {present.seed}, date {present.reference};"
            f" asked for was size {size.name}, seed {seed}" + (f", date {reference}" if reference else ""),
            "Ask for what is there, or drop the database and create it again",
        )


def check_target(connection: Connection, owner: str) -> None:
    """Raise PgkeelError when the load could not succeed: wrong encoding, or an owner that does not exist."""
    encoding = connection.execute("SELECT current_setting('server_encoding')").fetchone()
    if encoding != ("UTF8",):
        raise PgkeelError(f"The database is encoded in {encoding[0] if encoding else '?'}", "Create it with the encoding UTF8")
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner]).fetchone() is None:
        raise PgkeelError(f"The role {owner!r}, which should own the tables, does not exist", "Run playbooks/site.yml first")


def require_room(connection: Connection, size: Size) -> None:
    """Raise PgkeelError when the disk of this database is too small for that size. Works on the server itself only.

    Where the folder cannot be seen from here (another machine, another OS user), nothing is refused.
    """
    row = connection.execute(
        """
        SELECT coalesce(nullif(pg_tablespace_location(dattablespace), ''), current_setting('data_directory'))
          FROM pg_database WHERE datname = current_database()
        """
    ).fetchone()
    folder = row[0] if row else "/"
    try:
        found = os.statvfs(folder)
    except OSError:
        return
    free = found.f_bavail * found.f_frsize
    if free < size.needed_bytes:
        raise PgkeelError(
            f"{size.name} needs about {size.needed_bytes / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free in {folder}",
            "Choose a smaller size, or free space there; nothing was changed",
        )


def load(connection: Connection, size: Size, *, seed: int, reference: date, schema: Schema, owner: str) -> tuple[bool, Loaded]:
    """Create and fill every table, build indexes and foreign keys, and write the marker: all of it or nothing. Then analyse.

    The connection is in autocommit mode and may create tables in ``public`` and give them to ``owner``. Data reaches up to
    midnight UTC of the reference date. A load that runs elsewhere at the same time is waited for, and found.
    Returns whether this call did it, and what is loaded now.
    While it runs, pg_stat_progress_copy tells how far it is.
    Raises PgkeelError when the server refuses, with nothing left behind.
    """
    started = time.monotonic()
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            present = loaded(connection, schema)
            if present is not None:
                require_same(present, size, seed, reference)
                return False, present
            _prepare_session(connection)
            _execute_script(connection, schema.tables)
            world = build_world(size, seed, reference)
            rows = {table.name: _copy(connection, table, table.chunks(world)) for table in TABLES}
            _execute_script(connection, schema.constraints)
            _record_migration(connection, schema)
            _give_away(connection, schema, owner)
            result = Loaded(size.name, seed, reference, rows, round(time.monotonic() - started, 3))
            _write_marker(connection, result, owner)
        # Not within the transaction: its rows are counted as changes when it commits, and the statistics would look stale.
        connection.execute("ANALYZE")
    except psycopg.Error as error:
        reason = (error.diag.message_primary or str(error)).strip().splitlines()[0]
        raise PgkeelError(
            f"The load stopped and was rolled back: {reason} (SQLSTATE {error.sqlstate or 'none'})",
            "Mend what the server complains of, disk space for instance, and run it again",
        ) from error
    return True, result


def _prepare_session(connection: Connection) -> None:
    """Lift the time limits that roles carry, and give index builds memory, for this transaction only."""
    connection.execute(
        """
        SELECT set_config(name, value, true)
          FROM (VALUES ('search_path', 'public'), ('client_encoding', 'UTF8'), ('statement_timeout', '0'),
                       ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
                       ('maintenance_work_mem', '256MB'), ('standard_conforming_strings', 'on')) AS wanted (name, value)
        """
    )


def _execute_script(connection: Connection, script: str) -> None:
    connection.execute(script.encode())


def _copy(connection: Connection, table: Table, chunks: Iterable[bytes]) -> int:
    # FREEZE: the table is new in this transaction, so index-only scans work without waiting for a vacuum.
    statement = sql.SQL("COPY public.{} ({}) FROM STDIN (FREEZE)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in chunks:
                copy.write(chunk)
        return cursor.rowcount


def _record_migration(connection: Connection, schema: Schema) -> None:
    """Note the initial migration as Prisma would: its file is the tables followed by the constraints."""
    _execute_script(connection, schema.migrations)
    connection.execute(
        """
        INSERT INTO public."_prisma_migrations" (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
        VALUES (%s, %s, clock_timestamp(), %s, now(), 1)
        """,
        [str(uuid.uuid4()), hashlib.sha256((schema.tables + "\n" + schema.constraints).encode()).hexdigest(), MIGRATION],
    )


def _give_away(connection: Connection, schema: Schema, owner: str) -> None:
    for kind, name in schema.created():
        statement = "ALTER TABLE public.{} OWNER TO {}" if kind == "TABLE" else "ALTER TYPE public.{} OWNER TO {}"
        connection.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(owner)))


def _write_marker(connection: Connection, result: Loaded, owner: str) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS pgkeel")
    connection.execute(
        """
        CREATE TABLE pgkeel.edtech_load (
            size text PRIMARY KEY, seed bigint NOT NULL, reference date NOT NULL, rows jsonb NOT NULL,
            seconds double precision NOT NULL, loaded_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    connection.execute(sql.SQL("ALTER TABLE pgkeel.edtech_load OWNER TO {}").format(sql.Identifier(owner)))
    connection.execute(
        "INSERT INTO pgkeel.edtech_load (size, seed, reference, rows, seconds) VALUES (%s, %s, %s, %s, %s)",
        [result.size, result.seed, result.reference, json.dumps(result.rows), result.seconds],
    )
