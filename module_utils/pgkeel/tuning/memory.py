"""How the memory is shared out, so that the worst case fits.

Sources: PostgreSQL 17 documentation, 19.4 "Resource Consumption" (a quarter for shared_buffers, work_mem by sort and by hash,
hash_mem_multiplier 2); PgTune (three quarters for effective_cache_size, a sixteenth for maintenance_work_mem).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from ..errors import PgkeelError
from ..postgres.settings import BYTES, factor, number
from .choice import clamp, megabytes
from .demand import Given

BACKEND_MB = 4
"""Private memory of a backend before its first sort: catalog caches, plans."""
WORK_PER_BACKEND = 2
"""Times work_mem that a backend takes at worst: one hash of hash_mem_multiplier 2.0, or two sorts."""
LEAST_WORK_MB = 1.0
MOST_WORK_MB = 64.0
AUTOVACUUM_WORKERS = 3
LARGEST_SERVER_MB = 1 << 20
LEAST_SHARED_MB = 16
"""Less is no advice."""
LEAST_GIVEN_MB = {"work_mem": 1 / 16, "shared_buffers": 1 / 8}
"""PostgreSQL's own limits, 64 kB and 128 kB."""


@dataclass(frozen=True)
class Memory:
    """MiB."""

    total: int
    system: int
    """Left to the operating system and its page cache."""
    shared_buffers: float
    effective_cache_size: int
    maintenance_work_mem: int
    autovacuum_work_mem: int
    backends: int
    work_mem: float
    workers: int
    """Processes that may sort at once: connections and parallel workers."""

    @property
    def sorting(self) -> float:
        """What sorts and hashes may take together."""
        return self.total - self.system - self._held

    @property
    def worst(self) -> float:
        """All of it at the same time, without the system's part."""
        return self._held + self.workers * WORK_PER_BACKEND * self.work_mem

    @property
    def _held(self) -> float:
        return self.shared_buffers + self.maintenance_work_mem + AUTOVACUUM_WORKERS * self.autovacuum_work_mem + self.backends


def share_out(total: int, max_connections: int, parallel_workers: int, given: Given | None = None) -> Memory:
    """Give every consumer its part of ``total`` MiB, an operator's ``work_mem`` and ``shared_buffers`` first.

    Raises PgkeelError where too little is left for work_mem, and for given sizes that cannot be read.
    """
    given = given or Given()
    work = _given("work_mem", given.work_mem, "kB")
    shared = _given("shared_buffers", given.shared_buffers, "8kB")
    memory = _share_out(total, max_connections, parallel_workers, work, shared)
    sorts = memory.workers * WORK_PER_BACKEND
    least = LEAST_WORK_MB if work is None else work
    missing = sorts * least - memory.sorting
    if missing <= 0:
        return memory
    figures = (
        f"{sorts} sorts or hashes of {max_connections} connections and {parallel_workers} parallel workers may take "
        f"{sorts * least:.0f} MiB at once, and {max(memory.sorting, 0):.0f} of {total} MiB are left for them"
    )
    most_work = memory.sorting / sorts
    if work is not None and most_work >= LEAST_GIVEN_MB["work_mem"]:
        raise PgkeelError(
            f"work_mem is {given.work_mem}, but {figures}",
            f"Give at most {int(most_work * 1024)}kB, and more to single roles in their own settings; nothing was changed",
        )
    most_shared = memory.shared_buffers - missing
    if shared is not None and most_shared >= LEAST_SHARED_MB:
        raise PgkeelError(
            f"shared_buffers is {given.shared_buffers}, but {figures}",
            f"Give at most {megabytes(most_shared)}; nothing was changed",
        )
    raise PgkeelError(
        f"{total} MiB of memory are too few for {max_connections} connections: {most_work:.2f} MiB would be left for "
        f"each sort, and the least is {LEAST_WORK_MB:g}",
        f"Use a server with at least {_least_total(max_connections, parallel_workers)} MiB, or declare smaller pools; "
        "nothing was changed",
    )


def _given(name: str, text: str | None, unit: str) -> float | None:
    """An operator's size in MiB."""
    if text is None:
        return None
    try:
        size = number(text, unit, integer=True) * factor(unit)[1] / BYTES["MB"]
        reason = "" if LEAST_GIVEN_MB[name] <= size < inf else f"the least is {LEAST_GIVEN_MB[name] * 1024:g}kB"
    except ValueError as error:
        reason = str(error)
    if reason:
        raise PgkeelError(f"{name} is {text!r}: {reason}", "Correct the value; nothing was changed")
    return size


def _share_out(
    total: int, max_connections: int, parallel_workers: int, work: float | None = None, shared: float | None = None
) -> Memory:
    system = max(128, total // 10)
    shared = min(total // 4, 16384) if shared is None else shared
    maintenance = clamp(total // 16, 32, 2048)
    vacuum = clamp(maintenance // 4, 16, 512)
    backends = max_connections * BACKEND_MB
    workers = max_connections + parallel_workers
    memory = Memory(total, system, shared, total * 3 // 4, maintenance, vacuum, backends, work or 0, workers)
    if work is not None:
        return memory
    work = min(memory.sorting / (workers * WORK_PER_BACKEND), MOST_WORK_MB)
    # Rounded down, as it will be written: whole MiB, quarters of one below four.
    return replace(memory, work_mem=float(int(work)) if work >= 4 else int(work * 4) / 4)  # noqa: PLR2004


def _least_total(max_connections: int, parallel_workers: int) -> int:
    low, high = 1, LARGEST_SERVER_MB
    while low < high:
        middle = (low + high) // 2
        if _share_out(middle, max_connections, parallel_workers).work_mem >= LEAST_WORK_MB:
            high = middle
        else:
            low = middle + 1
    return low
