"""How much memory a copy beside production may take, from what production leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MEMINFO = Path("/proc/meminfo")
# Of what is available now; the rest is for production's growth meanwhile, and for the page cache.
SHARE = 8
SHARED_BUFFERS_MB = (16, 512)
MAINTENANCE_MB = (16, 512)
WORK_MB = (2, 4)


@dataclass(frozen=True)
class Capacity:
    """Settings of a throwaway copy, as PostgreSQL reads them."""

    shared_buffers: str
    maintenance_work_mem: str
    """Of each job; an index build takes it whole."""
    work_mem: str


def available_bytes(meminfo: Path = MEMINFO) -> int | None:
    """Memory that can be had without swapping; None where the kernel does not say."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def capacity_for(available: int | None, jobs: int) -> Capacity:
    """An eighth of the available memory for shared buffers, another for all jobs together, each within bounds.

    Unknown memory is taken for little.
    """
    share = (available or 0) // SHARE // MIB

    def bounded(wanted: int, bounds: tuple[int, int]) -> str:
        return f"{min(max(wanted, bounds[0]), bounds[1])}MB"

    return Capacity(
        shared_buffers=bounded(share, SHARED_BUFFERS_MB),
        maintenance_work_mem=bounded(share // max(jobs, 1), MAINTENANCE_MB),
        work_mem=bounded(share // max(jobs, 1) // 8, WORK_MB),
    )
