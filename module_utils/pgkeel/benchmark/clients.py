"""The clients as processes: Node with files/bench, psycopg within, pgbench; all take the same job and give the same answer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import PgkeelError
from ..postgres.connect import Login
from . import psycopg_client
from .cases import NODE_CLIENTS, PGBENCH, PYTHON, Case

OLDEST_NODE = 20
PATIENCE = 600.0
"""Seconds after which a client that does not come back is ended."""
PGBENCH_USERS = 100
"""pgbench takes at most 128 scripts."""


@dataclass(frozen=True)
class Clients:
    """Where the clients are, and where they connect to."""

    login: Login
    """pgbouncer, as the application."""
    folder: Path
    """files/bench with its packages, on this machine."""
    bin_dir: Path
    """PostgreSQL's programs."""

    def missing(self, client: str) -> str:
        """Why that client cannot be used here, in a sentence; empty when it can."""
        if client == PYTHON:
            return ""
        if client == PGBENCH:
            there = (self.bin_dir / "pgbench").is_file()
            return (
                "" if there else f"{self.bin_dir}/pgbench is not there: install postgresql-contrib, or the package of the server"
            )
        node = shutil.which("node")
        if node is None:
            return f"Node is not installed on this server: install nodejs, {OLDEST_NODE} or newer, or set benchmark_install_node"
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if not version.removeprefix("v").split(".")[0].isdigit() or int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
            return f"Node is {version or 'of no known version'} here, and {client} needs {OLDEST_NODE} or newer"
        package = {"Drizzle": "drizzle-orm", "Kysely": "kysely", "node-postgres": "pg", "Prisma": ".bench-client"}[client]
        if not (self.folder / "node_modules" / package).is_dir():
            return f"{client} is not in {self.folder}: the packages of files/bench were not laid there; run the playbook again"
        return ""

    def run(self, case: Case, job: Mapping[str, Any]) -> dict[str, Any]:
        """Do a job with the case's client; ``samples_ms``, ``results`` and perhaps ``statement`` come back.

        Raises PgkeelError when the client fails.
        """
        if case.client == PYTHON:
            return psycopg_client.run(self.login, job)
        if case.client == PGBENCH:
            return self._pgbench(job)
        return self._node(case, job)

    def _node(self, case: Case, job: Mapping[str, Any]) -> dict[str, Any]:
        login = self.login
        url = (
            f"postgresql://{quote(login.user)}:{quote(login.password, safe='')}@{login.host}:{login.port}/{quote(login.database)}"
        )
        # Far from UTC: a form that depends on where the application runs gives another answer.
        environment = {"PATH": os.environ.get("PATH", ""), "BENCH_URL": url, "TZ": "Pacific/Auckland", "NODE_ENV": "production"}
        command = ["node", "--max-old-space-size=2048", "bench.mjs"]
        text = json.dumps({**job, "client": NODE_CLIENTS[case.client]})
        done = _process(command, environment, self.folder, text)
        if done.returncode:
            raise PgkeelError(
                f"{case.client} failed in {job['case']}, {job['side']}: {_reason(done.stderr)}",
                "Look in the server's log for the reason",
            )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _pgbench(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Each user has a script of its own, and each transaction a line in a log with its microseconds."""
        login = self.login
        environment = {"PATH": os.environ.get("PATH", ""), "PGPASSWORD": login.password, "TZ": "UTC"}
        with tempfile.TemporaryDirectory(prefix="pgkeel-bench-") as folder:
            for number, given in enumerate(job["calls"][:PGBENCH_USERS]):
                Path(folder, f"{number}.sql").write_text(_script(job["side"], given), encoding="utf-8")
            files = [word for script in sorted(Path(folder).glob("*.sql")) for word in ("-f", str(script))]
            command = [str(self.bin_dir / "pgbench"), "-n", "-M", "extended", "-c", "1", "-T", str(max(1, round(job["seconds"])))]
            command += ["--random-seed=1", "-l", f"--log-prefix={folder}/log", *files]
            command += ["-h", login.host, "-p", str(login.port), "-U", login.user, login.database]
            done = _process(command, environment, Path(folder), "")
            if done.returncode:
                raise PgkeelError(f"pgbench failed: {_reason(done.stderr)}", "Look in the server's log for the reason")
            # Columns of the log (pgbench's manual): client, transaction, microseconds, script, …
            samples = [int(line.split()[2]) / 1000 for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()]
        return {"samples_ms": samples, "results": []}


def _script(side: str, given: Mapping[str, Any]) -> str:
    user = "'" + str(given["userId"]).replace("'", "''") + "'"
    if side == "before":
        return f'SELECT * FROM public."BehaviorLog" WHERE "userId" = {user};\n'  # noqa: S608 - pgbench takes texts only
    return (
        f'SELECT * FROM public."BehaviorLog" WHERE "userId" = {user} AND "timestamp" >= \'{given["since"]}\''  # noqa: S608
        f' ORDER BY "timestamp" DESC, id DESC LIMIT {int(given["limit"])};\n'
    )


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith(("    at ", "Node.js v"))]
    return next((line for line in lines if "rror" in line or "FATAL" in line), lines[-1] if lines else "it said nothing")[:400]


def _process(command: list[str], environment: dict[str, str], folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run it; it is ended with us, however we end, and after ``PATIENCE``."""
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    with subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(text, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise PgkeelError(f"{command[-1]} did not come back within {PATIENCE:.0f} s", "Measure a smaller data set") from error
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)
