"""How far a long run is, in one line of a small file that whoever started it may read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..atomic_file import replace_file
from ..report.humanize import size

EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Amount:
    """What is done of a phase, in bytes; ``whole`` is 0 where nobody knows it."""

    done: int
    whole: int = 0
    note: str = ""
    percent: int | None = None
    """Where it is known otherwise than from the bytes."""


@dataclass
class Progress:
    """The phase that a run is in. It never fails: a run must not end because nobody could watch it."""

    file: Path | None = None
    phase: str = ""
    measure: Callable[[str], Amount | None] = lambda _phase: None
    """Asked once a second from another thread, with the phase."""
    _begun: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """For people: ``restore, 45 %, 460 MiB of 1.0 GiB, 12 s``."""
        seconds = f"{time.monotonic() - self._begun:.0f} s"
        amount = None
        with suppress(Exception):
            amount = self.measure(self.phase)
        if amount is None:
            return f"{self.phase}, {seconds}"
        percent = 100 * amount.done // amount.whole if amount.whole else amount.percent
        parts = [self.phase, *([] if percent is None else [f"{min(percent, 100)} %"]), size(amount.done)]
        if amount.whole:
            parts[-1] += f" of {size(amount.whole)}"
        return ", ".join([*parts, *([amount.note] if amount.note else []), seconds])


@contextmanager
def reported(progress: Progress) -> Iterator[Progress]:
    """Rewrite the progress's file once a second until the context ends; without a file nothing is done."""
    file = progress.file
    if file is None:
        yield progress
        return
    done = threading.Event()

    def report() -> None:
        while not done.wait(EVERY_SECONDS):
            with suppress(OSError):
                replace_file(file, progress.line() + "\n", durable=False)

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        done.set()
        thread.join()
