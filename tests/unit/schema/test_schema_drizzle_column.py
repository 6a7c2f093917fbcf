"""A column is written anew where it is wrong; what is right stays as somebody wrote it."""

import pytest
from pgkeel.schema.difference import Kind
from pgkeel.schema.drizzle_code import Names, default_code
from pgkeel.schema.drizzle_column import Written, rewritten
from pgkeel.schema.model import Column, ForeignKey, Index, IndexKey, Table

UNIQUE = Index("T_c_key", (IndexKey("c"),), unique=True)
KEY = ForeignKey(("c",), "U", ("id",), "cascade", "no action")
NAMES = Names(tables={"U": "users"})


def written(builder, *links, stated=()):
    return Written(builder, tuple((link.lstrip(".").partition("(")[0], link) for link in links), frozenset(stated))


def anew(column, before, *wrong, **table):
    code = rewritten(Table("T", {column.name: column}, **table), column, NAMES, before, wrong)
    return code and code.text


def test_only_the_missing_not_null_comes_and_types_and_functions_of_the_application_stay():
    big = Column("c", "bigint", False)
    before = written('bigint("c", { mode: "number" })', ".$type<Cents>()")
    assert anew(big, before, Kind.NULLABILITY) == 'bigint("c", { mode: "number" }).$type<Cents>().notNull()'
    made = Column("c", "text", False, client="cuid()")
    assert anew(made, written('text("c")', ".$defaultFn(() => createId())"), Kind.NULLABILITY) == (
        'text("c").notNull().$defaultFn(() => createId())'
    )
    custom = Column("c", "citext", True)
    assert anew(custom, written('citext("c")', ".notNull()", '.unique("own")'), Kind.NULLABILITY) == 'citext("c").unique("own")'


@pytest.mark.parametrize("kind", [Kind.TYPE, Kind.NULLABILITY, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.PRIMARY_KEY])
def test_keys_that_the_table_states_are_not_said_again_by_the_column(kind):
    before = written('integer("c")', stated=(Kind.PRIMARY_KEY, Kind.UNIQUE, Kind.FOREIGN_KEY))
    column = Column("c", "integer", False)
    assert anew(column, before, kind, primary_key=("c",), foreign_keys=(KEY,), indexes=(UNIQUE,)) == 'integer("c").notNull()'


def test_keys_that_the_column_lacks_come_one_by_one():
    before, column = written('integer("c")'), Column("c", "integer", True)
    keys = {"foreign_keys": (KEY,), "indexes": (UNIQUE,)}
    assert anew(column, before, Kind.UNIQUE, **keys) == 'integer("c").unique()'
    assert anew(column, before, Kind.FOREIGN_KEY, **keys) == 'integer("c").references(() => users.id, { onDelete: "cascade" })'
    assert anew(column, before, Kind.PRIMARY_KEY, primary_key=("c",)) == 'integer("c").primaryKey()'
    assert anew(column, written('integer("c")', ".primaryKey()"), Kind.PRIMARY_KEY) == 'integer("c")'


def test_another_type_takes_its_constant_along_and_leaves_functions():
    one = Column("c", "integer", False, "1")
    assert anew(one, written('text("c")', '.default("1")'), Kind.TYPE) == 'integer("c").notNull().default(1)'
    made = Column("c", "text", False, client="uuid()")
    assert anew(made, written('uuid("c")', ".$defaultFn(() => v7())"), Kind.TYPE) == 'text("c").notNull().$defaultFn(() => v7())'
    assert anew(made, written('uuid("c")', ".defaultRandom()"), Kind.TYPE, Kind.DEFAULT) == (
        'text("c").notNull().$defaultFn(() => crypto.randomUUID())'
    )


def test_what_counts_up_changes_with_its_default():
    counts = Column("c", "integer", False, "autoincrement")
    assert anew(counts, written('integer("c")'), Kind.DEFAULT) == 'serial("c").notNull()'
    assert anew(Column("c", "integer", False), written('serial("c")'), Kind.DEFAULT) == 'integer("c").notNull()'
    identity = written('integer("c")', ".generatedAlwaysAsIdentity()")
    assert anew(counts, identity, Kind.NULLABILITY) == 'integer("c").notNull().generatedAlwaysAsIdentity()'


@pytest.mark.parametrize(("mode", "default"), [("number", "5"), ("bigint", "5n")])
def test_the_default_of_a_bigint_is_what_the_application_reads_it_as(mode, default):
    before = written(f'bigint("c", {{ mode: "{mode}" }})')
    code = f'bigint("c", {{ mode: "{mode}" }}).default({default})'
    assert anew(Column("c", "bigint", True, "5"), before, Kind.DEFAULT) == code


def test_a_time_of_change_with_a_default_has_both():
    column = Column("c", "timestamp(3) without time zone", False, "CURRENT_TIMESTAMP", client="@updatedAt")
    code = default_code(column)
    assert code
    assert code.text == ".defaultNow().$onUpdate(() => new Date())"


def test_a_column_that_is_no_chain_of_calls_is_not_taken_apart():
    assert Written.at({"builder_end": None}, "c: shared", ()) is None
