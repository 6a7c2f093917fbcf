"""The DDL keeps Prisma's conventions, and fits the generator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pgkeel.edtech.load import Schema
from pgkeel.edtech.tables import TABLES

FOLDER = Path(__file__).parents[3] / "files" / "edtech"
TABLES_SQL = (FOLDER / "tables.sql").read_text()
CONSTRAINTS_SQL = (FOLDER / "constraints.sql").read_text()
CREATED = {
    found[1]: found[2] for found in re.finditer(r'^CREATE TABLE "(\w+)" \(\n(.*?)^\);', TABLES_SQL, re.MULTILINE | re.DOTALL)
}


def columns(table: str) -> dict[str, str]:
    return dict(re.findall(r'^    "(\w+)" (.*?),?$', CREATED[table], re.MULTILINE))


def test_every_table_is_filled_with_exactly_its_columns():
    assert set(CREATED) == {table.name for table in TABLES}
    for table in TABLES:
        assert sorted(columns(table.name)) == sorted(table.columns), table.name


@pytest.mark.parametrize("table", sorted(CREATED))
def test_prismas_conventions(table):
    assert f'CONSTRAINT "{table}_pkey" PRIMARY KEY' in CREATED[table]
    for name, definition in columns(table).items():
        assert re.fullmatch(r"[a-z][A-Za-z]*", name)
        if name == "id":
            assert definition == "TEXT NOT NULL"
        if name == "updatedAt":
            assert definition == "TIMESTAMP(3) NOT NULL"
        if name == "createdAt":
            assert definition == "TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP"
        assert not re.match(r"(VARCHAR|JSON\b|TIMESTAMPTZ|SERIAL|UUID|REAL)", definition)


def test_constraint_names_are_prismas():
    for unique, name, table, listed in re.findall(
        r'^CREATE (UNIQUE )?INDEX "(\w+)" ON "(\w+)"\((.*)\);', CONSTRAINTS_SQL, re.MULTILINE
    ):
        parts = re.findall(r'"(\w+)"', listed)
        assert name == "_".join([table, *parts, "key" if unique else "idx"])
        assert set(parts) <= set(columns(table))
    keys = re.findall(
        r'^ALTER TABLE "(\w+)" ADD CONSTRAINT "(\w+)" FOREIGN KEY \("(\w+)"\) REFERENCES "(\w+)"\("id"\)'
        r" ON DELETE (?:CASCADE|RESTRICT|SET NULL) ON UPDATE CASCADE;",
        CONSTRAINTS_SQL,
        re.MULTILINE,
    )
    assert len(keys) == CONSTRAINTS_SQL.count("FOREIGN KEY") == 31
    for table, name, column, target in keys:
        assert name == f"{table}_{column}_fkey"
        assert column in columns(table)
        assert target in CREATED


def test_set_null_only_where_null_is_allowed():
    for table, column in re.findall(
        r'^ALTER TABLE "(\w+)".*FOREIGN KEY \("(\w+)"\).*ON DELETE SET NULL', CONSTRAINTS_SQL, re.MULTILINE
    ):
        assert "NOT NULL" not in columns(table)[column]


def test_the_six_indexes_of_behavior_log_and_no_gin():
    found = re.findall(r'^CREATE INDEX "\w+" ON "BehaviorLog"\((.*)\);', CONSTRAINTS_SQL, re.MULTILINE)
    assert found == [
        '"userId", "timestamp"',
        '"sessionId"',
        '"sessionId", "eventType"',
        '"actionCategory"',
        '"eventType", "timestamp"',
        '"eventType", "userId"',
    ]
    assert " USING " not in CONSTRAINTS_SQL


def test_the_loader_sees_every_table_and_type_it_makes():
    schema = Schema(TABLES_SQL, CONSTRAINTS_SQL, (FOLDER / "prisma_migrations.sql").read_text())
    made = schema.created()
    assert [name for kind, name in made if kind == "TABLE"] == [*CREATED, "_prisma_migrations"]
    assert len([name for kind, name in made if kind == "TYPE"]) == TABLES_SQL.count("CREATE TYPE") == 10
