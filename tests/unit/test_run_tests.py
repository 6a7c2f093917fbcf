"""`make test` itself: what fails once by accident is run again and named; what is broken stays broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import run_tests

SEEN = """
from pathlib import Path

def seen(name):
    file = Path(__file__).with_name(name)
    before = file.exists()
    file.touch()
    return before
"""
WELL = "\ndef test_well():\n    with (Path(__file__).with_name('calls')).open('a') as calls:\n        calls.write('x')\n"
BY_ACCIDENT = "\ndef test_by_accident():\n    assert seen('once')\n"
AT_THE_END = """
import pytest

@pytest.fixture
def place():
    yield
    assert seen('end')

def test_at_the_end(place):
    pass
"""
BROKEN = "\ndef test_broken():\n    assert False\n"


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A project with these tests; runs its only part."""
    (tmp_path / "Makefile").write_text(f"unit:\n\t{sys.executable} -m pytest -q test_it.py\n\nlint:\n\tfalse\n")
    monkeypatch.setattr(run_tests, "ROOT", tmp_path)
    monkeypatch.setattr(run_tests, "OUT", tmp_path / "out of it")
    run_tests.OUT.mkdir()

    def run(*tests, part="unit"):
        (tmp_path / "test_it.py").write_text(SEEN + "".join(tests))
        return run_tests.run(part)

    return run


def test_all_well_is_run_once(suite, tmp_path):
    outcome = suite(WELL)
    assert (outcome.status, outcome.doubtful) == (0, ())
    assert (tmp_path / "calls").read_text() == "x"


@pytest.mark.parametrize(("accident", "name"), [(BY_ACCIDENT, "test_by_accident"), (AT_THE_END, "test_at_the_end")])
def test_an_accident_is_run_again_by_itself_and_named(suite, tmp_path, capsys, accident, name):
    outcome = suite(WELL, accident)
    assert (outcome.status, outcome.doubtful) == (0, (f"test_it.py::{name}",))
    assert (tmp_path / "calls").read_text() == "x"
    assert "unit FAILED" in capsys.readouterr().out


def test_what_is_broken_fails(suite):
    outcome = suite(WELL, BY_ACCIDENT, BROKEN)
    assert outcome.status != 0
    assert outcome.doubtful == ()


def test_many_failures_are_no_accident(suite, tmp_path):
    assert suite(BY_ACCIDENT, *(BROKEN.replace("broken", f"broken_{number}") for number in range(run_tests.FEW))).status != 0
    assert not list(tmp_path.glob("out of it/*-again.log"))


def test_what_is_no_test_is_not_run_again(suite, tmp_path):
    assert suite(WELL, part="lint").status != 0
    assert not list(tmp_path.glob("out of it/*-again.log"))
