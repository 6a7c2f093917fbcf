"""Patches for keys, indexes and whole tables, in every form in which Drizzle lets a table say them. Needs Node, no server."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from pgkeel.schema.application import Application, read_application
from pgkeel.schema.declared import Declarations
from pgkeel.schema.difference import NOTHING, Difference, Kind, Side
from pgkeel.schema.drizzle_edit import Edit
from pgkeel.schema.drizzle_patch import mend, patch
from pgkeel.schema.drizzle_source import DrizzleSource
from pgkeel.schema.drizzle_task import Task
from pgkeel.schema.explain import Sources, explain
from pgkeel.schema.model import Column, ForeignKey, Index, IndexKey, Schema, Table

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "tables.ts": """\
import { foreignKey, index, integer, pgSchema, pgTable, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";

export const other = pgSchema("other");

export const bare = pgTable("bare", {
  a: integer("a").notNull(),
  b: integer("b").notNull(),
});

export const empty = pgTable("empty", { a: integer("a").notNull(), b: integer("b").notNull() }, (t) => []);

export const listed = pgTable(
  "listed",
  { a: integer("a").notNull(), b: integer("b").notNull() },
  (self) => [
    primaryKey({ columns: [self.b, self.a] }),
    index("by_a").on(self.a),
    index("by_both").on(self.a, self.b),
    foreignKey({ columns: [self.a, self.b], foreignColumns: [bare.a, bare.b] }),
  ],
);

export const named = pgTable("named", { a: integer("a").primaryKey(), b: integer("b").notNull() }, (t) => ({
  byA: index("named_a").on(t.a),
  byB: uniqueIndex("named_b").on(t.b),
}));

export const placed = other.table("placed", { a: integer("a").notNull(), b: integer("b").notNull() });

export const odd = pgTable("odd", { a: integer("a").notNull(), b: integer("b").notNull() }, indexesOf);

export const spoken = pgTable("spoken", { a: integer("a").unique() });

function indexesOf() {
  return [];
}
""",
    "extra.ts": """\
import { index, integer, pgTable } from "drizzle-orm/pg-core";

export const lonely = pgTable("lonely", { a: integer("a") });
export const used = pgTable("used", { a: integer("a") });
export const columns = used;
export const left = pgTable("left", {
  a: integer("a"), // stays
  gone: integer("gone"), // goes
  spoken: integer("spoken"),
}, (t) => [index("one").on(t.a), index("two").on(t.gone), index("three").on(t.gone, t.a)]);
export const names = [left.spoken];
export const lacking = pgTable("lacking", { a: integer("a"), c: integer("c") }, (t) => [
  index("only").on(t.c)
]);
""",
}
BOTH = Index("T_a_b_idx", (IndexKey("a"), IndexKey("b", descending=True)))
ONLY_A = Index("x", (IndexKey("a"),))
KEY = ForeignKey(("a", "b"), "bare", ("a", "b"), "cascade", "no action")
COLUMNS = {name: Column(name, "integer", nullable=False) for name in ("a", "b")}
NAMES = ("bare", "empty", "listed", "named", "other.placed", "odd")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DrizzleSource:
    folder = tmp_path_factory.mktemp("drizzle")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    prisma = folder / "schema.prisma"
    prisma.write_text('datasource db {\n  provider = "postgresql"\n}\nmodel bare {\n  a Int\n  b Int\n  @@id([a, b])\n}\n')
    given = read_application(Application(prisma=prisma, drizzle=folder), ROOT / "files" / "orm", ROOT / "build" / "orm")
    declared = Declarations.from_mapping(given)
    assert declared.drizzle
    assert declared.prisma
    assert not declared.drizzle.problem, declared.drizzle.problem
    return DrizzleSource(declared.drizzle, declared.prisma)


def edits_for(source: DrizzleSource, truth: Schema, fact: Difference) -> list[Edit]:
    return mend(source, Task.of(truth, [fact]), fact)


def change(source: DrizzleSource, table: Table, kind: Kind, *facts: tuple[str, str, str]) -> tuple[list[str], list[str]]:
    """The lines that go and those that come, for differences given as column, expected and actual."""
    schema = Schema({name: replace(table, name=name) for name in NAMES})
    edits = [
        edit
        for column, expected, actual in facts
        for edit in edits_for(source, schema, Difference(Side.PRISMA, Side.DRIZZLE, kind, table.name, column, expected, actual))
    ]
    if not edits:
        return [], []
    lines = [line for line in patch(source, edits).splitlines() if not line.startswith(("---", "+++"))]
    return [line[1:] for line in lines if line[0] == "-"], [
        line[1:] for line in lines if line[0] == "+" and "import {" not in line
    ]


def missing(index: Index) -> tuple[str, str, str]:
    return ",".join(index.columns), index.describe(), NOTHING


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("bare", '}, (table) => [index("T_a_b_idx").on(table.a, table.b.desc()), index("x").on(table.a)]);'),
        ("empty", '(t) => [index("T_a_b_idx").on(t.a, t.b.desc()), index("x").on(t.a)]);'),
        ("listed", '    index("T_a_b_idx").on(self.a, self.b.desc()),'),
        ("named", '  T_a_b_idx: index("T_a_b_idx").on(t.a, t.b.desc()),'),
        ("other.placed", '(table) => [index("T_a_b_idx").on(table.a, table.b.desc()), index("x").on(table.a)]);'),
    ],
)
def test_missing_indexes_are_put_where_the_table_has_its_others(source: DrizzleSource, name: str, line: str) -> None:
    table = Table(name, COLUMNS, indexes=(BOTH, ONLY_A))
    _, new = change(source, table, Kind.INDEX, missing(BOTH), missing(ONLY_A))
    assert any(one.endswith(line) for one in new), new


def test_what_a_function_returns_is_left_to_people(source: DrizzleSource) -> None:
    assert change(source, Table("odd", COLUMNS, indexes=(BOTH,)), Kind.INDEX, missing(BOTH)) == ([], [])


@pytest.mark.parametrize(
    ("index", "code"),
    [
        (replace(BOTH, unique=True), 'uniqueIndex("T_a_b_idx").on(self.a, self.b.desc()),'),
        (
            replace(BOTH, method="gin", keys=(IndexKey("a", opclass="x_ops"),)),
            'index("T_a_b_idx").using("gin", self.a.op("x_ops")),',
        ),
        (replace(BOTH, predicate="a > `0`"), 'index("T_a_b_idx").on(self.a, self.b.desc()).where(sql`a > \\`0\\``),'),
        (Index("e", (IndexKey("abs(a)"),)), 'index("e").on(sql`abs(a)`),'),
        (Index("n", (IndexKey("a"),), unique=True, nulls_not_distinct=True), 'unique("n").on(self.a).nullsNotDistinct(),'),
    ],
)
def test_each_form_of_an_index_is_written_as_drizzle_says_it(source: DrizzleSource, index: Index, code: str) -> None:
    kind = Kind.UNIQUE if index.unique and len(index.columns) > 1 else Kind.INDEX
    _, new = change(source, Table("listed", COLUMNS, indexes=(index,)), kind, missing(index))
    assert new == [f"    {code}"]


def test_an_index_with_included_columns_has_no_equal_in_drizzle(source: DrizzleSource) -> None:
    index = replace(BOTH, include=("c",))
    assert change(source, Table("listed", COLUMNS, indexes=(index,)), Kind.INDEX, missing(index)) == ([], [])


def test_one_that_differs_is_replaced_and_one_too_many_goes(source: DrizzleSource) -> None:
    table = Table("listed", COLUMNS, indexes=(BOTH,))
    found = ("a,b", BOTH.describe(), "btree (a, b)")
    assert change(source, table, Kind.INDEX, found) == (
        ['    index("by_both").on(self.a, self.b),'],
        ['    index("T_a_b_idx").on(self.a, self.b.desc()),'],
    )
    assert change(source, table, Kind.INDEX, ("a", NOTHING, "btree (a)")) == (['    index("by_a").on(self.a),'], [])
    gone, new = change(source, replace(table, name="named"), Kind.UNIQUE, ("b", NOTHING, "unique btree (b)"))
    assert (gone, new) == (['  byB: uniqueIndex("named_b").on(t.b),'], [])


def test_what_is_said_of_a_key_is_what_the_patch_does(source: DrizzleSource) -> None:
    """A plain index in the place of a unique one goes; a unique column that shall be a plain index becomes one."""
    unique = replace(ONLY_A, unique=True)
    tables = {
        "listed": Table("listed", COLUMNS, indexes=(unique,)),
        "spoken": Table("spoken", COLUMNS, indexes=(ONLY_A,)),
    }
    facts = [
        Difference(Side.PRISMA, Side.DRIZZLE, Kind.UNIQUE, "listed", "a", unique.describe(), ONLY_A.describe()),
        Difference(Side.PRISMA, Side.DRIZZLE, Kind.UNIQUE, "spoken", "a", ONLY_A.describe(), unique.describe()),
    ]
    place = source.place("spoken", "a")
    said = explain(facts, Sources(truth=Schema(tables), drizzle=source))
    assert [one.fix.split(": ", 1)[1] for one in said] == [
        'replace index("by_a").on(self.a) with uniqueIndex("x").on(self.a)',
        f'replace a: integer("a").unique() with a: integer("a").notNull(); {place}: write index("x").on(table.a)',
    ]
    for one in said:
        for words in re.findall(r"(?:with|write) ([^;]+)", one.fix):
            assert words in one.patch


def test_primary_keys_of_several_columns(source: DrizzleSource) -> None:
    expected = ("a,b", "primary key (a, b)", "primary key (b, a)")
    table = Table("listed", COLUMNS, ("a", "b"))
    assert change(source, table, Kind.PRIMARY_KEY, expected) == (
        ["    primaryKey({ columns: [self.b, self.a] }),"],
        ["    primaryKey({ columns: [self.a, self.b] }),"],
    )
    _, new = change(source, replace(table, name="bare"), Kind.PRIMARY_KEY, expected)
    assert new == ["}, (table) => [primaryKey({ columns: [table.a, table.b] })]);"]
    gone, new = change(source, replace(table, name="named"), Kind.PRIMARY_KEY, expected)
    assert "primaryKey()" in gone[0]
    assert 'a: integer("a").notNull()' in new[0]
    assert "  primaryKey: primaryKey({ columns: [t.a, t.b] })," in new
    gone, new = change(
        source, replace(table, primary_key=("a",)), Kind.PRIMARY_KEY, ("a", "primary key (a)", "primary key (b, a)")
    )
    assert "    primaryKey({ columns: [self.b, self.a] })," in gone
    assert any('a: integer("a").primaryKey()' in line for line in new)


def test_foreign_keys_of_several_columns(source: DrizzleSource) -> None:
    expected = ("a,b", KEY.describe(), "whatever it is")
    line = 'foreignKey({ columns: [self.a, self.b], foreignColumns: [bare.a, bare.b] }).onDelete("cascade")'
    _, new = change(source, Table("listed", COLUMNS, foreign_keys=(KEY,)), Kind.FOREIGN_KEY, expected)
    assert new == [f"    {line},"]
    gone, new = change(source, Table("listed", COLUMNS), Kind.FOREIGN_KEY, ("a,b", NOTHING, KEY.describe()))
    assert len(gone) == 1
    assert new == []
    _, new = change(
        source, Table("other.placed", COLUMNS, foreign_keys=(KEY,)), Kind.FOREIGN_KEY, ("a,b", KEY.describe(), NOTHING)
    )
    assert "(table) => [foreignKey({ columns: [table.a, table.b], foreignColumns: [bare.a, bare.b] })" in new[0]


def test_an_extra_table_goes_where_nothing_else_speaks_of_it(source: DrizzleSource) -> None:
    fact = ("", NOTHING, "a table")
    assert change(source, Table("lonely", COLUMNS), Kind.EXTRA_TABLE, fact) == (
        ['export const lonely = pgTable("lonely", { a: integer("a") });'],
        [],
    )
    assert change(source, Table("used", COLUMNS), Kind.EXTRA_TABLE, fact) == ([], [])


def test_a_missing_column_brings_its_indexes_along(source: DrizzleSource) -> None:
    """In the place of the only one, which goes with the column that is too many."""
    truth = Schema({"lacking": Table("lacking", COLUMNS, indexes=(BOTH, ONLY_A))})
    facts = [
        Difference(Side.PRISMA, Side.DRIZZLE, Kind.EXTRA_COLUMN, "lacking", "c", NOTHING, "integer"),
        Difference(Side.PRISMA, Side.DRIZZLE, Kind.MISSING_COLUMN, "lacking", "b", "integer not null", NOTHING),
    ]
    text = patch(source, [edit for fact in facts for edit in edits_for(source, truth, fact)])
    new = "".join(line[1:] for line in text.splitlines() if line.startswith("+") and not line.startswith("+++"))
    assert 'b: integer("b").notNull()' in new
    # The line that closes the list stays.
    assert new.endswith('(t) => [  index("T_a_b_idx").on(t.a, t.b.desc()),')


def mended(folder: Path, text: str) -> str:
    """A file whose only fault is that column `b` of table `t` is missing, after its patch was applied."""
    schema = folder / "schema.ts"
    schema.write_bytes(text.encode())
    prisma = folder / "schema.prisma"
    prisma.write_text('datasource db {\n  provider = "postgresql"\n}\nmodel t {\n  a Int @id\n  b Int\n}\n')
    application = Application(prisma=prisma, drizzle=schema)
    declared = Declarations.from_mapping(read_application(application, ROOT / "files" / "orm", ROOT / "build" / "orm"))
    assert declared.drizzle
    assert declared.prisma
    source = DrizzleSource(declared.drizzle, declared.prisma)
    truth = Schema({"t": Table("t", COLUMNS, ("a",))})
    fact = Difference(Side.PRISMA, Side.DRIZZLE, Kind.MISSING_COLUMN, "t", "b", "integer not null", NOTHING)
    done = subprocess.run(
        ["patch", "-p1", "--binary", "-d", str(folder)],
        input=patch(source, edits_for(source, truth, fact)).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert b"fuzz" not in done.stdout
    return schema.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("// \N{PARTY POPPER}\N{PARTY POPPER}\n", "\n"),
        ("// a form feed \f and a line separator \u2028// \n", "\n"),
        ("", ""),
    ],
)
def test_a_patch_fits_whatever_characters_the_file_has(tmp_path: Path, before: str, after: str) -> None:
    lines = [
        'import { integer, pgTable } from "drizzle-orm/pg-core";',
        'export const t = pgTable("t", {',
        '  a: integer("a").primaryKey(),',
        "});",
    ]
    new = [*lines[:2], '  b: integer("b").notNull(),', *lines[2:]]
    assert mended(tmp_path, before + "\n".join(lines) + after) == before + "\n".join(new) + after


def test_an_extra_column_goes_with_its_indexes_unless_something_else_speaks_of_it(source: DrizzleSource) -> None:
    """What is left of it would keep the file from loading."""
    table = Table("left", COLUMNS)
    gone, new = change(source, table, Kind.EXTRA_COLUMN, ("gone", NOTHING, "integer"))
    assert gone[0] == '  gone: integer("gone"), // goes'
    assert new == ['}, (t) => [index("one").on(t.a), ]);']
    assert change(source, table, Kind.EXTRA_COLUMN, ("spoken", NOTHING, "integer")) == ([], [])


PRISMA = """
datasource db {
  provider = "postgresql"
}
enum Role {
  A
  B
}
enum Kind {
  X
}
model Class {
  id   Int  @id
  kind Kind
}
"""
SPLIT = {
    "enums.ts": """import { pgEnum } from "drizzle-orm/pg-core";
export const role = pgEnum("user_role", ["A"]);
""",
    "users.ts": """import { pgTable, text } from "drizzle-orm/pg-core";
import { role } from "./enums";
export const users = pgTable("User", { role: role("role"), kind: text("kind").notNull() });
""",
}


def test_what_is_declared_anew_is_found_by_every_file_that_needs_it(tmp_path: Path) -> None:
    for name, text in {**SPLIT, "schema.prisma": PRISMA}.items():
        (tmp_path / name).write_text(text)
    application = Application(prisma=tmp_path / "schema.prisma", drizzle=tmp_path)
    declared = Declarations.from_mapping(read_application(application, ROOT / "files" / "orm", ROOT / "build" / "orm"))
    assert declared.drizzle
    assert declared.prisma
    kind = Column("kind", '"Kind"', nullable=False, enum="Kind")
    key = ForeignKey(("parentId",), "Class", ("id",), "cascade", "no action")
    columns = {name: Column(name, "integer", nullable=False) for name in ("id", "parentId")} | {"kind": kind}
    users = {"role": Column("role", '"Role"', nullable=True, enum="Role"), "kind": kind}
    truth = Schema(
        {
            "User": Table("User", users),
            "Class": Table("Class", columns, ("id",), (key,)),
            "Other": Table("Other", columns, (), (key,)),
        },
        {"Role": ("A", "B"), "Kind": ("X",)},
    )
    role = Column("role", "user_role", nullable=True, enum="user_role")
    loaded = Schema({"User": Table("User", {"role": role, "kind": replace(kind, type="text", enum="")})}, {"user_role": ("A",)})
    source = DrizzleSource(declared.drizzle, declared.prisma, truth, loaded)

    def lines(kind: Kind, table: str, column: str) -> list[str]:
        fact = Difference(Side.PRISMA, Side.DRIZZLE, kind, table, column, "", NOTHING)
        return [line for line in patch(source, edits_for(source, truth, fact)).splitlines() if line[:1] in "+-" and len(line) > 1]

    assert lines(Kind.MISSING_ENUM, "", "Role") == [
        "--- a/enums.ts",
        "+++ b/enums.ts",
        '-export const role = pgEnum("user_role", ["A"]);',
        '+export const role = pgEnum("Role", ["A"]);',
    ]
    assert lines(Kind.ENUM, "", "Role")[2:] == [
        '-export const role = pgEnum("user_role", ["A"]);',
        '+export const role = pgEnum("user_role", ["A", "B"]);',
    ]
    assert lines(Kind.MISSING_ENUM, "", "Kind") == [
        "--- a/enums.ts",
        "+++ b/enums.ts",
        '+export const kind = pgEnum("Kind", ["X"]);',
        "--- a/users.ts",
        "+++ b/users.ts",
        '-import { role } from "./enums";',
        '-export const users = pgTable("User", { role: role("role"), kind: text("kind").notNull() });',
        '+import { role, kind } from "./enums";',
        '+export const users = pgTable("User", { role: role("role"), kind: kind("kind").notNull() });',
    ]
    # A table brings the enum and the other table along that it speaks of.
    other = lines(Kind.MISSING_TABLE, "Other", "")
    assert '+export const kind = pgEnum("Kind", ["X"]);' in other
    assert '+import { role, kind } from "./enums";' in other
    assert '+export const classTable = pgTable("Class", {' in other
    assert '+  parentId: integer("parentId").notNull().references(() => classTable.id, { onDelete: "cascade" }),' in other
    assert any("type AnyPgColumn" in line for line in other)


FORMS = """\
import { integer as int, pgEnum, pgTable, pgTableCreator } from "drizzle-orm/pg-core";
const ROLES = ["A"] as const;
export const role = pgEnum("Role", ROLES);
export const one = pgTable("one", (t) => ({
  a: t.integer("a"),
})).enableRLS();
const make = pgTableCreator((name) => `app_${name}`);
export const two = make("two", { a: int("a") });
export const createTable = pgTableCreator((name) => `app_${name}`);
export const three = createTable("three", (t) => {
  return { a: t.integer("a") };
}, (t) => []);
"""


def test_tables_of_callbacks_and_of_creators_are_mended_in_their_place(tmp_path: Path) -> None:
    """A creator's table has the name that the database knows, not the one that the file gives the creator."""
    (tmp_path / "schema.ts").write_text(FORMS)
    (tmp_path / "schema.prisma").write_text(PRISMA)
    application = Application(prisma=tmp_path / "schema.prisma", drizzle=tmp_path / "schema.ts")
    declared = Declarations.from_mapping(read_application(application, ROOT / "files" / "orm", ROOT / "build" / "orm"))
    assert declared.drizzle
    assert declared.prisma
    role = Column("b", '"Role"', nullable=False, enum="Role")
    columns = {"a": Column("a", "integer", nullable=False), "b": role}
    tables = {name: Table(name, columns, indexes=(ONLY_A,)) for name in ("one", "app_two", "app_three")}
    truth = Schema(tables, {"Role": ("A", "B")})
    source = DrizzleSource(declared.drizzle, declared.prisma, truth, Schema({}, {"Role": ("A",)}))
    assert [source.place(name, "a").rpartition(":")[2] for name in tables] == ["5", "8", "11"]
    facts = [
        Difference(Side.PRISMA, Side.DRIZZLE, kind, name, column, expected, NOTHING)
        for name in tables
        for kind, column, expected in (
            (Kind.NULLABILITY, "a", "not null"),
            (Kind.MISSING_COLUMN, "b", "Role"),
            (Kind.INDEX, "a", ONLY_A.describe()),
        )
    ]
    text = patch(source, [edit for fact in facts for edit in edits_for(source, truth, fact)])
    assert [line[1:] for line in text.splitlines() if line.startswith("+")][2:] == [
        '  b: role("b").notNull(),',
        '  a: t.integer("a").notNull(),',
        '}), (table) => [index("x").on(table.a)]).enableRLS();',
        'export const two = make("two", { b: role("b").notNull(), a: int("a").notNull() }, (table) => [index("x").on(table.a)]);',
        '  return { b: role("b").notNull(), a: t.integer("a").notNull() };',
        '}, (t) => [index("x").on(t.a)]);',
    ]
    # Values that stand elsewhere, or a table in a form of its own, are left to people and not declared a second time.
    assert edits_for(source, truth, Difference(Side.PRISMA, Side.DRIZZLE, Kind.ENUM, "", "Role", "A, B", "A")) == []
    assert not source.undeclared('one.a; role("b")')
