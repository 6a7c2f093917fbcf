"""A real server for the integration tests: its address and keys come from the environment (`make integration` sets them)."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from integration.backup_bench import store  # noqa: F401 - a fixture
from integration.schema_audit_bench import app, audit, live  # noqa: F401 - fixtures
from integration.waiting import end, wait_until
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
SERVER_PYTHON = "/opt/pgkeel/venv/bin/python"


def _environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        pytest.fail(f"{name} is not set: integration tests need a lab server; run them with `make integration`.", pytrace=False)
    return value


@dataclass(frozen=True)
class PlaybookRun:
    """A finished ansible-playbook."""

    returncode: int
    stdout: str
    stats: dict[str, dict[str, int]]
    """Counts by host: ok, changed, failures, unreachable …"""
    changed_tasks: list[str]


@dataclass(frozen=True)
class Server:
    """The lab server, converged by site.yml."""

    name: str
    host: str
    ssh_key: str
    known_hosts: str
    inventory: str
    socket_dir: str = field(default="")
    """A local folder in which `.s.PGSQL.5432` leads to the server's own socket, as its OS user postgres."""

    def ssh(self, user: str = "root") -> list[str]:
        """The ssh command up to the remote command."""
        return [
            "ssh",
            *("-i", self.ssh_key),
            *("-o", f"UserKnownHostsFile={self.known_hosts}"),
            *("-o", "StrictHostKeyChecking=accept-new"),
            *("-o", "BatchMode=yes"),
            *("-o", "LogLevel=ERROR"),
            *("-o", "ExitOnForwardFailure=yes"),
            f"{user}@{self.host}",
        ]

    def run(
        self, command: str, *, check: bool = True, timeout: float = 300, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root on the server."""
        done = subprocess.run([*self.ssh(), command], capture_output=True, text=True, timeout=timeout, check=False, input=stdin)
        if check and done.returncode:
            raise AssertionError(f"{command!r} on the server exited {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def module(
        self,
        name: str,
        args: dict[str, Any],
        *,
        become_user: str = "postgres",
        check: bool = False,
        diff: bool = False,
        timeout: float = 900,
    ) -> dict[str, Any]:
        """Run one Ansible module on the server, as Ansible ships it; returns its result, failed or not."""
        command = [
            str(BIN / "ansible"),
            self.name,
            *("-i", self.inventory),
            *("-m", name),
            *("-a", json.dumps(args)),
            *("-e", f"ansible_python_interpreter={SERVER_PYTHON}"),
            "--become",
            *("--become-user", become_user),
            *(["--check"] if check else []),
            *(["--diff"] if diff else []),
        ]
        environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
        try:
            report = json.loads(done.stdout[done.stdout.index("{") :])
            result: dict[str, Any] = report["plays"][0]["tasks"][0]["hosts"][self.name]
        except (ValueError, KeyError, IndexError) as error:
            raise AssertionError(f"ansible -m {name} exited {done.returncode}:\n{done.stdout}\n{done.stderr}") from error
        result.setdefault("failed", False)
        return result

    def playbook(
        self,
        path: str,
        extra: dict[str, Any] | None = None,
        *,
        check: bool = False,
        tags: str | None = None,
        arguments: tuple[str, ...] = (),
        timeout: float = 1800,
    ) -> PlaybookRun:
        """Run a playbook of the repository against this server alone."""
        with tempfile.TemporaryDirectory() as folder:
            record = Path(folder, "record.json")
            command = [
                str(BIN / "ansible-playbook"),
                path,
                *("-i", self.inventory),
                *("--limit", f"{self.name},localhost"),
                *(["-e", json.dumps(extra)] if extra else []),
                *(["--check", "--diff"] if check else []),
                *(["--tags", tags] if tags else []),
                *arguments,
            ]
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, "PGKEEL_RUN_RECORD": str(record), "ANSIBLE_NOCOLOR": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout,
                check=False,
            )
            seen = json.loads(record.read_text()) if record.exists() else {"hosts": {}, "changed": []}
        return PlaybookRun(done.returncode, done.stdout, seen["hosts"], seen["changed"])


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    plain = Server(
        name=_environment("PGKEEL_TEST_SERVER"),
        host=_environment("PGKEEL_TEST_HOST"),
        ssh_key=_environment("PGKEEL_TEST_SSH_KEY"),
        known_hosts=_environment("PGKEEL_TEST_KNOWN_HOSTS"),
        inventory=_environment("PGKEEL_TEST_INVENTORY"),
    )
    # The tests reach PostgreSQL as its own superuser through a forwarded socket: pg_hba stays exactly as the roles left it.
    plain.run(
        "install -d -o postgres -g postgres -m 700 ~postgres/.ssh && "
        "install -o postgres -g postgres -m 600 ~root/.ssh/authorized_keys ~postgres/.ssh/authorized_keys"
    )
    folder = tempfile.mkdtemp(prefix="pgkeel-it-")
    socket = Path(folder, ".s.PGSQL.5432")
    *ssh, target = plain.ssh("postgres")
    forward = subprocess.Popen([*ssh, "-N", "-L", f"{socket}:/var/run/postgresql/.s.PGSQL.5432", target])
    try:
        wait_until(
            lambda: socket.exists() or forward.poll() is not None, "the ssh forward to PostgreSQL's socket did not come up"
        )
        assert forward.poll() is None, "the ssh forward to PostgreSQL's socket ended"
        yield Server(**{**plain.__dict__, "socket_dir": folder})
    finally:
        end(forward)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def connection(server: Server) -> Iterator[Callable[..., psycopg.Connection]]:
    """A factory of superuser connections: connection("edtech"); all are closed afterwards."""
    with ExitStack() as stack:

        def make(database: str = "postgres", **parameters: Any) -> psycopg.Connection:
            opened = psycopg.connect(
                host=server.socket_dir, user="postgres", dbname=database, autocommit=True, connect_timeout=60, **parameters
            )
            stack.callback(opened.close)
            return opened

        yield make


@pytest.fixture
def database(server: Server) -> Iterator[Callable[..., str]]:
    """A factory of throwaway databases; returns the name, drops them afterwards."""
    made: list[str] = []
    with psycopg.connect(host=server.socket_dir, user="postgres", dbname="postgres", autocommit=True) as admin:

        def make(prefix: str = "it") -> str:
            name = f"{prefix}_{secrets.token_hex(4)}"
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
            made.append(name)
            return name

        yield make
        for name in made:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
