"""Declared indexes against those that exist."""

import re
from dataclasses import replace

import pytest
from pgkeel.audit.declared import parse_declared, state_of
from pgkeel.errors import PgkeelError
from pgkeel.postgres.catalog import Index

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


def declared(**changes):
    return parse_declared([{**DECLARATION, **changes}], "edtech")[0]


def test_defaults_of_a_declaration():
    one = declared()
    assert (one.database, one.schema, one.method, one.columns, one.unique) == (
        "edtech",
        "public",
        "btree",
        ("userId", "at"),
        False,
    )


@pytest.mark.parametrize("key", ["name", "table", "columns"])
def test_a_declaration_without_its_identity_is_refused(key):
    with pytest.raises(PgkeelError, match=f"Declared index 1 has no {key}"):
        declared(**{key: None})


def test_found_by_name():
    state = state_of(declared(), [ACTUAL])
    assert (state.actual, state.drift) == (ACTUAL, "")
    assert state.as_dict()["scans"] == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "hash"}, "it uses hash, btree is declared"),
        ({"unique": True}, "it is unique, the opposite"),
        ({"keys": ("at", "userId")}, r"it covers \(at, userId\), \(userId, at\) is declared"),
        ({"keys": ("userId",)}, "it covers"),
        ({"predicate": "at > now"}, "it is partial"),
    ],
)
def test_another_definition_under_the_name_is_drift(change, words):
    assert re.match(words, state_of(declared(), [replace(ACTUAL, **change)]).drift)


def test_the_same_definition_under_another_name_serves():
    other = replace(ACTUAL, name="made_by_the_orm")
    assert state_of(declared(), [other]).actual == other
    assert state_of(declared(), [replace(other, valid=False)]).actual is None
    assert state_of(declared(), [replace(other, predicate="x")]).actual is None
    assert state_of(declared(), [replace(other, schema="elsewhere")]).actual is None
    assert state_of(declared(), [replace(other, table="User")]).actual is None


@pytest.mark.parametrize(
    "change", [{"columns": [{"expression": "lower(kind)"}]}, {"where": "at > '2026-01-01'"}, {"include": ["id"]}]
)
def test_without_plain_columns_the_name_alone_identifies(change):
    assert state_of(declared(**change), [replace(ACTUAL, name="other")]).actual is None
    assert state_of(declared(**change), [replace(ACTUAL, keys=("lower(kind)",), predicate="p")]).drift == ""


def test_a_missing_one_has_its_columns_in_the_report():
    assert state_of(declared(), []).as_dict() == {
        "name": "log_user_at",
        "database": "edtech",
        "table": "public.BehaviorLog",
        "columns": ["userId", "at"],
        "present": False,
        "index": "",
        "valid": False,
        "drift": "",
        "scans": 0,
        "size_bytes": 0,
    }
