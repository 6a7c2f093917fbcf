"""What a server's systemd gives its units of the processors, made to hold in the lab.

A machine with cgroup v2 and its cpu controller needs nothing. Where the controller is still mounted by itself (cgroup v1), a
server's systemd cannot use it: then the same weights and quotas, as that systemd tells them, are set here from outside.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lab_inventory import ROOT

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.lab.control_group import unified_hierarchy

CPU = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 100_000
SHARES_OF_WEIGHT_100 = 1024
EVERY_SECONDS = 0.02
SHOWN = {"CPUWeight": "weight", "CPUQuotaPerSecUSec": "quota", "Slice": "slice"}


def told(unit: str, ssh: Callable[[str], str]) -> dict[str, str]:
    """A unit's ``weight``, ``quota`` (a time a second, or ``infinity``) and ``slice``, as its systemd has them."""
    lines = ssh(f"systemctl show {unit} {' '.join(f'-p {name}' for name in SHOWN)}").splitlines()
    return {SHOWN[name]: value for name, _, value in (line.partition("=") for line in lines)}


def control_group(unit: str, within: str) -> Path:
    """Where systemd puts a unit: ``a-b.slice`` is below ``a.slice``, anything else in its slice."""
    *above, last = (unit if unit.endswith(".slice") else within).removesuffix(".slice").split("-")
    names = ["-".join([*above, last][: number + 1]) + ".slice" for number in range(len(above) + 1)]
    return Path(*names) if unit.endswith(".slice") else Path(*names, unit)


def microseconds(quota: str) -> int:
    """``1.500s`` and ``750ms`` as microseconds in each period; -1 for none."""
    if quota in {"", "infinity"}:
        return -1
    factor = 0.001 if quota.endswith("ms") else 1
    return round(float(quota.removesuffix("ms").removesuffix("s")) * factor * PERIOD_US)


@contextlib.contextmanager
def capped(server: str, units: Iterable[str], ssh: Callable[[str], str]) -> Iterator[str]:
    """While the block runs, processes of the server's units have what its systemd gives them; yields how that comes about."""
    unified = unified_hierarchy()
    if not (CPU / "cpu.shares").exists() or unified is None:
        yield "systemd holds its control groups to their shares of the processors"
        return
    groups: dict[Path, Path] = {}
    (machine,) = unified.glob(f"pk*-{server}")
    for unit in units:
        given = told(unit, ssh)
        path = control_group(unit, given["slice"])
        if path.parts[0] != "system.slice":
            # Shares count among neighbours, and this one is PostgreSQL's.
            given["weight"] = told(path.parts[0], ssh)["weight"]
        group = CPU / f"{machine.name}-{unit}"
        group.mkdir(exist_ok=True)
        # Idle: only what nobody else wants. systemd tells it as a word or as 0.
        idle = given["weight"] in {"idle", "0"}
        weight = int(given["weight"]) if given["weight"].isdigit() and not idle else 100
        # An idle group takes no weight.
        shares = str(max(2, weight * SHARES_OF_WEIGHT_100 // 100))
        for name, value in (("cpu.idle", "0"), ("cpu.shares", shares), ("cpu.idle", str(int(idle)))):
            (group / name).write_text(value, encoding="ascii")
        (group / "cpu.cfs_quota_us").write_text(str(microseconds(given["quota"])), encoding="ascii")
        groups[group] = machine / "payload" / path
    over = threading.Event()

    def follow() -> None:
        while not over.wait(EVERY_SECONDS):
            for group, source in groups.items():
                move(source, group)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield "the lab's machine holds its control groups to what systemd tells of their shares of the processors"
    finally:
        over.set()
        follower.join()
        for group in groups:
            for pid in pids(group):
                put(pid, CPU)
            with contextlib.suppress(OSError):
                group.rmdir()


def pids(group: Path) -> set[str]:
    """Of a control group and those below it."""
    found: set[str] = set()
    # Groups come and go while they are looked at.
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found |= set(Path(folder, "cgroup.procs").read_text(encoding="ascii").split())
    return found


def move(source: Path, group: Path) -> None:
    """Put the processes that are in ``source`` and not yet in ``group`` there; their children are there from the start."""
    for pid in pids(source) - pids(group):
        put(pid, group)


def put(pid: str, group: Path) -> None:
    """Move one, unless it has ended."""
    with contextlib.suppress(OSError):
        (group / "cgroup.procs").write_text(pid, encoding="ascii")
