"""How the memory is shared out, so that the worst case fits.

Sources: PostgreSQL 17 documentation, 19.4 "Resource Consumption" (a quarter for shared_buffers, work_mem by sort and by hash,
hash_mem_multiplier 2); PgTune (three quarters for effective_cache_size, a sixteenth for maintenance_work_mem).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import PgkeelError
from .choice import clamp

BACKEND_MB = 4
"""Private memory of a backend before its first sort: catalog caches, plans."""
WORK_PER_BACKEND = 2
"""Times work_mem that a backend takes at worst: one hash of hash_mem_multiplier 2.0, or two sorts."""
LEAST_WORK_MB = 1.0
MOST_WORK_MB = 64.0
AUTOVACUUM_WORKERS = 3
LARGEST_SERVER_MB = 1 << 20


@dataclass(frozen=True)
class Memory:
    """MiB."""

    total: int
    system: int
    """Left to the operating system and its page cache."""
    shared_buffers: int
    effective_cache_size: int
    maintenance_work_mem: int
    autovacuum_work_mem: int
    backends: int
    work_mem: float
    workers: int
    """Processes that may sort at once: connections and parallel workers."""

    @property
    def worst(self) -> float:
        """All of it at the same time, without the system's part."""
        return (
            self.shared_buffers
            + self.maintenance_work_mem
            + AUTOVACUUM_WORKERS * self.autovacuum_work_mem
            + self.backends
            + self.workers * WORK_PER_BACKEND * self.work_mem
        )


def share_out(total: int, max_connections: int, parallel_workers: int) -> Memory:
    """Give every consumer its part of ``total`` MiB. Raises PgkeelError where too little is left for work_mem."""
    memory = _share_out(total, max_connections, parallel_workers)
    if memory.work_mem < LEAST_WORK_MB:
        least = _least_total(max_connections, parallel_workers)
        raise PgkeelError(
            f"{total} MiB of memory are too few for {max_connections} connections: {memory.work_mem:.2f} MiB would be left for "
            f"each sort, and the least is {LEAST_WORK_MB:g}",
            f"Use a server with at least {least} MiB, or declare smaller pools; nothing was changed",
        )
    return memory


def _share_out(total: int, max_connections: int, parallel_workers: int) -> Memory:
    system = max(128, total // 10)
    shared = min(total // 4, 16384)
    maintenance = clamp(total // 16, 32, 2048)
    vacuum = clamp(maintenance // 4, 16, 512)
    backends = max_connections * BACKEND_MB
    workers = max_connections + parallel_workers
    left = total - system - shared - maintenance - AUTOVACUUM_WORKERS * vacuum - backends
    work = min(left / (workers * WORK_PER_BACKEND), MOST_WORK_MB)
    # Rounded down, as it will be written: whole MiB, quarters of one below four.
    work = float(int(work)) if work >= 4 else int(work * 4) / 4  # noqa: PLR2004
    return Memory(total, system, shared, total * 3 // 4, maintenance, vacuum, backends, work, workers)


def _least_total(max_connections: int, parallel_workers: int) -> int:
    low, high = 1, LARGEST_SERVER_MB
    while low < high:
        middle = (low + high) // 2
        if _share_out(middle, max_connections, parallel_workers).work_mem >= LEAST_WORK_MB:
            high = middle
        else:
            low = middle + 1
    return low
