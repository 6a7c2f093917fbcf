"""The restore drill: the newest committed backup becomes a running database, and everything in it is compared."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ..errors import PgkeelError
from ..objectstore.download import download
from ..objectstore.errors import DamagedObjectError
from ..objectstore.objects import read_small
from ..objectstore.store import Store
from ..postgres.capacity import Capacity, available_bytes, capacity_for
from ..postgres.cgroup import read_caps
from ..postgres.connect import Login, connect
from ..postgres.ground_folder import require_space, sweep
from ..postgres.interruption import InterruptedRunError, interruptible
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
from ..postgres.throwaway_database import LIMITS, ThrowawayDatabase
from .assertions import Assertion, check_assertions
from .catalogue import newest, read_catalogue
from .check import Check, Verdict, overall
from .compare import compare, compare_locale
from .content_hash import fix_output
from .contents import Contents, Session, read_contents
from .control import negative_control, refusals
from .encryption import decrypt_file, identity_of
from .globals_sql import for_throwaway_cluster
from .history import DrillRecord, read_records, remember
from .keys import DUMP, GLOBALS, MANIFEST, Shelf
from .manifest import Manifest
from .program import require_program
from .progress import Amount, Progress, reported
from .run import read_locale
from .shared_server import (
    NOT_VERIFIED,
    check_closed,
    check_globals,
    check_server,
    compare_roles,
    shared_ground,
    without_roles,
)
from .structure import check_structure

Running = ProvingGround | ThrowawayDatabase
"""Where the copy is: a cluster of its own, or a database in production's."""
DISK_FULL = "No space left on device"
LOG_LINES = 50
HISTORY = 60
STATEMENT_TIMEOUT = LIMITS["statement_timeout"]


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
    analyze: bool = True
    identity: str = field(default="", repr=False)
    """age private key; it stays in memory."""
    verify_keys: tuple[str, ...] = ()
    """Public keys of those who may sign manifests."""
    signing_key: str = field(default="", repr=False)
    """For the drill's own record; without it no history is kept."""
    assertions: tuple[Assertion, ...] = ()
    rto_budget_seconds: float = 0.0
    """0: none."""
    rpo_budget_seconds: float = 0.0
    progress: Progress = field(default_factory=Progress, repr=False, compare=False)
    production: Login | None = None
    """Where given, the copy is a throwaway database in this cluster, and not a cluster of its own."""


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
    history: list[dict[str, Any]] = field(default_factory=list)
    """The last drills of this database, this one included, oldest first."""
    target: str = "cluster"
    rto_budget_seconds: float = 0.0
    """0: none."""
    rpo_budget_seconds: float = 0.0
    caps: dict[str, Any] = field(default_factory=dict)
    """What the kernel let it take at most: control group, bytes of memory, processors."""
    not_verified: list[dict[str, str]] = field(default_factory=list)
    """What the target cannot tell by its nature, each with its reason."""
    warnings: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress, repr=False)

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
            "not_verified": self.not_verified,
            "target": self.target,
            "rto_budget_seconds": self.rto_budget_seconds,
            "rpo_budget_seconds": self.rpo_budget_seconds,
            "caps": self.caps,
            "history": self.history,
        }

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, also one that fails."""
        begun = time.monotonic()
        self.progress.phase = name
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun


def check_drill(store: Store, request: DrillRequest) -> Manifest:
    """Everything that must hold before a drill; nothing is restored. Returns the backup it would take. Raises PgkeelError."""
    return _locate(store, request, DrillResult())


def run_drill(store: Store, request: DrillRequest) -> DrillResult:
    """Restore the newest committed backup into a throwaway cluster, or database, and compare it with its manifest.

    Never raises PgkeelError: what went wrong is in the result, as FAIL when the backup is to blame, else as COULD NOT VERIFY.
    The copy and everything downloaded are gone afterwards. With a cluster of its own, production is not connected to at all.
    """
    target = "cluster" if request.production is None else "database"
    result = DrillResult(
        database=request.shelf.database,
        target=target,
        rto_budget_seconds=request.rto_budget_seconds,
        rpo_budget_seconds=request.rpo_budget_seconds,
        caps=read_caps().as_dict(),
        progress=request.progress,
    )
    begun = time.monotonic()
    started = datetime.now(UTC)
    try:
        with interruptible(), reported(request.progress):
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
    try:
        result.history = remember(store, request.shelf, request.signing_key, request.verify_keys, _record(result, started))
    except PgkeelError as error:
        result.warnings.append(f"The drill's record could not be stored: {error}")
    return result


def _record(result: DrillResult, started: datetime) -> DrillRecord | None:
    """What is kept of the drill; nothing when there was no backup to judge."""
    if not result.backup_id:
        return None
    return DrillRecord(
        database=result.database,
        backup_id=result.backup_id,
        time=started,
        verdict=result.verdict.value,
        reason=result.reason[:2000],
        rto_seconds=result.rto_seconds,
        rpo_seconds=result.rpo_seconds,
        phases={name: round(seconds, 3) for name, seconds in result.phases.items()},
        rows_compared=result.rows_compared,
        database_bytes=result.database_bytes,
    )


def _drill(store: Store, request: DrillRequest, result: DrillResult, begun: float) -> None:
    with result.phase("locate"):
        sweep(request.base_dir)
        manifest = _locate(store, request, result)
    ready = begun
    try:
        with _prepared(request, manifest, result) as running:
            result.progress.measure = lambda phase: _measure(phase, manifest, running)
            with result.phase("fetch"):
                dump, roles = _fetch(store, request, manifest, running.folder)
            with result.phase("decrypt"):
                controls = _control_refusals(store, request, manifest, roles)
                dump, roles = _decrypt(request, manifest, dump, roles)
                if request.production is not None:
                    script = roles.read_text(encoding="utf-8")
                    result.checks.append(check_globals(script, manifest.contents, manifest.server.superuser))
            with _blame(running):
                with result.phase("restore"):
                    _restore(request, manifest, running, dump, roles)
                if request.analyze:
                    with result.phase("analyse"):
                        _analyse(request, manifest, running)
                with result.phase("verify"):
                    _verify(request, manifest, running, result, controls)
            ready = time.monotonic()
            result.rto_seconds = ready - begun
            result.checks += check_budgets(result, request)
    finally:
        if ready > begun:
            result.phases["clean"] = time.monotonic() - ready


def _measure(phase: str, manifest: Manifest, running: Running) -> Amount | None:
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


def _locate(store: Store, request: DrillRequest, result: DrillResult) -> Manifest:
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
    result.backup_id = manifest.run_id
    result.database_bytes = manifest.database_bytes
    result.dump_bytes = manifest.dump.bytes
    result.rpo_seconds = (datetime.now(UTC) - manifest.snapshot_time).total_seconds()
    if request.production is not None:
        result.not_verified = [dict(item) for item in NOT_VERIFIED]
        check_server(request.production, manifest, request.base_dir, request.space_factor, request.jobs)
        return manifest
    require_space(request.base_dir, int(manifest.database_bytes * request.space_factor) + 2 * manifest.dump.bytes + BASE_BYTES)
    return manifest


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
        manifest = _locate(store, request, result)
    result.history = [found.as_dict() for found in read_records(store, request.shelf, request.verify_keys, HISTORY)]
    with _own_cluster(request, manifest, result, settings) as running:
        with result.phase("fetch"):
            dump, roles = _decrypt(request, manifest, *_fetch(store, request, manifest, running.folder))
        with _blame(running), result.phase("restore"):
            _restore(request, manifest, running, dump, roles)
            # Vacuumed, since index-only scans need the visibility map that a restored table does not have. Rows whose commit has
            # not reached the disk yet would be left out of it, and commits do not wait for that here.
            with connect(running.login()) as session:
                session.execute("CHECKPOINT")
            _analyse(request, manifest, running, "--analyze")
        yield running, manifest


@contextmanager
def _prepared(request: DrillRequest, manifest: Manifest, result: DrillResult) -> Iterator[Running]:
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
    capacity = _capacity(request)
    ground = Ground(
        base_dir=request.base_dir,
        bin_dir=request.bin_dir,
        superuser=manifest.server.superuser,
        locale=manifest.locale,
        preload_libraries=manifest.server.shared_preload_libraries,
        shared_buffers=capacity.shared_buffers,
        maintenance_work_mem=capacity.maintenance_work_mem,
        # pg_restore and vacuumdb set none; the comparisons must not run for ever.
        settings={"work_mem": capacity.work_mem, "statement_timeout": STATEMENT_TIMEOUT, **settings},
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


def _decrypt(request: DrillRequest, manifest: Manifest, dump: Path, roles: Path) -> tuple[Path, Path]:
    """Both files decrypted beside themselves; the encrypted dump goes at once, for the disk's sake."""
    clear = [path.with_suffix("") for path in (dump, roles)]
    for sealed, target, stored in ((dump, clear[0], manifest.dump), (roles, clear[1], manifest.globals)):
        decrypt_file(sealed, target, request.identity, stored.plain)
        sealed.unlink()
    return clear[0], clear[1]


@contextmanager
def _blame(running: Running) -> Iterator[None]:
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
        if isinstance(error, psycopg.Error):
            raise PgkeelError(
                f"The restored copy could not be read: {str(error).strip().splitlines()[0]}", "Run it again"
            ) from error
        raise


def _restore(request: DrillRequest, manifest: Manifest, running: Running, dump: Path, roles: Path) -> None:
    login = running.login()
    environment = {**clean_environment(), "PGHOST": login.host, "PGPORT": str(login.port), "PGUSER": login.user}
    if isinstance(running, ProvingGround):
        script = for_throwaway_cluster(roles.read_text(encoding="utf-8"), manifest.server.superuser)
        _run(
            [str(request.bin_dir / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
            {**environment, "PGCLIENTENCODING": "UTF8"},
            "the roles (globals.sql)",
            script,
        )
        create_database(running, manifest.database, manifest.locale)
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


def _analyse(request: DrillRequest, manifest: Manifest, running: Running, how: str = "--analyze-only") -> None:
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
        raise RestoreFailedError(
            f"{what} could not be restored: {program} exited with {done.returncode}: {'; '.join(telling[:3])[:800]}",
            "Take a new backup now, and keep this one to find out why",
        )


def _verify(
    request: DrillRequest, manifest: Manifest, running: Running, result: DrillResult, controls: list[dict[str, Any]]
) -> None:
    with connect(running.login(running.copy_of(manifest.database))) as session:
        fix_output(session)
        found = read_contents(session)
        result.checks += _comparisons(running, manifest.contents, found)
        result.checks.append(compare_locale(manifest.locale, read_locale(session)))
        result.checks.append(_check_indexes(session))
        result.checks.append(check_closed(session) if isinstance(running, ThrowawayDatabase) else _check_harmless(session))
        result.tables_compared = len(found.tables)
        result.rows_compared = found.rows
        result.checks.append(negative_control(session, manifest.contents, found, controls, result))
        result.checks += check_assertions(session, request.assertions)
    result.checks.append(check_structure(request.bin_dir, running, running.copy_of(manifest.database), request.jobs))


def _comparisons(running: Running, expected: Contents, found: Contents) -> list[Check]:
    """Everything; roles that were not restored are judged apart."""
    if isinstance(running, ProvingGround):
        return compare(expected, found)
    return [*compare(without_roles(expected), without_roles(found)), compare_roles(expected, found)]


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


def _control_refusals(store: Store, request: DrillRequest, manifest: Manifest, roles: Path) -> list[dict[str, Any]]:
    stored = read_small(store, request.shelf.key(manifest.run_id, MANIFEST))
    return refusals(stored, roles.read_bytes(), request.identity, request.verify_keys)


def check_budgets(result: DrillResult, request: DrillRequest) -> list[Check]:
    """Recovery time and data loss against what the operator allows; no budget, no check."""
    checks = []
    for name, seconds, budget in (
        ("recovery time (RTO)", result.rto_seconds, request.rto_budget_seconds),
        ("age of the data (RPO)", result.rpo_seconds, request.rpo_budget_seconds),
    ):
        if budget and seconds is not None:
            verdict = Verdict.PASS if seconds <= budget else Verdict.FAIL
            checks.append(Check(name, verdict, f"{seconds:.0f} s of at most {budget:.0f} s"))
    return checks
