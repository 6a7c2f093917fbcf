"""pg_partman keeps declared tables: partitions ahead, old ones gone, and nothing converted behind anybody's back."""

from __future__ import annotations

import pytest

DECLARED = {"table": "Visit", "column": "at", "interval": "1 month", "ahead": 2, "keep": "3 months"}


@pytest.fixture
def visits(server, connection, database):
    server.run("apt-get install -y --no-install-recommends postgresql-17-partman >/dev/null", timeout=300)
    opened = connection(database("part"))
    opened.execute('CREATE TABLE "Visit" (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)')
    return opened


def keep(server, visits, *, check=False, **more):
    arguments = {"login_db": visits.info.dbname, "partitions": [{**DECLARED, **more}]}
    return server.module("pg_partitions", arguments, check=check)


def partitions(visits):
    return {
        name
        for (name,) in visits.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '\"Visit\"'::regclass")
    }


def test_declared_kept_and_left(server, visits):
    would = keep(server, visits, check=True)
    assert (would["changed"], would["tables"][0]["state"]) == (True, "declared")
    assert partitions(visits) == set()
    done = keep(server, visits)
    assert done["changed"], done
    made = partitions(visits)
    assert len(made) >= 4  # two ahead, this month, and the default
    visits.execute('INSERT INTO "Visit" VALUES (1, now())')
    assert visits.execute('SELECT count(*) FROM ONLY "Visit_default"').fetchone() == (0,)
    assert not keep(server, visits)["changed"]
    # What is due is done: a month that was lost comes back, and one that is too old goes.
    newest = sorted(name for name in made if "default" not in name)[-1]
    visits.execute(f"DROP TABLE {newest}")
    old = visits.execute("SELECT date_trunc('month', now()) - interval '7 months'").fetchone()[0]
    visits.execute("SELECT partman.create_partition_time('public.Visit', ARRAY[%s])", [old])
    assert len(partitions(visits)) == len(made)
    due = keep(server, visits, check=True)
    assert due["changed"]
    (lost,) = due["tables"][0]["drops"]
    assert lost == f'public."Visit_p{old:%Y%m%d}"'
    assert due["tables"][0]["state"] == "maintained"
    did = keep(server, visits)["tables"][0]
    assert (did["state"], did["drops"]) == ("maintained", [lost])
    assert partitions(visits) == made
    longer = keep(server, visits, keep="12 months")
    assert (longer["changed"], longer["tables"][0]["state"]) == (True, "changed")
    assert not keep(server, visits, keep="12 months")["changed"]


def test_a_shorter_time_says_first_which_rows_it_costs(server, visits):
    keep(server, visits, keep="24 months")
    months = [
        row[0]
        for row in visits.execute("SELECT date_trunc('month', now()) - n * interval '1 month' FROM generate_series(0, 11) n")
    ]
    visits.execute("SELECT partman.create_partition_time('public.Visit', %s)", [months])
    there = partitions(visits)
    assert not keep(server, visits, keep="24 months")["changed"]
    would = keep(server, visits, keep="5 months", check=True)["tables"][0]
    assert would["state"] == "changed"
    assert partitions(visits) == there
    # The sixth month before this one ended five months before this one began.
    assert set(would["drops"]) == {f'public."Visit_p{month:%Y%m%d}"' for month in months[6:]}
    done = keep(server, visits, keep="5 months")["tables"][0]
    assert (done["state"], done["drops"]) == ("changed", would["drops"])
    assert {f"public.{name}" for name in there - partitions(visits)} == set(would["drops"])


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        # As somebody attaches a table that was not partitioned: pg_partman looks where it begins alone.
        ("FROM ('2015-01-01') TO (date_trunc('month', now()) - interval '1 month')", "with rows younger than 12 months"),
        ("FROM (MINVALUE) TO ('2016-01-01')", "begins at MINVALUE"),
        ("FROM ('2015-01-01') TO (MAXVALUE)", "reaches to MAXVALUE"),
    ],
)
def test_a_partition_that_would_go_too_early_is_refused(server, visits, bounds, sentence):
    (start,) = visits.execute("SELECT date_trunc('month', now()) - interval '1 month'").fetchone()
    bounds = bounds.replace("date_trunc('month', now()) - interval '1 month'", f"'{start}'")
    visits.execute(f'CREATE TABLE everything PARTITION OF "Visit" FOR VALUES {bounds}')
    for check in (True, False):
        refused = keep(server, visits, keep="12 months", check=check)
        assert refused["failed"]
        assert sentence in refused["msg"]
        assert partitions(visits) == {"everything"}


def test_a_set_that_was_kept_otherwise_is_kept_as_declared(server, visits):
    keep(server, visits)
    by_hand = "UPDATE partman.part_config SET {} WHERE parent_table = 'public.Visit'"
    for setting in ("retention_keep_table = true", "retention_schema = 'public'", "infinite_time_partitions = false"):
        visits.execute(by_hand.format(setting))
        did = keep(server, visits)
        assert (did["changed"], did["tables"][0]["state"]) == (True, "changed")
    assert not keep(server, visits)["changed"]


def test_partitions_come_ahead_of_the_clock_where_no_row_came_for_long(server, visits):
    keep(server, visits)
    made = partitions(visits)
    for name in sorted(name for name in made if "default" not in name)[-2:]:
        visits.execute(f"DROP TABLE {name}")
    assert keep(server, visits)["tables"][0]["state"] == "maintained"
    assert partitions(visits) == made


def test_who_holds_the_table_is_not_waited_for_by_everybody(server, visits, connection):
    keep(server, visits)
    newest = sorted(name for name in partitions(visits) if "default" not in name)[-1]
    visits.execute(f"DROP TABLE {newest}")
    with connection(visits.info.dbname).transaction() as reading:
        reading.connection.execute('LOCK TABLE "Visit" IN ACCESS SHARE MODE')
        reading.connection.execute('LOCK TABLE "Visit_default" IN ACCESS SHARE MODE')
        refused = keep(server, visits)
    assert refused["failed"]
    assert "stayed locked by somebody else for 10s" in refused["msg"]
    assert keep(server, visits)["changed"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"table": "Plain"}, "is not partitioned, and pgkeel does not convert"),
        ({"table": "Listed", "column": "id"}, "not by range of id"),
        ({"column": "id"}, "is partitioned by at, and not by range of id"),
        ({"table": "Numbered", "column": "id"}, "Numbered.id is int4, and no time"),
        ({"table": "Nowhere"}, "There is no table public.Nowhere"),
        ({"ahead": 0}, "0 partitions ahead"),
        ({"interval": "a while"}, "is no period"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(server, visits, change, sentence):
    visits.execute('CREATE TABLE "Plain" (id int, at timestamptz)')
    visits.execute('CREATE TABLE "Listed" (id int) PARTITION BY LIST (id)')
    visits.execute('CREATE TABLE "Numbered" (id int) PARTITION BY RANGE (id)')
    refused = keep(server, visits, **change)
    assert refused["failed"]
    assert sentence in refused["msg"]
    assert partitions(visits) == set()


def test_the_playbook_keeps_what_the_inventory_declares(server, connection):
    session = connection("edtech")
    session.execute('CREATE TABLE "Visit" (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at)')
    extra = {"database_indexes": [], "database_partitions": [{**DECLARED, "database": "edtech"}]}
    try:
        plan = server.playbook("playbooks/site.yml", extra, check=True, tags="postgresql,database")
        assert "declared edtech: public.Visit" in plan.stdout
        first = server.playbook("playbooks/indexes.yml", extra)
        assert first.returncode == 0, first.stdout[-2000:]
        assert len(partitions(session)) >= 4
        assert server.playbook("playbooks/indexes.yml", extra).stats[server.name]["changed"] == 0
    finally:
        session.execute('DROP TABLE "Visit" CASCADE; DROP EXTENSION IF EXISTS pg_partman; DROP SCHEMA IF EXISTS partman CASCADE')
