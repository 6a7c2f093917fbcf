"""Our backends give way; nobody else's process is touched."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from pgkeel.postgres import give_way as module
from pgkeel.postgres.give_way import NICENESS, give_way, lower_own_priority

NOBODY = 65534


class Session:
    """Answers as a server with these backends: its own first."""

    def __init__(self, own, others=(), empty_answers=0):
        self.own, self.others, self.empty_answers, self.statements = own, list(others), empty_answers, []

    def execute(self, statement, _values=()):
        self.statements.append(statement)
        rows = [(self.own,)] if "pg_backend_pid" in statement and self.own else []
        if "pg_stat_activity" in statement:
            self.empty_answers -= 1
            rows = [] if self.empty_answers >= 0 else [(pid,) for pid in self.others]
        return type("Cursor", (), {"fetchone": lambda _: rows[0] if rows else None, "fetchall": lambda _: rows})()


@pytest.fixture
def process():
    """Starts a process of a name, at a niceness."""
    started = []

    def start(name, niceness=0, user=None):
        child = subprocess.Popen([name, "60"], executable="/bin/sleep", start_new_session=True, user=user)
        os.setpriority(os.PRIO_PROCESS, child.pid, niceness)
        started.append(child)
        # The kernel closes what tells Popen of the exec before it writes the name of the new program.
        while not Path("/proc", str(child.pid), "cmdline").read_bytes():
            time.sleep(0.001)
        return child.pid

    yield start
    for child in started:
        child.kill()
        child.wait()


def niceness(pid):
    return os.getpriority(os.PRIO_PROCESS, pid)


def session_niceness(pid):
    """Of the session, where the kernel shares processors among sessions."""
    file = Path("/proc", str(pid), "autogroup")
    return int(file.read_text().split()[-1]) if file.exists() else NICENESS


def test_its_own_backend_and_the_programs_give_way(process):
    own, other = process("postgres: one"), process("postgres: two")
    assert give_way(Session(own, [other]), "pgkeel") == 2
    assert (niceness(own), niceness(other)) == (NICENESS, NICENESS)
    assert (session_niceness(own), session_niceness(other)) == (NICENESS, NICENESS)


def test_a_program_that_has_just_begun_is_waited_for(process):
    own, other = process("postgres: one"), process("postgres: two")
    assert give_way(Session(own, [other], empty_answers=3), "pgkeel") == 2
    assert niceness(other) == NICENESS


def test_one_that_never_comes_is_not(process, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.1)
    began = time.monotonic()
    assert give_way(Session(process("postgres: one")), "pgkeel") == 1
    assert time.monotonic() - began < 30


def test_another_process_of_the_same_number_is_not_touched(process):
    other = process("sleep")
    assert give_way(Session(other)) == 0
    assert niceness(other) == 0
    assert session_niceness(other) == 0 or not Path("/proc/self/autogroup").exists()


def test_one_that_gives_way_more_stays_so(process):
    own = process("postgres: one", 15)
    assert give_way(Session(own)) == 1
    assert niceness(own) == 15


def test_on_another_machine_nothing_is_done_but_it_has_no_parallel_workers():
    session = Session(None)
    assert give_way(session, "pgkeel") == 0
    assert session.statements[0] == "SET max_parallel_workers_per_gather = 0"
    assert not any("pg_stat_activity" in statement for statement in session.statements)


def test_one_that_is_gone_is_no_error():
    assert give_way(Session(2**22 - 1)) == 0


@pytest.mark.parametrize(("before", "after"), [(0, NICENESS), (15, 15)])
def test_a_process_lowers_itself_and_never_raises(before, after):
    child = os.fork()
    if not child:
        os.setsid()
        os.nice(before)
        lower_own_priority()
        os._exit(niceness(0) if session_niceness(os.getpid()) == NICENESS else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == after


def test_the_session_of_a_terminal_is_left_alone():
    child, terminal = pty.fork()
    if not child:
        lower_own_priority()
        os._exit(7 if niceness(0) == NICENESS and session_niceness(os.getpid()) != NICENESS else 1)
    status = os.waitpid(child, 0)[1]
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == (7 if Path("/proc/self/autogroup").exists() else 1)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_a_kernel_that_is_asked_too_often_is_asked_again(process):
    pids = [process(f"postgres: {number}", user=NOBODY) for number in range(4)]
    child = os.fork()
    if not child:
        os.setuid(NOBODY)
        lowered = [module._lower(pid) for pid in pids]
        os._exit(0 if all(lowered) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [session_niceness(pid) for pid in pids] == [NICENESS] * 4
