"""Taking one logical backup: everything in one snapshot, straight into the store, committed by its manifest."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..objectstore.objects import PutOutcome, delete_object, put_once
from ..objectstore.parts import plan_parts
from ..objectstore.store import Store
from ..objectstore.upload import Uploaded, abort_stale, probe_writable, upload_stream
from ..postgres.connect import Login
from ..postgres.give_way import give_way
from ..postgres.interruption import interruptible, uninterrupted
from ..report.humanize import size
from .contents import Contents, Sequence, read_contents
from .dump_progress import dumped_percent
from .encryption import Encrypting, Plain, encrypt, recipients_of
from .keys import DUMP, GLOBALS, MANIFEST, Shelf, new_run_id
from .manifest import FORMAT, Manifest, StoredDump, StoredGlobals
from .program import PROGRAM_NAME, Streaming, environment, require_program, require_success
from .progress import Amount, Progress, reported
from .prune import prune
from .retention import Policy
from .signature import public_key_of
from .snapshot import Session, Snapshot, begin_snapshot, coordinator

CLEAN_UP_FAILURES = (PgkeelError, psycopg.Error, OSError)


@dataclass(frozen=True)
class BackupRequest:
    """What to back up, and to where."""

    login: Login
    """To the database itself, over the local socket."""
    shelf: Shelf
    bin_dir: Path
    compression_level: int = 1
    """Of zstd."""
    parts_in_flight: int = 3
    lock_wait_seconds: int = 300
    """How long to wait for a table that somebody holds with ACCESS EXCLUSIVE."""
    recipients: tuple[str, ...] = ()
    """Public age keys that it is encrypted to; at least one."""
    signing_key: str = field(default="", repr=False)
    """Ed25519, 32 bytes in base64."""
    verify_keys: tuple[str, ...] = ()
    """Public keys that manifests may be signed with, this key's own included; needed for retention."""
    retention: Policy | None = None
    """None: nothing is removed."""
    hash_contents: bool = True
    """Without, rows are only counted and no drill of the backup can pass: for measuring what hashes cost."""
    progress: Progress = field(default_factory=Progress, repr=False, compare=False)


@dataclass(frozen=True)
class Preflight:
    """The database as it was found before anything was done."""

    database_bytes: int
    server_version: str
    pg_dump: str


@dataclass(frozen=True)
class BackupResult:
    """A committed backup."""

    manifest: Manifest
    manifest_key: str
    seconds: float
    stale_uploads_aborted: int
    removed: tuple[str, ...]
    """Run ids that retention removed."""
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        manifest = self.manifest
        stored = manifest.dump.bytes + manifest.globals.bytes
        return {
            "backup_id": manifest.run_id,
            "database": manifest.database,
            "bytes": stored,
            "database_bytes": manifest.database_bytes,
            "seconds": round(self.seconds, 3),
            "bytes_per_second": round(manifest.database_bytes / max(self.seconds, 0.001)),
            "tables": len(manifest.contents.tables),
            "rows": manifest.contents.rows,
            "manifest_key": self.manifest_key,
            "parts": manifest.dump.parts,
            "part_bytes": manifest.dump.part_bytes,
            "snapshot_time": manifest.snapshot_time.isoformat(),
            "stale_uploads_aborted": self.stale_uploads_aborted,
            "removed": list(self.removed),
        }


def check_backup(store: Store, request: BackupRequest) -> Preflight:
    """Everything that must hold before a backup; nothing is stored. Raises PgkeelError."""
    with _coordinated(request) as session:
        return _preflight(store, request, session)


def take_backup(store: Store, request: BackupRequest) -> BackupResult:
    """Take one backup.

    Until the manifest is written nothing counts; what a failed run sent is aborted or deleted.

    Raises PgkeelError.
    """
    begun = time.monotonic()
    request.progress.phase = "preflight"
    with interruptible(), reported(request.progress), _coordinated(request) as session:
        preflight = _preflight(store, request, session)
        # The lock is held: whatever upload is unfinished here belongs to a run that was killed.
        aborted = abort_stale(store, request.shelf.folder)
        snapshot = begin_snapshot(session)
        globals_sql = _dump_globals(request)
        run_id = new_run_id(snapshot.time)
        try:
            uploaded, plain, contents, warnings = _send_dump(store, request, session, snapshot, run_id)
            sealed_globals = encrypt(globals_sql, request.recipients)
            _put(store, request.shelf.key(run_id, GLOBALS), sealed_globals, "application/octet-stream")
        except BaseException:
            with uninterrupted():
                _discard(store, request.shelf, run_id)
            raise
        manifest = Manifest(
            format=FORMAT,
            run_id=run_id,
            server_name=request.shelf.server,
            database=request.shelf.database,
            snapshot_time=snapshot.time,
            finished_time=max(datetime.now(UTC), snapshot.time),
            database_bytes=preflight.database_bytes,
            server=snapshot.server,
            locale=snapshot.locale,
            dump=StoredDump(
                bytes=uploaded.bytes,
                sha256=uploaded.sha256,
                plain=plain,
                part_bytes=uploaded.part_bytes,
                parts=uploaded.parts,
                compression=f"zstd:{request.compression_level}",
                program=preflight.pg_dump,
            ),
            globals=StoredGlobals(
                bytes=len(sealed_globals),
                sha256=sha256(sealed_globals).hexdigest(),
                plain=Plain(len(globals_sql), sha256(globals_sql).hexdigest()),
            ),
            recipients=request.recipients,
            contents=contents,
        )
        # From here on nothing is deleted: a manifest whose answer got lost may have been written all the same.
        request.progress.phase = "commit and retention"
        manifest_key = request.shelf.key(run_id, MANIFEST)
        _put(store, manifest_key, manifest.signed(request.signing_key), "application/json")
        seconds = time.monotonic() - begun
        removed, trouble = _retain(store, request)
    return BackupResult(manifest, manifest_key, seconds, aborted, removed, (*warnings, *trouble))


def _coordinated(request: BackupRequest) -> AbstractContextManager[Session]:
    return coordinator(request.login, request.shelf.database, request.lock_wait_seconds)


def _retain(store: Store, request: BackupRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Old backups removed, and what kept them from it: the backup just taken is good all the same."""
    if request.retention is None:
        return (), ()
    try:
        return tuple(prune(store, request.shelf, request.verify_keys, request.retention)), ()
    except PgkeelError as error:
        return (), (f"Old backups were not removed: {error}",)


def _preflight(store: Store, request: BackupRequest, session: Session) -> Preflight:
    row = session.execute(
        "SELECT current_setting('server_version'), current_setting('server_version_num')::int,"
        " pg_catalog.pg_database_size(current_database())"
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM answers with a row
    recipients_of(request.recipients)
    public_key_of(request.signing_key)
    version, number, size = str(row[0]), int(row[1]), int(row[2])
    program = require_program(request.bin_dir, "pg_dump", number // 10000)
    require_program(request.bin_dir, "pg_dumpall", number // 10000)
    probe_writable(store, f"{request.shelf.folder}probe")
    return Preflight(database_bytes=size, server_version=version, pg_dump=program)


def _dump_globals(request: BackupRequest) -> bytes:
    """Roles with their password verifiers, memberships and tablespaces; kilobytes. It is stored encrypted only."""
    done = subprocess.run(
        [str(request.bin_dir / "pg_dumpall"), "--globals-only", "--no-password"],
        env=environment(request.login),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    require_success("pg_dumpall", done.returncode, done.stderr.decode(errors="replace").splitlines())
    return done.stdout


def _send_dump(
    store: Store, request: BackupRequest, session: Session, snapshot: Snapshot, run_id: str
) -> tuple[Uploaded, Plain, Contents, tuple[str, ...]]:
    """Stream pg_dump, encrypted, into the store while the tables are hashed in the same snapshot."""
    command = [
        str(request.bin_dir / "pg_dump"),
        "--format=custom",
        f"--compress=zstd:{request.compression_level}",
        f"--snapshot={snapshot.id}",
        f"--lock-wait-timeout={request.lock_wait_seconds * 1000}",
        "--no-password",
    ]
    plan = plan_parts(snapshot.database_bytes, request.parts_in_flight)
    warnings: tuple[str, ...] = ()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="count") as pool,
        Encrypting(request.recipients) as sealed,
        Streaming(command, environment(request.login)) as dump,
    ):
        counting: Future[Contents] = pool.submit(_count, request, session, snapshot.sequences)

        def everything_well() -> None:
            nonlocal warnings
            sealed.plain()
            warnings = dump.finish()
            counting.result()
            # A session that died meanwhile took its locks with it: the counts would no longer be beyond doubt.
            session.execute("COMMIT")

        try:
            watched = _Watched(dump, counting)
            request.progress.measure = lambda _: _dumped(watched, plan.part_bytes, request, snapshot.database_bytes)
            request.progress.phase = "dump"
            source = sealed.begin(watched)
            uploaded = upload_stream(store, request.shelf.key(run_id, DUMP), source, plan, everything_well)
        except BaseException:
            with uninterrupted():
                _stop_counting(session, counting)
            raise
        return uploaded, sealed.plain(), counting.result(), warnings


def _count(request: BackupRequest, session: Session, sequences: tuple[Sequence, ...]) -> Contents:
    # pg_dump has begun: its backend reads every byte of the database, and this one does so too.
    give_way(session, PROGRAM_NAME)
    return read_contents(session, sequences, hashed=request.hash_contents)


def _dumped(watched: _Watched, part_bytes: int, request: BackupRequest, database_bytes: int) -> Amount:
    note = f"part {watched.bytes // part_bytes + 1}, of a database of {size(database_bytes)}"
    return Amount(watched.bytes, note=note, percent=dumped_percent(request.login))


@dataclass
class _Watched:
    """The dump, as long as the count beside it goes well: hours of a dump that cannot be committed are spared."""

    dump: Streaming
    counting: Future[Contents]
    bytes: int = 0

    def readinto(self, buffer: memoryview, /) -> int | None:
        if self.counting.done():
            self.counting.result()
        count = self.dump.readinto(buffer)
        self.bytes += count or 0
        return count


def _stop_counting(session: Session, counting: Future[Contents]) -> None:
    """Cancel the count; one that stands between two queries is cancelled at the next."""
    while not counting.done():
        with suppress(*CLEAN_UP_FAILURES):
            session.cancel_safe(timeout=5)
        wait([counting], timeout=0.2)


def _discard(store: Store, shelf: Shelf, run_id: str) -> None:
    """Delete what a failed run sent; the store may be what failed, and without a manifest it does not count anyway."""
    for name in (DUMP, GLOBALS):
        with suppress(*CLEAN_UP_FAILURES):
            delete_object(store, shelf.key(run_id, name))


def _put(store: Store, key: str, body: bytes, content_type: str) -> None:
    if put_once(store, key, body, content_type) is not PutOutcome.WRITTEN:
        raise PgkeelError(
            f"{key} exists already, written by somebody else", "Find out who writes below this prefix, then run it again"
        )
