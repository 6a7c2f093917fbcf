"""Tests that strike a run midway: it is held where the test wants it, however fast the machine is."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from integration.backup_bench import SERVER_PYTHON, Bench
from integration.waiting import wait_until

# On the server: stop the program that names the mark as soon as it has written so many bytes, and say its process id.
FREEZE = """
import json, os, pathlib, signal, sys, time

program, mark, least = json.load(sys.stdin)


def ours(folder):
    try:
        # The name first: of a program that is just being started, the arguments come last.
        if (folder / "comm").read_text().strip() != program:
            return False
        command = (folder / "cmdline").read_bytes()
        if not command or command.split(bytes(1))[1:2] in ([b"-V"], [b"--version"]):
            return False
        return mark.encode() in command + (folder / "environ").read_bytes()
    except OSError:
        return False


def written(folder):
    return int(next(line for line in (folder / "io").read_text().splitlines() if line.startswith("wchar:")).split()[1])


until = time.monotonic() + 60
while not (found := [folder for folder in pathlib.Path("/proc").glob("[0-9]*") if ours(folder)]):
    time.sleep(0.002)
    if time.monotonic() > until:
        sys.exit("no " + program + " with " + mark)
# The eldest: the others are its workers.
pid = min(int(folder.name) for folder in found)
os.kill(pid, signal.SIGSTOP)
while written(pathlib.Path("/proc", str(pid))) < least and time.monotonic() < until:
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)
print(pid)
"""


class Background:
    """A module that runs while the test does something to it."""

    def __init__(self, call: Callable[[], dict[str, Any]]) -> None:
        self.result: dict[str, Any] = {}

        def run() -> None:
            try:
                self.result = call()
            except AssertionError as error:
                # A killed module gives Ansible no JSON at all.
                self.result = {"failed": True, "msg": str(error)}

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def wait(self) -> dict[str, Any]:
        self.thread.join(timeout=120)
        assert not self.thread.is_alive()
        return self.result


@contextmanager
def held(bench: Bench, connection: Callable[..., psycopg.Connection], table: str) -> Iterator[Background]:
    """A backup that has begun and waits for a locked table, until the block ends."""
    waits = "SELECT FROM pg_stat_activity WHERE application_name = 'pgkeel backup' AND wait_event_type = 'Lock' AND datname = %s"
    watcher = connection()
    with connection(bench.database) as session:
        session.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        running = Background(bench.backup)
        wait_until(lambda: watcher.execute(waits, [bench.database]).fetchone() is not None)
        yield running
        session.execute("ROLLBACK")


@contextmanager
def frozen(bench: Bench, program: str, mark: str = "", written: int = 0) -> Iterator[str]:
    """The process id of a program on the server, stopped while the block runs.

    ``mark`` is what its command line or environment holds, the database's name unless given; ``written`` is how many bytes it is
    let write before.
    """
    order = json.dumps([program, mark or bench.database, written])
    source = FREEZE.replace("'", "'\\''")
    pid = bench.server.run(f"{SERVER_PYTHON} -c '{source}'", stdin=order).stdout.strip()
    try:
        yield pid
    finally:
        # A signal other than SIGKILL reaches it only now.
        bench.server.run(f"kill -CONT {pid} 2>/dev/null || true")


def step(bench: Bench, pid: str) -> None:
    """Let a frozen program go on for a moment."""
    bench.server.run(f"kill -CONT {pid}; sleep 0.01; kill -STOP {pid}")


@contextmanager
def streaming(bench: Bench, *, module: bool = False) -> Iterator[tuple[Background, str]]:
    """A backup whose upload has begun and whose pg_dump stands still while the block runs, with pg_dump's process id."""
    running = Background(lambda: bench.backup(module=module))
    with frozen(bench, "pg_dump", written=4_000_000) as pid:
        wait_until(bench.uploads)
        yield running, pid
