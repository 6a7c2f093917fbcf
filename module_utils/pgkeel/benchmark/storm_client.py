"""One client of a storm: it arrives, connects as the application does, logs in, and leaves."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from .storm_ticket import Ticket

STUDENTS = 1000
"""Rows of the table that clients log in to."""

# libpq gives no SQLSTATE for a refused login, only the server's sentence.
_REFUSALS = (
    (re.compile(r"too many clients|remaining connection slots|no more connections allowed"), "53300"),
    (re.compile(r"query_wait_timeout"), "08P01"),
    (re.compile(r"password authentication failed|SASL authentication failed"), "28P01"),
    (re.compile(r"timeout expired"), "08001"),
    (re.compile(r"Connection refused|Resource temporarily unavailable"), "08001"),
)
LOST = "08006"
"""connection_failure: whatever else ended it."""


@dataclass(frozen=True)
class Visit:
    """What came of one client. Times in seconds."""

    connect: float | None
    """None where the connection failed."""
    transactions: tuple[float, ...]
    """Those that were committed."""
    logged_in: float | None
    """From the arrival to the first commit."""
    error: str
    """SQLSTATE, empty when all went well."""
    ended_at: float
    """Monotonic clock: its last commit, or what ended it."""


def sqlstate(error: psycopg.Error) -> str:
    """The SQLSTATE of an error, from the server's sentence where libpq has none."""
    if error.sqlstate:
        return error.sqlstate
    return next((state for pattern, state in _REFUSALS if pattern.search(str(error))), LOST)


def visit(ticket: Ticket, arrives_at: float, transactions: int, number: int, stay: float) -> Visit:
    """Wait for the arrival (monotonic clock), connect, commit that many transactions one after the other, stay, leave.

    ``stay`` are seconds, in which the connection is open and idle, as an application's pool keeps it.
    """
    time.sleep(max(0.0, arrives_at - time.monotonic()))
    began = time.monotonic()
    connected: float | None = None
    logged_in: float | None = None
    committed: list[float] = []
    error = ""
    ended: float | None = None
    try:
        # Unnamed statements, as node-postgres sends them.
        with psycopg.connect(**ticket.parameters(), autocommit=True, prepare_threshold=None) as connection:
            connected = time.monotonic() - began
            for round_ in range(transactions):
                started = time.monotonic()
                _log_in(connection, (number * 7919 + round_) % STUDENTS)
                committed.append(time.monotonic() - started)
                logged_in = logged_in or time.monotonic() - began
            ended = time.monotonic()
            time.sleep(stay)
    except psycopg.Error as problem:
        error = sqlstate(problem)
    return Visit(connected, tuple(committed), logged_in, error, ended or time.monotonic())


def _log_in(connection: psycopg.Connection[TupleRow], student: int) -> None:
    email = f"student{student}@example.org"
    with connection.transaction():
        row = connection.execute("SELECT id, password_hash FROM student WHERE email = %s", [email]).fetchone()
        identifier = row[0] if row else None
        connection.execute("UPDATE student SET last_login_at = now() WHERE id = %s", [identifier])
        connection.execute("INSERT INTO event (student_id, kind) VALUES (%s, 'log_in')", [identifier])


def visit_all(
    tickets: Sequence[Ticket], arrivals: Sequence[tuple[int, float]], transactions: int, stay: float
) -> tuple[list[Visit], float]:
    """All clients of one process, a thread each; ``arrivals`` are numbers and times on the monotonic clock.

    A client's number chooses its ticket; several differ in where they lead, as the processes of one pgbouncer do. The second
    value is the CPU time of it all in seconds: what the clients themselves cost.
    """
    visits: list[Visit] = []
    began = time.process_time()
    threads = [
        threading.Thread(
            target=lambda number=number, at=at: visits.append(
                visit(tickets[number % len(tickets)], at, transactions, number, stay)
            ),
            daemon=True,
        )
        for number, at in arrivals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return visits, time.process_time() - began
