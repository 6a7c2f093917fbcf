"""Signals that end a run become an exception, so that what was begun is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..errors import PgkeelError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class InterruptedRunError(PgkeelError):
    """Somebody ended the run with a signal."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, the first SIGTERM, SIGINT or SIGHUP raises InterruptedRunError in the main thread.

    Further ones are ignored, for the cleaning-up must be let finish. Outside the main thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        for ending in ENDING:
            signal.signal(ending, signal.SIG_IGN)
        raise InterruptedRunError(f"The run was ended by {signal.Signals(number).name}", "Run it again")

    before = {ending: signal.signal(ending, interrupt) for ending in ENDING}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """For the cleaning-up: within it the signals that end a run are ignored. Outside the main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {ending: signal.signal(ending, signal.SIG_IGN) for ending in ENDING}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
