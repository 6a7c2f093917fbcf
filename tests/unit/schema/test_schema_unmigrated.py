"""What no migration made, and which of it is ours."""

from dataclasses import replace

from pgkeel.schema.checklist import Answer, Facts, checklist
from pgkeel.schema.difference import NOTHING, Difference, Kind, Side
from pgkeel.schema.index_migration import OwnIndex
from pgkeel.schema.model import Column, Index, IndexKey, Schema, Table
from pgkeel.schema.objects import DatabaseObject
from pgkeel.schema.unmigrated import Declared, Seen, inventory

BY_AT = Index("Log_at_idx", (IndexKey("at"),), definition='CREATE INDEX "Log_at_idx" ON "Log" (at)')
LOG = Table("Log", {"at": Column("at", "date", nullable=False)})
OWN = OwnIndex("Log_at_idx", "Log", 'CREATE INDEX IF NOT EXISTS "Log_at_idx" ON "Log" ("at")')
WITH = Schema({"Log": replace(LOG, indexes=(BY_AT,))})
EXTRA = Difference(Side.PRISMA, Side.LIVE, Kind.INDEX, "Log", "at", NOTHING, BY_AT.describe())
SEEN = Seen(live=WITH, unowned=[EXTRA], built=WITH, migrations={"1": "CREATE TABLE ..."})


NOTHING_DECLARED = Declared()


def listed(seen, declared=NOTHING_DECLARED):
    return [(one.object, bool(one.owner), one.migration, one.migrated) for one in inventory(seen, declared).objects]


def answer(seen, declared=NOTHING_DECLARED):
    facts = Facts({}, {}, folders=tuple(seen.migrations or ()), inventory=inventory(seen, declared))
    return next(one for one in checklist(facts) if one.criterion.startswith("No manual SQL"))


def test_an_index_that_nobody_declares_speaks_against():
    assert listed(SEEN) == [("index Log_at_idx on Log", False, "", False)]
    assert answer(SEEN).status is Answer.NO


def test_a_declared_index_is_ours_and_names_the_file_that_it_lacks():
    found = inventory(SEEN, Declared((OWN,)))
    assert listed(SEEN, Declared((OWN,))) == [
        ("index Log_at_idx on Log", True, "99999999999999_pgkeel_indexes_001/migration.sql", False)
    ]
    assert OWN.statement in found.missing.text
    said = answer(SEEN, Declared((OWN,)))
    assert said.status is Answer.NO
    assert "indexes_migrations_dir" in said.evidence
    assert "to be written" in said.objects[0]


def test_a_declared_index_with_its_migration_is_listed_and_in_order():
    missing = inventory(SEEN, Declared((OWN,))).missing
    seen = replace(SEEN, unowned=[], migrations={**SEEN.migrations, missing.name: missing.text})
    assert listed(seen, Declared((OWN,))) == [("index Log_at_idx on Log", True, f"{missing.name}/migration.sql", True)]
    assert answer(seen, Declared((OWN,))).status is Answer.YES


def test_an_index_of_that_name_with_another_definition_is_not_ours():
    built = Schema({"Log": replace(LOG, indexes=(replace(BY_AT, method="brin"),))})
    assert listed(replace(SEEN, built=built), Declared((OWN,))) == [("index Log_at_idx on Log", False, "", False)]


def test_a_declared_index_that_is_not_there_is_not_listed():
    assert listed(replace(SEEN, live=Schema({"Log": LOG}), unowned=[]), Declared((OWN,))) == []


def test_views_and_functions_are_objects_too():
    view = DatabaseObject("view", "report")
    seen = replace(SEEN, unowned=[], objects={view, DatabaseObject("function", "f(integer)")}, made={view})
    assert listed(seen) == [("function f(integer)", False, "", False)]
    assert answer(seen).status is Answer.NO
    # schema.prisma has no views: nothing is known without the folder of migrations.
    assert listed(replace(seen, migrations=None)) == []


def test_extensions_are_ours_where_the_inventory_declares_them():
    seen = replace(
        SEEN, unowned=[], objects={DatabaseObject("extension", "citext"), DatabaseObject("extension", "pg_stat_statements")}
    )
    declared = Declared(extensions=("pg_stat_statements",))
    assert listed(seen, declared) == [("extension pg_stat_statements", True, "", False), ("extension citext", False, "", False)]
    assert answer(seen, declared).status is Answer.NO
    made = replace(seen, migrations={"1": 'create extension if not exists "citext";'})
    assert listed(made, declared) == [("extension pg_stat_statements", True, "", False)]
    assert answer(made, declared).status is Answer.YES


def test_other_schemas_are_listed_and_do_not_speak_against():
    seen = replace(
        SEEN, unowned=[], elsewhere=["other.t"], objects={DatabaseObject("function", "pgbouncer.find_login(text)", "pgbouncer")}
    )
    assert listed(seen) == [("function pgbouncer.find_login(text)", True, "", False), ("table other.t", False, "", False)]
    assert answer(seen).status is Answer.YES


def test_what_could_not_be_found_out_is_not_in_order():
    said = next(one for one in checklist(Facts({}, {})) if one.criterion.startswith("No manual SQL"))
    assert said.status is Answer.COULD_NOT_VERIFY


def test_without_the_folder_schema_prisma_stands_in_for_it():
    seen = replace(SEEN, unowned=[], migrations=None)
    assert listed(seen, Declared((OWN,))) == [("index Log_at_idx on Log", True, "", True)]
    said = answer(seen, Declared((OWN,)))
    assert said.status is Answer.YES
    assert "1 object of ours is accounted for" in said.evidence
