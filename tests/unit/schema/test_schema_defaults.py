"""Defaults that mean the same get the same text; others do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.schema.defaults import normalise

STAMP = "timestamp(3) without time zone"


@pytest.mark.parametrize(
    ("one", "other", "column_type"),
    [
        ("now()", "CURRENT_TIMESTAMP", STAMP),
        ("CURRENT_TIMESTAMP(3)", "LOCALTIMESTAMP", STAMP),
        ("'0'::double precision", "0", "double precision"),
        ("0.00", "'0'::numeric", "numeric(10,2)"),
        ("'x'::character varying", "'x'::text", "text"),
        ("'A'::\"Role\"", "'A'::user_role", '"Role"'),
        ("'A'::auth.\"Role\"", "'A'", '"Role"'),
        ("ARRAY[]::text[]", "'{}'::text[]", "text[]"),
        ('\'{"a": 1, "b": 2}\'::jsonb', '\'{"b":2,"a":1}\'', "jsonb"),
        ("nextval('a_id_seq'::regclass)", "nextval('other'::regclass)", "integer"),
        ("(('x'::text))", "'x'", "text"),
        ("NULL::text", None, "text"),
        ("'t'::boolean", "true", "boolean"),
        ("1e2", "100", "integer"),
        ("ARRAY['a'::text, 'b,c'::text]", "'{a,\"b,c\"}'::text[]", "text[]"),
        ("ARRAY['C'::\"Unit\", 'F'::\"Unit\"]", "'{C,F}'::\"Unit\"[]", '"Unit"[]'),
        ("ARRAY[1, 2, -3]", "'{1,2,-3}'::integer[]", "integer[]"),
        ("ARRAY[1.50]", "'{1.5}'::numeric[]", "numeric(6,3)[]"),
        ("ARRAY['it''s'::text]", "'{it''s}'::text[]", "text[]"),
        ("ARRAY['a\\b'::text]", "'{a\\\\b}'::text[]", "text[]"),
        ("ARRAY[true, false]", "'{t,f}'::boolean[]", "boolean[]"),
        ("ARRAY['x'::text, NULL::text]", "'{x,NULL}'::text[]", "text[]"),
    ],
)
def test_equal_defaults_are_equal(one, other, column_type):
    assert normalise(one, column_type) == normalise(other, column_type)


@pytest.mark.parametrize(
    ("one", "other", "column_type"),
    [
        ("0", "1", "integer"),
        ("'0'::text", "0", "text"),
        ("''::text", None, "text"),
        ("'a b'::text", "'ab'::text", "text"),
        ("now()", None, STAMP),
        ("now()", "clock_timestamp()", STAMP),
        ("gen_random_uuid()", None, "uuid"),
        ("'{\"a\": 1}'::jsonb", "'{}'::jsonb", "jsonb"),
        ("(a)::text || (b)::text", "a || b", "text"),
        ("true", "false", "boolean"),
        ("'{a}'::text[]", "'{}'::text[]", "text[]"),
        ("'{a,b}'::text[]", "'{b,a}'::text[]", "text[]"),
        ("'{\"a,b\"}'::text[]", "'{a,b}'::text[]", "text[]"),
        ("'{\"NULL\"}'::text[]", "'{NULL}'::text[]", "text[]"),
        ("ARRAY[now()]", "ARRAY[clock_timestamp()]", "timestamp with time zone[]"),
        ("'{{1},{2}}'::integer[]", "'{1,2}'::integer[]", "integer[]"),
    ],
)
def test_different_defaults_are_different(one, other, column_type):
    assert normalise(one, column_type) != normalise(other, column_type)


def test_an_identity_counts_up_as_a_serial_does():
    assert normalise(None, "integer", identity="a") == normalise("nextval('s'::regclass)", "integer")


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=30))
def test_any_text_keeps_its_value(text):
    quoted = "'" + text.replace("'", "''") + "'"
    assert normalise(f"{quoted}::text", "text") == f"'{text}'" == normalise(quoted, "text")
