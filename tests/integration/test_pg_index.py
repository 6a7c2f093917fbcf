"""pg_index on a real server: what it builds, sees, repairs and refuses, and what each interruption leaves."""

from __future__ import annotations

import threading

import psycopg
import pytest
from integration.waiting import wait_until
from pgkeel.errors import PgkeelError
from pgkeel.postgres.index_declaration import parse_declarations
from pgkeel.postgres.index_plan import working_name
from pgkeel.postgres.indexes import converge_indexes

COLUMNS = [{"name": "events_user_idx", "table": "Events", "columns": ["userId", {"column": "at", "order": "desc"}]}]
WORKING = "starts_with(relname, 'pgkeel_') OR relname ~ '_cc(new|old)'"


@pytest.fixture
def db(database, connection):
    name = database()
    opened = connection(name)
    opened.execute(
        """CREATE TABLE "Events" (id int PRIMARY KEY, "userId" text, at timestamp(3), payload jsonb,
                                  twice int GENERATED ALWAYS AS (id * 2) STORED)"""
    )
    opened.execute(
        """INSERT INTO "Events" SELECT i, 'user' || i % 10, '2026-01-01'::timestamp + i * interval '1 s',
                                       jsonb_build_object('k', i % 7) FROM generate_series(1, 2000) i"""
    )
    opened.execute('ANALYZE "Events"')
    return opened


@pytest.fixture
def pg_index(server, db):
    def run(indexes, *, check=False, diff=False, **arguments):
        arguments = {"login_db": db.info.dbname, "indexes": indexes, **arguments}
        return server.module("pg_index", arguments, check=check, diff=diff)

    return run


@pytest.fixture
def converge(db, connection):
    """The same without Ansible, for the many cases that differ in the declaration only."""

    def run(indexes, *, check=False):
        declarations = parse_declarations(indexes)
        session = connection(db.info.dbname)
        try:
            return list(converge_indexes(session, declarations, skip_missing_tables=False, lock_timeout_ms=10_000, check=check))
        finally:
            session.close()

    return run


def catalog(db) -> dict[str, tuple[int, bool, str]]:
    """Oid, validity and definition of every index, by name."""
    rows = db.execute(
        """SELECT c.relname, c.oid, i.indisvalid AND i.indisready, pg_get_indexdef(c.oid)
           FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
           WHERE c.relnamespace = 'public'::regnamespace"""
    )
    return {name: tuple(rest) for name, *rest in rows}


def states(result) -> dict[str, str]:
    assert not result["failed"], result.get("msg")
    return {index["name"]: index["state"] for index in result["indexes"]}


def leftovers(db) -> list[str]:
    return [row[0] for row in db.execute(f"SELECT relname FROM pg_class WHERE relkind = 'i' AND ({WORKING})")]


# Before that there is no index yet that a killed build could leave.
BUILDING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase = 'waiting for writers before build'"


@pytest.fixture
def held_build(db, connection):
    """Starts a concurrent build that cannot end before the returned function is called, which returns its error."""

    def start(statement):
        writer = connection(db.info.dbname)
        writer.execute('BEGIN; INSERT INTO "Events" (id) VALUES (-1)')
        builder = connection(db.info.dbname)
        errors = []

        def build():
            try:
                builder.execute(statement)
            except psycopg.Error as error:
                errors.append(error)

        thread = threading.Thread(target=build)
        thread.start()
        wait_until(lambda: db.execute(BUILDING).fetchone()[0])

        def release(*, kill=False):
            if kill:
                db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
            writer.execute("ROLLBACK")
            thread.join(timeout=60)
            return errors

        return release

    return start


def test_check_then_build_then_nothing(db, pg_index):
    declared = [
        *COLUMNS,
        {
            "name": "events_payload_gin",
            "table": "Events",
            "method": "gin",
            "columns": [{"column": "payload", "opclass": "jsonb_path_ops"}],
            "storage": {"fastupdate": False},
        },
        {
            "name": "events_lower_idx",
            "table": "Events",
            "columns": [{"expression": 'lower("Events"."userId")', "opclass": "text_pattern_ops", "collation": "C"}, "twice"],
            "include": ["at"],
            "where": "payload @> '{\"k\": 1}' AND \"userId\" <> '50%'",
            "storage": {"fillfactor": 70},
        },
        {"name": "events_at_key", "table": "Events", "columns": ["at"], "unique": True, "nulls_not_distinct": True},
    ]
    before = catalog(db)

    predicted = pg_index(declared, check=True, diff=True)
    assert predicted["changed"]
    assert set(states(predicted).values()) == {"built"}
    assert catalog(db) == before
    assert predicted["diff"]["before"] == ""
    assert all(index["estimated_bytes"] > 8192 for index in predicted["indexes"][:2])

    real = pg_index(declared, diff=True)
    assert real["changed"]
    assert states(real) == states(predicted)
    assert real["executed_queries"] == predicted["executed_queries"]
    assert real["diff"] == predicted["diff"]
    built = catalog(db)
    assert real["diff"]["after"].splitlines() == [built[item["name"]][2] for item in declared]
    assert all(built[item["name"]][1] for item in declared)
    assert all(index["size_bytes"] > 0 for index in real["indexes"])

    again = pg_index(declared)
    assert not again["changed"]
    assert again["executed_queries"] == []
    assert set(states(again).values()) == {"ok"}
    assert catalog(db) == built


@pytest.mark.parametrize(
    "change",
    [
        {"columns": ["userId"]},
        {"columns": ["userId", "at"]},
        {"columns": [{"column": "userId", "collation": "C"}, {"column": "at", "order": "desc"}]},
        {"columns": [{"column": "userId", "opclass": "text_pattern_ops"}, {"column": "at", "order": "desc"}]},
        {"columns": [{"expression": 'upper("userId")'}, {"column": "at", "order": "desc"}]},
        {"where": "id > 10"},
        {"include": ["id"]},
        {"storage": {"fillfactor": 80}},
        {"unique": True},
        {"method": "brin", "columns": ["at"]},
    ],
    ids=["fewer", "order", "collation", "opclass", "expression", "where", "include", "storage", "unique", "method"],
)
def test_changed_definition_is_rebuilt(db, converge, change):
    db.execute('CREATE INDEX events_user_idx ON "Events" ("userId", at DESC)')
    old = catalog(db)
    changed = [{**COLUMNS[0], **change}]
    if change.get("unique"):
        db.execute('DELETE FROM "Events" WHERE id > 10')

    (predicted,) = converge(changed, check=True)
    assert predicted.state == "rebuilt"
    assert catalog(db) == old

    (real,) = converge(changed)
    assert real.state == "rebuilt", real.reason
    assert real.queries == predicted.queries
    assert real.plan.before == (old["events_user_idx"][2],)
    assert real.plan.after == (catalog(db)["events_user_idx"][2],)
    assert leftovers(db) == []
    assert converge(changed)[0].state == "ok"


def test_wording_is_no_difference(db, pg_index):
    db.execute("""CREATE INDEX events_user_idx ON public."Events" USING btree ("userId" ASC NULLS LAST)
                  WITH (deduplicate_items=true, fillfactor=80) WHERE (("userId" <> ALL (ARRAY['a'::text, 'b'])))""")
    declared = {
        "name": "events_user_idx",
        "table": "Events",
        "columns": [{"column": "userId", "opclass": "text_ops", "collation": "default"}],
        "where": "\"userId\" NOT IN ('a', 'b')",
        "storage": {"fillfactor": 80, "deduplicate_items": True},
    }
    assert states(pg_index([declared])) == {"events_user_idx": "ok"}


def test_same_definition_under_another_name_satisfies(db, pg_index):
    db.execute('CREATE INDEX by_hand ON "Events" ("userId", at DESC)')
    before = catalog(db)
    result = pg_index(COLUMNS)
    assert not result["changed"]
    assert result["indexes"][0]["satisfied_by"] == "by_hand"
    assert catalog(db) == before


def test_two_names_exchange_their_definitions(db, pg_index):
    db.execute('CREATE INDEX one ON "Events" (at); CREATE INDEX two ON "Events" ("userId")')
    declared = [
        {"name": "one", "table": "Events", "columns": ["userId"]},
        {"name": "two", "table": "Events", "columns": ["at"]},
    ]
    assert states(pg_index(declared)) == {"one": "rebuilt", "two": "rebuilt"}
    assert not pg_index(declared)["changed"]


def test_absent_is_dropped_once(db, pg_index):
    db.execute('CREATE INDEX events_user_idx ON "Events" (id)')
    absent = [{"name": "events_user_idx", "table": "Events", "state": "absent"}]
    assert states(pg_index(absent, check=True)) == {"events_user_idx": "dropped"}
    assert "events_user_idx" in catalog(db)
    assert states(pg_index(absent)) == {"events_user_idx": "dropped"}
    assert "events_user_idx" not in catalog(db)
    assert not pg_index(absent)["changed"]


def test_missing_table(db, pg_index):
    declared = [{"name": "x", "table": "NotYet", "columns": ["a"]}, *COLUMNS]
    refused = pg_index(declared)
    assert refused["failed"]
    assert "NotYet does not exist" in refused["msg"]
    assert "events_user_idx" not in catalog(db)
    assert states(pg_index(declared, missing_table="skip")) == {"x": "skipped", "events_user_idx": "built"}


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"columns": ["nosuch"]}, 'column "nosuch" does not exist'),
        (
            {"columns": [{"column": "payload", "opclass": "nosuch_ops"}], "method": "gin"},
            'operator class "nosuch_ops" does not exist',
        ),
        ({"columns": ["id"], "method": "nosuch"}, 'access method "nosuch" does not exist'),
        ({"columns": ["id"], "storage": {"nosuch": 1}}, 'unrecognized parameter "nosuch"'),
        ({"columns": [{"column": "userId", "collation": "nosuch"}]}, 'collation "nosuch" for encoding'),
        ({"columns": ["at"], "where": "at > now() - interval '30 days'"}, "must be marked IMMUTABLE"),
        ({"columns": ["id"], "where": 'true); DROP TABLE "Events"; --'}, "cannot insert multiple commands"),
        ({"columns": ["id"], "where": 'true) WHERE (true); DROP TABLE "Events"'}, "syntax error"),
        ({"columns": [{"expression": '1)); DROP TABLE "Events"; --'}]}, "cannot insert multiple commands"),
        ({"columns": []}, "without columns"),
        ({"columns": ["id"], "name": "é" * 32}, "has 64 bytes"),
        ({"columns": ["id"], "schema": "pg_catalog", "table": "pg_class"}, "system schema"),
        ({"columns": ["id"], "table": "a_view"}, "is a view"),
        ({"columns": ["id"], "table": "parted"}, "is a partitioned table"),
        ({"columns": ["id"], "table": "Events_pkey"}, "is an index"),
        ({"columns": ["id"], "name": "Events"}, "belongs to another relation"),
        ({"columns": ["id"], "name": "other_idx"}, "belongs to an index of another table"),
        ({"columns": ["userId"], "name": "Events_pkey"}, "backs the constraint Events_pkey"),
        ({"state": "absent", "name": "Events_pkey"}, "backs the constraint Events_pkey"),
        ({"state": "absent", "name": "fk_target"}, "backs the constraint child_ref_fkey"),
        ({"columns": ["at"], "name": "twin"}, "same definition"),
        ({"columns": ["id"], "name": "first"}, "is declared 2 times"),
    ],
)
def test_bad_declaration_is_refused_before_anything_is_touched(db, converge, declared, sentence):
    db.execute(
        """CREATE VIEW a_view AS SELECT 1 AS id; CREATE TABLE parted (id int) PARTITION BY RANGE (id);
           CREATE TABLE other (id int); CREATE INDEX other_idx ON other (id);
           CREATE UNIQUE INDEX fk_target ON "Events" (twice);
           CREATE TABLE child (ref int REFERENCES "Events" (twice))"""
    )
    before = catalog(db)
    good = {"name": "first", "table": "Events", "columns": ["at"]}
    with pytest.raises(PgkeelError) as refusal:
        converge([good, {"name": "second", "table": "Events", **declared}])
    assert sentence in str(refusal.value)
    assert catalog(db) == before


def test_invalid_left_by_a_killed_build_is_repaired(db, pg_index, held_build):
    assert held_build('CREATE INDEX CONCURRENTLY events_user_idx ON "Events" ("userId", at DESC)')(kill=True)
    assert catalog(db)["events_user_idx"][1] is False
    predicted = pg_index(COLUMNS, check=True)
    assert states(predicted) == {"events_user_idx": "repaired"}
    assert catalog(db)["events_user_idx"][1] is False
    real = pg_index(COLUMNS)
    assert states(real) == {"events_user_idx": "repaired"}
    assert real["executed_queries"] == predicted["executed_queries"]
    assert catalog(db)["events_user_idx"][1] is True
    assert not pg_index(COLUMNS)["changed"]


def test_backend_killed_during_our_build(db, connection, pg_index):
    db.execute('CREATE INDEX events_user_idx ON "Events" ("userId")')
    writer = connection(db.info.dbname)
    writer.execute('BEGIN; INSERT INTO "Events" (id) VALUES (-1)')
    results = []
    thread = threading.Thread(target=lambda: results.append(pg_index(COLUMNS)))
    thread.start()
    wait_until(lambda: db.execute(BUILDING).fetchone()[0])
    # A second run meanwhile neither disturbs nor repeats it.
    assert states(pg_index(COLUMNS)) == {"events_user_idx": "waiting"}
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
    thread.join(timeout=60)
    writer.execute("ROLLBACK")
    assert results[0]["failed"]
    assert "Run again" in results[0]["msg"]
    assert leftovers(db)
    assert catalog(db)["events_user_idx"][1] is True, "the old index serves until the new one is ready"
    assert states(pg_index(COLUMNS)) == {"events_user_idx": "rebuilt"}
    assert leftovers(db) == []
    assert not pg_index(COLUMNS)["changed"]


def test_anothers_build_is_left_alone(pg_index, held_build):
    release = held_build('CREATE INDEX CONCURRENTLY events_user_idx ON "Events" ("userId", at DESC)')
    result = pg_index(COLUMNS)
    assert states(result) == {"events_user_idx": "waiting"}
    assert not result["changed"]
    assert release() == []
    assert states(pg_index(COLUMNS)) == {"events_user_idx": "ok"}


def test_cut_off_between_build_and_swap_keeps_the_work(db, pg_index):
    (declaration,) = parse_declarations(COLUMNS)
    new, old = working_name("new", declaration), working_name("old", declaration)
    db.execute(f'CREATE INDEX events_user_idx ON "Events" (id); CREATE INDEX {new} ON "Events" ("userId", at DESC)')
    ready = catalog(db)[new][0]
    assert states(pg_index(COLUMNS)) == {"events_user_idx": "rebuilt"}
    assert catalog(db)["events_user_idx"][0] == ready, "the finished index was swapped in, not built again"
    assert leftovers(db) == []

    # Cut off after the swap, and a REINDEX CONCURRENTLY cut off by somebody else.
    db.execute(f'CREATE INDEX {old} ON "Events" (id); CREATE INDEX events_user_idx_ccnew ON "Events" ("userId", at DESC)')
    db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'events_user_idx_ccnew'::regclass")
    assert states(pg_index(COLUMNS)) == {"events_user_idx": "repaired"}
    assert catalog(db)["events_user_idx"][0] == ready
    assert leftovers(db) == []
    assert not pg_index(COLUMNS)["changed"]


def test_failed_build_leaves_nothing_and_says_why(db, pg_index):
    before = catalog(db)
    declared = [
        {"name": "dup", "table": "Events", "columns": ["userId"], "unique": True},
        {"name": "cast", "table": "Events", "columns": [{"expression": '("userId")::int'}]},
        {"name": "fine", "table": "Events", "columns": ["at"]},
    ]
    result = pg_index(declared)
    assert result["failed"]
    assert result["changed"]
    assert [index["state"] for index in result["indexes"]] == ["failed", "failed", "built"]
    assert "GROUP BY userId HAVING" in result["msg"]
    assert "invalid input syntax" in result["msg"]
    assert "user1" not in str(result["indexes"][0]), "the key values are the users' data"
    assert set(catalog(db)) == {*before, "fine"}


def test_failed_replacement_leaves_the_old_index(db, pg_index):
    db.execute('CREATE INDEX events_user_idx ON "Events" ("userId")')
    before = catalog(db)
    result = pg_index([{"name": "events_user_idx", "table": "Events", "columns": ["userId"], "unique": True}])
    assert result["failed"]
    assert catalog(db) == before


def test_lock_timeout_ends_the_wait_and_a_rerun_mends(db, connection, pg_index):
    writer = connection(db.info.dbname)
    writer.execute('BEGIN; INSERT INTO "Events" (id) VALUES (-1)')
    result = pg_index(COLUMNS, lock_timeout=300)
    assert result["failed"]
    assert "waited too long for another transaction" in result["msg"]
    writer.execute("ROLLBACK")
    assert states(pg_index(COLUMNS))["events_user_idx"] in {"built", "repaired"}
    assert not pg_index(COLUMNS)["changed"]


def test_writers_go_on_during_a_rebuild(db, connection, pg_index):
    db.execute('CREATE INDEX events_user_idx ON "Events" ("userId")')
    application = connection(db.info.dbname)
    application.execute("SET statement_timeout = '2s'")
    stop = threading.Event()
    errors, writes = [], []

    def write():
        number = 10_000
        while not stop.is_set():
            number += 1
            try:
                application.execute("""INSERT INTO "Events" (id, "userId") VALUES (%s, 'w')""", (number,))
                writes.append(number)
            except psycopg.Error as error:
                errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert states(pg_index(COLUMNS)) == {"events_user_idx": "rebuilt"}
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert len(writes) > 10
