"""A drill in production's own cluster: what must hold beforehand, and what is compared instead of restored there."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from ..postgres.capacity import Capacity
from ..postgres.connect import Login
from ..postgres.disk_guard import MIB, disk_guard, free_bytes
from ..postgres.ground_folder import claimed_folder
from ..postgres.throwaway_database import (
    PREFIX,
    Cluster,
    ThrowawayDatabase,
    cluster_session,
    require_no_stranger,
    throwaway_database,
)
from .catalog_digest import read_roles
from .check import Check, Verdict
from .contents import Contents
from .globals_sql import LEADING, statements
from .manifest import Manifest

Session = psycopg.Connection[TupleRow]
ROLE = "role "
# Of its own disk production keeps at least so much, however small the copy.
RESERVE_BYTES = 512 * MIB
# They live in one database of a cluster, or reach out of theirs.
ONE_DATABASE_ONLY = ("pg_cron",)
CREATED = re.compile(r'CREATE ROLE ("(?:[^"]|"")*"|[^\s;]+);')
NOT_VERIFIED = (
    {
        "name": "roles restore on an empty cluster",
        "reason": "globals.sql was decrypted and read, not run: the roles exist in this cluster, and theirs were compared",
    },
    {
        "name": "the backup starts a cluster of its own",
        "reason": "locale, preload libraries and extensions are those of the running server; target cluster tries them apart",
    },
)


@dataclasses.dataclass(frozen=True)
class Disks:
    """Where production keeps its data and its write-ahead log, and what a copy may take of each beside the reserve."""

    data: Path
    wal: Path
    wal_bytes: int
    """At most: more than max_wal_size is kept only while archiving fails or a slot lags."""


def cluster_of(login: Login, manifest: Manifest) -> Cluster:
    """The cluster that the backup was taken from."""
    return Cluster(login, manifest.server.system_identifier)


def check_server(login: Login, manifest: Manifest, base_dir: Path, space_factor: float, jobs: int) -> None:
    """Everything that must hold before anything is restored there; changes nothing. Raises PgkeelError."""
    alien = [name for name in manifest.contents.extensions if name in ONE_DATABASE_ONLY]
    if alien:
        raise PgkeelError(
            f"The backup holds the extension {', '.join(alien)}, which a cluster can have in one database only",
            "Drill with target cluster",
        )
    with cluster_session(cluster_of(login, manifest)) as session:
        require_no_stranger(session)
        _require_roles(session, manifest.contents)
        _require_connections(session, jobs + 4)
        disks = read_disks(session, manifest.database_bytes)
    needed: dict[int, int] = {}
    for folder, amount in (
        (disks.data, int(manifest.database_bytes * space_factor) + RESERVE_BYTES),
        (disks.wal, disks.wal_bytes),
        (_existing(base_dir), manifest.dump.bytes + manifest.dump.plain.bytes),
    ):
        # What lies on one file system adds up.
        device = folder.stat().st_dev
        needed[device] = needed.get(device, 0) + amount
        if free_bytes(folder) < needed[device]:
            raise PgkeelError(
                f"Not enough disk space at {folder}: {needed[device] / MIB:.0f} MiB are needed, "
                f"{free_bytes(folder) / MIB:.0f} MiB are free",
                "Free space there: production lives on it",
            )


def read_disks(session: Session, database_bytes: int) -> Disks:
    """Where the server keeps what. Raises PgkeelError when this is another machine."""
    row = session.execute(
        """
        SELECT current_setting('data_directory'),
               pg_catalog.pg_size_bytes(current_setting('max_wal_size')),
               current_setting('archive_mode') <> 'off' OR EXISTS (SELECT FROM pg_catalog.pg_replication_slots)
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM answers with a row
    data = Path(str(row[0]))
    if not (data / "PG_VERSION").is_file():
        raise PgkeelError(
            f"The server's data directory {data} is not here", "Run the drill on the database server, as its OS user"
        )
    kept = database_bytes if row[2] else 0
    return Disks(data, (data / "pg_wal").resolve(), int(row[1]) + kept)


@contextmanager
def shared_ground(
    login: Login, manifest: Manifest, base_dir: Path, capacity: Capacity, warn: Callable[[str], None]
) -> Iterator[ThrowawayDatabase]:
    """A folder for the downloads and an empty database; both are gone when the context ends. Raises PgkeelError."""
    cluster = cluster_of(login, manifest)
    settings = {
        "maintenance_work_mem": capacity.maintenance_work_mem,
        "work_mem": capacity.work_mem,
    }
    with claimed_folder(base_dir) as folder, cluster_session(cluster) as session:
        disks = read_disks(session, manifest.database_bytes)
        with throwaway_database(cluster, manifest.locale, folder, settings, warn) as running:

            def stop() -> None:
                """From another thread, hence in a session of its own."""
                with cluster_session(cluster) as other:
                    other.execute(sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false").format(sql.Identifier(running.name)))
                    other.execute(
                        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = %s",
                        [running.name],
                    )

            with disk_guard({disks.data, disks.wal}, RESERVE_BYTES, stop, free_bytes) as guard:
                try:
                    yield running
                finally:
                    guard.require()


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _require_roles(session: Session, expected: Contents) -> None:
    missing = sorted(set(_roles(expected.catalog)) - set(read_roles(session)))
    if missing:
        raise PgkeelError(
            f"The server lacks roles that the backup names: {', '.join(name.removeprefix(ROLE) for name in missing[:20])}",
            "Take a new backup, or drill with target cluster, which restores the roles too",
        )


def _require_connections(session: Session, wanted: int) -> None:
    row = session.execute(
        "SELECT current_setting('max_connections')::int - count(*) FROM pg_catalog.pg_stat_activity"
        " WHERE backend_type = 'client backend'"
    ).fetchone()
    if row is None or int(row[0]) < wanted:
        raise PgkeelError(
            f"The server has {row[0] if row else 0} connections left, the drill needs {wanted}",
            "Drill at a quieter time, or with fewer jobs",
        )


def without_roles(contents: Contents) -> Contents:
    """The contents of the database alone."""
    return dataclasses.replace(
        contents, catalog={name: digest for name, digest in contents.catalog.items() if not name.startswith(ROLE)}
    )


def compare_roles(expected: Contents, found: Contents) -> Check:
    """The cluster's own roles against the manifest's. One changed since the backup is not the backup's fault."""
    wanted, there = _roles(expected.catalog), _roles(found.catalog)
    differing = sorted(name.removeprefix(ROLE) for name, digest in wanted.items() if there.get(name) != digest)
    name = "roles"
    if differing:
        return Check(
            name,
            Verdict.COULD_NOT_VERIFY,
            f"changed in production since the backup: {', '.join(differing[:20])}; the next backup has them",
        )
    return Check(name, Verdict.PASS, f"{len(wanted)}, their attributes and memberships as in the backup; not restored here")


def check_globals(script: str, expected: Contents, superuser: str) -> Check:
    """Whether globals.sql makes every role of the manifest."""
    made = set()
    for piece in statements(script):
        head = LEADING.match(piece)
        # The statement itself: a comment on a role may hold any words.
        if found := CREATED.match(piece, head.end() if head else 0):
            name = found[1]
            made.add(name[1:-1].replace('""', '"') if name.startswith('"') else name)
    missing = [
        role for role in (name.removeprefix(ROLE) for name in _roles(expected.catalog)) if role not in made and role != superuser
    ]
    label = "roles in globals.sql"
    if missing:
        return Check(label, Verdict.FAIL, f"globals.sql does not create {', '.join(missing[:20])}")
    return Check(label, Verdict.PASS, f"all {len(_roles(expected.catalog))} are there")


def check_closed(session: Session) -> Check:
    """Whether the copy is one that no application can connect to."""
    row = session.execute(
        """
        SELECT datname, datconnlimit, datistemplate,
               EXISTS (SELECT FROM pg_catalog.aclexplode(coalesce(datacl, pg_catalog.acldefault('d', datdba)))
                       WHERE grantee = 0 AND privilege_type = 'CONNECT')
        FROM pg_catalog.pg_database WHERE datname = current_database()
        """
    ).fetchone()
    fine = row is not None and str(row[0]).startswith(PREFIX) and tuple(row[1:]) == (0, False, False)
    return Check(
        "copy is isolated",
        Verdict.PASS if fine else Verdict.COULD_NOT_VERIFY,
        f"database, connection limit, template, open to everybody = {row}",
    )


def _roles(catalog: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in catalog.items() if name.startswith(ROLE)}
