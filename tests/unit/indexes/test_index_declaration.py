from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.index_declaration import create_index, parse_declarations, storage_value
from psycopg import sql

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)


def text(raw, **options) -> str:
    (declaration,) = parse_declarations([raw])
    arguments = {"name": declaration.name, "relation": sql.Identifier("t"), "concurrently": True, **options}
    return create_index(declaration, **arguments).as_string(None)


def test_every_clause_has_its_place():
    raw = {
        "name": "i",
        "table": "t",
        "method": "btree",
        "columns": [
            "a",
            {"expression": "lower(b)", "collation": "en_US.utf8", "opclass": "ext.text_ops", "order": "DESC", "nulls": "last"},
        ],
        "unique": True,
        "include": ["c"],
        "nulls_not_distinct": True,
        "storage": {"fillfactor": 70, "deduplicate_items": False},
        "where": "d > 1",
    }
    assert text(raw) == (
        'CREATE UNIQUE INDEX CONCURRENTLY "i" ON "t" USING "btree" '
        '("a", (lower(b)) COLLATE "en_US.utf8" "ext"."text_ops" DESC NULLS LAST) INCLUDE ("c") NULLS NOT DISTINCT '
        "WITH (\"fillfactor\" = '70', \"deduplicate_items\" = 'off') WHERE (d > 1)"
    )
    assert "CONCURRENTLY" not in text(raw, concurrently=False)


@given(NAMES, NAMES)
def test_names_are_quoted_whatever_they_hold(name, column):
    statement = text({"name": name, "table": "t", "columns": [{"column": column}]}) if column.strip() else ""
    if statement:
        quoted = [f'"{part.replace(chr(34), chr(34) * 2)}"' for part in (name, column.strip())]
        assert statement == f'CREATE INDEX CONCURRENTLY {quoted[0]} ON "t" USING "btree" ({quoted[1]})'


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"name": ""}, "without a name"),
        ({"table": ""}, "without a table"),
        ({"name": "n" * 64}, "has 64 bytes"),
        ({"columns": []}, "without columns"),
        ({"columns": [3]}, "neither a name nor a mapping"),
        ({"columns": [{"colum": "a"}]}, "unknown column option 'colum'"),
        ({"columns": [{"column": "a", "expression": "b"}]}, "both column and expression"),
        ({"columns": [""]}, "empty"),
        ({"columns": [{"column": "a", "order": "up"}]}, "order 'up'"),
        ({"columns": [{"column": "a", "nulls": "middle"}]}, "nulls 'middle'"),
        ({"nulls_not_distinct": True}, "not unique"),
        ({"schema": "information_schema"}, "system schema"),
    ],
)
def test_refused_without_a_server(raw, sentence):
    with pytest.raises(PgkeelError, match=sentence):
        parse_declarations([{"name": "i", "table": "t", "columns": ["a"], **raw}])


def test_63_bytes_are_accepted_and_absence_needs_no_columns():
    (declaration,) = parse_declarations([{"name": "n" * 63, "table": "t", "state": "absent"}])
    assert not declaration.present


def test_same_name_in_two_schemas_is_two_indexes():
    one = {"name": "i", "table": "t", "columns": ["a"]}
    assert len(parse_declarations([one, {**one, "schema": "other"}])) == 2
    with pytest.raises(PgkeelError, match="declared 2 times"):
        parse_declarations([one, one])


@pytest.mark.parametrize(("value", "spelling"), [(True, "on"), ("False", "off"), ("yes", "on"), (70, "70"), ("Auto", "auto")])
def test_storage_values_have_one_spelling(value, spelling):
    assert storage_value(value) == spelling
