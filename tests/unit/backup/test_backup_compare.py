"""The comparison finds each kind of difference, and is silent where there is none."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup.check import Check, Verdict, overall
from pgkeel.backup.compare import compare, compare_locale, compare_sequences, compare_tables
from pgkeel.backup.contents import Contents, MaterializedView, Sequence, TableContent
from pgkeel.backup.drill_result import DrillResult
from pgkeel.postgres.proving_ground import Locale

A = Contents(
    tables=(TableContent("public", "a", 3, "7"), TableContent("public", "b", 0, "7")),
    materialized_views=(MaterializedView("public", "m", True), MaterializedView("public", "n", False)),
    sequences=(Sequence("public", "s", 5, 1, False),),
    extensions={"x": "1.0"},
    collations={"database": "2.41"},
    large_objects=2,
    large_objects_hash="11",
    catalog={"relation public.a": "aa", "role app": "bb"},
    unvalidated_constraints=("public.a.k",),
)


def test_equal_passes() -> None:
    assert {check.verdict for check in compare(A, A)} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"tables": (TableContent("public", "a", 2, "7"), A.tables[1])}, "row counts", "public.a has 2 rows, 3 expected"),
        ({"tables": (TableContent("public", "a", 4, "7"), A.tables[1])}, "row counts", "public.a has 4 rows, 3 expected"),
        ({"tables": A.tables[:1]}, "row counts", "public.b is missing"),
        ({"tables": (*A.tables, TableContent("public", "c", 0, "7"))}, "row counts", "public.c is in the copy but not"),
        ({"tables": (TableContent("Public", "a", 3, "7"), A.tables[1])}, "row counts", "public.a is missing"),
        ({"materialized_views": A.materialized_views[1:]}, "materialized views", "public.m is missing"),
        (
            {"materialized_views": (MaterializedView("public", "m", False), A.materialized_views[1])},
            "materialized views",
            "empty",
        ),
        ({"sequences": ()}, "sequences", "public.s is missing"),
        ({"sequences": (Sequence("public", "s", 4, 1, False),)}, "sequences", "stands at 4, 5 expected"),
        ({"extensions": {}}, "extensions", "x is missing"),
        ({"extensions": {"x": "1.1"}}, "extensions", "restored as 1.1"),
        ({"extensions": {"x": "1.0", "y": "1"}}, "extensions", "y is in the copy"),
        ({"tables": (TableContent("public", "a", 3, "8"), A.tables[1])}, "row contents", "public.a holds other rows"),
        ({"catalog": {"role app": "bb"}}, "definitions, owners, privileges", "relation public.a is missing"),
        ({"catalog": {**A.catalog, "role app": "cc"}}, "definitions, owners, privileges", "role app is defined otherwise"),
        ({"catalog": {**A.catalog, "index i": "cc"}}, "definitions, owners, privileges", "index i is in the copy"),
        ({"large_objects_hash": "12"}, "large objects", "content differs"),
        ({"large_objects": 1}, "large objects", "2 expected, 1 found"),
        ({"unvalidated_constraints": ("public.a.k", "public.a.l")}, "validated constraints", "public.a.l is not valid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_difference_is_found_and_by_one_check_only(change: dict, name: str, words: str) -> None:
    failed = [check for check in compare(A, dataclasses.replace(A, **change)) if check.verdict is not Verdict.PASS]
    assert [(check.name, check.verdict) for check in failed] == [(name, Verdict.FAIL)]
    assert words in failed[0].evidence


@given(
    st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), min_size=1),
    st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), min_size=1),
)
def test_rows_pass_exactly_when_equal_and_not_all_empty(expected: dict[str, int], found: dict[str, int]) -> None:
    def contents(counts: dict[str, int]) -> Contents:
        return dataclasses.replace(A, tables=tuple(TableContent("s", name, rows, "7") for name, rows in counts.items()))

    verdict = compare_tables(contents(expected), contents(found)).verdict
    assert (verdict is Verdict.PASS) == (expected == found and sum(expected.values()) > 0)


def test_nothing_against_nothing_verifies_nothing() -> None:
    empty = dataclasses.replace(A, tables=(TableContent("public", "a", 0, "7"),))
    assert compare_tables(empty, empty).verdict is Verdict.COULD_NOT_VERIFY
    none = dataclasses.replace(A, tables=())
    assert compare_tables(none, none).verdict is Verdict.COULD_NOT_VERIFY


@pytest.mark.parametrize(
    ("expected", "found", "passes"),
    [
        ((5, 1, False), (5, 1, False), True),
        ((5, 1, False), (6, 1, False), True),
        ((5, 1, False), (4, 1, False), False),
        ((5, 1, False), (None, 1, False), False),
        ((None, 1, False), (None, 1, False), True),
        ((None, 1, False), (1, 1, False), True),
        ((-5, -1, False), (-6, -1, False), True),
        ((-5, -1, False), (-4, -1, False), False),
        ((5, 1, True), (1, 1, True), True),
    ],
)
def test_sequences_must_not_be_behind(expected: tuple, found: tuple, passes: bool) -> None:
    def contents(values: tuple) -> Contents:
        return dataclasses.replace(A, sequences=(Sequence("public", "s", *values),))

    assert (compare_sequences(contents(expected), contents(found)).verdict is Verdict.PASS) == passes


def test_at_most_twenty_are_named() -> None:
    many = dataclasses.replace(A, tables=tuple(TableContent("s", f"t{n}", 1, "7") for n in range(30)))
    evidence = compare_tables(many, dataclasses.replace(A, tables=())).evidence
    assert evidence.count("is missing") == 20
    assert evidence.endswith("and 10 more")


def test_locale() -> None:
    assert compare_locale(Locale(), Locale()).verdict is Verdict.PASS
    assert compare_locale(Locale(), Locale(ctype="C.UTF-8")).verdict is Verdict.FAIL


P, F, C = (Check("x", verdict, "") for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.COULD_NOT_VERIFY))


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [([], C), ([P], P), ([P, C], C), ([C, F, P], F)],
)
def test_the_worst_check_decides(checks: list[Check], verdict: Check) -> None:
    assert overall(checks) is verdict.verdict


@pytest.mark.parametrize(
    ("control", "reason", "verdict"),
    [
        ({"detected": True}, "", Verdict.PASS),
        ({}, "", Verdict.COULD_NOT_VERIFY),
        ({"detected": False}, "", Verdict.COULD_NOT_VERIFY),
        ({"detected": True}, "something went wrong", Verdict.COULD_NOT_VERIFY),
    ],
)
def test_no_drill_passes_without_its_negative_control(control: dict, reason: str, verdict: Verdict) -> None:
    assert DrillResult(checks=[P], negative_control=control, reason=reason).verdict is verdict


def test_a_role_made_after_the_snapshot_is_no_difference() -> None:
    copy = dataclasses.replace(A, catalog={**A.catalog, "role new": "dd"})
    assert {check.verdict for check in compare(A, copy)} == {Verdict.PASS}


def test_another_collation_version_and_rows_that_were_only_counted_verify_nothing() -> None:
    for copy in (
        dataclasses.replace(A, collations={"database": "2.42"}),
        dataclasses.replace(A, tables=(TableContent("public", "a", 3, ""), A.tables[1])),
    ):
        assert overall(compare(A, copy)) is Verdict.COULD_NOT_VERIFY


def test_what_a_new_database_has_and_production_dropped_is_no_difference() -> None:
    """DROP SCHEMA public: a dump cannot tell it, and a restore into a new database finds the schema there."""
    born = dataclasses.replace(A, catalog={**A.catalog, "schema public": "dd"}, extensions={**A.extensions, "plpgsql": "1.0"})
    assert {check.verdict for check in compare(A, born)} == {Verdict.PASS}
    lost = [check.name for check in compare(born, A) if check.verdict is Verdict.FAIL]
    assert lost == ["definitions, owners, privileges", "extensions"]
    other = dataclasses.replace(born, catalog={**born.catalog, "schema public": "ee"})
    assert [check.name for check in compare(born, other) if check.verdict is Verdict.FAIL] == ["definitions, owners, privileges"]
