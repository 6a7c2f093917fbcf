"""The comparison without a database: what follows from another difference is not said again."""

from dataclasses import replace

import pytest
from pgkeel.schema.compare import Comparison, Rejected, compare, unexplained
from pgkeel.schema.compare_types import compare_types, filled_by_database
from pgkeel.schema.difference import IDS, Difference, Kind, Side, pair_name
from pgkeel.schema.explain import Sources, explain
from pgkeel.schema.model import Column, ForeignKey, Index, IndexKey, Schema, Table, TypedColumn, TypedSchema
from pgkeel.schema.renamed_enums import renamed_enums
from pgkeel.schema.safety import Compared, type_safety_percent

ID = Column("id", "text", nullable=False, client="uuid()")
OWNER = Column("ownerId", "text", nullable=False)
ROLE = Column("role", '"Role"', nullable=False, default="'A'", enum="Role")
KEY = ForeignKey(("ownerId",), "User", ("id",), "cascade", "cascade")
BY_OWNER = Index("by_owner", (IndexKey("ownerId"),))
USER = Table("User", {"id": replace(ID, client="$defaultFn"), "role": ROLE}, ("id",))
POST = Table("Post", {"id": replace(ID, client="$defaultFn"), "ownerId": OWNER}, ("id",), (KEY,), (BY_OWNER,))
TRUTH = Schema({"User": USER, "Post": POST}, {"Role": ("A", "B")})


def found(actual, wrong=Side.DRIZZLE, expected=TRUTH, rejected=()):
    sides = Comparison(Side.PRISMA, wrong, expected, actual, rejected)
    return {(one.kind, one.table, one.column) for one in compare(sides)}


def with_table(table, **changes):
    return Schema({**TRUTH.tables, table.name: replace(table, **changes)}, TRUTH.enums)


def test_equal_schemas_have_no_difference():
    renamed = replace(BY_OWNER, name="another_name")
    assert found(with_table(POST, indexes=(renamed,))) == set()


def test_a_missing_table_takes_its_columns_and_the_keys_that_point_to_it_along():
    assert found(Schema({"Post": POST}, TRUTH.enums)) == {(Kind.MISSING_TABLE, "User", "")}


def test_a_missing_column_takes_its_index_and_foreign_key_along():
    assert found(with_table(POST, columns={"id": POST.columns["id"]}, indexes=(), foreign_keys=())) == {
        (Kind.MISSING_COLUMN, "Post", "ownerId")
    }


def test_a_missing_enum_takes_the_types_of_its_columns_along():
    text = {**USER.columns, "role": replace(ROLE, type="text", enum="")}
    assert found(Schema({**TRUTH.tables, "User": replace(USER, columns=text)})) == {(Kind.MISSING_ENUM, "", "Role")}


def test_an_enum_by_another_name_is_one_difference():
    other = {**USER.columns, "role": replace(ROLE, type="user_role", enum="user_role")}
    actual = Schema({**TRUTH.tables, "User": replace(USER, columns=other)}, {"user_role": ("A", "B")})
    assert found(actual) == {(Kind.MISSING_ENUM, "", "Role")}


def with_roles(enums, **columns):
    """The truth with a second column of Role, and a schema whose User has these columns of these enums."""
    other = replace(ROLE, name="other")
    made = {name: replace(ROLE, name=name, type=enum or "text", enum=enum) for name, enum in columns.items()}
    expected = with_table(USER, columns={**USER.columns, "other": other})
    return Schema({**TRUTH.tables, "User": replace(USER, columns={**USER.columns, **made})}, enums), expected


def test_another_name_and_other_values_are_two_facts_and_not_one_a_column():
    actual, expected = with_roles({"user_role": ("A",)}, role="user_role", other="user_role")
    facts = {(Kind.MISSING_ENUM, "", "Role"), (Kind.ENUM, "", "Role")}
    assert found(actual, expected=expected) == facts
    assert found(actual, Side.LIVE, expected=expected) == facts
    # An enum of columns that the truth has as something else is not this one.
    stranger, _ = with_roles({"user_role": ("A",)}, id="user_role", role="user_role", other="user_role")
    assert {(Kind.TYPE, "User", name) for name in ("id", "role", "other")} <= found(stranger, expected=expected)


def test_a_column_that_is_no_enum_is_a_fact_beside_the_renamed_one():
    actual, expected = with_roles({"user_role": ("A", "B")}, role="user_role", other="")
    assert found(actual, expected=expected) == {(Kind.MISSING_ENUM, "", "Role"), (Kind.TYPE, "User", "other")}
    array, _ = with_roles({"user_role": ("A", "B")}, role="user_role", other="user_role")
    array.tables["User"].columns["other"] = replace(ROLE, name="other", type="user_role[]", enum="user_role")
    assert found(array, expected=expected) == {(Kind.MISSING_ENUM, "", "Role"), (Kind.TYPE, "User", "other")}


def test_two_enums_of_the_same_values_are_told_apart_by_their_columns():
    def of(one, two):
        columns = {name: replace(ROLE, name=name, type=enum, enum=enum) for name, enum in (("a", one), ("b", two))}
        return Schema({"T": Table("T", columns, ("a",))}, {one: ("A",), two: ("A",)})

    expected, actual = of("First", "Second"), of("second_own", "first_own")
    assert renamed_enums(expected, actual) == {"First": "second_own", "Second": "first_own"}
    assert found(actual, expected=expected) == {(Kind.MISSING_ENUM, "", "First"), (Kind.MISSING_ENUM, "", "Second")}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (("integer", "1"), ("text", "'1'")),
        (("text", "'0.50'"), ("numeric(4,2)", "0.5")),
        (("boolean", "true"), ("text", "'true'")),
        (("jsonb", '{"a": 1}'), ("text", "'{\"a\":1}'")),
        (("text[]", "'{}'"), ("jsonb", "[]")),
    ],
)
def test_a_default_in_the_form_of_another_type_follows_from_the_type(expected, actual):
    sides = [
        with_table(POST, columns={**POST.columns, "n": Column("n", kind, False, default)}) for kind, default in (expected, actual)
    ]
    assert found(sides[1], expected=sides[0]) == {(Kind.TYPE, "Post", "n")}
    assert found(sides[1], Side.LIVE, expected=sides[0]) == {(Kind.TYPE, "Post", "n")}


@pytest.mark.parametrize("default", ["", "'2'", "now()"])
def test_another_default_of_another_type_is_a_difference_of_its_own(default):
    columns = {"n": Column("n", "integer", False, "1")}
    other = {"n": Column("n", "text", False, default)}
    assert found(
        with_table(POST, columns={**POST.columns, **other}), expected=with_table(POST, columns={**POST.columns, **columns})
    ) == {
        (Kind.TYPE, "Post", "n"),
        (Kind.DEFAULT, "Post", "n"),
    }


def test_the_order_of_an_enum_matters_in_a_database_alone():
    actual = Schema(TRUTH.tables, {"Role": ("B", "A")})
    assert found(actual) == set()
    assert found(actual, Side.LIVE) == {(Kind.ENUM, "", "Role")}


def test_a_lost_unique_index_is_one_difference_though_a_plain_one_took_its_place():
    unique = replace(BY_OWNER, unique=True)
    assert found(TRUTH, expected=with_table(POST, indexes=(unique,))) == {(Kind.UNIQUE, "Post", "ownerId")}


def test_a_unique_index_in_place_of_a_primary_key_is_one_difference():
    """As Prisma 5 made for the tables of implicit relations."""
    stand_in = Index("key", (IndexKey("id"),), unique=True)
    actual = with_table(USER, primary_key=(), indexes=(stand_in,))
    assert found(actual, Side.LIVE) == {(Kind.PRIMARY_KEY, "User", "id")}
    one = compare(Comparison(Side.PRISMA, Side.LIVE, TRUTH, actual))[0]
    assert one.actual == "unique index (id)"


def test_an_index_that_lost_a_column_is_one_difference():
    both = replace(BY_OWNER, keys=(IndexKey("ownerId"), IndexKey("id")))
    assert found(TRUTH, expected=with_table(POST, indexes=(both,))) == {(Kind.INDEX, "Post", "ownerId,id")}
    other = replace(BY_OWNER, keys=(IndexKey("id"),))
    assert len(found(with_table(POST, indexes=(other,)))) == 2


def test_a_column_that_the_database_fills_wants_any_default_there():
    by_database = replace(ID, client="dbgenerated()")
    expected = with_table(USER, columns={"id": by_database, "role": ROLE})
    for default in ("generated: lower(role)", "gen_random_uuid()"):
        actual = with_table(USER, columns={"id": replace(ID, client="", default=default), "role": ROLE})
        assert found(actual, Side.LIVE, expected) == set()
        assert found(actual, expected=expected) == set()
    without = with_table(USER, columns={"id": replace(ID, client=""), "role": ROLE})
    assert found(without, Side.LIVE, expected) == {(Kind.DEFAULT, "User", "id")}


@pytest.mark.parametrize(
    ("expected", "actual", "urgent"),
    [
        ("time(0) without time zone", "time(3) without time zone", False),
        ("real", "double precision", False),
        ("timestamp(3) without time zone", "timestamp(6) with time zone", False),
        ("character varying(10)", "text", False),
        ("text", "uuid", True),
        ("numeric(6,3)[]", "numeric(6,3)", True),
        ("text[]", "character varying(4)[]", False),
        ("bit(8)", "bit(4)", True),
        ("integer", "text", True),
    ],
)
def test_types_whose_values_are_refused_are_urgent(expected, actual, urgent):
    one = with_table(USER, columns={"id": replace(ID, type=expected), "role": ROLE})
    other = with_table(USER, columns={"id": replace(ID, type=actual), "role": ROLE})
    differences = compare(Comparison(Side.PRISMA, Side.DRIZZLE, one, other))
    assert [(one.kind, one.urgent) for one in differences] == [(Kind.TYPE, urgent)]


def test_what_only_prismas_client_fills_in_is_not_generated():
    made = Schema({"User": replace(USER, columns={"id": replace(ID, client="nanoid()"), "role": ROLE})})
    types = typed(id=TypedColumn("id", "string", nullable=False, generated=True))
    assert not filled_by_database(types, made).tables["User"]["id"].generated
    for kept in (replace(ID, client="dbgenerated()"), replace(ID, default="x"), replace(ID, nullable=True)):
        schema = Schema({"User": replace(USER, columns={"id": kept})})
        assert filled_by_database(types, schema).tables["User"]["id"].generated


def test_an_invalid_index_is_no_index():
    broken = replace(BY_OWNER, valid=False)
    assert found(with_table(POST, indexes=(broken,)), Side.LIVE) == {(Kind.INDEX, "Post", "ownerId")}
    # Beside a valid one it is waste, which the audit of the server reports.
    assert found(with_table(POST, indexes=(BY_OWNER, broken)), Side.LIVE) == set()


def test_nulls_first_matters_where_there_can_be_nulls():
    first = replace(BY_OWNER, keys=(IndexKey("ownerId", nulls_first=True),))
    assert found(with_table(POST, indexes=(first,)), Side.LIVE) == set()
    columns = {**POST.columns, "ownerId": replace(OWNER, nullable=True)}
    nullable = Schema({**TRUTH.tables, "Post": replace(POST, columns=columns)}, TRUTH.enums)
    actual = Schema({**TRUTH.tables, "Post": replace(POST, columns=columns, indexes=(first,))}, TRUTH.enums)
    assert found(actual, Side.LIVE, nullable) == {(Kind.INDEX, "Post", "ownerId")}


def test_a_default_of_the_client_is_as_good_as_one_of_the_database():
    expected = with_table(USER, columns={"id": ID, "role": ROLE})
    assert found(TRUTH, expected=expected) == set()
    bare = with_table(USER, columns={"id": replace(ID, client=""), "role": ROLE})
    assert found(bare, expected=expected) == {(Kind.DEFAULT, "User", "id")}
    promised = with_table(USER, columns={"id": replace(ID, client="", default="gen_random_uuid()"), "role": ROLE})
    assert found(promised, expected=expected) == {(Kind.DEFAULT, "User", "id")}


def test_an_update_that_leaves_updated_at_as_it_was_is_found():
    stamp = Column("updatedAt", "timestamp(3) without time zone", nullable=False, client="@updatedAt", on_update=True)
    expected = with_table(USER, columns={**USER.columns, "updatedAt": stamp})
    once = with_table(USER, columns={**USER.columns, "updatedAt": replace(stamp, client="$defaultFn", on_update=False)})
    always = with_table(USER, columns={**USER.columns, "updatedAt": replace(stamp, client="$onUpdate")})
    assert found(once, expected=expected) == {(Kind.DEFAULT, "User", "updatedAt")}
    assert found(always, expected=expected) == set()


def test_a_foreign_key_that_was_refused_for_no_reason_that_is_known_could_not_be_verified():
    without = with_table(POST, foreign_keys=())
    rejected = (Rejected("Post", ("ownerId",), "no"),)
    sides = Comparison(Side.PRISMA, Side.DRIZZLE, TRUTH, without, rejected)
    assert compare(sides) == []
    assert len(unexplained(sides, [])) == 1


def typed(**columns):
    return TypedSchema({"User": columns}, {"Role": ("A", "B")})


def test_types_that_say_more_than_unknown_are_as_right():
    document = TypedColumn("data", "unknown", nullable=True, generated=False)
    assert compare_types(Side.PRISMA, typed(data=document), typed(data=replace(document, type="Settings"))) == []


def test_an_enum_with_another_value_is_one_difference_and_its_columns_none():
    one = TypedColumn("role", '"A" | "B"', nullable=False, generated=True)
    actual = TypedSchema({"User": {"role": replace(one, type='"A" | "C"')}}, {"Role": ("A", "C")})
    assert [(d.kind, d.column) for d in compare_types(Side.PRISMA, typed(role=one), actual)] == [(Kind.ENUM, "Role")]


def test_every_kind_has_an_impact_and_an_id():
    for kind in Kind:
        for wrong in (Side.DRIZZLE, Side.KYSELY, Side.LIVE):
            one = explain([Difference(Side.PRISMA, wrong, kind, "User", "id", "a", "b")], Sources())[0]
            assert one.impact
            assert one.fix
            assert one.as_finding().id == IDS[kind]
    assert len(set(IDS.values())) == len(Kind)


def test_pairs_are_named_as_the_contract_names_them():
    assert pair_name(Side.LIVE, Side.DRIZZLE) == "drizzle-live"
    assert pair_name(Side.KYSELY, Side.PRISMA) == "prisma-kysely"


def difference(kind, table="User", column="id"):
    return Difference(Side.PRISMA, Side.DRIZZLE, kind, table, column, "a", "b")


COLUMNS = [("User", "id", ""), ("User", "role", "Role"), ("Post", "id", "")]


def test_type_safety_is_the_share_of_columns_that_agree():
    assert type_safety_percent([]) is None
    assert type_safety_percent([Compared(COLUMNS, [])]) == 100
    assert type_safety_percent([Compared(COLUMNS, [difference(Kind.TYPE)])]) == 66.6
    assert type_safety_percent([Compared(COLUMNS, [difference(Kind.MISSING_TABLE, "User", "")])]) == 33.3
    assert type_safety_percent([Compared(COLUMNS, [difference(Kind.ENUM, "", "Role")])]) == 66.6
    assert type_safety_percent([Compared(COLUMNS, [difference(Kind.INDEX)])]) == 100
    assert type_safety_percent([Compared(COLUMNS, [], [("Post", "")])]) == 66.6


def test_a_hundred_percent_means_every_column():
    many = [("T", f"c{number}", "") for number in range(10_000)]
    assert type_safety_percent([Compared(many, [difference(Kind.TYPE, "T", "c1")])]) == 99.9
