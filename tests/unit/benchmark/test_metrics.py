"""The success metrics' logic: times, targets, answers compared, rows of results.json, and what a page makes of them."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from pgkeel.benchmark.bench_markdown import render_document
from pgkeel.benchmark.bench_page import headline, little_help, render_bench
from pgkeel.benchmark.bench_plots import comparison, growth_panels
from pgkeel.benchmark.cases import COHORT, GROUPS, INSERTED, SIDES, group_named
from pgkeel.benchmark.clients import Clients
from pgkeel.benchmark.hangup import ended_with_reader
from pgkeel.benchmark.metrics_run import _row
from pgkeel.benchmark.psycopg_client import WORK, new_logs
from pgkeel.benchmark.results import COLUMNS, all_rows, growth, missed, read_parts, write_raw
from pgkeel.benchmark.same_rows import first_difference
from pgkeel.benchmark.stage import Stage
from pgkeel.benchmark.timing import met, ratio, row, spread, timing
from pgkeel.benchmark.words import WORDS, milliseconds, times
from pgkeel.errors import PgkeelError
from pgkeel.postgres.connect import Login
from pgkeel.postgres.interruption import InterruptedRunError, interruptible

CASE = {"metric": "recent_logs", "client": "Drizzle", "target": 10, "note": ""}
CASES = [case for group in GROUPS for case in group.cases]


def measured(before, after, **change):
    return {**row(CASE, before, after, 50, {"before": "Seq Scan", "after": "Index Scan"}), **change}


def test_times_of_nothing_are_none_and_never_zero():
    assert timing([]) is None
    assert spread([]) is None
    assert ratio(None, {"median": 1.0, "p95": 1.0}) is None
    assert timing([1.0, 2.0, 30.0]) == {"median": 2.0, "p95": 30.0}
    assert spread([3.0, 1.0]) == {"samples": 2, "min": 1.0, "max": 3.0}


@pytest.mark.parametrize(
    ("reached", "target", "difference", "wanted"),
    [
        (10.0, 10, "", True),
        (9.99, 10, "", False),
        (100.0, 10, "row 3 of 4 differs", False),
        (None, 10, "", None),
        (3.0, None, "", None),
        (3.0, None, "row 1 of 1 differs", False),
    ],
)
def test_a_target_is_met_or_not(reached, target, difference, wanted):
    assert met(reached, target, difference) is wanted


def test_a_row_has_the_columns_of_the_contract_first():
    made = measured([100.0, 120.0], [4.0, 5.0, 6.0])
    assert tuple(made)[: len(COLUMNS)] == COLUMNS
    assert made["before_ms"] == {"median": 110.0, "p95": 120.0}
    assert (made["ratio"], made["ratio_p95"], made["rows"], made["met"]) == (22.0, 20.0, 50, True)
    assert row(CASE, [1.0], [], None, {}, reason="Node is missing")["met"] is None


@pytest.mark.parametrize(
    ("before", "after", "ordered", "wanted"),
    [
        ([{"a": 1, "b": 0.1 + 0.2}], [{"b": 0.3, "a": 1}], True, ""),
        ([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}], False, ""),
        ([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}], True, "row 1 of 2 differs"),
        ([{"a": 1}], [], False, "before gave 1 rows, after 0"),
        ([{"a": "secret@x.org"}], [{"a": "other@x.org"}], True, "row 1 of 1 differs"),
        ([{"a": None}], [{"a": 0}], True, "row 1 of 1 differs"),
        ([{"a": 2.0}], [{"a": 2}], True, ""),
        ([{"a": True}], [{"a": 1}], True, "row 1 of 1 differs"),
        ([{"a": 1.00000001}], [{"a": 1.00000003}], True, "row 1 of 1 differs"),
        # Nine digits of each would be rounded apart.
        ([{"a": 44.00003125}], [{"a": 44.000031249999996}], True, ""),
        ([{"a": [1.5, {"b": 0.1}]}], [{"a": [1.5, {"b": 0.2}]}], True, "row 1 of 1 differs"),
        ([{"a": "1"}], [{"a": 1}], True, "row 1 of 1 differs"),
        ([{"a": 9007199254740993}], [{"a": 9007199254740992}], True, "row 1 of 1 differs"),
    ],
)
def test_answers_are_compared_row_by_row(before, after, ordered, wanted):
    assert first_difference(before, after, ordered=ordered) == wanted


def test_the_targets_are_those_that_were_set():
    targets = {(case.metric, case.client): case.target for case in CASES}
    assert targets["recent_logs", "Drizzle"] == 10
    assert targets["insert_batched", "Drizzle"] == targets["insert_batched", "node-postgres"] == 20
    assert targets["weekly_scan", "Kysely"] == 20
    assert targets["jsonb_users_0.01%", "Drizzle"] == targets["jsonb_logs_0.01%", "Drizzle"] == 50
    assert targets["analytics_30_days_now", "Kysely"] == 4
    assert targets["analytics_30_days_literal", "Kysely"] == 8
    assert (INSERTED, COHORT) == (10_000, 1_000)
    assert {case.client for case in CASES} == {"Drizzle", "Kysely", "node-postgres", "Prisma", "psycopg", "pgbench"}


def test_a_group_that_does_not_exist_is_named():
    with pytest.raises(PgkeelError, match=r"no group of measurements 'storms'.*recent_logs, weekly_scan"):
        group_named("storms")


def test_each_case_has_words_and_psycopg_can_do_its_own():
    assert {case.metric for case in CASES} < set(WORDS)
    for case in CASES:
        if case.client == "psycopg":
            assert set(WORK[case.job]) == set(SIDES)


STAGE = Stage(
    size="tiny",
    reference=datetime(2026, 3, 2, tzinfo=UTC),
    logs=2000,
    users=50,
    active=["u1", "u2", "u1"],
    cohort=["u1", "u2"],
    shares={
        "User": [({"rare": 1}, 0.0001), ({"some": 1}, 0.02), ({"many": 1}, 0.37)],
        "BehaviorLog": [({"none": 1}, 0.0), ({"rare": 1}, 0.0002), ({"many": 1}, 0.2)],
    },
    inserted=30,
)


@pytest.mark.parametrize(
    ("metric", "found"), [("jsonb_users_0.01%", "rare"), ("jsonb_users_1.00%", "some"), ("jsonb_users_30.00%", "many")]
)
def test_a_filter_is_chosen_by_its_share(metric, found):
    case = next(case for case in CASES if case.metric == metric)
    assert list(STAGE.filter_for(case)[0]) == [found]


def test_a_filter_that_finds_nothing_is_never_chosen():
    case = next(case for case in CASES if case.metric == "jsonb_logs_0.01%")
    assert list(STAGE.filter_for(case)[0]) == ["rare"]


def test_calls_have_what_the_clients_need():
    calls = {case.job: STAGE.calls(case) for case in CASES}
    assert calls["recent_logs"][1] == {"userId": "u2", "since": "2026-02-23T00:00:00+00:00", "limit": 50}
    days = (datetime.now(UTC).date() - date(2026, 1, 31)).days
    assert calls["analytics_literal"][0] == {"since": "2026-01-31T00:00:00+00:00", "days": days}
    logs = new_logs(calls["insert"][0])
    assert len(logs) == len({log[0] for log in logs}) == 30
    assert logs == new_logs(calls["insert"][0])


def part(group, **change):
    rows = [{**measured([10.0], [1.0]), "metric": case.metric, "client": case.client} for case in group.cases]
    raw = [{"metric": case.metric, "client": case.client, "before_ms": [10.0], "after_ms": [1.0]} for case in group.cases]
    data = {"size": "tiny", "logs": 2000, "users": 50, "reference": "2026-03-02"}
    return {"rows": rows, "raw": raw, "indexes": [], "data": data, **change}


def test_what_was_not_measured_has_a_row_that_says_why(tmp_path):
    first, second, *_ = GROUPS
    (tmp_path / f"bench-db-{first.name}.json").write_text(json.dumps(part(first)))
    (tmp_path / f"bench-db-{second.name}.json").write_text('{"rows": [{"met')
    parts = read_parts(tmp_path, "db")
    assert list(parts) == [first.name]
    rows = all_rows(parts, "the run was interrupted")
    assert [(one["metric"], one["client"]) for one in rows] == [(case.metric, case.client) for case in CASES]
    assert rows[0]["met"] is True
    assert rows[-1]["reason"] == "not measured: the run was interrupted"
    assert rows[-1]["met"] is None
    assert len(missed(rows)) == len(CASES) - len(first.cases)
    failed = all_rows({first.name: {"rows": [], "msg": "It broke."}}, "unused")
    assert failed[0]["reason"] == "not measured: It broke."


def test_raw_samples_are_kept_a_file_a_metric_and_client(tmp_path):
    write_raw(tmp_path, {group.name: part(group) for group in GROUPS})
    assert len(list(tmp_path.iterdir())) == len(CASES)
    assert json.loads((tmp_path / "jsonb-users-0.01-drizzle.json").read_text())["before_ms"] == [10.0]


def sizes():
    small = {group.name: part(group) for group in GROUPS}
    large = {group.name: part(group, data={"size": "demo", "logs": 200_000, "users": 9, "reference": ""}) for group in GROUPS}
    return growth([("demo", large), ("tiny", small), ("none", {})])


def about(**change):
    return {
        "started": "2026-03-02T03:00:00+00:00",
        "seconds": 61,
        "stopped": "",
        "command": "make bench",
        "machine": {},
        "data": {"size": "demo", "logs": 200_000, "users": 9},
        "growth": sizes(),
        **change,
    }


def test_growth_is_sorted_and_has_one_client_a_metric():
    found = sizes()
    assert [one["logs"] for one in found] == [2000, 200_000]
    assert len(found[0]["rows"]) == len({case.metric for case in CASES})
    panels = growth_panels(found)
    assert len(panels) == len(found[0]["rows"])
    assert panels[0].grows == "100 times the logs: before 1.00x, after 1.00x"
    assert growth_panels(found[:1]) == []


def test_a_faster_dot_lies_left_of_a_slower_one():
    plot = comparison([measured([100.0], [1.0]), measured([], [])])
    assert plot is not None
    (pair,) = plot.pairs
    assert pair.after < pair.before
    assert [tick.label for tick in plot.ticks] == ["1 ms", "10 ms", "100 ms"]
    assert comparison([measured([], [])]) is None


def test_the_page_says_in_red_what_was_missed_and_stays_silent_where_all_is_well():
    good, bad = measured([100.0], [1.0]), measured([100.0], [50.0])
    unmeasured = row(CASE, [], [], None, {}, reason="not measured: <Node> is missing")
    different = row(CASE, [100.0], [1.0], 1, {}, difference="call 1: row 1 of 1 differs")
    assert headline([good]) == ("good", "1 of 1 targets met")
    assert headline([good, unmeasured]) == ("unknown", "1 of 1 targets met; 1 figure not measured")
    assert headline([good, bad, different])[0] == "bad"
    assert headline([])[0] == "unknown"
    page = render_bench([good], about())
    assert "MISSED" not in page
    assert "DIFFERENT" not in page
    page = render_bench([good, bad, unmeasured, different], about(stopped="the time was up"))
    assert '<strong class="bad">2.00x</strong>' in page
    assert "&lt;Node&gt; is missing" in page
    assert "DIFFERENT" in page
    assert "because the time was up" in page
    assert "<script" not in page


def cost(met):
    return {
        "title": "Beside a workload",
        "caption": "How it was done.",
        "columns": [["", ""], ["p95", "num"], ["", "num"]],
        "lines": [["backup", "+90%", "MISSED" if met is False else "met"]],
        "met": [met],
        "samples": {"backup": [0.9]},
        "measured": "2026-03-02T04:05:06+00:00",
        "machine": "2 cores",
    }


def test_a_cost_beyond_its_cap_is_red_and_counted():
    good = measured([100.0], [1.0])
    assert headline([good], [cost(True)]) == ("good", "2 of 2 targets met")
    assert headline([good], [cost(False)]) == ("bad", "1 of 2 targets met")
    assert headline([good], [cost(None)]) == ("good", "1 of 1 targets met")
    assert missed([good], [cost(True), cost(None)]) == []
    assert missed([good], [cost(False)]) == ["Beside a workload, backup: +90%"]
    page = render_bench([good], about(costs=[cost(False)]))
    assert '<td class="num bad">MISSED</td>' in page
    assert "1 of 2 targets met" in page
    assert "num bad" not in render_bench([good], about(costs=[cost(True)]))
    machine = {"processor": "", "cores": 2, "memory_bytes": 1, "postgresql": "17", "settings": {"shared_buffers": "1MB"}}
    text = render_document([good], about(costs=[cost(False)], machine=machine))
    assert "| backup | +90% | **MISSED** |" in text
    assert "Measured on 2026-03-02." in text


@pytest.mark.parametrize(("answers", "reason"), [([[], []], True), ([[], [{"id": 1}]], False), ([], False)])
def test_answers_that_are_all_empty_are_no_comparison(answers, reason):
    case = CASES[0]
    side = {"samples_ms": [1.0] * 2, "results": answers}
    found = _row(STAGE, case, {"before": side, "after": side}, "")
    assert bool(found["reason"]) is reason
    assert (found["met"] is None) is reason


def test_it_says_when_now_is_long_after_the_data():
    case = next(case for case in CASES if case.job == "analytics_now")
    assert "The data ends on 2026-03-02" in _row(STAGE, case, {}, "")["note"]
    assert "The data ends" not in _row(replace(STAGE, reference=datetime.now(UTC)), case, {}, "")["note"]


def test_the_page_says_where_the_index_does_not_help():
    rows = [{**measured([10.0], [8.0]), "metric": "jsonb_logs_30.00%"}, {**measured([10.0], [0.1]), "metric": "jsonb_logs_0.01%"}]
    assert [one["metric"] for one in little_help(rows)] == ["jsonb_logs_30.00%"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4567, "0.46 ms"), (12.34, "12.3 ms"), (999.6, "1000 ms"), (2400, "2.40 s"), (900_000, "15.0 min"), (None, "-")],
)
def test_times_are_told_in_three_digits(value, text):
    assert milliseconds(value) == text
    assert times(None) == "-"


def clients(tmp_path):
    return Clients(Login(), tmp_path, tmp_path)


def test_a_missing_client_is_named(tmp_path, monkeypatch):
    assert clients(tmp_path).missing("psycopg") == ""
    assert "pgbench is not there" in clients(tmp_path).missing("pgbench")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Node is not installed" in clients(tmp_path).missing("Drizzle")
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v18.2.0\n")
    node.chmod(0o755)
    assert "Node is v18.2.0 here" in clients(tmp_path).missing("Kysely")
    node.write_text("#!/bin/sh\necho v20.1.0\n")
    assert "Prisma is not in" in clients(tmp_path).missing("Prisma")
    (tmp_path / "node_modules" / ".bench-client").mkdir(parents=True)
    assert clients(tmp_path).missing("Prisma") == ""


def test_it_ends_when_nobody_reads_any_more():
    reader, writer = os.pipe()
    began = time.monotonic()

    def wait():
        with interruptible(), ended_with_reader(writer):
            os.close(reader)
            time.sleep(120)

    with pytest.raises(InterruptedRunError, match="SIGTERM"):
        wait()
    assert time.monotonic() - began < 60
    os.close(writer)


def test_it_goes_on_while_somebody_reads():
    reader, writer = os.pipe()
    handler = signal.getsignal(signal.SIGTERM)
    with interruptible(), ended_with_reader(writer):
        time.sleep(1.3)
    assert signal.getsignal(signal.SIGTERM) is handler
    os.close(reader)
    os.close(writer)
