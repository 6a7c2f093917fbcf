"""What a copy beside production may take: memory from what is available, and the kernel's own limits as they really are."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.postgres.capacity import MIB, available_bytes, capacity_for
from pgkeel.postgres.cgroup import Caps, read_caps
from pgkeel.postgres.disk_guard import disk_guard


def test_memory_is_an_eighth_of_what_is_available_within_bounds() -> None:
    small, medium, large = (capacity_for(size * MIB, 2) for size in (64, 512, 64 * 1024))
    assert (small.shared_buffers, small.maintenance_work_mem, small.work_mem) == ("16MB", "16MB", "2MB")
    assert (medium.shared_buffers, medium.maintenance_work_mem) == ("64MB", "32MB")
    assert (large.shared_buffers, large.maintenance_work_mem) == ("512MB", "512MB")
    assert capacity_for(None, 1) == capacity_for(0, 1)


def test_available_memory_is_what_the_kernel_says(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert available_bytes(meminfo) is None
    meminfo.write_text("MemTotal:       2000 kB\nMemAvailable:    1000 kB\n")
    assert available_bytes(meminfo) == 1000 * 1024


def test_the_strictest_limit_around_counts(tmp_path: Path) -> None:
    membership, hierarchy = tmp_path / "cgroup", tmp_path / "fs"
    inner = hierarchy / "pgkeel.slice" / "pgkeel-drill.slice" / "run.scope"
    inner.mkdir(parents=True)
    membership.write_text("1:name=old:/x\n0::/pgkeel.slice/pgkeel-drill.slice/run.scope\n")
    group = "/pgkeel.slice/pgkeel-drill.slice/run.scope"
    assert read_caps(membership, hierarchy) == Caps(group, None, None)
    (inner / "memory.max").write_text("max\n")
    (inner / "cpu.max").write_text("max 100000\n")
    (inner.parent / "memory.max").write_text("1000\n")
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    (inner.parent.parent / "memory.max").write_text("2000\n")
    assert read_caps(membership, hierarchy) == Caps(group, 1000, 1.5)
    assert read_caps(tmp_path / "none", hierarchy) == Caps("", None, None)


def test_a_disk_that_runs_low_stops_the_drill_once(tmp_path: Path) -> None:
    free, stopped, seen = [1000], [], threading.Event()

    def stop() -> None:
        stopped.append(free[0])
        seen.set()

    with disk_guard([tmp_path], 500, stop, lambda _: free[0]) as guard:
        assert not seen.wait(0.8)
        guard.require()
        free[0] = 499
        assert seen.wait(60)
        # It would look again by now.
        time.sleep(0.7)
    assert stopped == [499]
    with pytest.raises(PgkeelError, match="left for production"):
        guard.require()
