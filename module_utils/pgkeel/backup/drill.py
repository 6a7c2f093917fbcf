"""The restore drill: the newest committed backup becomes a running database, and every table of it is counted."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ..errors import PgkeelError
from ..objectstore.download import download
from ..objectstore.errors import DamagedObjectError
from ..objectstore.store import Store
from ..postgres.connect import connect
from ..postgres.interruption import interruptible
from ..postgres.proving_ground import (
    BASE_BYTES,
    Ground,
    ProvingGround,
    clean_environment,
    create_database,
    proving_ground,
    require_space,
    sweep,
    yielding,
)
from .catalogue import newest, read_catalogue
from .check import Check, Verdict, overall
from .compare import compare, compare_locale, compare_tables
from .contents import Contents, Session, count_rows, read_contents
from .globals_sql import for_throwaway_cluster
from .keys import DUMP, GLOBALS, Shelf
from .manifest import Manifest
from .program import require_program
from .run import read_locale

DISK_FULL = "No space left on device"
# What must be in a drill that passes; a check that was forgotten would otherwise not be missed.
NEGATIVE_CONTROL = "negative control"
LOG_LINES = 50


class RestoreFailedError(PgkeelError):
    """The backup itself could not be restored."""


@dataclass(frozen=True)
class DrillRequest:
    """Which backups, and where to restore."""

    shelf: Shelf
    base_dir: Path
    bin_dir: Path
    jobs: int = 2
    space_factor: float = 1.5
    """Disk needed beside the dump itself, as a multiple of the database's size in production."""
    analyze: bool = False


@dataclass
class DrillResult:
    """What a drill came to; it is filled while the drill runs."""

    database: str = ""
    backup_id: str = ""
    reason: str = ""
    checks: list[Check] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds."""
    rto_seconds: float | None = None
    """From the start until the copy was usable and verified."""
    rpo_seconds: float | None = None
    """Age of the snapshot when the drill began."""
    tables_compared: int = 0
    rows_compared: int = 0
    database_bytes: int = 0
    dump_bytes: int = 0
    negative_control: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """PASS only when every check passed, the negative control among them, and nothing went wrong."""
        verdict = overall(self.checks)
        if verdict is Verdict.PASS and (self.reason or not self.negative_control.get("detected")):
            return Verdict.COULD_NOT_VERIFY
        return verdict

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "database": self.database,
            "backup_id": self.backup_id,
            "checks": [check.as_dict() for check in self.checks],
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "rto_seconds": None if self.rto_seconds is None else round(self.rto_seconds, 3),
            "rpo_seconds": None if self.rpo_seconds is None else round(self.rpo_seconds, 3),
            "tables_compared": self.tables_compared,
            "rows_compared": self.rows_compared,
            "database_bytes": self.database_bytes,
            "dump_bytes": self.dump_bytes,
            "negative_control": self.negative_control,
        }

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, also one that fails."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun


def check_drill(store: Store, request: DrillRequest) -> Manifest:
    """Everything that must hold before a drill; nothing is restored. Returns the backup it would take. Raises PgkeelError."""
    return _locate(store, request, DrillResult())


def run_drill(store: Store, request: DrillRequest) -> DrillResult:
    """Restore the newest committed backup into a throwaway cluster and compare it with its manifest.

    Never raises PgkeelError: what went wrong is in the result, as FAIL when the backup is to blame, else as COULD NOT VERIFY.
    The cluster and everything downloaded are gone afterwards. Production is not connected to at all.
    """
    result = DrillResult(database=request.shelf.database)
    begun = time.monotonic()
    try:
        with interruptible():
            _drill(store, request, result, begun)
    except (DamagedObjectError, RestoreFailedError) as error:
        result.checks.append(Check("backup restores", Verdict.FAIL, str(error)))
        result.reason = str(error)
    except PgkeelError as error:
        result.checks.append(Check("drill", Verdict.COULD_NOT_VERIFY, str(error)))
        result.reason = str(error)
    if not result.reason and result.verdict is not Verdict.PASS:
        worst = [check for check in result.checks if check.verdict is result.verdict]
        result.reason = "; ".join(f"{check.name}: {check.evidence}" for check in worst) + "."
    return result


def _drill(store: Store, request: DrillRequest, result: DrillResult, begun: float) -> None:
    with result.phase("locate"):
        sweep(request.base_dir)
        manifest = _locate(store, request, result)
    ready = begun
    try:
        with _prepared(request, manifest, result) as running:
            with result.phase("fetch"):
                dump, roles = _fetch(store, request, manifest, running.folder)
            with _blame(running):
                with result.phase("restore"):
                    _restore(request, manifest, running, dump, roles)
                with result.phase("verify"):
                    _verify(manifest, running, result)
            ready = time.monotonic()
            result.rto_seconds = ready - begun
    finally:
        if ready > begun:
            result.phases["clean"] = time.monotonic() - ready


def _locate(store: Store, request: DrillRequest, result: DrillResult) -> Manifest:
    for program in ("pg_restore", "psql"):
        require_program(request.bin_dir, program)
    catalogue = read_catalogue(store, request.shelf)
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
    result.backup_id = manifest.run_id
    result.database_bytes = manifest.database_bytes
    result.dump_bytes = manifest.dump.bytes
    result.rpo_seconds = (datetime.now(UTC) - manifest.snapshot_time).total_seconds()
    require_space(request.base_dir, int(manifest.database_bytes * request.space_factor) + manifest.dump.bytes + BASE_BYTES)
    return manifest


@contextmanager
def _prepared(request: DrillRequest, manifest: Manifest, result: DrillResult) -> Iterator[ProvingGround]:
    begun = time.monotonic()
    ground = Ground(
        base_dir=request.base_dir,
        bin_dir=request.bin_dir,
        superuser=manifest.server.superuser,
        locale=manifest.locale,
        preload_libraries=manifest.server.shared_preload_libraries,
    )
    with proving_ground(ground) as running:
        result.phases["prepare"] = time.monotonic() - begun
        yield running


def _fetch(store: Store, request: DrillRequest, manifest: Manifest, folder: Path) -> tuple[Path, Path]:
    dump, roles = folder / DUMP, folder / GLOBALS
    for target, name, stored in ((roles, GLOBALS, manifest.globals), (dump, DUMP, manifest.dump)):
        key = request.shelf.key(manifest.run_id, name)
        download(store, key, target, expected_bytes=stored.bytes, expected_sha256=stored.sha256)
    return dump, roles


@contextmanager
def _blame(running: ProvingGround) -> Iterator[None]:
    """A full disk or a server that was killed is not the backup's fault."""
    try:
        yield
    except (PgkeelError, psycopg.Error) as error:
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
        if isinstance(error, psycopg.Error):
            raise PgkeelError(
                f"The restored copy could not be read: {str(error).strip().splitlines()[0]}", "Run it again"
            ) from error
        raise


def _restore(request: DrillRequest, manifest: Manifest, running: ProvingGround, dump: Path, roles: Path) -> None:
    login = running.login()
    environment = {**clean_environment(), "PGHOST": login.host, "PGPORT": str(login.port), "PGUSER": login.user}
    script = for_throwaway_cluster(roles.read_text(encoding="utf-8"), manifest.server.superuser)
    _run(
        [str(request.bin_dir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
        {**environment, "PGCLIENTENCODING": "UTF8"},
        "the roles (globals.sql)",
        script,
    )
    create_database(running, manifest.database, manifest.locale)
    target = make_conninfo(dbname=manifest.database)
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
    if request.analyze:
        with connect(running.login(manifest.database)) as session:
            session.execute("ANALYZE")


def _run(command: list[str], environment: dict[str, str], what: str, stdin: str = "") -> None:
    program = os.path.basename(command[0])
    done = subprocess.run(
        yielding(10, command), env=environment, input=stdin, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or DISK_FULL in line] or lines
        raise RestoreFailedError(
            f"{what} could not be restored: {program} exited with {done.returncode}: {'; '.join(telling[:3])[:800]}",
            "Take a new backup now, and keep this one to find out why",
        )


def _verify(manifest: Manifest, running: ProvingGround, result: DrillResult) -> None:
    with connect(running.login(manifest.database)) as session:
        found = read_contents(session)
        result.checks += compare(manifest.contents, found)
        result.checks.append(compare_locale(manifest.locale, read_locale(session)))
        result.checks.append(_check_indexes(session))
        result.checks.append(_check_harmless(session))
        result.tables_compared = len(found.tables)
        result.rows_compared = found.rows
        result.checks.append(_negative_control(session, manifest.contents, found, result))


def _check_indexes(session: Session) -> Check:
    rows = session.execute(
        """
        SELECT n.nspname || '.' || c.relname
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT (i.indisvalid AND i.indisready)
        ORDER BY 1
        """
    ).fetchall()
    if rows:
        return Check("valid indexes", Verdict.FAIL, f"invalid: {', '.join(str(name) for (name,) in rows[:20])}")
    return Check("valid indexes", Verdict.PASS, "all valid")


def _check_harmless(session: Session) -> Check:
    row = session.execute(
        "SELECT current_setting('archive_mode'), current_setting('listen_addresses'), current_setting('wal_level')"
    ).fetchone()
    fine = row == ("off", "", "minimal")
    return Check(
        "copy is isolated",
        Verdict.PASS if fine else Verdict.COULD_NOT_VERIFY,
        f"archive_mode, listen_addresses, wal_level = {row}",
    )


def _negative_control(session: Session, expected: Contents, found: Contents, result: DrillResult) -> Check:
    """Damage the copy by one row: the comparison that has just passed must find it."""
    name = NEGATIVE_CONTROL
    wanted = {(table.schema, table.name): table.rows for table in expected.tables}
    candidates = [table for table in found.tables if table.rows and wanted.get((table.schema, table.name)) == table.rows]
    for victim in sorted(candidates, key=lambda table: (table.rows, table.label)):
        with session.transaction(force_rollback=True):
            # No trigger, foreign key or rule shall have a say in this.
            session.execute("SET LOCAL session_replication_role = replica")
            table = sql.Identifier(victim.schema, victim.name)
            deleted = session.execute(
                sql.SQL("DELETE FROM ONLY {0} WHERE ctid = (SELECT ctid FROM ONLY {0} LIMIT 1)").format(table)
            ).rowcount
            if deleted != 1:
                continue
            recounted = count_rows(session, victim.schema, victim.name)
        damaged = Contents(
            **{**found.__dict__, "tables": tuple(recounted if table == victim else table for table in found.tables)}
        )
        before = compare_tables(expected, found)
        check = compare_tables(expected, damaged)
        detected = check.verdict is Verdict.FAIL and victim.label in check.evidence and victim.label not in before.evidence
        result.negative_control = {"table": victim.label, "rows_deleted": 1, "detected": detected}
        if detected:
            return Check(
                name, Verdict.PASS, f"one row deleted from {victim.label}: found ({recounted.rows} of {victim.rows} rows)"
            )
        return Check(name, Verdict.COULD_NOT_VERIFY, f"one row deleted from {victim.label}: the comparison did not notice")
    result.negative_control = {"table": "", "rows_deleted": 0, "detected": False}
    return Check(name, Verdict.COULD_NOT_VERIFY, "no table with rows to damage: the comparison itself could not be tested")
