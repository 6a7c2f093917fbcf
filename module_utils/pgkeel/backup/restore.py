"""The newest committed backup becomes a running database, in a cluster of its own or in production's."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from ..errors import PgkeelError
from ..objectstore.clock import MOST_SECONDS, require_same_clock
from ..objectstore.download import download
from ..objectstore.store import Store
from ..postgres.capacity import Capacity, available_bytes, capacity_for
from ..postgres.cgroup import read_caps
from ..postgres.connect import connect
from ..postgres.ground_folder import require_space, sweep
from ..postgres.interruption import InterruptedRunError
from ..postgres.proving_ground import (
    BASE_BYTES,
    Ground,
    ProvingGround,
    clean_environment,
    create_database,
    dying_with_us,
    proving_ground,
    yielding,
)
from ..postgres.throwaway_database import LIMITS, TROUBLE, ThrowawayDatabase
from . import pg_cron
from .catalogue import newest, read_catalogue
from .check import Check, Verdict
from .drill_request import DrillRequest
from .drill_result import DrillResult
from .encryption import decrypt_file, identity_of, recipient_of
from .globals_sql import for_throwaway_cluster
from .history import read_records
from .keys import DUMP, GLOBALS
from .manifest import Manifest
from .program import require_program
from .progress import Amount
from .shared_server import NOT_VERIFIED, check_server, shared_ground

Running = ProvingGround | ThrowawayDatabase
"""Where the copy is: a cluster of its own, or a database in production's."""
DISK_FULL = "No space left on device"
WORKER_GONE = "a worker process died unexpectedly"
LOG_LINES = 50
HISTORY = 60


class RestoreFailedError(PgkeelError):
    """The backup itself could not be restored."""


def locate(store: Store, request: DrillRequest, result: DrillResult) -> Manifest:
    """The backup that would be restored, once everything that must hold does; nothing is restored. Raises PgkeelError."""
    for program in ("pg_restore", "psql", "pg_amcheck"):
        require_program(request.bin_dir, program)
    identity_of(request.identity)
    catalogue = read_catalogue(store, request.shelf, request.verify_keys)
    if catalogue.refused:
        result.checks.append(Check("manifests", Verdict.FAIL, " ".join(catalogue.refused)))
    manifest = newest(catalogue.manifests)
    if manifest is None:
        raise PgkeelError(
            f"There is no committed backup below {request.shelf.folder} in bucket {store.bucket!r}",
            "Run the backup first, or correct prefix, server name and database",
        )
    if not catalogue.refused:
        result.checks.append(
            Check(
                "manifests", Verdict.PASS, f"{len(catalogue.manifests)} committed backups, the newest of {manifest.snapshot_time}"
            )
        )
    # Before the backup is named: a record of this drill would lie among the others under a wrong time.
    require_same_clock(store, request.shelf.folder, until_then="no backup is drilled")
    result.backup_id = manifest.run_id
    _require_past(manifest, datetime.now(UTC))
    result.database_bytes = manifest.database_bytes
    result.dump_bytes = manifest.dump.bytes
    result.rpo_seconds = (datetime.now(UTC) - manifest.snapshot_time).total_seconds()
    _require_recipient(request.identity, manifest)
    if request.production is not None:
        result.not_verified = [dict(item) for item in NOT_VERIFIED]
        check_server(request.production, manifest, request.base_dir, request.space_factor, request.jobs)
        return manifest
    require_space(request.base_dir, int(manifest.database_bytes * request.space_factor) + 2 * manifest.dump.bytes + BASE_BYTES)
    return manifest


def _require_past(manifest: Manifest, now: datetime) -> None:
    """One from the future stays the newest for as long, whatever is taken after it, and its age would pass every budget."""
    if manifest.snapshot_time > now + timedelta(seconds=MOST_SECONDS):
        raise PgkeelError(
            f"Backup {manifest.run_id} is from the future: {(manifest.snapshot_time - now).total_seconds():.0f} s ahead of this "
            "server's clock and the store's",
            "Take a new backup, then remove this one: until then it is taken for the newest",
        )


def _require_recipient(identity: str, manifest: Manifest) -> None:
    """Said before anything is downloaded: another key is nothing that the backup is to blame for."""
    own = recipient_of(identity)
    if own not in {recipient.strip().lower() for recipient in manifest.recipients}:
        raise PgkeelError(
            f"Backup {manifest.run_id} is not encrypted to the drill's identity, whose public key is {own}",
            "Give the drill an identity whose public key was among backup_age_recipients, or add this one and take a new backup",
        )


@contextmanager
def restored_copy(
    store: Store, request: DrillRequest, result: DrillResult, settings: Mapping[str, str]
) -> Iterator[tuple[ProvingGround, Manifest]]:
    """The newest committed backup as a running throwaway database, vacuumed and analysed, to try things on.

    Its contents are not compared with the manifest: drills do that, and ``result.history`` says which backups they proved.
    ``settings`` are added to the cluster's. ``result`` gets phases and sizes while it runs. Raises PgkeelError.
    """
    with result.phase("locate"):
        sweep(request.base_dir)
        manifest = locate(store, request, result)
    result.history = [found.as_dict() for found in read_records(store, request.shelf, request.verify_keys, HISTORY)]
    with _own_cluster(request, manifest, result, settings) as running:
        with result.phase("fetch"):
            dump, roles = decrypt(request, manifest, *fetch(store, request, manifest, running.folder))
        with blamed(running), result.phase("restore"):
            restore(request, manifest, running, dump, roles)
            # Vacuumed, since index-only scans need the visibility map that a restored table does not have. Rows whose commit has
            # not reached the disk yet would be left out of it, and commits do not wait for that here.
            with connect(running.login(manifest.database)) as session:
                session.execute("CHECKPOINT")
            analyse(request, manifest, running, "--analyze")
        yield running, manifest


@contextmanager
def prepared(request: DrillRequest, manifest: Manifest, result: DrillResult) -> Iterator[Running]:
    """A place for the copy, gone afterwards. Raises PgkeelError."""
    if request.production is None:
        with _own_cluster(request, manifest, result, {}) as cluster:
            yield cluster
        return
    begun = time.monotonic()
    with shared_ground(request.production, manifest, request.base_dir, _capacity(request), result.warnings.append) as database:
        result.phases["prepare"] = time.monotonic() - begun
        yield database


def _capacity(request: DrillRequest) -> Capacity:
    sizes = [size for size in (available_bytes(), read_caps().memory_bytes) if size is not None]
    return capacity_for(min(sizes, default=None), request.jobs)


@contextmanager
def _own_cluster(
    request: DrillRequest, manifest: Manifest, result: DrillResult, settings: Mapping[str, str]
) -> Iterator[ProvingGround]:
    begun = time.monotonic()
    with proving_ground(ground_for(request, manifest, _capacity(request), settings)) as running:
        result.phases["prepare"] = time.monotonic() - begun
        yield running


def ground_for(request: DrillRequest, manifest: Manifest, capacity: Capacity, settings: Mapping[str, str]) -> Ground:
    """The cluster that the backup is restored into."""
    return Ground(
        base_dir=request.base_dir,
        bin_dir=request.bin_dir,
        superuser=manifest.server.superuser,
        locale=manifest.locale,
        preload_libraries=manifest.server.shared_preload_libraries,
        shared_buffers=capacity.shared_buffers,
        maintenance_work_mem=capacity.maintenance_work_mem,
        # vacuumdb sets none; the comparisons must not run for ever. Parallel workers are the copy's own here.
        settings={
            "work_mem": capacity.work_mem,
            **{name: value for name, value in LIMITS.items() if not name.startswith("max_parallel_")},
            **settings,
            **pg_cron.settings_of(manifest.contents, manifest.database),
        },
    )


def fetch(store: Store, request: DrillRequest, manifest: Manifest, folder: Path) -> tuple[Path, Path]:
    """Dump and roles as they are stored, encrypted. Raises StoreError, DamagedObjectError where they are not what was sent."""
    dump, roles = folder / DUMP, folder / GLOBALS
    for target, name, stored in ((roles, GLOBALS, manifest.globals), (dump, DUMP, manifest.dump)):
        key = request.shelf.key(manifest.run_id, name)
        download(store, key, target, expected_bytes=stored.bytes, expected_sha256=stored.sha256)
    return dump, roles


def decrypt(request: DrillRequest, manifest: Manifest, dump: Path, roles: Path) -> tuple[Path, Path]:
    """Both files decrypted beside themselves; the encrypted dump goes at once, for the disk's sake."""
    clear = [path.with_suffix("") for path in (dump, roles)]
    for sealed, target, stored in ((dump, clear[0], manifest.dump), (roles, clear[1], manifest.globals)):
        decrypt_file(sealed, target, request.identity, stored.plain)
        sealed.unlink()
    return clear[0], clear[1]


@contextmanager
def blamed(running: Running) -> Iterator[None]:
    """A full disk or a server that was killed is not the backup's fault."""
    try:
        yield
    except (PgkeelError, psycopg.Error) as error:
        if isinstance(running, ThrowawayDatabase):
            if isinstance(error, InterruptedRunError) or not running.is_server_trouble(str(error)):
                raise
            raise PgkeelError(
                f"The server stood in the way: {str(error).strip().splitlines()[0]}",
                "See the server's log and its free disk, then run it again",
            ) from error
        if DISK_FULL in str(error) or DISK_FULL in running.log_tail(LOG_LINES):
            raise PgkeelError(
                f"The disk is full: {running.folder.parent} is too small for the restored copy",
                "Free space there, or give the drill a directory on a larger disk",
            ) from error
        if not running.alive:
            raise PgkeelError(
                "The throwaway server ended in the middle of the drill",
                "Check free memory and the kernel's log, then run it again",
            ) from error
        if isinstance(error, RestoreFailedError) and TROUBLE.search(str(error)):
            raise PgkeelError(
                f"The throwaway server stood in the way: {str(error).strip().splitlines()[0]}",
                "Check free memory and the kernel's log, then run it again",
            ) from error
        if isinstance(error, psycopg.Error):
            raise PgkeelError(
                f"The restored copy could not be read: {str(error).strip().splitlines()[0]}", "Run it again"
            ) from error
        raise


def restore(request: DrillRequest, manifest: Manifest, running: Running, dump: Path, roles: Path) -> None:
    """Roles and the dump, which is gone afterwards. Raises RestoreFailedError, PgkeelError when a program was killed."""
    login = running.login()
    environment = {**clean_environment(), "PGHOST": login.host, "PGPORT": str(login.port), "PGUSER": login.user}
    if isinstance(running, ProvingGround):
        create_database(running, manifest.database, manifest.locale)
        pg_cron.await_scheduler(running, manifest.contents, manifest.database)
        script = for_throwaway_cluster(roles.read_text(encoding="utf-8"), manifest.server.superuser)
        _run(
            [str(request.bin_dir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
            {**environment, "PGCLIENTENCODING": "UTF8"},
            "the roles (globals.sql)",
            script,
        )
    target = make_conninfo(dbname=running.copy_of(manifest.database))
    _run(
        [
            str(request.bin_dir / "pg_restore"),
            f"--jobs={request.jobs}",
            "--exit-on-error",
            # Their directories are production's.
            "--no-tablespaces",
            # A restored subscription must not disturb its publisher.
            "--no-subscriptions",
            "--no-password",
            f"--dbname={target}",
            str(dump),
        ],
        environment,
        "the dump",
    )
    dump.unlink()


def analyse(request: DrillRequest, manifest: Manifest, running: Running, how: str = "--analyze-only") -> None:
    """Statistics, which a restored database must have before an application may use it."""
    login = running.login()
    _run(
        [
            str(request.bin_dir / "vacuumdb"),
            how,
            "--quiet",
            f"--jobs={request.jobs}",
            f"--dbname={make_conninfo(dbname=running.copy_of(manifest.database))}",
        ],
        {
            **clean_environment(),
            "PGHOST": login.host,
            "PGPORT": str(login.port),
            "PGUSER": login.user,
            **({"PGOPTIONS": "-c synchronous_commit=on"} if how == "--analyze" else {}),
        },
        "the planner's statistics",
    )


def _run(command: list[str], environment: dict[str, str], what: str, stdin: str = "") -> None:
    program = os.path.basename(command[0])
    done = subprocess.run(
        dying_with_us(yielding(10, command)),
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or DISK_FULL in line] or lines
        # A worker that failed says why before it ends; one that was killed says nothing.
        if done.returncode < 0 or (telling and all(WORKER_GONE in line for line in telling)):
            by = f"by signal {-done.returncode}" if done.returncode < 0 else "in one of its workers"
            raise PgkeelError(
                f"{program} was killed {by} while {what} was restored",
                "Check free memory and the kernel's log, then run it again",
            )
        raise RestoreFailedError(
            f"{what} could not be restored: {program} exited with {done.returncode}: {'; '.join(telling[:3])[:800]}",
            "Take a new backup now, and keep this one to find out why",
        )


def measured(phase: str, manifest: Manifest, running: Running) -> Amount | None:
    """How much of a phase is done, as far as it shows from outside."""
    if phase == "fetch":
        return Amount((running.folder / DUMP).stat().st_size, manifest.dump.bytes)
    if phase == "decrypt":
        return Amount((running.folder / DUMP).with_suffix("").stat().st_size, manifest.dump.plain.bytes)
    if phase != "restore":
        return None
    with connect(running.login("postgres")) as session:
        row = session.execute(
            "SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = %s",
            [running.copy_of(manifest.database)],
        ).fetchone()
    return None if row is None else Amount(int(row[0]), manifest.database_bytes)
