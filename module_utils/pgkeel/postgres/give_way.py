"""Letting the application's sessions go first where ours compete with them for processors."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

NICENESS = 10
"""A tenth of a processor where everybody wants it, all of it where nobody does: a backup gets on, and its snapshot ends."""
LONGEST_SECONDS = 2.0
PROCESSES = Path("/proc")


def lower_own_priority() -> None:
    """Of this process and of those that it will start; never raised. An operator's terminal keeps what it has."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        _lower_session(os.getpid())


def give_way(session: psycopg.Connection[TupleRow], application: str = "") -> int:
    """Lower the priority of the session's own backend, and of those that an application name has in its database.

    A program that was just started is waited for, two seconds at most. Only PostgreSQL's processes on this machine that belong
    to this user are touched; where none is (another user, another machine), nothing happens. Parallel workers would be new
    processes, so the session has none from here on. Returns how many backends now give way.
    """
    session.execute("SET max_parallel_workers_per_gather = 0")
    own = session.execute("SELECT pg_catalog.pg_backend_pid() WHERE pg_catalog.inet_client_addr() IS NULL").fetchone()
    if own is None:
        return 0
    return sum(_lower(int(pid)) for pid in (own[0], *(_backends(session, application) if application else ())))


def _backends(session: psycopg.Connection[TupleRow], application: str) -> list[int]:
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        # Within a transaction the view would stay as it was first seen.
        session.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
        rows = session.execute(
            "SELECT pid FROM pg_catalog.pg_stat_activity"
            " WHERE application_name = %s AND datname = pg_catalog.current_database() AND client_addr IS NULL",
            [application],
        ).fetchall()
        if rows or time.monotonic() > deadline:
            return [int(row[0]) for row in rows]
        time.sleep(0.02)


def _lower(pid: int) -> bool:
    with suppress(OSError):
        # In a container the number may be another process's.
        if (PROCESSES / str(pid) / "cmdline").read_bytes().startswith(b"postgres: "):
            os.setpriority(os.PRIO_PROCESS, pid, max(NICENESS, os.getpriority(os.PRIO_PROCESS, pid)))
            _lower_session(pid)
            return True
    return False


def _lower_session(pid: int) -> None:
    """Where the kernel shares processors among sessions (autogroup, Debian's default), a niceness counts within one only.

    Every backend is a session of its own. Outside a control group with processor time of its own, this is what counts: sched(7).
    """
    file = PROCESSES / str(pid) / "autogroup"
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            now = int(file.read_text(encoding="ascii").split()[-1])
            if now < NICENESS:
                file.write_text(str(NICENESS), encoding="ascii")
        except BlockingIOError:
            # The kernel takes ten of these a second, of all users together.
            time.sleep(0.05)
        except (OSError, ValueError, IndexError):
            return
        else:
            return
