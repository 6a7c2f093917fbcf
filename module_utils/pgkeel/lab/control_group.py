"""A control group of its own for each server.

systemd in a server ends a service by ending its control group. nspawn makes the server's groups below the one it was started in,
so two servers that are started in the same one share them: a service that fails to stop in one is killed in the other as well.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


def unified_hierarchy(mounts: Path = Path("/proc/self/mounts")) -> Path | None:
    """Where the machine has mounted cgroup v2; None where it has not."""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return Path(point)
    return None


def enter_group(name: str, command: list[str]) -> list[str]:
    """The command, to be started in the control group ``name``, which is made; as it is on a machine without cgroup v2."""
    root = unified_hierarchy()
    if root is None:
        return command
    group = root / name
    group.mkdir(exist_ok=True)
    return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(group / "cgroup.procs"), *command]


def remove_group(name: str) -> bool:
    """Remove the control group and those below it, whose processes have ended; True if there was one.

    The kernel lets go of a group a moment after its last process. One that stays busy for two seconds stays: it is used again.
    """
    root = unified_hierarchy()
    if root is None or not (root / name).is_dir():
        return False
    deadline = time.monotonic() + 2
    while (root / name).is_dir() and time.monotonic() < deadline:
        below = sorted((root / name).rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for folder in (*below, root / name):
            with contextlib.suppress(OSError):
                folder.rmdir()
        time.sleep(0.02)
    return True
