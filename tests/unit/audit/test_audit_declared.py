"""Declared indexes against those that exist."""

from dataclasses import replace

import pytest
from pgkeel.audit.declared import Compared, parse_declared, state_of
from pgkeel.errors import PgkeelError
from pgkeel.postgres.catalog import Index
from pgkeel.postgres.index_catalog import Definition

DECLARATION = {"name": "log_user_at", "table": "BehaviorLog", "columns": ["userId", {"column": "at", "order": "desc"}]}
ACTUAL = Index(
    schema="public",
    table="BehaviorLog",
    name="log_user_at",
    method="btree",
    keys=("userId", "at"),
    signature=("userId 1 2 0", "at 1 2 0"),
    include=(),
    predicate="",
    unique=False,
    primary=False,
    constraint=False,
    replica_identity=False,
    supports_foreign_key=False,
    valid=True,
    ready=True,
    being_built=False,
    partition=False,
    definition="CREATE INDEX",
    size_bytes=8192,
    scans=3,
    table_scans=9,
)


WANTED = Definition('btree ("userId", at DESC)', unique=False, nulls_not_distinct=False, storage=frozenset())


def declared(**changes):
    return parse_declared([{**DECLARATION, **changes}], "edtech")[0]


def judged(index=ACTUAL, definition=WANTED, compared=None, others=()):
    compared = compared or Compared(WANTED, {index.name: definition})
    return state_of(declared(), [index], compared, frozenset({("public", "log_user_at"), *others}))


def test_declarations_are_those_of_the_role():
    one = declared()
    assert (one.database, one.schema, one.table, one.columns) == ("edtech", "public", "BehaviorLog", ("userId", "at"))
    assert declared(database="other").database == "other"
    assert declared(columns=[{"expression": "lower(kind)"}]).columns == ("lower(kind)",)


@pytest.mark.parametrize(
    ("key", "words"), [("name", "without a name"), ("table", "without a table"), ("columns", "without columns")]
)
def test_a_declaration_without_its_identity_is_refused(key, words):
    with pytest.raises(PgkeelError, match=words):
        declared(**{key: None})


def test_what_is_declared_absent_is_not_looked_for():
    gone = {"name": "gone", "table": "BehaviorLog", "state": "absent"}
    assert [one.name for one in parse_declared([gone, DECLARATION], "edtech")] == ["log_user_at"]


def test_one_name_may_be_declared_in_two_databases_but_not_twice_in_one():
    elsewhere = {**DECLARATION, "database": "other"}
    assert [one.database for one in parse_declared([DECLARATION, elsewhere], "edtech")] == ["edtech", "other"]
    with pytest.raises(PgkeelError, match="declared 2 times"):
        parse_declared([DECLARATION, {**DECLARATION, "database": "edtech"}], "edtech")


def test_found_by_name():
    state = judged()
    assert (state.actual, state.drift, state.unverified) == (ACTUAL, "", "")
    assert state.as_dict()["scans"] == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tail": 'gin ("userId")'}, 'it is gin ("userId"), and btree ("userId", at DESC) is declared'),
        ({"unique": True}, 'it is UNIQUE btree ("userId", at DESC), and btree'),
        ({"storage": frozenset({("fillfactor", "70")})}, 'it is btree ("userId", at DESC) WITH (fillfactor=70), and'),
        ({"tail": 'btree ("userId", at DESC) WHERE (at > 1)'}, "WHERE (at > 1), and"),
    ],
)
def test_another_definition_under_the_name_is_drift(change, words):
    state = judged(definition=replace(WANTED, **change))
    assert words in state.drift
    assert state.as_dict()["drift"] == state.drift


def test_the_same_definition_under_another_name_serves():
    other = replace(ACTUAL, name="made_by_the_orm")
    assert judged(other).actual == other
    assert judged(other, replace(WANTED, unique=True)).actual is None
    assert judged(replace(other, valid=False)).actual is None
    assert judged(replace(other, schema="elsewhere")).actual is None
    assert judged(replace(other, table="User")).actual is None
    assert judged(other, others={("public", other.name)}).actual is None, "it is declared for itself"


def test_what_was_not_compared_is_neither_in_order_nor_missing():
    standby = Compared(None, {}, "a standby")
    state = judged(compared=standby)
    assert (state.actual, state.drift, state.unverified) == (ACTUAL, "", "a standby")
    unknown = judged(replace(ACTUAL, name="other"), compared=standby)
    assert (unknown.actual, unknown.unverified) == (None, "a standby")
    assert judged(compared=Compared(WANTED, {})).unverified == "it was made or dropped while the audit looked"


def test_without_its_table_it_is_missing():
    state = state_of(declared(), [], Compared(None, {}), frozenset())
    assert (state.actual, state.unverified) == (None, "")


def test_a_missing_one_has_its_columns_in_the_report():
    assert state_of(declared(), [], Compared(WANTED, {}), frozenset()).as_dict() == {
        "name": "log_user_at",
        "database": "edtech",
        "table": "public.BehaviorLog",
        "columns": ["userId", "at"],
        "present": False,
        "index": "",
        "valid": False,
        "drift": "",
        "unverified": "",
        "scans": 0,
        "size_bytes": 0,
    }
