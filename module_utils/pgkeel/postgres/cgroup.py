"""What the kernel lets this process take, by its control group (cgroup v2), whatever was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEMBERSHIP = Path("/proc/self/cgroup")
HIERARCHY = Path("/sys/fs/cgroup")
UNIFIED = "0::"


@dataclass(frozen=True)
class Caps:
    """The strictest limit of the group and the groups around it; None where none holds."""

    group: str
    memory_bytes: int | None
    cpus: float | None

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {"group": self.group, "memory_bytes": self.memory_bytes, "cpus": self.cpus}


def read_caps(membership: Path = MEMBERSHIP, hierarchy: Path = HIERARCHY) -> Caps:
    """Of this process; no limit is seen where a controller is missing."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    group = next((line.removeprefix(UNIFIED) for line in lines if line.startswith(UNIFIED)), "")
    memory: list[int] = []
    cpus: list[float] = []
    folder = hierarchy / group.lstrip("/")
    while folder != hierarchy and hierarchy in folder.parents:
        limit = _words(folder / "memory.max")
        if limit and limit[0].isdigit():
            memory.append(int(limit[0]))
        match _words(folder / "cpu.max"):
            case [quota, period] if quota.isdigit():
                cpus.append(int(quota) / int(period))
        folder = folder.parent
    return Caps(group, min(memory, default=None), min(cpus, default=None))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []
