"""How the memory is shared out, so that the worst case fits.

Sources: PostgreSQL 17 documentation, 19.4 "Resource Consumption" (a quarter for shared_buffers, work_mem by sort and by hash,
hash_mem_multiplier 2); PgTune (three quarters for effective_cache_size, a sixteenth for maintenance_work_mem).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from ..errors import PgkeelError
from ..postgres.settings import BYTES, factor, number
from .choice import clamp
from .demand import Given

BACKEND_MB = 4
"""Private memory of a backend before its first sort: catalog caches, plans."""
WORK_PER_BACKEND = 2
"""Times work_mem that a backend takes at worst: one hash of hash_mem_multiplier 2.0, or two sorts."""
LEAST_WORK_MB = 1.0
MOST_WORK_MB = 64.0
AUTOVACUUM_WORKERS = 3
LARGEST_SERVER_MB = 1 << 20
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

    Those are taken as they are, see ``overcommitted``. Raises PgkeelError where too little is left for work_mem without them,
    and for given sizes that cannot be read.
    """
    given = given or Given()
    work = _given("work_mem", given.work_mem, "kB")
    shared = _given("shared_buffers", given.shared_buffers, "8kB")
    memory = _share_out(total, max_connections, parallel_workers, work, shared)
    if work is None and memory.work_mem < LEAST_WORK_MB:
        if shared is not None:
            return replace(memory, work_mem=LEAST_WORK_MB)
        raise PgkeelError(
            f"{total} MiB of memory are too few for {max_connections} connections: {memory.work_mem:.2f} MiB would be left for "
            f"each sort, and the least is {LEAST_WORK_MB:g}",
            f"Use a server with at least {_least_total(max_connections, parallel_workers)} MiB, or declare smaller pools; "
            "nothing was changed",
        )
    return memory


def overcommitted(memory: Memory, given: Given) -> str:
    """What an operator's own sizes may come to beyond the memory, in a sentence; empty where everything fits.

    It is no error: that every connection sorts at once is the worst case, and whoever gives a size may know better.
    """
    sorts = memory.workers * WORK_PER_BACKEND
    if sorts * memory.work_mem <= memory.sorting:
        return ""
    names = " and ".join(f"{name} {text}" for name in LEAST_GIVEN_MB if (text := getattr(given, name)))
    fitting = memory.sorting / sorts
    advice = (
        f"work_mem of {int(fitting * 1024)}kB would fit" if fitting >= LEAST_GIVEN_MB["work_mem"] else "No work_mem would fit"
    )
    return (
        f"{names}, given by the operator: {sorts} sorts or hashes may take {sorts * memory.work_mem:.0f} MiB at once, and "
        f"{max(memory.sorting, 0):.0f} of {memory.total} MiB are left for them. {advice}; single roles can have more"
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
