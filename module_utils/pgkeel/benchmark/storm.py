"""The storm: many clients log in within moments, by one path; what they saw and what the server did meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from .distribution import distribution
from .storm_client import Visit, visit_all
from .storm_ticket import Ticket

Arrival = Literal["burst", "poisson", "cold"]
ARRIVALS: tuple[Arrival, ...] = ("burst", "poisson", "cold")
PROCESSES = 4
"""Of the clients: one Python process with 200 threads would measure itself."""
LEAD_SECONDS = 1.0
"""From the start of the processes to the first arrival."""
SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Sample:
    """The server at one moment."""

    backends: int
    waiting: int
    """Clients that wait in pgbouncer for a server connection; 0 without a pooler."""
    lookups: int = 0
    """Backends over which pgbouncer looks logins up; not among the others."""


@dataclass(frozen=True)
class Storm:
    """One scenario and its outcome."""

    path: str
    arrival: Arrival
    clients: int
    visits: tuple[Visit, ...]
    drain: float
    """Seconds from the first arrival until the last client has committed its last transaction."""
    peak_backends: int
    peak_waiting: int
    peak_lookups: int
    cpu_share: float
    """Of all cores of the machine, clients included; 1.0 is all of it."""
    clients_share: float
    """The part of it that the clients took, who are elsewhere in real life."""
    rounds: int = 1
    """How often the clients came; ``visits`` are those of all rounds."""

    def as_dict(self) -> dict[str, Any]:
        """A row of storm.json; times in the units that their names say."""
        good = [visit for visit in self.visits if not visit.error]
        errors = Counter(visit.error for visit in self.visits if visit.error)
        if lost := self.clients * self.rounds - len(self.visits):
            errors["a client did not come back"] = lost
        return {
            "path": self.path,
            "arrival": self.arrival,
            "clients": self.clients,
            "rounds": self.rounds,
            "success_rate": round(len(good) / (self.clients * self.rounds), 4),
            "errors": dict(sorted(errors.items())),
            "transactions": sum(len(visit.transactions) for visit in self.visits),
            "connect_ms": distribution(v.connect for v in self.visits if v.connect is not None).as_dict(),
            "transaction_ms": distribution(t for v in self.visits for t in v.transactions).as_dict(),
            "login_ms": distribution(v.logged_in for v in self.visits if v.logged_in is not None).as_dict(),
            "drain_s": round(self.drain, 2),
            "peak_waiting": self.peak_waiting,
            "peak_backends": self.peak_backends,
            "peak_lookups": self.peak_lookups,
            "cpu_share": round(self.cpu_share, 2),
            "clients_cpu_share": round(self.clients_share, 2),
        }


def arrival_times(arrival: Arrival, clients: int, seconds: float, seed: int) -> list[float]:
    """Seconds after the start at which each client arrives: all at 0, or a Poisson stream over ``seconds``.

    Arrivals of a Poisson process of which the number is known are independent and uniform (Kingman, "Poisson Processes", 2.1).
    """
    if arrival != "poisson":
        return [0.0] * clients
    random = Random(seed)  # noqa: S311 - a schedule, not a secret
    return sorted(random.uniform(0, seconds) for _ in range(clients))


def run_storm(
    path: str,
    arrival: Arrival,
    tickets: Sequence[Ticket],
    *,
    clients: int,
    transactions: int,
    seconds: float,
    stay: float,
    seed: int,
    sample: Callable[[], Sample],
) -> Storm:
    """Let the clients loose and watch; returns when the last one has left. Errors of clients are outcomes, not exceptions."""
    offsets = arrival_times(arrival, clients, seconds, seed)
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("fork")) as pool:
        began_at = time.monotonic() + LEAD_SECONDS
        plan = [(number, began_at + offset) for number, offset in enumerate(offsets)]
        futures = [pool.submit(visit_all, tickets, plan[part::PROCESSES], transactions, stay) for part in range(PROCESSES)]
        time.sleep(max(0.0, began_at - time.monotonic()))
        samples, ticks = [sample()], [(time.monotonic(), *_cpu_ticks())]
        while not all(future.done() for future in futures):
            time.sleep(SAMPLE_SECONDS)
            samples.append(sample())
            ticks.append((time.monotonic(), *_cpu_ticks()))
        outcomes = [future.result() for future in futures]
    visits = tuple(visit for visits, _ in outcomes for visit in visits)
    drain = max(visit.ended_at for visit in visits) - began_at
    # While clients only stay, nothing is measured.
    (_, *before), (_, *after) = ticks[0], next((tick for tick in ticks[1:] if tick[0] >= began_at + drain), ticks[-1])
    busy, total = (late - early for early, late in zip(before, after, strict=True))
    return Storm(
        path,
        arrival,
        clients,
        visits,
        drain=drain,
        peak_backends=max(each.backends for each in samples),
        peak_waiting=max(each.waiting for each in samples),
        peak_lookups=max(each.lookups for each in samples),
        cpu_share=busy / total if total else 0.0,
        clients_share=sum(cpu for _, cpu in outcomes) / (drain * (os.cpu_count() or 1)),
    )


def merge(storms: Sequence[Storm]) -> Storm:
    """Several rounds of one scenario as one: all visits, the longest drain, the highest peaks, the mean CPU."""
    return replace(
        storms[0],
        visits=tuple(visit for storm in storms for visit in storm.visits),
        drain=max(storm.drain for storm in storms),
        peak_backends=max(storm.peak_backends for storm in storms),
        peak_waiting=max(storm.peak_waiting for storm in storms),
        peak_lookups=max(storm.peak_lookups for storm in storms),
        cpu_share=sum(storm.cpu_share for storm in storms) / len(storms),
        clients_share=sum(storm.clients_share for storm in storms) / len(storms),
        rounds=len(storms),
    )


def _cpu_ticks() -> tuple[int, int]:
    """Busy and all ticks of all cores so far, from the first line of /proc/stat (proc(5): the 4th and 5th are idle)."""
    ticks = [int(word) for word in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def judge(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What a storm should have shown and did not; empty when all is well.

    Through pgbouncer nobody may fail, and where direct tuned connections all succeed, the p99 of logging in through pgbouncer
    is at most half of theirs.
    """
    problems = []
    by_scenario = {(row["path"], row["arrival"]): row for row in rows}
    for (path, arrival), row in by_scenario.items():
        if path != "pgbouncer":
            continue
        if row["errors"]:
            problems.append(f"{arrival}: clients failed through pgbouncer: {row['errors']}")
        direct = by_scenario.get(("direct_tuned", arrival))
        pooled_p99, direct_p99 = row["login_ms"]["p99"], direct["login_ms"]["p99"] if direct else None
        if pooled_p99 is None:
            problems.append(f"{arrival}: could not verify the p99 through pgbouncer, because nobody logged in")
        elif direct and not direct["errors"] and direct_p99 is not None and pooled_p99 > direct_p99 / 2:
            problems.append(
                f"{arrival}: p99 of a login is {pooled_p99:.0f} ms through pgbouncer, more than half of the {direct_p99:.0f} ms "
                "of direct tuned connections"
            )
    if not any(path == "pgbouncer" for path, _ in by_scenario):
        problems.append("could not verify anything: no storm went through pgbouncer")
    return problems
