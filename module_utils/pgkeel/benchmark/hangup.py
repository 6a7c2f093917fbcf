"""Noticing that nobody waits for us any more."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_SECONDS = 1.0


def _gone(descriptor: int) -> bool:
    """Whether the other end of a pipe or socket is closed."""
    poll = select.poll()
    poll.register(descriptor, 0)  # errors and hang-ups are always told
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


@contextmanager
def ended_with_reader(descriptor: int = 1) -> Iterator[None]:
    """Within it, SIGTERM comes when whoever reads our output is gone: Ansible was ended, or its connection was lost.

    sshd closes the pipes of a session that ended, and tells the programs in it nothing else.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(EVERY_SECONDS):
            if _gone(descriptor):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=watch, name="hang-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
