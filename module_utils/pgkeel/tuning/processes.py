"""How several pgbouncer processes share what the equation gives to all of them together.

Source: Linux socket(7), SO_REUSEPORT: the kernel hands each new connection to one of the processes by a hash of its addresses, so
the clients of one process are binomially distributed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from ..errors import PgkeelError

SPREAD = 4
"""Standard deviations that one process is prepared for; more happens once in thirty thousand times."""
MOST_PROCESSES = 64


@dataclass(frozen=True)
class Share:
    """What one process gets, in connections."""

    pool: int
    reserve: int
    max_clients: int
    per_database: int
    """Server connections to one database at most."""

    def settings(self) -> dict[str, str]:
        """Named as in pgbouncer.ini."""
        return {
            "default_pool_size": str(self.pool),
            "reserve_pool_size": str(self.reserve),
            "max_db_connections": str(self.per_database),
            "max_client_conn": str(self.max_clients),
        }


def check_processes(processes: int, pool: int) -> None:
    """Refuse a number of processes that cannot work. Raises PgkeelError."""
    if not 1 <= processes <= MOST_PROCESSES:
        raise PgkeelError(
            f"pgbouncer_processes is {processes}, and 1 to {MOST_PROCESSES} are possible",
            "Use 1, or at most one a core; nothing was changed",
        )
    if processes > pool:
        raise PgkeelError(
            f"pgbouncer_processes is {processes}, but the pool has {pool} server connections for all of them, so that a process "
            "would have none",
            "Use fewer processes or a larger pool; nothing was changed",
        )


def most_at_one(clients: int, processes: int) -> int:
    """Of ``clients`` in all, how many one process must be prepared for."""
    part = 1 / processes
    return min(clients, ceil(clients * part + SPREAD * sqrt(clients * part * (1 - part))))


def divide(pool: int, reserve: int, max_clients: int, processes: int, db_connections: int | None = None) -> tuple[Share, ...]:
    """Even shares that add up to the whole; who gets less of the pool gets more of the reserve.

    ``processes`` is at most ``pool``, and ``db_connections`` at least; without it, a process may use its pool and its reserve.
    """
    pools = _parts(pool, processes)
    reserves = _parts(reserve, processes)[::-1]
    clients = _parts(max_clients, processes)
    limits = _parts(db_connections, processes) if db_connections else [sum(pair) for pair in zip(pools, reserves, strict=True)]
    return tuple(Share(*share) for share in zip(pools, reserves, clients, limits, strict=True))


def _parts(whole: int, parts: int) -> list[int]:
    least, rest = divmod(whole, parts)
    return [least + (number < rest) for number in range(parts)]
