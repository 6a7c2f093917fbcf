"""Where storms take place: throwaway clusters for the direct paths, a throwaway database behind the real pgbouncer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from ..postgres.proving_ground import Ground, Locale, proving_ground
from .storm import Sample
from .storm_client import STUDENTS
from .storm_ticket import Keys, Ticket, make_keys

NAME = "pgkeel_storm"
"""Of the throwaway role and database."""
CONNECT_SECONDS = 5
"""As the application waits."""
SPARE_CONNECTIONS = 20

Connection = psycopg.Connection[TupleRow]


@dataclass(frozen=True)
class Stage:
    """Everything that a storm needs to know of a path."""

    tickets: tuple[Ticket, ...]
    """One for each process of a pooler; clients take turns."""
    sample: Callable[[], Sample]
    warm: Callable[[], None]
    """Have server connections ready, where the path keeps any."""
    chill: Callable[[], None]
    """Have none ready."""


@contextmanager
def direct_stage(base_dir: Path, settings: Mapping[str, str], max_connections: int | None) -> Iterator[Stage]:
    """A fresh cluster with these settings, reached over its socket with a SCRAM password; durable, as a real one.

    Raises PgkeelError when it does not start.
    """
    wanted = dict(settings) if max_connections is None else {**settings, "max_connections": str(max_connections)}
    ground = Ground(base_dir, locale=Locale(provider="builtin", locale="C.UTF-8"), niceness=0, settings=wanted, faithful=True)
    with proving_ground(ground) as running:
        rules = running.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {NAME} scram-sha-256\n" + rules.read_text(encoding="utf-8"), encoding="utf-8")
        with connect(running.login()) as admin:
            for setting in ("fsync", "autovacuum"):
                admin.execute(sql.SQL("ALTER SYSTEM SET {} = on").format(sql.Identifier(setting)))
            admin.execute("SELECT pg_reload_conf()")
            keys = _furnish(admin, running.login())
            ticket = Ticket(replace(running.login(NAME), user=NAME, connect_timeout=CONNECT_SECONDS), keys)

            def sample() -> Sample:
                return Sample(_backends(admin), waiting=0)

            yield Stage((ticket,), sample, warm=lambda: None, chill=lambda: None)


@contextmanager
def pooled_stage(server: Login, pgbouncer: Sequence[Login]) -> Iterator[Stage]:
    """A throwaway role and database on the real server, reached through the real pgbouncer; both are dropped afterwards.

    ``server`` is a superuser's login, ``pgbouncer`` those of its administration console, one a process. What a killed run left is
    dropped first. Raises PgkeelError when one of them cannot be reached.
    """
    with ExitStack() as stack:
        admin = stack.enter_context(connect(server))
        consoles = [stack.enter_context(connect(replace(process, database="pgbouncer"))) for process in pgbouncer]
        _clear(admin)
        keys = _furnish(admin, server)
        doors = [replace(process, user=NAME, database=NAME, connect_timeout=CONNECT_SECONDS) for process in pgbouncer]
        tickets = tuple(Ticket(door, keys) for door in doors)

        def sample() -> Sample:
            return Sample(_backends(admin), sum(map(_waiting, consoles)), _lookups(admin, pgbouncer[0].user))

        def chill() -> None:
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [NAME])

        def warm() -> None:
            # At the same time, or one server connection would serve them all.
            with ThreadPoolExecutor(SPARE_CONNECTIONS) as threads:
                list(threads.map(_stay_a_moment, [tickets[number % len(tickets)] for number in range(SPARE_CONNECTIONS)]))

        try:
            yield Stage(tickets, sample, warm, chill)
        finally:
            _clear(admin)


def _stay_a_moment(ticket: Ticket) -> None:
    with psycopg.connect(**ticket.parameters()) as connection:
        connection.execute("SELECT pg_sleep(0.2)")


def _waiting(console: Connection) -> int:
    # The console speaks the simple protocol only, and its columns differ between versions.
    pools = psycopg.ClientCursor(console).execute("SHOW POOLS")
    names = [column.name for column in pools.description or ()]
    return sum(row[names.index("cl_waiting")] for row in pools.fetchall() if row[names.index("database")] == NAME)


def _backends(admin: Connection) -> int:
    row = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [NAME]).fetchone()
    return int(row[0]) if row else 0


def _lookups(admin: Connection, user: str) -> int:
    row = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [user]).fetchone()
    return int(row[0]) if row else 0


def _clear(admin: Connection) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME)))
    admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(NAME)))


def _furnish(admin: Connection, server: Login) -> Keys:
    """Make the role, the database and its tables; returns the role's keys, of which the server has seen the verifier only."""
    keys = make_keys()
    try:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(NAME), sql.Literal(keys.verifier)))
        admin.execute(sql.SQL("ALTER ROLE {} SET statement_timeout = '60s'").format(sql.Identifier(NAME)))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(NAME), sql.Identifier(NAME)))
        with connect(replace(server, database=NAME)) as inside:
            _make_tables(inside)
    except psycopg.Error as error:
        raise PgkeelError(
            f"The storm's database could not be made: {str(error).splitlines()[0]}", "Check the disk, then run it again"
        ) from error
    return keys


def _make_tables(inside: Connection) -> None:
    # On a production server PUBLIC may have been stopped from creating in the template's schema.
    inside.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(NAME)))
    inside.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(NAME)))
    inside.execute(
        "CREATE TABLE student (id integer PRIMARY KEY, email text NOT NULL UNIQUE, password_hash text NOT NULL, "
        "last_login_at timestamptz)"
    )
    inside.execute(
        "CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, student_id integer NOT NULL REFERENCES student, "
        "kind text NOT NULL, at timestamptz NOT NULL DEFAULT now())"
    )
    inside.execute(
        "INSERT INTO student (id, email, password_hash) "
        "SELECT n, 'student' || n || '@example.org', sha256(n::text::bytea)::text FROM generate_series(0, %s) AS n",
        [STUDENTS - 1],
    )
    inside.execute("RESET ROLE")
    inside.execute("VACUUM ANALYZE student")
