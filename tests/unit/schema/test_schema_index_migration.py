"""A Prisma migration for the indexes of the inventory: the same indexes give the same text, and nothing written changes."""

from dataclasses import replace

import pytest
from pgkeel.schema.index_migration import OwnIndex, made_by, next_migration, prisma_line
from pgkeel.schema.model import Index, IndexKey
from pgkeel.schema.own_indexes import own_indexes

DECLARED = [
    {"name": "Log_at_idx", "table": "Log", "columns": [{"column": "at", "order": "desc"}]},
    {
        "name": "Log_data_idx",
        "table": "Log",
        "method": "gin",
        "columns": [{"column": "data", "opclass": "jsonb_path_ops"}],
        "where": "data IS NOT NULL",
    },
]
FIRST = "99999999999999_pgkeel_indexes_001"


def written(migrations):
    """The folder after one more migration."""
    found = next_migration(migrations, own_indexes(DECLARED))
    return {**migrations, found.name: found.text}


def test_every_index_is_made_where_it_is_missing():
    folder = written({})
    assert list(folder) == [FIRST]
    text = folder[FIRST]
    assert 'CREATE INDEX IF NOT EXISTS "Log_at_idx" ON "public"."Log" USING "btree" ("at" DESC);' in text
    assert '("data" "jsonb_path_ops") WHERE (data IS NOT NULL);' in text
    assert '@@index([at(sort: Desc)], map: "Log_at_idx")' in text
    assert text.endswith(";\n")


def test_the_order_of_declarations_makes_no_difference():
    assert next_migration({}, own_indexes(DECLARED)) == next_migration({}, own_indexes(DECLARED[::-1]))


def test_nothing_is_written_twice():
    assert next_migration(written({}), own_indexes(DECLARED)) is None


def test_what_the_application_migrates_itself_is_left_to_it():
    theirs = {
        "2025_init": 'create unique index concurrently "Log_at_idx" on "Log" (at); CREATE INDEX "Log_data_idx" ON "Log"(x);'
    }
    assert next_migration(theirs, own_indexes(DECLARED)) is None
    gone = {**theirs, "2026_drop": 'DROP INDEX "Log_at_idx";'}
    found = next_migration(gone, own_indexes(DECLARED))
    assert "Log_at_idx" in found.text
    assert "Log_data_idx" not in found.text


def test_a_comment_makes_no_index():
    assert next_migration({"1": '-- CREATE INDEX "Log_at_idx" ON "Log"("at");'}, own_indexes(DECLARED[:1])) is not None


def test_a_changed_declaration_goes_to_a_further_migration():
    changed = [replace(own, statement=own.statement.replace("DESC", "ASC")) for own in own_indexes(DECLARED)]
    found = next_migration(written({}), changed)
    assert found.name == "99999999999999_pgkeel_indexes_002"
    assert 'DROP INDEX IF EXISTS "Log_at_idx";\nCREATE INDEX IF NOT EXISTS "Log_at_idx"' in found.text
    assert "Log_data_idx" not in found.text
    assert f"migrate resolve --applied {found.name}" in found.text


def test_an_index_that_is_to_go_is_dropped_once():
    absent = own_indexes([{**DECLARED[0], "state": "absent"}])
    assert next_migration({}, absent) is None
    found = next_migration(written({}), absent)
    assert 'DROP INDEX IF EXISTS "public"."Log_at_idx";' in found.text
    assert next_migration({**written({}), found.name: found.text}, absent) is None


def test_names_are_quoted():
    found = next_migration({}, own_indexes([{"name": 'a"b', "table": 'T"; DROP TABLE x; --', "columns": ["c"]}]))
    assert '"a""b" ON "public"."T""; DROP TABLE x; --"' in found.text


def test_the_newest_migration_that_makes_an_index_is_named():
    folder = {"1": 'CREATE INDEX "i" ON "T"("c");', "2": 'DROP INDEX "i"; CREATE INDEX i ON "T"("d");', "3": "SELECT 1;"}
    assert made_by(folder, "i") == "2"
    assert made_by({**folder, "4": "DROP INDEX IF EXISTS public.i"}, "i") == ""
    assert made_by(folder, "j") == ""


PLAIN = Index("T_a_idx", (IndexKey("a"), IndexKey("b", descending=True)))


@pytest.mark.parametrize(
    ("index", "line"),
    [
        (PLAIN, '@@index([first, b(sort: Desc)], map: "T_a_idx")'),
        (replace(PLAIN, unique=True), '@@unique([first, b(sort: Desc)], map: "T_a_idx")'),
        (
            Index("g", (IndexKey("j", opclass="jsonb_path_ops"),), "gin"),
            '@@index([j(ops: raw("jsonb_path_ops"))], type: Gin, map: "g")',
        ),
        (replace(PLAIN, predicate="a > 0"), ""),
        (replace(PLAIN, include=("c",)), ""),
        (replace(PLAIN, unique=True, nulls_not_distinct=True), ""),
        (Index("e", (IndexKey("lower(a)"),)), ""),
        (Index("v", (IndexKey("a"),), "hnsw"), ""),
    ],
)
def test_the_line_for_schema_prisma(index, line):
    assert prisma_line(index, {"a": "first"}) == line


def test_a_table_outside_public_keeps_its_schema():
    own = own_indexes([{"name": "i", "schema": "audit", "table": "T", "columns": ["c"]}])[0]
    assert own == OwnIndex("i", "audit.T", own.statement, prisma='@@index([c], map: "i")')
    changed = replace(own, statement=own.statement + " WITH (fillfactor = 70)")
    found = next_migration({FIRST: f"{own.statement};"}, [changed])
    assert 'DROP INDEX IF EXISTS "audit"."i";' in found.text
