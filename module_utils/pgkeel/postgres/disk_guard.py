"""Free disk is production's first: whoever fills it beside production is stopped before production stops."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import PgkeelError

EVERY_SECONDS = 0.5
MIB = 1024 * 1024


def free_bytes(path: Path) -> int:
    """What an ordinary user may still write there."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


@dataclass
class DiskGuard:
    """Whether the reserve was touched."""

    reserve_bytes: int
    touched: str = ""
    """The folder where it was, empty while all is well."""
    _done: threading.Event = field(default_factory=threading.Event, repr=False)

    def require(self) -> None:
        """Raise PgkeelError when the reserve was touched."""
        if self.touched:
            raise PgkeelError(
                f"The drill was stopped: less than {self.reserve_bytes / MIB:.0f} MiB were left for production in {self.touched}",
                "Free space there, or drill with target cluster on another disk",
            )


@contextmanager
def disk_guard(
    folders: Iterable[Path], reserve_bytes: int, stop: Callable[[], None], free: Callable[[Path], int] = free_bytes
) -> Iterator[DiskGuard]:
    """Watch the folders; ``stop`` is called, once and from another thread, as soon as one has less than the reserve."""
    guard = DiskGuard(reserve_bytes)
    watched = tuple(folders)

    def watch() -> None:
        while not guard._done.wait(EVERY_SECONDS):
            for folder in watched:
                if free(folder) < reserve_bytes:
                    guard.touched = str(folder)
                    stop()
                    return

    thread = threading.Thread(target=watch, name="disk guard", daemon=True)
    thread.start()
    try:
        yield guard
    finally:
        guard._done.set()
        thread.join()
