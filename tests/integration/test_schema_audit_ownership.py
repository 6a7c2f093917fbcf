"""Objects that no migration made are listed, and those that the inventory declares are ours, with their migration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from integration.schema_audit_bench import Audit, criteria, facts, swap

BY_HAND = "No manual SQL: a migration made every object"


def test_an_index_that_a_migration_made_is_no_difference(audit: Audit, app: Path, live: tuple[str, psycopg.Connection]) -> None:
    """Prisma's language has no partial indexes: a migration by hand is the way, and is recognised by running it."""
    statement = """CREATE INDEX recent ON "Post" ("createdAt") WHERE public"""
    live[1].execute(statement)
    before = audit(app, live[0])
    assert facts(before) == {("prisma-live", "index", "Post", "createdAt")}
    assert "CREATE INDEX IF NOT EXISTS recent" in before["findings"][0]["fix"]
    assert criteria(before)[BY_HAND] == "no"

    folder = app / "prisma/migrations/20250201000000_recent"
    folder.mkdir()
    (folder / "migration.sql").write_text(statement)
    # The mirror may say it too.
    swap(
        app / "drizzle/tables/people.ts",
        (
            'index("by_time").on(table.createdAt)',
            'index("by_time").on(table.createdAt), index().on(table.createdAt).where(sql`public`)',
        ),
    )
    after = audit(app, live[0])
    assert facts(after) == set()
    assert criteria(after)[BY_HAND] == "yes"
    # It was made by hand all the same: Prisma's bookkeeping does not know of it.
    assert criteria(after)["Prisma owns the migrations"] == "no"


def declared(database: str) -> list[dict[str, Any]]:
    """As an inventory has them: one that Prisma's language can say, and one that it cannot."""
    return [
        {"name": "Post_body_idx", "database": database, "table": "Post", "method": "hash", "columns": ["body"]},
        {"name": "Post_public_idx", "database": database, "table": "Post", "columns": ["createdAt"], "where": "public"},
    ]


def test_declared_indexes_are_ours_and_their_migration_ends_the_drift(
    server: Any, audit: Audit, app: Path, live: tuple[str, psycopg.Connection]
) -> None:
    """Built by pgkeel and listed as its own without a file; the file is written, applied and recognised; then no more."""
    inventory = {"database_indexes": declared(live[0]), "database_databases": [{"name": live[0]}]}
    live[1].execute(
        """CREATE VIEW report AS SELECT id FROM "Post"; CREATE INDEX by_hand ON "Post" (seen)""".replace("seen", '"seenAt"')
    )
    built = server.playbook("playbooks/indexes.yml", inventory)
    assert built.returncode == 0, built.stdout

    before = audit(app, live[0], **inventory)
    assert facts(before) == {("prisma-live", "index", "Post", column) for column in ("body", "createdAt", "seenAt")}
    listed = {one["object"]: one for one in before["unmigrated"]}
    assert {name for name, one in listed.items() if one["ours"]} == {
        "index Post_body_idx on Post",
        "index Post_public_idx on Post",
        "extension pg_stat_statements",
    }
    assert {name for name, one in listed.items() if not one["ours"]} == {"index by_hand on Post", "view report"}
    file = "99999999999999_pgkeel_indexes_001/migration.sql"
    assert listed["index Post_body_idx on Post"]["migration"] == file == before["own_migration"]["file"]
    assert not listed["index Post_body_idx on Post"]["migrated"]
    ours = next(one for one in before["findings"] if one["column"] == "body")
    assert "indexes_migrations_dir" in ours["fix"]
    assert '@@index([body], type: Hash, map: "Post_body_idx")' in ours["fix"]

    folder = app / "prisma" / "migrations"
    given = {**inventory, "indexes_migrations_dir": str(folder)}
    checked = server.playbook("playbooks/indexes.yml", given, check=True)
    assert checked.returncode == 0, checked.stdout
    assert not (folder / file).exists()
    wrote = server.playbook("playbooks/indexes.yml", given)
    assert wrote.returncode == 0, wrote.stdout
    assert wrote.changed_tasks == ["Give them a Prisma migration file"]
    assert (folder / file).read_text() == before["own_migration"]["sql"]
    assert not server.playbook("playbooks/indexes.yml", given).changed_tasks
    # What prisma migrate deploy does with it on the server that has the indexes already: nothing.
    live[1].execute((folder / file).read_bytes())
    live[1].execute(
        'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES (2, 2, %s, now())',
        [file.split("/", maxsplit=1)[0]],
    )
    live[1].execute("DROP VIEW report; DROP INDEX by_hand")

    # What Prisma can say wants a line in schema.prisma too, or its next migration drops it.
    between = audit(app, live[0], **inventory)
    assert facts(between) == {("prisma-live", "index", "Post", "body")}
    assert criteria(between)[BY_HAND] == "yes"
    school = app / "prisma" / "school.prisma"
    school.write_text(
        school.read_text().replace(
            "  @@index([createdAt])\n", '  @@index([createdAt])\n  @@index([body], type: Hash, map: "Post_body_idx")\n'
        )
    )
    people = app / "drizzle" / "tables" / "people.ts"
    people.write_text(
        people.read_text().replace(
            'index("by_time").on(table.createdAt)', 'index("by_time").on(table.createdAt), index().using("hash", table.body)'
        )
    )
    after = audit(app, live[0], **inventory)
    assert facts(after) == set()
    assert after["verdict"] == "consistent"
    assert criteria(after)[BY_HAND] == criteria(after)["Prisma owns the migrations"] == "yes"
    kept = {one["object"]: one for one in after["unmigrated"]}
    assert kept["index Post_public_idx on Post"]["migration"] == file
    assert kept["index Post_public_idx on Post"]["migrated"]
    assert after["own_migration"] is None


def test_views_functions_and_triggers_are_objects_too(audit: Audit, app: Path, live: tuple[str, psycopg.Connection]) -> None:
    script = """
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER stamped BEFORE UPDATE ON "Post" FOR EACH ROW EXECUTE FUNCTION stamp();
        CREATE MATERIALIZED VIEW popular AS SELECT count(*) FROM "Post";
        CREATE SEQUENCE numbers;
        ALTER TABLE "Post" ADD CONSTRAINT long_enough CHECK (length(body) > 0);
        CREATE DOMAIN short AS text CHECK (length(VALUE) < 9);
    """
    live[1].execute(script)
    before = audit(app, live[0])
    assert {one["object"] for one in before["unmigrated"] if not one["ours"]} == {
        "function stamp()",
        "trigger Post.stamped",
        "materialized view popular",
        "sequence numbers",
        "check constraint Post.long_enough",
        "domain short",
    }
    assert criteria(before)[BY_HAND] == "no"
    folder = app / "prisma/migrations/20250301000000_rest"
    folder.mkdir()
    (folder / "migration.sql").write_text(script)
    after = audit(app, live[0])
    assert [one["object"] for one in after["unmigrated"]] == ["extension pg_stat_statements"]
    assert criteria(after)[BY_HAND] == "yes"
