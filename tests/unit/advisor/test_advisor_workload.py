"""A window is the difference of two readings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pgkeel.advisor.snapshots import Counters, Entry
from pgkeel.advisor.workload import HIDDEN, MISSING, OURS, SYSTEM, TEMPORARY, TOO_LONG, UNPARSED, UTILITY, Relations, summarize

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=30)
WEEK = NOW - timedelta(days=7)
RELATIONS = Relations(frozenset({("public", "t"), ("app", "Order")}), frozenset({("pg_catalog", "pg_class"), ("ext", "made")}))


def entry(query_id=1, *, calls=10, total_ms=100.0, user_id=10, toplevel=True, since=START):
    return Entry(query_id, user_id, toplevel, calls, total_ms, calls * 2, calls * 3, calls, since)


def counters(*entries, taken_at=NOW, **more):
    texts = more.pop("texts", {one.query_id: "SELECT a FROM t WHERE b = $1" for one in entries})
    return Counters("app", taken_at, START, more.pop("evictions", 0), entries, texts, used=len(entries), capacity=5000, **more)


def skipped(workload):
    return {one.reason: one.statements for one in workload.skipped}


def test_users_and_levels_are_one_statement():
    workload = summarize(counters(entry(), entry(user_id=11), entry(toplevel=False)), None, START, RELATIONS)
    (statement,) = workload.statements
    assert (statement.calls, statement.total_ms, statement.rows, statement.blocks_hit, statement.blocks_read) == (
        30,
        300,
        60,
        90,
        30,
    )
    assert statement.mean_ms == 10
    assert statement.since == START


def test_only_what_happened_since_the_baseline_counts():
    baseline = counters(entry(calls=10, total_ms=100), entry(2, calls=5), taken_at=WEEK)
    workload = summarize(counters(entry(calls=25, total_ms=180), entry(2, calls=5)), baseline, WEEK, RELATIONS)
    (statement,) = workload.statements
    assert (statement.query_id, statement.calls, statement.total_ms, statement.rows) == (1, 15, 80, 30)
    assert (workload.since, workload.until, workload.warnings) == (WEEK, NOW, ())


def test_a_line_that_began_anew_counts_from_there_and_is_named():
    later = WEEK + timedelta(days=1)
    baseline = counters(entry(calls=1000, total_ms=9000), taken_at=WEEK)
    workload = summarize(counters(entry(calls=1200, total_ms=9500, since=later)), baseline, WEEK, RELATIONS)
    assert workload.statements[0].calls == 1200
    assert workload.statements[0].since == later
    assert "1 statement(s) began to count anew" in workload.warnings[0]


def test_a_line_that_counts_backwards_is_taken_as_new():
    baseline = counters(entry(calls=1000, total_ms=9000), taken_at=WEEK)
    workload = summarize(counters(entry(calls=4, total_ms=1)), baseline, WEEK, RELATIONS)
    assert (workload.statements[0].calls, workload.statements[0].total_ms) == (4, 1)
    assert "began to count anew" in workload.warnings[0]


def test_a_statement_that_is_new_since_the_baseline_counts_whole_and_needs_no_warning():
    baseline = counters(entry(2), taken_at=WEEK)
    workload = summarize(counters(entry(2), entry(3, since=WEEK + timedelta(hours=1))), baseline, WEEK, RELATIONS)
    assert [one.query_id for one in workload.statements] == [3]
    assert workload.warnings == ()


def test_a_reset_within_the_window_and_a_lifetime_beyond_it_are_told_apart():
    reset = replace(counters(entry()), counters_since=NOW - timedelta(days=2))
    workload = summarize(reset, None, WEEK, RELATIONS)
    assert workload.since == NOW - timedelta(days=2)
    assert "were reset at" in workload.warnings[0]
    workload = summarize(counters(entry()), None, WEEK, RELATIONS)
    assert workload.since == START
    assert "No snapshot is as old" in workload.warnings[0]


def test_evictions_count_from_the_baseline():
    baseline = counters(entry(), taken_at=WEEK, evictions=7)
    assert summarize(counters(entry(calls=11), evictions=7), baseline, WEEK, RELATIONS).warnings == ()
    (warning,) = summarize(counters(entry(calls=11), evictions=9), baseline, WEEK, RELATIONS).warnings
    assert "made room 2 time(s)" in warning


def test_nearly_full_is_said_and_half_full_is_not():
    baseline = counters(entry(), taken_at=WEEK)
    full = replace(counters(entry(calls=11)), used=4600)
    assert "4600 of 5000" in summarize(full, baseline, WEEK, RELATIONS).warnings[0]
    assert summarize(replace(full, used=2500), baseline, WEEK, RELATIONS).warnings == ()


def test_what_cannot_be_advised_on_is_counted_with_its_reason():
    texts = {
        1: "VACUUM t",
        2: "SELECT relname FROM pg_class",
        3: "SELECT a FROM scratch WHERE b = $1",
        4: "DELETE FROM pgkeel.workload_snapshot WHERE database = $1",
        5: "SELECT a FROM t WHERE",
        8: 'SELECT * FROM app."Order" JOIN t ON true',
        9: "SELECT slow_function($1)",
        10: "SELECT a FROM t, pg_class",
        11: "SELECT * FROM public.scratch",
        12: "SELECT * FROM made JOIN pg_catalog.pg_class ON true",
    }
    entries = [entry(number, total_ms=number) for number in (*texts, 6, 7)]
    workload = summarize(
        replace(counters(*entries, texts=texts), lengths={6: 10**6}, hidden_statements=2, hidden_ms=5.5), None, START, RELATIONS
    )
    assert skipped(workload) == {
        UTILITY: 1,
        SYSTEM: 2,
        TEMPORARY: 2,
        OURS: 1,
        UNPARSED: 1,
        TOO_LONG: 1,
        MISSING: 1,
        HIDDEN: 2,
    }
    assert {one.reason: one.total_ms for one in workload.skipped}[HIDDEN] == 5.5
    assert [one.query_id for one in workload.statements] == [10, 9, 8]


def test_the_slowest_in_sum_comes_first():
    workload = summarize(counters(entry(1, total_ms=5), entry(2, total_ms=50), entry(3, total_ms=7)), None, START, RELATIONS)
    assert [one.query_id for one in workload.statements] == [2, 3, 1]


def test_a_query_that_cannot_be_parsed_without_its_literals_is_no_utility_statement():
    text = "SELECT t.a FROM t, JSON_TABLE(t.b, '$[*]' COLUMNS (c int PATH '$.d')) x"
    assert skipped(summarize(counters(entry(), texts={1: text}), None, START, RELATIONS)) == {UNPARSED: 1}


def test_what_is_copied_out_or_into_a_new_table_is_a_query():
    texts = {
        1: "COPY (SELECT a FROM t WHERE b = 5) TO STDOUT",
        2: "CREATE TABLE u AS SELECT a FROM t WHERE c = 'x'",
        3: "COPY t FROM STDIN",
    }
    workload = summarize(counters(*[entry(number) for number in texts], texts=texts), None, START, RELATIONS)
    assert [one.text for one in workload.statements] == ["SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE c = $1"]
    assert skipped(workload) == {UTILITY: 1}
