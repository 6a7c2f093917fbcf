"""Statements to be said differently, and their healthy neighbours."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pgkeel.advisor.batch_query import batch_query
from pgkeel.advisor.counsel import each_once
from pgkeel.advisor.facts import Catalog, ColumnFacts, IndexFacts, TableFacts
from pgkeel.advisor.fillfactor_advice import Updates, advise_fillfactor
from pgkeel.advisor.model import Kind, Recommendation, Statement
from pgkeel.advisor.redaction import redact
from pgkeel.advisor.rewrite_advice import advise_rewrites, wildcards_in
from pgkeel.advisor.statistics_advice import Blind, Observed, Pair, advise_analyze, advise_correlated, columns_together

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {
    name: ColumnFacts(name, "text", not_null=name in {"id", "at"}) for name in ("id", "userId", "at", "kind", "state", "note")
}


def table(name, rows, *indexes, pages=None):
    return TableFacts("public", name, rows, int(rows / 60) + 1 if pages is None else pages, COLUMNS, indexes)


LOG = table(
    "Log", 3e6, IndexFacts("Log_pkey", "btree", ("id",), unique=True), IndexFacts("Log_user_at", "btree", ("userId", "at"))
)
SMALL = table("Small", 500.0)
CATALOG = Catalog({one.id: one for one in (LOG, SMALL)})


def statement(text, *, calls=100, mean_ms=50.0, rows=None, blocks=5000, query_id=7):
    return Statement(query_id, redact(text), calls, calls * mean_ms, calls * 20 if rows is None else rows, calls * blocks, 0, NOW)


def rewrites(text, wildcards=frozenset(), *, known=True, **more):
    return advise_rewrites((statement(text, **more),), CATALOG, wildcards, patterns_known=known)


def words(text, **more):
    return [one.subject for one in rewrites(text, **more).recommendations]


PAGED = 'SELECT id, note FROM "Log" WHERE "userId" = $1 ORDER BY "at" DESC LIMIT $2 OFFSET $3'


def test_a_deep_offset_is_caught_and_rewritten():
    (one,) = rewrites(PAGED.replace('"at" DESC', '"at" DESC, id DESC')).recommendations
    assert (one.kind, one.subject, one.ddl) == (Kind.REWRITE, '"public"."Log": OFFSET', "")
    assert one.metadata["rewritten"] == (
        'SELECT id, note FROM "Log" WHERE "userId" = $1 AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $2'
    )
    assert "append" not in one.reason
    assert one.metadata["order_served_by"] == "Log_user_at"
    assert one.statements == (7,)


def test_the_rewritten_page_of_several_columns():
    (one,) = rewrites('SELECT id FROM "Log" ORDER BY id, "at" LIMIT $1 OFFSET $2').recommendations
    assert one.metadata["rewritten"] == 'SELECT id FROM "Log" WHERE (id, at) > ($2, $3) ORDER BY id, at LIMIT $1'
    (one,) = rewrites('SELECT id FROM "Log" ORDER BY id, "at" DESC LIMIT $1 OFFSET $2').recommendations
    assert one.metadata["rewritten"] == ""


@pytest.mark.parametrize(
    "text",
    [
        PAGED,  # two rows may have the same moment
        'SELECT id FROM "Log" WHERE "userId" = $1 ORDER BY "at", note, id LIMIT $2 OFFSET $3',  # note may be NULL
        'SELECT l.id FROM "Log" l, "Small" s ORDER BY l.id LIMIT $1 OFFSET $2',  # a row of Log may come more than once
        'SELECT unnest(note) FROM "Log" ORDER BY id LIMIT $1 OFFSET $2',
        'SELECT id, count(*) OVER () FROM "Log" ORDER BY id LIMIT $1 OFFSET $2',
        'SELECT note AS id FROM "Log" l ORDER BY id LIMIT $1 OFFSET $2',
    ],
)
def test_a_page_that_would_lose_rows_is_explained_and_not_rewritten(text):
    (one,) = rewrites(text).recommendations
    assert one.metadata["rewritten"] == ""
    assert "append the key (id) to ORDER BY" in one.reason


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (PAGED, {"blocks": 40}),  # first pages only
        (PAGED, {"blocks": 400}),  # further pages, not far enough
        (PAGED, {"calls": 3}),
        (PAGED.replace(" OFFSET $3", ""), {}),
        ('SELECT id FROM "Log" ORDER BY note LIMIT $1 OFFSET $2', {}),  # no index for the order: that comes first
        ('SELECT kind, count(*) FROM "Log" GROUP BY kind ORDER BY kind LIMIT 5 OFFSET 5', {}),
        (PAGED, {"rows": 100 * 5000}),  # many rows returned for the blocks touched
    ],
)
def test_a_healthy_offset_is_left_alone(text, more):
    assert words(text, **more) == []


def test_not_in_a_large_subquery():
    bad = 'SELECT * FROM "Small" WHERE id NOT IN (SELECT "userId" FROM "Log")'
    assert words(bad) == ['"public"."Log": NOT IN']
    assert words(bad, mean_ms=1.0) == []
    assert words('SELECT * FROM "Log" WHERE id NOT IN (SELECT id FROM "Small")') == []
    assert words('SELECT * FROM "Log" WHERE id NOT IN ($1, $2)') == []
    assert words('SELECT * FROM "Small" s WHERE NOT EXISTS (SELECT FROM "Log" l WHERE l."userId" = s.id)') == []
    assert words('SELECT * FROM "Small" WHERE id IN (SELECT "userId" FROM "Log")') == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('SELECT * FROM "Small" WHERE id NOT IN (SELECT "userId" FROM "Log")', ""),
        ('DELETE FROM "Small" WHERE id NOT IN (SELECT "userId" FROM "Log")', ""),
        ('SELECT * FROM "Small" s WHERE s.note NOT IN (SELECT "userId" FROM "Log")', "add AND s.note IS NOT NULL"),
        # An outer join makes NULLs of its own.
        (
            'SELECT * FROM "Log" l LEFT JOIN "Small" s ON l.kind = s.kind WHERE s.id NOT IN (SELECT "userId" FROM "Log")',
            "add AND s.id IS NOT NULL",
        ),
        ('UPDATE "Small" SET kind = $1 WHERE note NOT IN (SELECT "userId" FROM "Log")', "add AND note IS NOT NULL"),
    ],
)
def test_not_exists_is_not_the_same_for_rows_that_are_null_themselves(text, word):
    (one,) = rewrites(text).recommendations
    assert (word or "meant.") in one.reason
    assert ("IS NOT NULL" in one.reason) == bool(word)


def test_count_of_a_whole_large_table():
    assert words('SELECT count(*) FROM "Log"') == ['"public"."Log": count(*)']
    assert words('SELECT COUNT(*) FROM (SELECT "public"."Log"."id" FROM "public"."Log" WHERE 1=1 OFFSET $1) AS "sub"')
    assert words('SELECT COUNT(*) FROM (SELECT "Log"."id" FROM "Log" WHERE 1=1 LIMIT $1 OFFSET $2) AS "sub"') == []
    assert words('SELECT COUNT(*) FROM (SELECT "Log"."id" FROM "Log" WHERE "userId" = $1 OFFSET $2) AS "sub"') == []
    assert words('SELECT COUNT(*) FROM (SELECT DISTINCT kind FROM "Log") AS "sub"') == []
    assert words('SELECT COUNT(*) FROM (SELECT unnest($1::int[]) FROM "Log") AS "sub"') == []
    (one,) = rewrites('SELECT count(*) AS n FROM public."Log" AS l').recommendations
    assert """'"public"."Log"'::regclass""" in one.metadata["rewritten"]
    for healthy in (
        'SELECT count(*) FROM "Small"',
        'SELECT count(*) FROM "Log" WHERE "userId" = $1',
        'SELECT kind, count(*) FROM "Log" GROUP BY kind',
        'SELECT count(note) FROM "Log"',
        'SELECT count(*) FILTER (WHERE kind = $1) FROM "Log"',
        'SELECT count(*) FROM "Log", "Small"',
    ):
        assert words(healthy) == [], healthy
    assert words('SELECT count(*) FROM "Log"', calls=2) == []


def test_a_leading_wildcard_is_known_from_examples_only():
    text = 'SELECT id FROM "Log" WHERE note LIKE $1'
    assert words(text, wildcards=frozenset({7})) == [""""public"."Log": LIKE '%…\'"""]
    assert rewrites(text) == rewrites("SELECT 1")
    unknown = rewrites(text, known=False)
    assert unknown.recommendations == ()
    assert "1 statement(s) with LIKE" in unknown.unverified[0]
    assert rewrites('SELECT id FROM "Small" WHERE note LIKE $1', known=False).unverified == ()


def test_wildcards_are_found_in_examples():
    examples = {
        1: ["SELECT a FROM t WHERE b LIKE '%x'"],
        2: ["SELECT a FROM t WHERE b LIKE 'x%'"],
        3: ["SELECT a FROM t WHERE b ILIKE '%' || $1 || '%'"],
        4: ["SELECT a FROM t WHERE b = '%'"],
        5: ["SELECT a FROM t WHERE b LIKE 'a%'", "PREPARE p AS SELECT a FROM t WHERE b LIKE '_x'::text"],
        6: ["SELECT '%' broken LIKE"],
    }
    assert wildcards_in(examples) == {1, 3, 5}


def updates(**changes):
    facts = {
        "updates": 50_000,
        "hot": 20_000,
        "elsewhere": 29_000,
        "fillfactor": 100,
        "indexed": frozenset({"id", "userId", "at"}),
    }
    return Updates(LOG.id, **{**facts, **changes})


def fillfactor(text='UPDATE "Log" SET state = $1 WHERE id = $2', one=None):
    return advise_fillfactor([one or updates()], [statement(text)], CATALOG)


def test_room_is_left_where_hot_is_lost_for_want_of_it():
    (one,) = fillfactor()
    assert one.ddl == 'ALTER TABLE "public"."Log" SET (fillfactor = 95);'
    assert one.undo == 'ALTER TABLE "public"."Log" RESET (fillfactor);'
    assert one.metadata["another_page_ratio"] == 0.58
    (one,) = fillfactor('INSERT INTO "Log" (id, state) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET state = excluded.state')
    assert one.kind is Kind.FILLFACTOR
    (one,) = fillfactor(one=updates(fillfactor=95))
    assert (one.ddl, one.undo) == (
        'ALTER TABLE "public"."Log" SET (fillfactor = 90);',
        'ALTER TABLE "public"."Log" SET (fillfactor = 95);',
    )


def test_no_room_is_left_where_it_would_not_help():
    assert fillfactor('UPDATE "Log" SET "at" = $1 WHERE id = $2') == ()  # an indexed column
    mixed = [statement('UPDATE "Log" SET "at" = $1 WHERE id = $2', rows=900), statement('UPDATE "Log" SET state = $1', rows=800)]
    assert advise_fillfactor([updates()], mixed, CATALOG) == ()
    assert fillfactor(one=updates(elsewhere=5_000)) == ()
    assert fillfactor(one=updates(updates=900, elsewhere=800)) == ()
    assert fillfactor('SELECT state FROM "Log"') == ()
    assert fillfactor(one=updates(fillfactor=70)) == ()


PAIR = Pair(LOG.id, "kind", "state", False, (7,), "SELECT")


def observed(**changes):
    facts = {"sampled": 30_000, "expected": 900.0, "actual": 60_000.0, "seen": 600, "dependency": 0.99}
    return Observed(changes.pop("pair", PAIR), **{**facts, **changes})


def test_columns_used_together():
    text = 'SELECT * FROM "Log" WHERE kind = $1 AND state = $2 AND id = $3'
    (pair,) = columns_together([statement(text)], CATALOG)
    assert (pair.first, pair.second, pair.grouped, pair.statements) == ("kind", "state", False, (7,))
    (pair,) = columns_together([statement('SELECT kind, state, count(*) FROM "Log" GROUP BY 1, 2')], CATALOG)
    assert pair.grouped
    assert columns_together([statement('SELECT * FROM "Log" WHERE kind = $1 OR state = $2')], CATALOG) == ()
    assert columns_together([statement('SELECT * FROM "Small" WHERE kind = $1 AND state = $2')], CATALOG) == ()


def test_a_wrong_estimate_asks_for_statistics_and_a_right_one_does_not():
    (one,) = advise_correlated([observed()], {})
    assert one.ddl == (
        'CREATE STATISTICS "public"."Log_kind_state_stats" (dependencies) '
        'ON "kind", "state" FROM "public"."Log";\n'
        'ANALYZE "public"."Log";'
    )
    assert one.undo == 'DROP STATISTICS "public"."Log_kind_state_stats";'
    assert one.metadata["wrong_by"] == pytest.approx(66.7)
    assert advise_correlated([observed(expected=30_000.0)], {}) == ()
    assert advise_correlated([observed(seen=20)], {}) == ()
    assert advise_correlated([observed()], {LOG.id: [frozenset({"kind", "state", "note"})]}) == ()
    assert "(mcv)" in advise_correlated([observed(dependency=0.6)], {})[0].ddl
    grouped = observed(pair=Pair(LOG.id, "kind", "state", True, (7,), ""), expected=5000.0, actual=12.0, seen=2500)
    assert "groups" in advise_correlated([grouped], {})[0].reason
    assert "(ndistinct)" in advise_correlated([grouped], {})[0].ddl
    assert advise_correlated([observed(pair=grouped.pair, expected=12.0, actual=5000.0, seen=6)], {}) == ()


def test_long_names_stay_within_what_postgresql_keeps():
    pair = Pair(("public", "T" * 50), "a" * 30, "ä" * 20, False, (1,), "")
    (one,) = advise_correlated([observed(pair=pair)], {})
    assert max(len(part.encode()) for part in one.undo.split('"')) <= 63


def test_analyze_where_statements_depend_on_what_nobody_knows():
    never = Blind(LOG.id, 1e6, ("id", "kind"), (), True)
    (one,) = advise_analyze([never], {LOG.id: frozenset({"kind"})})
    assert one.ddl == 'ANALYZE "public"."Log";'
    (one,) = advise_analyze([Blind(LOG.id, 1e6, ("kind",), ("kind",), False)], {LOG.id: frozenset({"kind"})})
    assert one.ddl == 'ALTER TABLE "public"."Log" ALTER COLUMN "kind" SET STATISTICS DEFAULT;\nANALYZE "public"."Log" ("kind");'
    assert one.undo == 'ALTER TABLE "public"."Log" ALTER COLUMN "kind" SET STATISTICS 0;'
    assert advise_analyze([never], {LOG.id: frozenset({"note"})}) == ()
    assert advise_analyze([never], {}) == ()


def test_a_statement_nested_a_thousand_deep_gets_no_advice_and_stops_nobody():
    sums = "+".join(["id"] * 1000)
    deep = [
        f'SELECT id FROM "Log" WHERE {sums} NOT IN (SELECT id FROM "Log")',
        " UNION ALL ".join(['SELECT id FROM "Log" WHERE kind = 5'] * 1000),
    ]
    healthy = 'SELECT count(*) FROM "Log"'
    found = advise_rewrites(tuple(map(statement, [*deep, healthy])), CATALOG, frozenset(), patterns_known=True)
    assert [one.subject for one in found.recommendations] == ['"public"."Log": count(*)']
    assert len(advise_fillfactor([updates()], [*map(statement, deep), statement('UPDATE "Log" SET state = $1')], CATALOG)) == 1
    assert batch_query(deep[1].replace("5", "$1"), 1, (LOG.id, "kind"), CATALOG) == ""


def test_lists_of_another_length_are_the_same_advice():
    def advice(query_id, text):
        return Recommendation(Kind.REWRITE, "t: OFFSET", "", "", "why", "heuristic", (query_id,), text)

    short = advice(1, "SELECT a FROM t WHERE b IN ($1, $2) ORDER BY a LIMIT $3 OFFSET $4")
    long = advice(2, "SELECT a FROM t WHERE b IN ($1, $2, $3, $4, $5) ORDER BY a LIMIT $6 OFFSET $7")
    other = advice(3, "SELECT f($1, $2) FROM t WHERE b IN ($3, $4) ORDER BY a LIMIT $5 OFFSET $6")
    assert short.fingerprint == long.fingerprint != other.fingerprint
    assert other.fingerprint != replace(other, statement=other.statement.replace("f($1, $2)", "f($1)")).fingerprint
    assert [one.statements for one in each_once([short, other, long])] == [(1, 2), (3,)]
