"""All storms of a run: every path, every arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from ..postgres.connect import Login
from .storm import ARRIVALS, Arrival, Storm, merge, run_storm
from .storm_stage import SPARE_CONNECTIONS, Stage, direct_stage, pooled_stage

MOST = {"clients": 2000, "transactions": 1000, "seconds": 600, "rounds": 100, "stay": 60}
"""A storm is a test, and not an attack."""
PATHS = ("direct_default", "direct_tuned", "pgbouncer")


@dataclass(frozen=True)
class Plan:
    """What a run does."""

    clients: int = 200
    transactions: int = 5
    """Of each client."""
    seconds: float = 10.0
    """Over which a Poisson stream arrives."""
    stay: float = 1.0
    """Seconds that a client stays connected after its last transaction."""
    seed: int = 1
    rounds: int = 1
    """Of each scenario; their figures are taken together."""
    paths: Sequence[str] = PATHS
    arrivals: Sequence[Arrival] = ARRIVALS


def run_storms(
    plan: Plan, *, server: Login, pgbouncer: Sequence[Login], base_dir: Path, tuned_settings: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of storm.json, one a scenario, in the order of the plan. Raises PgkeelError when a stage cannot be set."""
    for name, most in MOST.items():
        if not 0 < getattr(plan, name) <= most:
            raise PgkeelError(
                f"A storm with {name} of {getattr(plan, name):g} is out of bounds", f"Take more than 0, at most {most}"
            )
    rows = []
    for path in plan.paths:
        with _stage(path, plan, server=server, pgbouncer=pgbouncer, base_dir=base_dir, tuned_settings=tuned_settings) as stage:
            for arrival in plan.arrivals:
                rounds = [_round(path, arrival, stage, plan, plan.seed + number) for number in range(plan.rounds)]
                rows.append(merge(rounds).as_dict())
    return rows


def _round(path: str, arrival: Arrival, stage: Stage, plan: Plan, seed: int) -> Storm:
    (stage.chill if arrival == "cold" else stage.warm)()
    return run_storm(
        path,
        arrival,
        stage.tickets,
        clients=plan.clients,
        transactions=plan.transactions,
        seconds=plan.seconds,
        stay=plan.stay,
        seed=seed,
        sample=stage.sample,
    )


def _stage(
    path: str, plan: Plan, *, server: Login, pgbouncer: Sequence[Login], base_dir: Path, tuned_settings: Mapping[str, str]
) -> AbstractContextManager[Stage]:
    match path:
        case "direct_default":
            return direct_stage(base_dir, {}, None)
        case "direct_tuned":
            # What somebody without a pooler does: the tuned settings, and a connection for everybody.
            return direct_stage(base_dir, tuned_settings, plan.clients + SPARE_CONNECTIONS)
        case "pgbouncer":
            return pooled_stage(server, pgbouncer)
    raise PgkeelError(f"There is no path {path!r}", f"Name some of {', '.join(PATHS)}")
