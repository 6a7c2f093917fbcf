"""Running PostgreSQL's own programs: a bare environment, stderr kept, the exit status never overlooked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from ..errors import PgkeelError
from ..postgres.connect import Login

PROGRAM_NAME = "pgkeel program"
"""What PostgreSQL calls the sessions of programs that are run here."""
MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
MOST_STDERR_LINES = 200


def environment(login: Login) -> dict[str, str]:
    """PG* only, and never a password: other users can read neither, but a crash report might."""
    found = {"PGPORT": str(login.port), "PGUSER": login.user, "PGDATABASE": login.database, "PGAPPNAME": PROGRAM_NAME}
    return {**found, "PGHOST": login.host} if login.host else found


def require_program(bin_dir: Path, name: str, server_major: int | None = None) -> str:
    """The program's version line. Raises PgkeelError when it is missing or older than the server."""
    program = bin_dir / name
    if not os.access(program, os.X_OK):
        raise PgkeelError(f"{program} is missing", "Install the PostgreSQL client package, or correct the bin directory")
    line = subprocess.run([str(program), "--version"], env={}, capture_output=True, text=True, check=False).stdout.strip()
    match = MAJOR.search(line)
    if match is None:
        raise PgkeelError(f"{program} --version said {line!r}", "Reinstall the PostgreSQL client package")
    if server_major is not None and int(match[1]) < server_major:
        raise PgkeelError(
            f"{program} has major version {match[1]}, the server {server_major}", f"Use the programs of version {server_major}"
        )
    return line


class Streaming:
    """A program whose stdout is read as a stream; a context manager that leaves no process behind."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.name = Path(command[0]).name
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pipesize=1 << 20,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None  # noqa: S101 - opened as a pipe above
        for raw in self.process.stderr:
            if len(self._lines) < MOST_STDERR_LINES:
                self._lines.append(raw.decode(errors="replace").rstrip())

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Some of its output; 0 at the end."""
        assert self.process.stdout is not None  # noqa: S101 - opened as a pipe above
        return self.process.stdout.readinto(buffer)  # type: ignore[attr-defined,no-any-return]  # IO[bytes], and raw

    def finish(self) -> tuple[str, ...]:
        """Wait for its end and return its warnings. Raises PgkeelError when it failed in any way."""
        code = self.process.wait()
        self._reader.join()
        require_success(self.name, code, self._lines)
        return tuple(line for line in self._lines if line)

    def __enter__(self) -> Streaming:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def require_success(name: str, code: int, stderr: list[str]) -> None:
    """Raise PgkeelError unless the program exited 0 and wrote no error."""
    errors = [line for line in stderr if "error:" in line.lower() or "fatal:" in line.lower()]
    if code == 0 and not errors:
        return
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    said = "; ".join((errors or stderr)[-3:])[:800] or "it said nothing"
    raise PgkeelError(f"{name} {how}: {said}", "Mend what it complains about, then run it again; nothing was committed")
