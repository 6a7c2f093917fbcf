"""Kysely's types beside a database: what was not compared is not called consistent."""

from dataclasses import replace

import pytest
from pgkeel.postgres.connect import Login
from pgkeel.schema.camel_case import camel_case
from pgkeel.schema.declared import Declarations, DeclaredTables, DeclaredTypes
from pgkeel.schema.difference import Kind, Side
from pgkeel.schema.explain import Sources, explain
from pgkeel.schema.model import Column, Schema, Table, TypedColumn, TypedSchema
from pgkeel.schema.objects import DatabaseObject
from pgkeel.schema.run import TYPES_UNKNOWN, Verdict, _compared, _overall, _pair, run
from pgkeel.schema.safety import type_safety_percent
from pgkeel.schema.sides import Known, Request


def a_schema(**columns):
    """A table t of columns by their types; an enum is its own type."""
    enums = {"user_role": ("A", "B")}
    made = {
        name: Column(name, kind, nullable=False, enum=kind if kind in enums else "")
        for name, kind in {"id": "text", **columns}.items()
    }
    return Schema({"t": Table("t", made, ("id",))}, enums)


def some_types(values=("A", "B"), **columns):
    """The same as Kysely's types."""
    made = {
        name: TypedColumn(name, kind, False, False, f"{name}: {kind}", "types.ts:1")
        for name, kind in {"id": "string", **columns}.items()
    }
    return TypedSchema({"t": made}, {"Role": values})


@pytest.mark.parametrize("truth", [Side.LIVE, Side.DRIZZLE])
@pytest.mark.parametrize("written", ["string", "number"])
def test_types_that_no_generator_vouches_for_could_not_be_verified(truth, written):
    types = some_types(id=written)
    known = Known(schemas={truth: a_schema()}, types=types)
    pair = _pair(known, Declarations(kysely=DeclaredTypes(types=types)), truth, Side.KYSELY)
    assert (pair.verdict, pair.unverified, pair.typed) == (Verdict.COULD_NOT_VERIFY, (TYPES_UNKNOWN,), False)
    assert _overall([pair]) is Verdict.COULD_NOT_VERIFY


def test_a_difference_is_one_all_the_same():
    types = some_types()
    known = Known(schemas={Side.LIVE: a_schema(name="text")}, types=types)
    pair = _pair(known, Declarations(kysely=DeclaredTypes(types=types)), Side.LIVE, Side.KYSELY)
    assert pair.verdict is Verdict.INCONSISTENT
    assert [one.kind for one in pair.differences] == [Kind.MISSING_COLUMN]


def test_types_that_the_generator_vouches_for_are_consistent():
    types = some_types()
    known = Known(schemas={Side.PRISMA: a_schema(), Side.LIVE: a_schema()}, types=types)
    declared = Declarations(kysely=DeclaredTypes(types=types, generated=types))
    for truth in (Side.PRISMA, Side.LIVE):
        pair = _pair(known, declared, truth, Side.KYSELY)
        assert (pair.verdict, pair.unverified, pair.typed) == (Verdict.CONSISTENT, (), True)


@pytest.mark.parametrize("vouched", [True, False])
def test_there_is_no_percentage_of_types_that_nobody_could_tell(monkeypatch, vouched):
    types = some_types(id="number")
    known = Known(schemas={Side.LIVE: a_schema()}, types=types)
    declared = Declarations(kysely=DeclaredTypes(types=types, generated=types if vouched else None))
    monkeypatch.setattr("pgkeel.schema.run.read", lambda _request: known)
    result = run(Request(declared, bench=None, live=Login()))
    assert result.type_safety_percent == (100 if vouched else None)
    assert result.verdict is (Verdict.CONSISTENT if vouched else Verdict.COULD_NOT_VERIFY)


def test_columns_of_a_renamed_enum_that_differs_are_not_sound():
    """Role is user_role in the database (@@map); the types call it Role."""
    generated, types = some_types(role="Role"), some_types(values=("A",), role="Role")
    known = Known(schemas={Side.PRISMA: a_schema(role="user_role")}, types=types)
    declared = Declarations(kysely=DeclaredTypes(types=types, generated=generated))
    pair = _pair(known, declared, Side.PRISMA, Side.KYSELY)
    assert [(one.kind, one.column) for one in pair.differences] == [(Kind.ENUM, "Role")]
    assert type_safety_percent([_compared(known, declared, pair)]) == 50


def test_without_a_generator_nobody_is_told_to_run_it():
    types = some_types(extra="string")
    known = Known(schemas={Side.LIVE: a_schema(lacking="text")}, types=types)
    pair = _pair(known, Declarations(kysely=DeclaredTypes(types=types)), Side.LIVE, Side.KYSELY)
    fixes = {one.column: one.fix for one in explain(pair.differences, Sources(types=types))}
    assert fixes == {
        "extra": "types.ts:1: take extra: string out of Kysely's types: the database does not have it",
        "lacking": "Add t.lacking (a column) to Kysely's types",
    }
    generated = explain(pair.differences, Sources(types=types, generated=types))
    assert all("prisma generate" in one.fix for one in generated)


def test_a_type_from_a_package_that_is_not_installed_could_not_be_verified():
    """Nobody can tell whether Decimal is a string; that a column is missing, everybody can."""
    known = Known(schemas={Side.PRISMA: a_schema(price="text", other="text", gone="text")}, types=None)
    generated = some_types(price="string", other="unresolved Own", gone="string")
    known.types = replace(some_types(price="unresolved Decimal", other="unresolved Own"), unresolved=("u",))
    declared = Declarations(
        kysely=DeclaredTypes(types=known.types, generated=replace(generated, tables={**generated.tables, "u": {}}))
    )
    pair = _pair(known, declared, Side.PRISMA, Side.KYSELY)
    assert [(one.kind, one.column) for one in pair.differences] == [(Kind.MISSING_COLUMN, "gone")]
    assert pair.unverified == (
        "The type of t.price (Decimal) comes from a package that is not installed: it cannot be compared",
        "The type of u comes from a package that is not installed: it cannot be compared",
    )
    assert type_safety_percent([_compared(known, declared, pair)]) == 50


def test_a_view_that_the_types_have_is_no_table_too_many():
    types = replace(some_types(), tables={**some_types().tables, "v": {"n": TypedColumn("n", "number", False, False)}})
    view = DatabaseObject("view", "v")
    known = Known(schemas={Side.LIVE: a_schema()}, types=types, objects=frozenset({view}))
    assert _pair(known, Declarations(kysely=DeclaredTypes(types=types)), Side.LIVE, Side.KYSELY).differences == ()
    # Prisma's generator vouches for one that its schema has as a view.
    known = Known(schemas={Side.PRISMA: a_schema(), Side.DRIZZLE: a_schema()}, types=types)
    declared = Declarations(kysely=DeclaredTypes(types=types, generated=types))
    assert _pair(known, declared, Side.DRIZZLE, Side.KYSELY).verdict is Verdict.CONSISTENT
    known = Known(schemas={Side.DRIZZLE: a_schema()}, types=types)
    alone = _pair(known, Declarations(kysely=DeclaredTypes(types=types)), Side.DRIZZLE, Side.KYSELY)
    assert [one.kind for one in alone.differences] == [Kind.EXTRA_TABLE]
    # Drizzle's own views are as good; the live database must have what the types speak of.
    declared = Declarations(drizzle=DeclaredTables(views=frozenset({"v"})), kysely=DeclaredTypes(types=types))
    assert _pair(known, declared, Side.DRIZZLE, Side.KYSELY).differences == ()
    known = Known(schemas={Side.LIVE: a_schema()}, types=types)
    assert [one.kind for one in _pair(known, declared, Side.LIVE, Side.KYSELY).differences] == [Kind.EXTRA_TABLE]


def test_types_in_camel_case_are_compared_and_counted_under_their_own_names():
    columns = {
        "user_name": Column("user_name", "text", nullable=False),
        "place": Column("place", "point", nullable=True),
        "made_id": Column("made_id", "text", nullable=False, client="nanoid()"),
        "is_in": Column("is_in", "boolean", nullable=False),
    }
    prisma = Schema({"app_users": Table("app_users", columns)}, {})
    made = {
        "userName": TypedColumn("userName", "string", False, False),
        "madeId": TypedColumn("madeId", "string", False, True),
        "isIn": TypedColumn("isIn", "boolean", False, False),
    }
    generated = TypedSchema({"appUsers": made}, {})
    types = TypedSchema({"appUsers": {**made, "isIn": TypedColumn("isIn", "string", False, False)}}, {})
    known = Known(schemas={Side.PRISMA: prisma, Side.LIVE: prisma}, types=types)
    declared = Declarations(kysely=DeclaredTypes(types=types, generated=generated, camel_case=True))
    pair = _pair(known, declared, Side.PRISMA, Side.KYSELY)
    assert {(one.kind, one.table, one.column) for one in pair.differences} == {
        (Kind.TYPE, "appUsers", "isIn"),
        # prisma-kysely takes nanoid() for a default of the database.
        (Kind.GENERATED, "appUsers", "madeId"),
    }
    assert pair.unverified == ("prisma-kysely leaves out appUsers.place: it cannot be compared",)
    # One of four: a type is wrong, a Generated is, and one could not be compared.
    assert type_safety_percent([_compared(known, declared, pair)]) == 25.0
    assert {one.kind for one in _pair(known, declared, Side.LIVE, Side.KYSELY).differences} == {Kind.GENERATED}


@pytest.mark.parametrize(
    ("name", "camel"),
    [
        ("app_users", "appUsers"),
        ("_AToB", "_AToB"),
        ("User", "User"),
        ("USER_ID", "userId"),
        ("a__b", "aB"),
        ("a_1", "a1"),
        ("", ""),
    ],
)
def test_names_are_those_of_the_plugin(name, camel):
    assert camel_case(name) == camel
