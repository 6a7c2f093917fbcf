"""A program that fails, in any way, is never overlooked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pgkeel.backup.program import Streaming, environment, require_program, require_success
from pgkeel.errors import PgkeelError
from pgkeel.postgres.connect import Login


def read_all(program: Streaming) -> bytes:
    buffer, found = bytearray(65536), b""
    while count := program.readinto(memoryview(buffer)):
        found += buffer[:count]
    return found


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_and_warnings() -> None:
    with Streaming(python("import sys; print('x' * 100000); print('warning: hm', file=sys.stderr)"), {}) as program:
        assert len(read_all(program)) == 100001
        assert program.finish() == ("warning: hm",)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit(3)", "exited with 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL"),
        ("import sys; print('x: error: lost', file=sys.stderr)", "exited with 0: x: error: lost"),
    ],
)
def test_every_failure_is_loud(code: str, words: str) -> None:
    with Streaming(python(code), {}) as program:
        read_all(program)
        with pytest.raises(PgkeelError, match=words):
            program.finish()


def test_much_on_stderr_does_not_block() -> None:
    with Streaming(python("import sys; sys.stderr.write('note\\n' * 100000); print('end')"), {}) as program:
        assert read_all(program) == b"end\n"
        assert len(program.finish()) == 200


def test_leaving_ends_the_program() -> None:
    with Streaming(python("import time; time.sleep(60)"), {}) as program:
        pass
    assert program.process.returncode == -9


def test_the_environment_holds_nothing_but_pg_and_no_password() -> None:
    found = environment(Login(host="/run", port=1, user="u", password="canary", database="d"))
    assert all(name.startswith("PG") for name in found)
    assert "canary" not in repr(found)


def test_programs_are_looked_for(tmp_path: Path) -> None:
    with pytest.raises(PgkeelError, match="is missing"):
        require_program(tmp_path, "pg_dump")
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 16.4'\n")
    program.chmod(0o755)
    assert require_program(tmp_path, "pg_dump", 16) == "pg_dump (PostgreSQL) 16.4"
    with pytest.raises(PgkeelError, match="major version 16, the server 17"):
        require_program(tmp_path, "pg_dump", 17)


def test_success_is_silent() -> None:
    require_success("pg_dump", 0, ["pg_dump: warning: circular foreign keys"])
