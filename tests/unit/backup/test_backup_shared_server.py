"""A drill in production's own cluster: what is compared instead of restored, and what is the server's fault."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup.check import Verdict
from pgkeel.backup.shared_server import check_globals, compare_roles, without_roles
from pgkeel.postgres.throwaway_database import NAME, PREFIX, TROUBLE, _lock_key, _marker
from unit.backup.test_backup_compare import A

BOTH = dataclasses.replace(A, catalog={**A.catalog, 'role Odd "name"': "cc", "role postgres": "dd"})
SCRIPT = """
\\restrict abc
-- Roles
CREATE ROLE app;
ALTER ROLE app WITH LOGIN PASSWORD 'SCRAM; CREATE ROLE no;';
CREATE ROLE "Odd ""name""\";
CREATE ROLE postgres;
"""


def test_equal_roles_pass_and_are_told_to_be_compared_only() -> None:
    found = compare_roles(BOTH, BOTH)
    assert found.verdict is Verdict.PASS
    assert "not restored here" in found.evidence


@pytest.mark.parametrize("digest", ["other", None])
def test_a_role_that_changed_is_not_verified_and_not_the_backups_fault(digest: str | None) -> None:
    catalog = {name: value for name, value in BOTH.catalog.items() if name != "role app"} | (
        {"role app": digest} if digest else {}
    )
    found = compare_roles(BOTH, dataclasses.replace(BOTH, catalog=catalog))
    assert (found.verdict, "app" in found.evidence) == (Verdict.COULD_NOT_VERIFY, True)


def test_roles_made_since_do_not_matter() -> None:
    assert compare_roles(A, BOTH).verdict is Verdict.PASS


def test_what_is_compared_of_the_database_has_no_roles() -> None:
    assert without_roles(BOTH).catalog == {"relation public.a": "aa"}
    assert without_roles(BOTH).tables == BOTH.tables


def test_globals_must_make_every_role() -> None:
    assert check_globals(SCRIPT, BOTH, "postgres").verdict is Verdict.PASS
    cut = check_globals(SCRIPT.replace("CREATE ROLE app;", ""), BOTH, "postgres")
    assert (cut.verdict, cut.evidence) == (Verdict.FAIL, "globals.sql does not create app")
    odd = check_globals(SCRIPT.replace('CREATE ROLE "Odd', 'DROP ROLE "Odd'), BOTH, "postgres")
    assert odd.verdict is Verdict.FAIL


def test_a_role_named_in_a_text_only_is_not_made() -> None:
    hidden = dataclasses.replace(A, catalog={"role no": "aa"})
    assert check_globals(SCRIPT, hidden, "postgres").verdict is Verdict.FAIL
    commented = dataclasses.replace(A, catalog={"role hidden": "aa"})
    assert check_globals("-- CREATE ROLE hidden;\nSELECT 1;", commented, "postgres").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "message",
    [
        'pg_restore: error: connection to server on socket "/x" failed: FATAL:  the database system is shutting down',
        "pg_restore: error: could not execute query: server closed the connection unexpectedly",
        "ERROR:  could not extend file: No space left on device",
        "FATAL:  terminating connection due to administrator command",
        "ERROR:  canceling statement due to statement timeout",
    ],
)
def test_the_servers_trouble_is_known(message: str) -> None:
    assert TROUBLE.search(message)


@pytest.mark.parametrize(
    "message",
    [
        'ERROR:  relation "public.User" does not exist',
        "pg_restore: error: could not read from input file: end of file",
        'ERROR:  duplicate key value violates unique constraint "User_pkey"',
        "dump.pgc is damaged: 10 bytes where 20 are expected",
    ],
)
def test_the_backups_own_faults_are_not_the_servers(message: str) -> None:
    assert not TROUBLE.search(message)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_each_run_has_a_lock_of_its_own_that_postgres_can_hold(one: int, other: int) -> None:
    first, second = (_lock_key(f"{PREFIX}{number:08x}") for number in (one, other))
    assert (first == second) == (one == other)
    assert all(-(2**31) <= part < 2**31 for part in first)


@pytest.mark.parametrize(
    "name", ["pgkeel_drill_", "pgkeel_drill_0123456", "pgkeel_drill_012345678", "pgkeel_drill_0123456G", "edtech"]
)
def test_only_a_whole_name_is_ours(name: str) -> None:
    assert NAME.fullmatch(name) is None
    assert _marker(name) != _marker(f"{PREFIX}01234567")
