"""Running the application's workload with a few clients at once, and timing it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, count, islice, repeat
from math import ceil
from random import Random
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from .operations import OPERATIONS, Session, read_cast


@dataclass(frozen=True)
class Outcome:
    """One operation."""

    kind: str
    seconds: float
    error: str = ""
    """SQLSTATE and the server's first sentence; empty when it went well."""


@dataclass(frozen=True)
class Workload:
    """What came of a run."""

    seconds: float
    outcomes: tuple[Outcome, ...]
    stopped: bool
    """True when the time was up before all operations were done."""

    def percentile_ms(self, ratio: float) -> float:
        """Of all operations that went well, in milliseconds."""
        return round(percentile((one.seconds * 1000 for one in self.outcomes if not one.error), ratio), 3)

    @property
    def errors(self) -> int:
        """Operations that failed."""
        return sum(1 for outcome in self.outcomes if outcome.error)

    def by_kind(self) -> dict[str, dict[str, Any]]:
        """By operation: ``count``, ``errors``, ``first_error``, and ``p50_ms`` and ``p95_ms`` of those that went well."""
        grouped: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            grouped[outcome.kind].append(outcome)
        return {kind: _summary(grouped[kind]) for kind in sorted(grouped)}


def percentile(values: Iterable[float], ratio: float) -> float:
    """The smallest of the values that at least that share of them does not exceed (nearest rank); 0.0 for no values."""
    ordered = sorted(values)
    return ordered[max(0, ceil(ratio * len(ordered)) - 1)] if ordered else 0.0


def _summary(outcomes: list[Outcome]) -> dict[str, Any]:
    times = [outcome.seconds * 1000 for outcome in outcomes if not outcome.error]
    errors = [outcome.error for outcome in outcomes if outcome.error]
    return {
        "count": len(outcomes),
        "errors": len(errors),
        "p50_ms": round(percentile(times, 0.5), 3),
        "p95_ms": round(percentile(times, 0.95), 3),
        "first_error": errors[0] if errors else "",
    }


def run_workload(login: Login, *, transactions: int, seconds: float, clients: int, seed: int, rate: float = 0) -> Workload:
    """Do that many operations, split among the clients, for at most that many seconds (an operation begun is finished).

    With a rate, each is due at its time, that many a second altogether, and is timed from then: one that had to wait for the
    one before it has waited, as its user would. Without, each client goes on as soon as it can.

    The same seed on the same data chooses the same operations with the same parameters in the same order for each client.
    Each client has one connection and its statements are prepared by the protocol, which a pooler in transaction mode
    (pgbouncer 1.21 and later) passes on. Logs, progress, logins and messages are written and stay.

    Raises PgkeelError when a connection is refused or lost, or the reference database is not there.
    """
    with connect(login, application_name="pgkeel workload") as first:
        cast = read_cast(first)
    shares = [transactions // clients + (client < transactions % clients) for client in range(clients)]
    ended = threading.Event()
    started = time.monotonic()

    def client(number: int) -> list[Outcome]:
        try:
            with connect(login, application_name="pgkeel workload") as connection:
                # Prepare at the first use, as node-postgres does for named statements.
                connection.prepare_threshold = 0
                session = Session(connection, Random(f"{seed}:{number}"), cast)  # noqa: S311 - a choice of queries
                due = (started + (number / clients + turn) * clients / rate for turn in count()) if rate else repeat(0.0)
                return _operate(session, islice(due, shares[number]), started + seconds, ended)
        except PgkeelError:
            ended.set()
            raise

    with ThreadPoolExecutor(clients) as pool:
        outcomes = [outcome for done in pool.map(client, range(clients)) for outcome in done]
    return Workload(round(time.monotonic() - started, 3), tuple(outcomes), stopped=len(outcomes) < transactions)


def _operate(session: Session, due: Iterable[float], deadline: float, ended: threading.Event) -> list[Outcome]:
    weights = list(accumulate(weight for _, weight in OPERATIONS))
    outcomes: list[Outcome] = []
    for moment in due:
        if ended.wait(max(0.0, min(moment, deadline) - time.monotonic())) or time.monotonic() >= deadline:
            break
        operation = session.random.choices(OPERATIONS, cum_weights=weights)[0][0]
        began = moment or time.monotonic()
        problem = ""
        try:
            operation(session)
        except psycopg.Error as error:
            problem = f"{error.sqlstate or 'no SQLSTATE'}: {(error.diag.message_primary or str(error)).strip().splitlines()[0]}"
            if session.connection.broken:
                raise PgkeelError(
                    f"The connection was lost in {operation.__name__}: {problem}",
                    "Look in the logs of pgbouncer and PostgreSQL for the reason, then run it again",
                ) from error
        outcomes.append(Outcome(operation.__name__, time.monotonic() - began, problem))
    return outcomes
