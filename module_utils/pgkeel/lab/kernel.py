"""What the machine says is there: processes, mounts, interfaces. The lab trusts this, not files that a killed run left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from ..errors import PgkeelError


def run(*command: str, stdin: str | None = None, timeout: float = 600) -> str:
    """Run a program and return what it printed.

    Raises PgkeelError with its last words when it fails, and when it is not installed.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise PgkeelError(f"The program {command[0]} is not installed", "Run `make setup`, or install it by hand") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise PgkeelError(f"`{' '.join(command[:6])}` exited {done.returncode}: {' '.join(words)}", "See the message above")
    return done.stdout


def processes_with(argument: str) -> list[int]:
    """The pids of processes that have this exact argument on their command line."""
    wanted = argument.encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if wanted in arguments and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return sorted(found)


def end_processes(argument: str, *, patience: float) -> bool:
    """End every process with this argument: politely, and after ``patience`` seconds with SIGKILL. True if there was one."""
    pids = processes_with(argument)
    if not pids:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes_with(argument):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + (patience if number == signal.SIGTERM else 10)
        while time.monotonic() < deadline:
            if not processes_with(argument):
                return True
            time.sleep(0.05)
    raise PgkeelError(f"Processes {processes_with(argument)} of the lab do not end", "Look at them with ps and end them by hand")


def processes_in_namespace(namespace: str) -> list[int]:
    """The pids that live in a named network namespace, oldest first."""
    try:
        inode = Path("/run/netns", namespace).stat().st_ino
    except OSError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns" / "net").stat().st_ino == inode:
                    found.append(int(entry.name))
            except OSError:  # ended meanwhile
                continue
    return sorted(found)


def end_namespace(namespace: str) -> bool:
    """End every process in a network namespace with SIGKILL, the machine's init first; True if there was one."""
    pids = processes_in_namespace(namespace)
    deadline = time.monotonic() + 10
    while left := processes_in_namespace(namespace):
        if time.monotonic() > deadline:
            raise PgkeelError(f"Processes {left} of namespace {namespace} do not end", "Look at them with ps, end them by hand")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return bool(pids)


def mounts_below(folder: Path) -> list[Path]:
    """The mount points at or below a folder, deepest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = Path(line.split(" ")[4].encode().decode("unicode_escape"))
        if point == folder or folder in point.parents:
            points.append(point)
    return sorted(points, key=lambda point: len(point.parts), reverse=True)


def unmount_below(folder: Path) -> bool:
    """Unmount everything at or below a folder; a busy mount is retried for two seconds and then detached. True if any was."""
    points = mounts_below(folder)
    for point in points:
        for _ in range(20):
            if subprocess.run(["umount", str(point)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)
        else:
            run("umount", "--lazy", str(point))
    return bool(points)


def interface_exists(name: str) -> bool:
    """Whether the machine has a network interface of this name."""
    return Path("/sys/class/net", name).exists()
