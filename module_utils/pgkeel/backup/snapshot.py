"""The session whose one snapshot a whole backup is read in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from ..postgres.proving_ground import Locale
from .content_hash import fix_output
from .contents import Sequence, list_tables, lock_tables, read_sequences
from .manifest import ServerFacts

Session = psycopg.Connection[TupleRow]
# "pgkeel b" in ASCII: one backup of a database at a time. Advisory locks belong to one database already.
ADVISORY_LOCK = int.from_bytes(b"pgkeel b")


@dataclass(frozen=True)
class Snapshot:
    """What everything else is read in, and what the server was like then."""

    id: str
    time: datetime
    server: ServerFacts
    locale: Locale
    sequences: tuple[Sequence, ...]
    database_bytes: int


@contextmanager
def coordinator(login: Login, database: str, lock_wait_seconds: int) -> Iterator[Session]:
    """The session that holds lock and snapshot; its errors become sentences."""
    with connect(login, application_name="pgkeel backup") as session:
        try:
            for timeout in (
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "idle_session_timeout",
                "transaction_timeout",
            ):
                session.execute(f"SET {timeout} = 0")
            session.execute("SELECT pg_catalog.set_config('lock_timeout', %s, false)", [f"{lock_wait_seconds}s"])
            fix_output(session)
            row = session.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone()
            if row != (True,):
                raise PgkeelError(f"Another backup of database {database!r} is running", "Wait for its end, then run this again")
            yield session
        except psycopg.Error as error:
            raise _explain(error, database) from error


def _explain(error: psycopg.Error, database: str) -> PgkeelError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return PgkeelError(
            f"A table of {database!r} stayed locked by somebody else for too long", "Find the blocking session, then run it again"
        )
    if isinstance(error, psycopg.errors.UndefinedTable):
        return PgkeelError(f"A table of {database!r} was dropped while the backup began ({reason})", "Run it again")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return PgkeelError(f"The backup may not read all of {database!r}: {reason}", "Run it as a superuser")
    return PgkeelError(
        f"The server ended the backup's session in {database!r}: {reason}", "See the server's log, then run it again"
    )


def read_locale(session: Session) -> Locale:
    """Of the database connected to."""
    row = session.execute(
        """
        SELECT pg_catalog.pg_encoding_to_char(encoding),
               CASE datlocprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
               datcollate, datctype, coalesce(datlocale, ''), coalesce(daticurules, '')
        FROM pg_catalog.pg_database
        WHERE datname = current_database()
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - one is connected to it
    return Locale(*(str(value) for value in row))


def begin_snapshot(session: Session) -> Snapshot:
    """Open the snapshot that everything is read in, and keep every table as it is from here to the end."""
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    row = session.execute(
        """
        SELECT pg_catalog.pg_export_snapshot(),
               transaction_timestamp(),
               current_setting('server_version'),
               current_setting('server_version_num')::int,
               (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
               (SELECT rolname FROM pg_catalog.pg_authid WHERE oid = 10),
               current_setting('shared_preload_libraries'),
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_lsn() END::text,
               pg_catalog.pg_database_size(current_database())
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM answers with a row
    lock_tables(session, list_tables(session))
    return Snapshot(
        id=str(row[0]),
        time=row[1].astimezone(UTC),
        server=ServerFacts(
            version=str(row[2]),
            version_num=int(row[3]),
            system_identifier=str(row[4]),
            superuser=str(row[5]),
            shared_preload_libraries=tuple(name.strip().strip('"') for name in str(row[6]).split(",") if name.strip()),
            wal_position=str(row[7]),
        ),
        locale=read_locale(session),
        sequences=tuple(read_sequences(session)),
        database_bytes=int(row[8]),
    )
