"""A throwaway database in a running cluster, for servers that are too small for a second one.

It is told from every other database by its name, by a marker in its comment, and by the cluster's system identifier; nothing
that fails one of the three is touched. Only superusers can connect to it. It is dropped at the end, after an exception or a
signal, and, if its run was killed, before the next one.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .connect import Login, connect
from .interruption import interruptible, uninterrupted
from .proving_ground import Locale, creation_of

Session = psycopg.Connection[TupleRow]
PREFIX = "pgkeel_drill_"
NAME = re.compile(rf"{PREFIX}([0-9a-f]{{8}})")
MARKER = "pgkeel restore drill: throwaway, dropped by the next drill"
# Beside the run's own number: the locks of other programs are other pairs. "drll" in ASCII.
LOCK_CLASS = int.from_bytes(b"drll")
TROUBLE = re.compile(
    r"FATAL:|server closed the connection|terminating connection|could not connect|connection to server|canceling statement|"
    r"connection is lost|connection is closed|No space left on device|out of memory|out of shared memory",
    re.IGNORECASE,
)
# What production sets for its own sessions must not end a drill, and a drill must not run for ever.
LIMITS: Mapping[str, str] = {
    "statement_timeout": "6h",
    "lock_timeout": "5min",
    "idle_in_transaction_session_timeout": "1h",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "synchronous_commit": "off",
    "default_transaction_read_only": "off",
    # One for logins would write into the copy with every session of the drill; they are compared all the same.
    "event_triggers": "off",
}


@dataclass(frozen=True)
class Cluster:
    """A running cluster, and how to know it."""

    login: Login
    """Of a superuser."""
    system_identifier: str
    """That the server must have."""


@dataclass(frozen=True)
class ThrowawayDatabase:
    """One that is there, empty at first."""

    folder: Path
    """For files of the run; not the database's."""
    name: str
    _login: Login
    _session: Session = field(repr=False)

    def login(self, database: str = "") -> Login:
        """How to connect to it, or to the cluster's database of that name."""
        return replace(self._login, database=database or self.name)

    def copy_of(self, database: str) -> str:  # noqa: ARG002 - as the proving ground has it
        """What the restored database is called here."""
        return self.name

    @property
    def alive(self) -> bool:
        """Whether the server still answers the session that holds the run's lock."""
        try:
            self._session.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def is_server_trouble(self, message: str) -> bool:
        """Whether a program's or a session's error is the server's, not that of what is restored."""
        return TROUBLE.search(message) is not None or not self.alive


@contextmanager
def cluster_session(cluster: Cluster) -> Iterator[Session]:
    """A session in the cluster's maintenance database, once it is the cluster that is meant.

    Demanded is that the server's own identifier, given by initdb and kept through restarts and copies of its files, equals
    the one named: a port or a socket leads to another cluster easily, and neither roles nor a spare database may be
    expected there. A standby, which has the same, is refused too.

    Raises PgkeelError.
    """
    with connect(replace(cluster.login, database="postgres"), application_name="pgkeel drill") as session:
        try:
            for name in (
                "statement_timeout",
                "idle_session_timeout",
                "idle_in_transaction_session_timeout",
                "transaction_timeout",
            ):
                session.execute(sql.SQL("SET {} = 0").format(sql.Identifier(name)))
            session.execute("SET lock_timeout = '5min'")
            _require_it(session, cluster)
            yield session
        except psycopg.Error as error:
            raise PgkeelError(
                f"The server at {cluster.login.describe()} did not do what the drill asked: {_first_line(error)}",
                "See the server's log, then run it again",
            ) from error


def _require_it(session: Session, cluster: Cluster) -> None:
    row = session.execute(
        "SELECT system_identifier::text, pg_catalog.pg_is_in_recovery(), current_setting('is_superuser') = 'on'"
        " FROM pg_catalog.pg_control_system()"
    ).fetchone()
    assert row is not None  # noqa: S101 - pg_control_system always answers with a row
    found, standby, superuser = str(row[0]), bool(row[1]), bool(row[2])
    if found != cluster.system_identifier:
        raise PgkeelError(
            f"The server at {cluster.login.describe()} has system identifier {found}, "
            f"the backup was taken from {cluster.system_identifier}",
            "Point port and socket at the server that the backup is of, take a new backup if it was replaced or upgraded, "
            "or drill with target cluster",
        )
    if standby:
        raise PgkeelError(
            "The server is a standby, in which no database can be made", "Drill on the primary, or with target cluster"
        )
    if not superuser:
        raise PgkeelError(
            f"The role {cluster.login.user!r} is no superuser", "Run the drill as a superuser over the local socket"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def require_no_stranger(session: Session) -> None:
    """Raise PgkeelError when a database has a name like ours and is not ours."""
    for name, marked, blank in _named_like_ours(session):
        if not marked and not blank:
            raise PgkeelError(
                f"The database {name!r} has the name of a drill's throwaway database and does not carry its marker",
                "Find out whose it is and rename it; a drill touches no database that it did not make",
            )


def sweep_databases(session: Session) -> list[str]:
    """Drop what killed drills left in the cluster; those of living runs stay. Returns the names. Raises PgkeelError."""
    require_no_stranger(session)
    dropped = []
    for name, _marked, _blank in _named_like_ours(session):
        if not _lock(session, name):
            continue
        try:
            _drop(session, name)
            dropped.append(name)
        finally:
            session.execute("SELECT pg_catalog.pg_advisory_unlock(%s, %s)", _lock_key(name))
    return dropped


@contextmanager
def throwaway_database(
    cluster: Cluster,
    locale: Locale,
    folder: Path,
    settings: Mapping[str, str],
    warn: Callable[[str], None],
) -> Iterator[ThrowawayDatabase]:
    """Make the database; it is dropped when the context ends, and ``warn`` hears of it when that was not possible.

    ``settings`` hold for every session in it, beside ``LIMITS``. Raises PgkeelError when it cannot be made.
    """
    with interruptible(), cluster_session(cluster) as session:
        sweep_databases(session)
        name = f"{PREFIX}{secrets.token_hex(4)}"
        if not _lock(session, name) or session.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", [name]).rowcount:
            raise PgkeelError(f"The database {name!r} exists already", "Run it again")
        try:
            _create(session, cluster.login.user, name, locale, {**LIMITS, **settings})
            yield ThrowawayDatabase(folder, name, cluster.login, session)
        finally:
            with uninterrupted():
                _drop_at_the_end(session, cluster, name, warn)


def _create(session: Session, user: str, name: str, locale: Locale, settings: Mapping[str, str]) -> None:
    """Closed until it is marked: one without marker can then be known to be empty."""
    database = sql.Identifier(name)
    limits = sql.SQL(" TABLESPACE pg_default ALLOW_CONNECTIONS false CONNECTION LIMIT 0")
    try:
        session.execute(sql.Composed([creation_of(name, locale), limits]))
        session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(_marker(name))))
        session.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        for setting, value in settings.items():
            # The most specific kind: what production sets for a role or a database does not reach the drill.
            session.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(user), database, sql.Identifier(setting), sql.Literal(value)
                )
            )
        session.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true").format(database))
    except psycopg.Error as error:
        raise PgkeelError(
            f"The throwaway database could not be made: {_first_line(error)}",
            "Check the disk and the server's log, then run it again",
        ) from error


def _drop_at_the_end(session: Session, cluster: Cluster, name: str, warn: Callable[[str], None]) -> None:
    reason = ""
    for again in (False, True):
        try:
            if not again:
                _drop(session, name)
            else:
                # The server may have been restarted meanwhile.
                with cluster_session(cluster) as fresh:
                    _drop(fresh, name)
        except (psycopg.Error, PgkeelError) as error:
            reason = _first_line(error)
            continue
        return
    warn(f"The throwaway database {name!r} could not be dropped: {reason}. The next drill drops it.")


def _drop(session: Session, name: str) -> None:
    """Drop one of ours, whoever is connected to it; one that is gone is gone."""
    known = {found: marked or blank for found, marked, blank in _named_like_ours(session)}
    if name not in known:
        return
    if not known[name]:
        raise PgkeelError(f"The database {name!r} does not carry our marker", "Find out who changed it")
    session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _named_like_ours(session: Session) -> list[tuple[str, bool, bool]]:
    """Name, whether the marker is there, and whether it is as blank as a killed drill leaves one before marking it."""
    rows = session.execute(
        """
        SELECT d.datname, coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
               NOT d.datallowconn AND d.datconnlimit = 0
                 AND pg_catalog.pg_database_size(d.oid) <= pg_catalog.pg_database_size('template0')
        FROM pg_catalog.pg_database d
        WHERE pg_catalog.starts_with(d.datname, %s)
        ORDER BY 1
        """,
        [PREFIX],
    ).fetchall()
    found = []
    for name, comment, closed in rows:
        ours = NAME.fullmatch(str(name)) is not None
        found.append((str(name), ours and comment == _marker(str(name)), ours and not comment and bool(closed)))
    return found


def _marker(name: str) -> str:
    return json.dumps({"pgkeel": MARKER, "database": name})


def _lock(session: Session, name: str) -> bool:
    """Held by a living run: the server drops it when the run's session ends, however that is."""
    with suppress(psycopg.errors.LockNotAvailable):
        return session.execute("SELECT pg_catalog.pg_try_advisory_lock(%s, %s)", _lock_key(name)).fetchone() == (True,)
    return False


def _lock_key(name: str) -> list[int]:
    match = NAME.fullmatch(name)
    number = int(match[1], 16) if match else 0
    return [LOCK_CLASS, number - (1 << 32) if number >= 1 << 31 else number]
