"""What is made of measurements: noise is no difference, and the guilty index is named."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pgkeel.advisor import proof as proving
from pgkeel.advisor import writes as writing
from pgkeel.advisor.building import too_much
from pgkeel.advisor.candidates import Candidate
from pgkeel.advisor.facts import Writes
from pgkeel.advisor.model import Kind, Recommendation
from pgkeel.advisor.plan_changes import Draw
from pgkeel.advisor.prepare import homes_of, read_form, refusal
from pgkeel.advisor.prices import index_bytes, price_of
from pgkeel.advisor.proof import Proof, _culprit, _measured, _proved, _replay, _settle, _write_costs, _write_ratio, gained_ms
from pgkeel.advisor.replay import Compared, Pair, Run, surprise_of
from pgkeel.advisor.resolve import read_usage
from pgkeel.postgres.index_declaration import IndexDeclaration, IndexKey
from unit.advisor.shop import CATALOG, ORDERS


def pair(without: float, with_: float, *used: str, buffers: tuple[int, int] = (100, 10), spread: float = 0.0) -> Pair:
    def run(middle: float, pages: int) -> Run:
        return Run(tuple(middle + step * spread for step in (-1, -0.5, 0, 0.5, 1)), pages)

    return Pair(run(without, buffers[0]), run(with_, buffers[1]), frozenset(used))


@pytest.mark.parametrize(
    ("one", "ratio"),
    [
        (pair(10, 5, "i"), 0.5),
        (pair(10, 12, "i"), 1.2),
        (pair(0.10, 0.14, "i"), 1.0),
        (pair(10, 12, "i", spread=4), 1.0),
        (pair(10, 30, "i", spread=4), 3.0),
    ],
)
def test_a_ratio_is_told_only_beyond_noise(one: Pair, ratio: float) -> None:
    assert one.ratio == pytest.approx(ratio)


def compared(query: int, *pairs: Pair, calls: int = 10, weight: float = 100.0) -> Compared:
    return Compared(query, calls, weight, list(pairs))


CANDIDATES = {name: Candidate(IndexDeclaration(name, "t", (IndexKey("a"),))) for name in ("good", "bad", "both")}


def test_nobody_is_blamed_for_what_got_faster_or_a_little_slower() -> None:
    assert _culprit([compared(1, pair(10, 5, "good")), compared(2, pair(10, 11.4, "good"))], CANDIDATES) is None


def test_of_two_in_a_slower_plan_the_one_that_saves_less_goes() -> None:
    found = _culprit([compared(1, pair(10, 1, "good")), compared(2, pair(10, 20, "good", "bad"))], CANDIDATES)
    assert found is not None
    assert found[0] == "bad"
    assert "statement 2 ran 2.00 times as long" in found[1]


def test_one_bad_value_is_enough() -> None:
    found = _culprit([compared(1, pair(10, 1, "bad"), pair(10, 13, "bad"))], CANDIDATES)
    assert found is not None
    assert found[0] == "bad"


def test_measured_by_calls() -> None:
    proof = Proof(compared={1: compared(1, pair(10, 5, "good"), calls=9), 2: compared(2, pair(10, 11, "good"), calls=1)})
    found = _measured("good", proof, 8192, 1.0)
    assert found is not None
    assert found.time_ratio == pytest.approx((9 * 5 + 11) / 100)
    assert (found.worst_query_ratio, found.write_ratio, found.bytes, found.rounds) == (pytest.approx(1.1), 1.0, 8192, 5)
    assert _measured("bad", proof, 8192, 1.0) is None


def test_a_set_gains_what_statements_save() -> None:
    assert gained_ms(Proof(compared={1: compared(1, pair(10, 2, "good")), 2: compared(2)})) == pytest.approx(80)


def test_values_whose_plan_is_the_same_save_nothing() -> None:
    one = compared(1, pair(10, 2, "good"))
    one.unchanged = 3
    assert gained_ms(Proof(compared={1: one})) == pytest.approx(20)


def test_what_may_be_run_on_the_copy() -> None:
    assert refusal(read_usage('SELECT now(), random() FROM "Orders"', CATALOG), CATALOG) == ""
    assert "pg_sleep" in refusal(read_usage('SELECT pg_sleep(1) FROM "Orders"', CATALOG), CATALOG)
    assert refusal(read_usage('DELETE FROM "Orders"', CATALOG), CATALOG) == "it writes"
    assert refusal(read_usage("WITH x AS (DELETE FROM lines RETURNING 1) SELECT 1 FROM x", CATALOG), CATALOG) == "it writes"
    hidden = replace(CATALOG, views={("public", "v"): "SELECT nextval('s'::regclass) AS n, id FROM lines"})
    assert "nextval" in refusal(read_usage("SELECT n FROM v", hidden), hidden)


def test_the_search_of_a_write() -> None:
    assert read_form('UPDATE "Orders" o SET total = $1 WHERE o.buyer = $2') == 'SELECT 1 FROM "Orders" AS o WHERE o.buyer = $2'
    assert read_form("DELETE FROM lines WHERE item = $1") == "SELECT 1 FROM lines WHERE item = $1"
    assert read_form("DELETE FROM lines USING stock.item i WHERE i.id = item") == ""
    assert read_form("INSERT INTO lines VALUES ($1)") == ""
    copied = 'INSERT INTO lines (order_id) SELECT id FROM "Orders" WHERE buyer = $1 ON CONFLICT (order_id) DO NOTHING'
    assert read_form(copied) == 'SELECT id FROM "Orders" WHERE buyer = $1'
    assert read_form(f"WITH x AS (DELETE FROM lines RETURNING 1) {copied}") == ""
    both = "SELECT id FROM lines WHERE item = $1 UNION SELECT 1"
    assert read_form(f"INSERT INTO lines {both}") == both


def test_the_one_schema_that_has_all_the_names() -> None:
    assert homes_of({"item"}, CATALOG) == {"stock"}
    assert homes_of({"item", "lines"}, CATALOG) == frozenset()
    assert homes_of({"nowhere"}, CATALOG) == frozenset()
    twice = replace(CATALOG, tables={**CATALOG.tables, ("other", "item"): CATALOG.tables["stock", "item"]})
    assert homes_of({"item"}, twice) == {"stock", "other"}


def test_repeated_keys_are_small_and_includes_are_not() -> None:
    def size(*keys: str, include: tuple[str, ...] = (), method: str = "btree") -> int:
        return index_bytes(IndexDeclaration("i", "Orders", tuple(map(IndexKey, keys)), method=method, include=include), ORDERS)

    assert size("status") < size("buyer") < size("id") <= size("id", "buyer")
    assert size("status", include=("total",)) > 2 * size("status")
    assert size("placed", method="brin") < 100_000


def test_writing_costs_more_where_an_update_changes_the_index() -> None:
    writes = Writes(updated=1000, updated_hot=1000)

    def cost(*assigned: str) -> float:
        index = IndexDeclaration("i", "Orders", (IndexKey("status"),))
        return price_of(index, ORDERS, writes, frozenset(assigned)).write_ms

    assert cost("total") == 0
    assert cost("status") > 0


def scan(rows: float, expected: float, removed: float, index: str = "i") -> dict[str, object]:
    return {
        "Node Type": "Index Scan", "Index Name": index, "Actual Rows": rows, "Plan Rows": expected,
        "Rows Removed by Filter": removed,
    }  # fmt: skip


def test_how_far_off_the_planner_was() -> None:
    below = {"Node Type": "Sort", "Actual Rows": 90, "Plan Rows": 90, "Plans": [scan(90, 10, 800)]}
    assert surprise_of(below, frozenset({"i"})) == pytest.approx(9)
    assert surprise_of(below, frozenset({"another"})) == 1.0
    # What gives all that it reads does not become slower for a wrong guess.
    assert surprise_of(scan(90, 10, 0), frozenset({"i"})) == 1.0
    bitmap = {
        **scan(90, 10, 800, ""),
        "Node Type": "Bitmap Heap Scan",
        "Plans": [{"Node Type": "Bitmap Index Scan", "Index Name": "i"}],
    }
    assert surprise_of(bitmap, frozenset({"i"})) == pytest.approx(9)


def test_hardly_faster_by_a_wrong_guess_is_not_kept() -> None:
    lucky = replace(pair(10, 7, "good"), surprise=8.0)
    found = _culprit([compared(1, pair(10, 1, "good")), compared(2, lucky)], CANDIDATES)
    assert found is not None
    assert "expects 8 times fewer rows" in found[1]
    for healthy in (replace(pair(10, 3, "good"), surprise=8.0), replace(pair(10, 7, "good"), surprise=2.0)):
        assert _culprit([compared(2, healthy)], CANDIDATES) is None


def test_what_makes_nothing_faster_is_not_kept() -> None:
    found = _culprit([compared(1, pair(10, 1, "good")), compared(2, pair(10, 9.9, "both", spread=4))], CANDIDATES)
    assert found is not None
    assert found[0] == "both"
    assert "no statement got faster" in found[1]
    assert _culprit([compared(1, pair(10, 1, "good")), compared(2, pair(10, 10, "good"))], CANDIDATES) is None


def test_of_what_does_not_fit_the_least_worth_goes() -> None:
    sizes = {"large": 500, "middle": 300, "small": 10}
    worth = {"large": 9.0, "middle": 5.0, "small": 1.0}
    assert too_much(sizes, 5, worth) == "small"
    assert too_much(sizes, 20, worth) == "middle"
    assert too_much(sizes, 600, worth) == "large"


def changed(query: int, *used: str) -> Any:
    draws = [Draw("SELECT 1", "SELECT 1", frozenset({name})) for name in used]
    return SimpleNamespace(ready=SimpleNamespace(statement=SimpleNamespace(query_id=query)), draws=draws)


def replayed_until(monkeypatch: pytest.MonkeyPatch, proof: Proof, seconds: float, *found: Any) -> None:
    monkeypatch.setattr(proving, "changed_plans", lambda *_: found)
    monkeypatch.setattr(proving, "compare", lambda _session, _switch, one: compared(one.ready.statement.query_id))
    nothing: Any = None
    _replay(nothing, nothing, [], proof, time.monotonic() + seconds)


def test_an_index_that_a_statement_would_use_which_nobody_had_time_for_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = Proof(compared={1: compared(1, pair(10, 1, "good", "both"))})
    replayed_until(monkeypatch, proof, -1, changed(2, "both", "bad"), changed(3))
    assert proof.unrun == {2: frozenset({"both", "bad"})}
    assert 3 in proof.compared  # its plan is the same: there is nothing to run
    assert [_settle(name, proof) for name in ("good", "both", "bad", "idle")] == [True, False, False, False]
    assert set(proof.unjudged) == {"both", "bad"}
    assert "before 1 statement(s)" in proof.unjudged["bad"]
    assert set(proof.rejected) == {"idle"}
    assert gained_ms(proof) == 0
    # A later round that runs it, or finds its plan as it was, settles it.
    replayed_until(monkeypatch, proof, 60, changed(2, "bad"))
    assert proof.unrun == {}


def test_an_index_for_statements_that_are_never_run_is_not_called_useless() -> None:
    proof = Proof(compared={1: compared(1, pair(10, 1, "good"))})
    assert _settle("good", proof, 1)
    assert not _settle("idle", proof, 2)
    assert (set(proof.unjudged), proof.rejected) == ({"idle"}, {})
    assert "2 statement(s) that would use it are not run on the copy" in proof.unjudged["idle"]


def test_nobody_is_called_idle_before_all_that_want_it_were_run() -> None:
    one = compared(2, pair(10, 10, "both"))
    assert _culprit([one], CANDIDATES, frozenset({"both"})) is None
    assert _culprit([one], CANDIDATES, frozenset({"good"})) is not None


def test_what_failed_was_not_replayed() -> None:
    workload: Any = [SimpleNamespace(statement=SimpleNamespace(query_id=n, total_ms=100.0), guessed=False) for n in (1, 2, 3)]
    failed = compared(2)
    failed.skipped = "it failed on the copy (22P02)"
    proof = Proof(compared={1: compared(1, pair(10, 1, "good")), 2: failed, 3: compared(3)})
    measured = _measured("good", proof, 8192, 1.0)
    assert measured is not None
    found = _proved("good", measured, proof, statements=workload, served=(1, 2, 3), lost_ms=0.0)
    assert found.replayed_share == pytest.approx(2 / 3)


def test_what_writers_lose_is_unknown_where_it_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "write_cost", lambda *_: None)
    nothing: Any = None
    chosen = {"i": Candidate(IndexDeclaration("i", "Orders", (IndexKey("status"),)))}
    written = _write_costs(nothing, chosen, [], CATALOG, {ORDERS.id: Writes(updated=1)})
    assert _write_ratio(ORDERS.id, written) is None
    assert _write_ratio(ORDERS.id, _write_costs(nothing, chosen, [], CATALOG, {})) == 1.0
    measured = _measured("i", Proof(compared={1: compared(1, pair(10, 1, "i"))}), 8192, None)
    row = Recommendation(Kind.CREATE_INDEX, "s", "d", "u", "r", "heuristic", measured=measured).as_dict()
    assert row["write_cost"] is None
    assert row["measured_gain"] == pytest.approx(0.9)


def test_unique_columns_are_not_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "written_columns", lambda *_: ["id", "email", "status"])
    monkeypatch.setattr(writing, "unique_columns", lambda *_: frozenset({"id", "email"}))
    updated: list[list[str]] = []

    def once(*given: Any) -> tuple[float, int]:
        updated.append(given[4])
        return 1.0, 1

    monkeypatch.setattr(writing, "_once", once)
    nothing: Any = None
    writing.write_cost(nothing, ORDERS, [("public", "i")], Writes(updated=5), frozenset({"email", "status"}))
    assert updated
    assert all(one == ["status"] for one in updated)
    updated.clear()
    writing.write_cost(nothing, ORDERS, [("public", "i")], Writes(updated=5), frozenset({"email"}))
    assert updated
    assert all(one == [] for one in updated), "inserting stands for what cannot be tried"


@pytest.mark.parametrize("updated", [[], ["status"]])
def test_tables_that_inherit_are_not_written_with_their_parent(updated: list[str]) -> None:
    said: list[str] = []

    def execute(query: Any) -> Any:
        said.append(query if isinstance(query, str) else query.as_string(None))
        return SimpleNamespace(fetchone=lambda: (0,))

    writing._once(SimpleNamespace(execute=execute, closed=False), ORDERS, [], ["id", "status"], updated)
    touched = [one for one in said if '"public"."Orders"' in one and not one.startswith("INSERT")]
    assert len(touched) == 2
    assert all('ONLY "public"."Orders"' in one for one in touched)
