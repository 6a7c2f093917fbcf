"""Folders of throwaway runs below one base directory: claimed by a living run, and swept when that was killed."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import PgkeelError
from .interruption import interruptible, uninterrupted

BASE_MARKER = ".pgkeel-proving-ground"
GROUND_PREFIX = "ground-"
OWNER_FILE = "owner.json"
PORT = 5432
STOP_SECONDS = 30.0
# sun_path of unix(7) holds 108 bytes, the final NUL included.
LONGEST_SOCKET_PATH = 107
MIB = 1024 * 1024


def require_space(base_dir: Path, needed_bytes: int) -> None:
    """Raise PgkeelError unless so many bytes are free where the grounds live."""
    place = base_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise PgkeelError(
            f"Not enough disk space in {base_dir}: {needed_bytes / MIB:.0f} MiB are needed, {free / MIB:.0f} MiB are free",
            "Free space there, or name a directory on a larger disk",
        )


def sweep(base_dir: Path) -> list[str]:
    """Remove what killed runs left in ``base_dir``: their postmasters and their folders; those of live runs stay.

    Returns the names of the folders removed. Raises PgkeelError when ``base_dir`` is not ours.
    """
    with _base_locked(base_dir):
        return _sweep(base_dir)


@contextmanager
def claimed_folder(base_dir: Path) -> Iterator[Path]:
    """A folder of this run's own, after what killed runs left was swept; it is gone when the context ends.

    Raises PgkeelError when ``base_dir`` is not ours.
    """
    with interruptible():
        with _base_locked(base_dir):
            _sweep(base_dir)
            folder, owner = _claim(base_dir)
        try:
            yield folder
        finally:
            with uninterrupted():
                _remove(folder)
                os.close(owner)


@contextmanager
def _base_locked(base_dir: Path) -> Iterator[None]:
    """Hold the base directory, once it is known to be ours."""
    marker = base_dir / BASE_MARKER
    _require_ours(base_dir)
    try:
        descriptor = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PgkeelError(
            f"{marker} cannot be opened: {error.strerror}", "Give the directory to the OS user that runs this"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _require_ours(base_dir: Path) -> None:
    """Everything below the base directory may be deleted one day: it must be ours beyond doubt."""
    longest = base_dir / f"{GROUND_PREFIX}{'x' * 8}" / "s" / f".s.PGSQL.{PORT}"
    if not base_dir.is_absolute() or len(os.fsencode(longest)) > LONGEST_SOCKET_PATH:
        raise PgkeelError(
            f"{base_dir} cannot hold a proving ground: the path of a Unix socket below it would be relative or too long",
            f"Name an absolute path of at most {LONGEST_SOCKET_PATH - len(os.fsencode(longest.relative_to(base_dir))) - 1} bytes",
        )
    try:
        if not base_dir.exists() and not base_dir.is_symlink():
            base_dir.mkdir(mode=0o700)
        found = base_dir.lstat()
        entries = [entry.name for entry in base_dir.iterdir()] if stat.S_ISDIR(found.st_mode) else []
    except OSError as error:
        raise PgkeelError(
            f"{base_dir} cannot be used: {error.strerror}", "Create it, owned by the OS user that runs this, with mode 0700"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise PgkeelError(f"{base_dir} is not a directory", "Name a directory that nothing else uses")
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PgkeelError(
            f"{base_dir} does not belong to this OS user alone", "Give it to the OS user that runs this, with mode 0700"
        )
    strangers = sorted(name for name in entries if name != BASE_MARKER and not name.startswith(GROUND_PREFIX))
    if strangers or (entries and BASE_MARKER not in entries):
        raise PgkeelError(
            f"{base_dir} holds what is not ours ({', '.join(strangers or sorted(entries))[:200]})",
            "Name an empty directory; everything in it is removed after each run",
        )


def _claim(base_dir: Path) -> tuple[Path, int]:
    """A new folder, and the lock that shows that its run is alive: the kernel drops it when the process ends, however that is."""
    folder = base_dir / f"{GROUND_PREFIX}{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    (folder / "s").mkdir(mode=0o700)
    owner = os.open(folder / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    os.write(owner, json.dumps({"pid": os.getpid(), "started": time.time()}).encode())
    return folder, owner


def _sweep(base_dir: Path) -> list[str]:
    removed = []
    for folder in sorted(base_dir.glob(f"{GROUND_PREFIX}*")):
        try:
            owner = os.open(folder / OWNER_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            owner = -1
        try:
            if owner >= 0:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _kill_stale_postmaster(folder / "data")
            _remove(folder)
            removed.append(folder.name)
        finally:
            if owner >= 0:
                os.close(owner)
    return removed


def _kill_stale_postmaster(data_dir: Path) -> None:
    """End a postmaster whose run was killed; a reused pid is recognised by its working directory."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    deadline = time.monotonic() + STOP_SECONDS
    quit_sent = False
    while _works_in(pid, data_dir):
        if not quit_sent or time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if quit_sent else signal.SIGQUIT)
            quit_sent = True
        time.sleep(0.05)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _remove(folder: Path) -> None:
    """Remove the folder; backends of a killed postmaster may still write for a moment."""
    deadline = time.monotonic() + STOP_SECONDS
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if time.monotonic() > deadline:
                raise PgkeelError(
                    f"{folder} could not be removed: {error.strerror}", "Remove it by hand once no process uses it"
                ) from error
            time.sleep(0.1)
