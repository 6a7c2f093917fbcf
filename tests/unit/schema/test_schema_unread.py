"""What the throwaway database cannot load is one type, default or index that could not be verified, and not a whole side."""

import pytest
from pgkeel.schema.declared import Declarations
from pgkeel.schema.difference import NOTHING, Difference, Kind, Side
from pgkeel.schema.load import Loaded
from pgkeel.schema.model import Column, Schema, Table
from pgkeel.schema.run import Verdict, _compared, _pair
from pgkeel.schema.safety import type_safety_percent
from pgkeel.schema.sides import Known
from pgkeel.schema.unread import Refusal, Unread, apart, as_written, smaller, visible

PRISMA = """CREATE SCHEMA IF NOT EXISTS "own";

CREATE TABLE "own"."Doc" (
    "id" UUID NOT NULL DEFAULT extensions.make_id(),
    "e" extensions.vector(3) DEFAULT '[1]',

    CONSTRAINT "Doc_pkey" PRIMARY KEY ("id")
);
"""
DRIZZLE = """CREATE TABLE "t" (
\t"id" uuid PRIMARY KEY DEFAULT make_id() NOT NULL,
\t"e" vector(3) DEFAULT '[1]' NOT NULL
);
"""
INDEX = 'CREATE INDEX "i" ON "own"."Doc" USING hnsw ("e" extensions.vector_cosine_ops);'
KEY = 'ALTER TABLE "Doc" ADD CONSTRAINT "k" FOREIGN KEY ("a") REFERENCES "auth"."users"("id");'


def at(script, text, sqlstate="42704"):
    return Refusal(sqlstate, f"{text} does not exist", script.index(text) + 1)


def test_the_schema_of_an_extension_that_is_here_in_public_is_left_out():
    for name in ("extensions.make_id", "extensions.vector"):
        bare = name.removeprefix("extensions.")
        assert smaller(PRISMA, at(PRISMA, name, "3F000")) == (PRISMA.replace(name, bare), None)
    assert smaller(INDEX, Refusal("3F000", 'schema "extensions" does not exist')) == (INDEX.replace("extensions.", ""), None)
    # That of a table is none of an extension.
    assert smaller(KEY, Refusal("3F000", 'schema "auth" does not exist')) is None
    assert smaller(KEY, at(KEY, '"auth"', "3F000")) is None


TYPE, DEFAULT = frozenset({Kind.TYPE, Kind.DEFAULT}), frozenset({Kind.DEFAULT})


@pytest.mark.parametrize(
    ("script", "refusal", "kinds", "thing", "line"),
    [
        (PRISMA, at(PRISMA, "extensions.vector"), TYPE, ("own.Doc", "e", "extensions.vector(3)"), '    "e" text,'),
        (
            PRISMA,
            at(PRISMA, "extensions.make", "42883"),
            DEFAULT,
            ("own.Doc", "id", "extensions.make_id()"),
            '    "id" UUID NOT NULL,',
        ),
        (DRIZZLE, at(DRIZZLE, "vector(3)"), TYPE, ("t", "e", "vector(3)"), '\t"e" text NOT NULL'),
        (DRIZZLE, at(DRIZZLE, "make_id", "42883"), DEFAULT, ("t", "id", "make_id()"), '\t"id" uuid PRIMARY KEY NOT NULL,'),
    ],
)
def test_an_unknown_type_or_default_is_cut_out_of_its_column(script, refusal, kinds, thing, line):
    shorter, unread = smaller(script, refusal)
    assert line in shorter.split("\n")
    assert len(set(shorter.split("\n")) ^ set(script.split("\n"))) == 2
    table, column, written = thing
    assert unread == Unread(table, (column,), kinds, refusal.message, written)


def test_an_unknown_index_or_extension_is_left_out_alone():
    shorter, unread = smaller(INDEX, Refusal("42704", 'access method "hnsw" does not exist'))
    assert (shorter, unread.table, unread.columns, unread.written) == ("", "own.Doc", ("e",), INDEX.removesuffix(";"))
    assert smaller('CREATE EXTENSION "vector";', Refusal("0A000", "not available")) == ("", None)
    assert smaller(PRISMA, Refusal("42601", "syntax error", 5)) is None
    assert smaller(PRISMA, at(PRISMA, "CONSTRAINT")) is None


def test_indexes_and_extensions_stand_apart_in_their_order():
    extension = 'CREATE EXTENSION IF NOT EXISTS "vector" WITH SCHEMA "extensions";'
    assert apart("\n".join([extension, PRISMA, INDEX, KEY])) == [extension, f"\n{PRISMA}\n", INDEX, f"\n{KEY}"]


def test_only_what_was_not_loaded_could_not_be_verified():
    """That a column is missing is seen all the same."""
    unread = (
        Unread("t", ("e",), frozenset({Kind.TYPE, Kind.DEFAULT}), "no", "vector(3)"),
        Unread("t", ("e",), frozenset({Kind.INDEX, Kind.UNIQUE}), "no", "CREATE INDEX"),
    )
    mirror = Schema({"t": Table("t", {name: Column(name, "text", nullable=False) for name in ("id", "e")}, ("id",))})
    truth = as_written(mirror, unread)
    assert truth.tables["t"].columns["e"].type == "vector(3)"
    loaded = {Side.PRISMA: Loaded(truth, unread=unread), Side.DRIZZLE: Loaded(mirror)}
    known = Known(schemas={Side.PRISMA: truth, Side.DRIZZLE: mirror}, loaded=loaded)
    pair = _pair(known, Declarations(), Side.PRISMA, Side.DRIZZLE)
    assert (pair.verdict, pair.differences) == (Verdict.COULD_NOT_VERIFY, ())
    assert pair.unverified[0] == "Of Prisma, the type of t.e cannot be loaded here and was not compared (vector(3)): no"
    assert type_safety_percent([_compared(known, Declarations(), pair)]) == 50
    gone = [Difference(Side.PRISMA, Side.DRIZZLE, kind, "t", "e", "x", NOTHING) for kind in (Kind.MISSING_COLUMN, Kind.INDEX)]
    assert visible(gone, unread) == gone[:1]


@pytest.mark.parametrize(
    ("column", "kind", "hidden"),
    [("e", Kind.TYPE, True), ("a,e", Kind.TYPE, True), ("id", Kind.TYPE, False), ("e", Kind.ENUM, False)],
)
def test_only_what_is_said_of_its_own_columns_may_come_of_it(column, kind, hidden):
    unread = Unread("t", ("e",), frozenset({Kind.TYPE}), "no such type", "vector(3)")
    for table in ("t", "other"):
        difference = Difference(Side.PRISMA, Side.DRIZZLE, kind, table, column, "a", "b")
        assert unread.hides(difference) == (hidden and table == "t")
