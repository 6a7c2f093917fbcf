"""Advice about a real database, and silence about a healthy one."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from pgkeel.advisor.batch_query import batch_query
from pgkeel.advisor.counsel import Circumstances, counsel
from pgkeel.advisor.drop_advice import count_standbys
from pgkeel.advisor.facts_read import read_catalog
from pgkeel.advisor.n_plus_one import find_loops, intervals_of, read_foreign_keys
from pgkeel.advisor.snapshots import read_counters
from pgkeel.advisor.workload import read_window
from pgkeel.postgres.catalog import indexes

DAY = timedelta(days=1)


@pytest.fixture
def shop(connection, database):
    """A database with the extension and one table of orders, well indexed and analysed."""
    opened = connection(database("shop"))
    opened.execute("CREATE EXTENSION pg_stat_statements")
    opened.execute(
        """
        CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL);
        INSERT INTO customer SELECT n, 'name ' || n FROM generate_series(1, 1000) n;
        CREATE TABLE "Order" (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, city text, country text,
                              status text, note text, at timestamptz NOT NULL);
        INSERT INTO "Order" SELECT n, 1 + n % 1000, 'city ' || n % 500, 'country ' || n % 500 % 20,
                                   'status ' || n * 7919 % 13 % 5, repeat('x', 60),
                                   timestamptz '2026-01-01' + n * interval '1 minute'
                              FROM generate_series(1, 60000) n;
        CREATE INDEX order_customer ON "Order" (customer_id, at);
        """
    )
    opened.execute('VACUUM ANALYZE customer, "Order"')
    opened.execute("SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()), 0)")
    return opened


def advised(shop, **known):
    workload = read_window(shop, shop.info.dbname, datetime.now(UTC) - DAY)
    return counsel(shop, workload, Circumstances(**known))


def of(kind, result):
    return [one for one in result.recommendations if one.kind == kind]


def test_a_healthy_database_gets_no_advice(shop):
    for customer in range(20):
        shop.execute('SELECT * FROM "Order" WHERE customer_id = %s ORDER BY at DESC LIMIT 10', [customer])
        shop.execute('SELECT count(*) FROM "Order" WHERE status = %s AND city = %s', ["status 1", f"city {customer}"])
    result = advised(shop)
    assert result.recommendations == ()
    assert [one for one in result.unverified if "PostgreSQL answered" in one] == []


def test_columns_that_depend_on_one_another(shop):
    for _ in range(3):
        shop.execute("""SELECT count(*) FROM "Order" WHERE city = 'city 7' AND country = 'country 7'""")
    result = advised(shop)
    (one,) = of("statistics", result)
    assert one.subject == '"public"."Order" ("city", "country")'
    assert one.metadata["wrong_by"] >= 10
    assert one.metadata["dependency"] == 1.0
    assert "city 7" not in str(one.as_dict())

    def estimate():
        plan = shop.execute("""EXPLAIN (FORMAT JSON) SELECT FROM "Order" WHERE city = 'city 7' AND country = 'country 7'""")
        return plan.fetchone()[0][0]["Plan"]["Plan Rows"]

    assert estimate() <= 12
    shop.execute(one.ddl)
    assert 60 <= estimate() <= 240
    assert of("statistics", advised(shop)) == []
    shop.execute(one.undo)
    assert estimate() <= 12


def test_pairs_that_are_frequent_without_a_dependency(shop):
    shop.execute(
        """
        CREATE TABLE visit AS SELECT n, CASE WHEN n % 20 = 0 THEN 7 ELSE n * 7919 % 500 END AS a,
                                     CASE WHEN n % 20 = 0 THEN 9 ELSE n * 31 % 499 END AS b, n % 200 AS c, n % 200 / 10 AS d
                                FROM generate_series(1, 50000) n
        """
    )
    shop.execute("ANALYZE visit")
    for _ in range(2):
        shop.execute("SELECT count(*) FROM visit WHERE a = 7 AND b = 9")
        shop.execute("SELECT c, d, count(*) FROM visit GROUP BY c, d")

    def rows(query):
        return shop.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone()[0][0]["Plan"]["Plan Rows"]

    found = {one.subject: one for one in of("statistics", advised(shop))}
    mended = {
        '"public"."visit" ("a", "b")': ("mcv", "SELECT FROM visit WHERE a = 7 AND b = 9", 2500),
        '"public"."visit" ("c", "d")': ("ndistinct", "SELECT c, d FROM visit GROUP BY c, d", 200),
    }
    assert found.keys() == mended.keys()
    for subject, (kind, query, true) in mended.items():
        assert f"({kind})" in found[subject].ddl
        assert not true / 2 < rows(query) < true * 2
        shop.execute(found[subject].ddl)
        assert true / 2 < rows(query) < true * 2


def test_what_nobody_analysed(shop):
    shop.execute("CREATE TABLE fresh WITH (autovacuum_enabled = off) AS SELECT n AS a, n AS b FROM generate_series(1, 20000) n")
    shop.execute('ALTER TABLE "Order" ALTER COLUMN note SET STATISTICS 0')
    shop.execute("ALTER TABLE \"Order\" ADD COLUMN later text DEFAULT 'x'")
    shop.execute("SELECT count(*) FROM fresh WHERE a = 1")
    shop.execute("SELECT count(*) FROM \"Order\" WHERE later = 'x'")
    found = {one.subject: one for one in of("statistics", advised(shop))}
    assert found.keys() == {'"public"."fresh"', '"public"."Order" ("later")'}
    for one in found.values():
        shop.execute(one.ddl)
    assert of("statistics", advised(shop)) == []


def test_hot_updates_lost_for_want_of_room(shop):
    shop.execute("SELECT pg_stat_reset()")
    for number in range(2):
        shop.execute(f'UPDATE "Order" SET note = note || {number}')
    shop.execute("SELECT pg_stat_force_next_flush()")
    (one,) = of("fillfactor", advised(shop))
    assert one.subject == '"public"."Order"'
    assert one.metadata["another_page_ratio"] > 0.3
    shop.execute(one.ddl)
    shop.execute('VACUUM FULL "Order"')
    shop.execute("SELECT pg_stat_reset()")
    shop.execute('UPDATE "Order" SET note = note WHERE id % 8 = 0')
    shop.execute("SELECT pg_stat_force_next_flush()")
    row = shop.execute("SELECT n_tup_hot_upd::float / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'Order'").fetchone()
    assert row[0] > 0.8
    shop.execute(one.undo)


def test_an_update_of_an_indexed_column_is_no_matter_of_room(shop):
    shop.execute("SELECT pg_stat_reset()")
    shop.execute("UPDATE \"Order\" SET at = at + interval '1 second'")
    shop.execute("SELECT pg_stat_force_next_flush()")
    assert of("fillfactor", advised(shop)) == []


def test_copies_and_beginnings_are_found_and_young_statistics_are_no_verdict(shop):
    shop.execute('CREATE INDEX again ON "Order" (customer_id, at); CREATE INDEX short ON "Order" (customer_id)')
    shop.execute('CREATE INDEX idle ON "Order" (id, note)')
    result = advised(shop)
    drops = {one.subject: one for one in of("drop_index", result)}
    assert set(drops) == {
        '"public"."short"',
        drops.keys() - {'"public"."short"'} and next(iter(drops.keys() - {'"public"."short"'})),
    }
    assert any("1 index(es) without a read" in one and "statistics" in one for one in result.unverified)
    for one in drops.values():
        shop.execute(one.ddl)
    assert of("drop_index", advised(shop)) == []
    for one in drops.values():
        shop.execute(one.undo)
    assert len(of("drop_index", advised(shop))) == 2


def test_what_checks_of_a_foreign_key_read_stays(shop):
    shop.execute(
        """
        CREATE TABLE place (a int, b int, c int, PRIMARY KEY (a, b));
        CREATE TABLE trip (id int PRIMARY KEY, a int, b int, c int, FOREIGN KEY (a, b) REFERENCES place);
        CREATE INDEX trip_a ON trip (a, c); CREATE INDEX trip_b ON trip (b); CREATE INDEX trip_c ON trip (c, a);
        """
    )

    def supporting():
        return {index.name for index in indexes(shop) if index.supports_foreign_key and index.table == "trip"}

    # Nothing better is there: a check reads the rows of one column, and looks at the other.
    assert supporting() == {"trip_a", "trip_b"}
    # One that has only some rows helps no check of the others.
    shop.execute("CREATE INDEX trip_part ON trip (b, a) WHERE c > 0")
    assert {"trip_a", "trip_b"} <= supporting()
    shop.execute("CREATE INDEX trip_whole ON trip (b, a)")
    assert supporting() == {"trip_part", "trip_whole"}


def test_rewrites_of_real_statements(shop):
    shop.execute('CREATE UNIQUE INDEX order_at ON "Order" (at)')
    for page in range(12):
        shop.execute(f'SELECT id, note FROM "Order" ORDER BY at LIMIT 5 OFFSET {50000 + page}')
        shop.execute('SELECT id, note FROM "Order" ORDER BY at DESC LIMIT 5 OFFSET 10')
    shop.execute("SELECT id FROM \"Order\" WHERE note LIKE '%y'")
    shop.execute("SET work_mem = '64kB'")
    shop.execute('SELECT count(*) FROM customer WHERE id NOT IN (SELECT customer_id FROM "Order" WHERE note IS NULL)')
    shop.execute("RESET work_mem")
    workload = read_window(shop, shop.info.dbname, datetime.now(UTC) - DAY)
    assert any("1 statement(s) with LIKE" in one for one in advised(shop).unverified)
    searching = next(one.query_id for one in workload.statements if "LIKE" in one.text)
    texts = {searching: ("SELECT id FROM \"Order\" WHERE note LIKE '%y'",)}
    result = counsel(shop, workload, Circumstances(texts=texts, patterns_known=True))
    words = {one.subject: one for one in of("rewrite", result)}
    assert """"public"."Order": LIKE '%…\'""" in words
    offset = words['"public"."Order": OFFSET']
    assert "DESC" not in offset.statement
    shop.execute("PREPARE page AS " + offset.metadata["rewritten"].replace("$1", "5").replace("$2", "$1"))
    (last,) = shop.execute('SELECT at FROM "Order" ORDER BY at LIMIT 1 OFFSET 49999').fetchone()
    wanted = shop.execute('SELECT id, note FROM "Order" ORDER BY at LIMIT 5 OFFSET 50000').fetchall()
    assert shop.execute(psycopg.sql.SQL("EXECUTE page({})").format(last)).fetchall() == wanted


CHILDREN = (
    'SELECT count(*) AS n, max(at) FROM "Order" WHERE customer_id = $1',
    'SELECT o.id, o.at FROM "Order" AS o WHERE o.customer_id = $1 ORDER BY o.at DESC LIMIT 3',
    "SELECT status, count(*) FROM \"Order\" WHERE customer_id = $1 AND at > '2026-01-05' GROUP BY 1 ORDER BY 2",
    'SELECT id, status FROM "Order" WHERE customer_id = $1',
)


@pytest.mark.parametrize("child", CHILDREN)
def test_the_batch_query_answers_what_the_loop_did(shop, child):
    keys = [3, 77, 500, 100_000]
    shop.execute(f"PREPARE child (int) AS {child}")
    batch = batch_query(child, 1, (("public", "Order"), "customer_id"), read_catalog(shop))
    assert batch
    shop.execute(f"PREPARE batch (int[]) AS {batch}")
    wide = shop.execute("EXECUTE batch('{3,77,500,100000}')")
    names = [column.name for column in wide.description]
    carrier = names.index("key" if "key" in names else "customer_id")
    rows = wide.fetchall()
    for key in keys:
        alone = [tuple(row) for row in shop.execute(f"EXECUTE child({key})").fetchall()]
        together = [tuple(v for n, v in enumerate(row) if n != carrier) for row in rows if row[carrier] == key]
        if key == 100_000:
            assert together == []
        else:
            assert sorted(map(str, together)) == sorted(map(str, alone))


def test_a_real_loop_is_followed_from_reading_to_reading(shop):
    name = shop.info.dbname
    history = []
    for number, customers in enumerate((4, 30, 11, 25, 7, 19)):
        history.append(read_counters(shop, name))
        for _ in range(1 + number % 3):
            rows = shop.execute("SELECT id, name FROM customer WHERE id > %s LIMIT %s", [number * 40, customers]).fetchall()
            for key, _ in rows:
                shop.execute('SELECT count(*) FROM "Order" WHERE customer_id = %s', [key])
        for key in range(40):
            shop.execute("SELECT name FROM customer WHERE id = %s", [key])
    history.append(read_counters(shop, name))
    workload = read_window(shop, name, datetime.now(UTC) - DAY)
    (loop,) = find_loops(workload.statements, intervals_of(history), read_catalog(shop), read_foreign_keys(shop))
    assert (loop.rows, loop.calls, loop.miss) == (loop.calls, loop.rows, 0)
    assert loop.column == (("public", "Order"), "customer_id")
    (one,) = of("batch", advised(shop, history=history))
    assert "ANY($1)" in one.metadata["batch_query"]


def test_the_module_reads_advises_and_keeps(server, shop):
    name = shop.info.dbname
    shop.execute('CREATE INDEX again ON "Order" (customer_id, at)')
    shop.execute("SELECT count(*) FROM \"Order\" WHERE status = 'status 4711'")
    looked = server.module("pg_advisor", {"login_db": name}, check=True)
    assert not looked["failed"], looked
    assert looked["changed"]
    assert looked["snapshot"] is None
    assert shop.execute("SELECT to_regnamespace('pgkeel')").fetchone() == (None,)
    did = server.module("pg_advisor", {"login_db": name})
    assert (did["changed"], did["snapshot"]) == (True, 1)
    assert [one["kind"] for one in did["recommendations"]] == ["drop_index"]
    assert any(one["text"] == 'SELECT count(*) FROM "Order" WHERE status = $1' for one in did["statements"])
    assert "4711" not in str(did)
    again = server.module("pg_advisor", {"login_db": name})
    assert (again["changed"], again["snapshot"]) == (False, 2)
    assert [one["fingerprint"] for one in again["recommendations"]] == [one["fingerprint"] for one in did["recommendations"]]

    for wrong, sentence in (
        ({"login_db": name, "window_hours": 0}, "window_hours is not positive"),
        ({"login_db": name, "retention_days": 3}, "retention_days is shorter than the window"),
        ({"login_db": "nowhere"}, "Cannot connect"),
    ):
        refused = server.module("pg_advisor", wrong)
        assert refused["failed"]
        assert sentence in refused["msg"]


def test_the_module_finds_a_loop_while_it_samples(server, shop):
    ended = threading.Event()

    def application():
        with psycopg.connect(host=server.socket_dir, user="postgres", dbname=shop.info.dbname, autocommit=True) as session:
            number = 0
            while not ended.is_set():
                number += 1
                rows = session.execute("SELECT id, name FROM customer LIMIT %s", [5 + number * 7 % 23]).fetchall()
                for key, _ in rows:
                    session.execute('SELECT max(at) FROM "Order" WHERE customer_id = %s', [key])
                time.sleep(0.02)

    loop = threading.Thread(target=application)
    loop.start()
    try:
        did = server.module("pg_advisor", {"login_db": shop.info.dbname, "samples": 7, "sample_seconds": 3})
    finally:
        ended.set()
        loop.join()
    assert [one["kind"] for one in did["recommendations"]] == ["batch"], did
    assert did["recommendations"][0]["metadata"]["batch_query"].endswith("WHERE customer_id = ANY($1) GROUP BY customer_id")


def test_a_standby_that_is_away_counts_and_one_that_does_not_answer_is_named(server, shop):
    assert count_standbys(shop) == 0
    shop.execute("SELECT pg_create_physical_replication_slot('advisor_it')")
    try:
        assert count_standbys(shop) == 1
    finally:
        shop.execute("SELECT pg_drop_replication_slot('advisor_it')")
    replicas = [{"login_host": "127.0.0.1", "login_port": 1}]
    did = server.module("pg_advisor", {"login_db": shop.info.dbname, "replicas": replicas}, check=True)
    assert any("How the standby 127.0.0.1:1 uses the indexes" in one for one in did["unverified"]), did
