"""The trend of the drills: what is drawn is what was measured, and what was not measured is not drawn."""

from __future__ import annotations

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.report.documents import Documents
from pgkeel.report.humanize import UNKNOWN
from pgkeel.report.markdown import render_markdown
from pgkeel.report.page import render_page
from pgkeel.report.trend import BOTTOM, TOP, trend
from unit.report.sample_documents import NOW, drills, troubled


def drill(history: list, **more: object) -> dict:
    return {"verdict": "PASS", "database": "edtech", "history": history, **more}


def test_every_drill_is_a_column_and_a_row() -> None:
    found = trend(drill(drills()))
    assert [panel.label for panel in found.panels] == ["Time to recover", "Data at risk", "Drill took", "Size restored"]
    assert all(len(panel.marks) == 9 for panel in found.panels)
    assert [row.verdict for row in found.rows] == [one["verdict"] for one in drills()]
    assert [row.mood for row in found.rows][2:5] == ["bad", "good", "unknown"]
    assert (found.first, found.last) == (found.rows[0].time, found.rows[-1].time)
    assert found.rows[2].recover.text == UNKNOWN


def test_heights_are_in_proportion_and_gaps_break_the_line() -> None:
    panel = trend(drill(drills())).panels[0]
    values = [one["rto_seconds"] for one in drills()]
    for mark, value in zip(panel.marks, values, strict=True):
        if value is None:
            assert mark.y == 0
        else:
            assert mark.y == pytest.approx(BOTTOM - (BOTTOM - TOP) * value / max(filter(None, values)), abs=0.06)
    # 6.1 6.4 | 7.2 alone | 8.9 9.4 16.2 11.072
    assert [len(line.split()) for line in panel.lines] == [2, 4]
    blank = [{**one, "rto_seconds": None} if index < 3 else one for index, one in enumerate(drills())]
    assert [len(line.split()) for line in trend(drill(blank)).panels[0].lines] == [4]
    xs = [mark.x for mark in panel.marks]
    assert xs == sorted(xs)


def test_a_budget_is_a_line_and_what_exceeds_it_is_told() -> None:
    panel = trend(drill(drills(), rto_budget_seconds=15.0)).panels[0]
    assert TOP < panel.budget_y < BOTTOM
    assert [mark.over for mark in panel.marks] == [False] * 7 + [True, False]
    assert panel.note == "budget 15.0 s, exceeded 1 of 9 times"
    assert "exceeded 1 of 9 times" in panel.spoken
    # Higher than every value: the values make room for it.
    assert trend(drill(drills(), rto_budget_seconds=32.4)).panels[0].budget_y == TOP


def test_a_budget_out_of_sight_is_told_and_not_drawn() -> None:
    panel = trend(drill(drills(), rto_budget_seconds=14_400.0)).panels[0]
    assert panel.budget_y == 0
    assert panel.note == "budget 4 h"
    assert min(mark.y for mark in panel.marks if mark.y) == TOP


def test_without_a_budget_nothing_is_said_of_one() -> None:
    panel = trend(drill(drills())).panels[0]
    assert (panel.budget_y, panel.note) == (0, "")
    assert not any(mark.over for mark in panel.marks)


def test_too_few_drills_are_a_table_and_no_trend() -> None:
    one = trend(drill(drills()[:1]))
    assert (one.panels, len(one.rows)) == ((), 1)
    assert trend({"verdict": "PASS"}).rows == ()


def test_a_verdict_that_is_not_known_is_not_good() -> None:
    history = [{**one, "verdict": "SUCCESS"} for one in drills()[:2]]
    found = trend(drill(history))
    assert {row.mood for row in found.rows} == {"unknown"}
    assert {mark.mood for mark in found.panels[0].marks} == {"unknown"}


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(PgkeelError, match="rto_seconds"):
        trend(drill([{**drills()[0], "rto_seconds": "fast"}]))


def test_the_page_shows_it_and_hostile_text_stays_text() -> None:
    documents = troubled()
    documents["drill"]["database"] = "<b>x</b>"
    documents["drill"]["history"][0]["time"] = "<script>1</script>"
    page = render_page(Documents.from_mapping(documents), NOW)
    assert page.count("<figure>") == 4
    assert page.count('class="budget"') == 1
    assert "<script>" not in page
    assert "<b>x</b>" not in page


def test_what_a_drill_cannot_tell_is_shown_beside_its_pass() -> None:
    documents = troubled()
    documents["drill"] |= {"target": "database", "not_verified": [{"name": "roles <b>restore</b>", "reason": "they exist"}]}
    found = Documents.from_mapping(documents)
    page, text = render_page(found, NOW), render_markdown(found, NOW)
    assert "a throwaway database of the running server" in page
    assert "roles &lt;b&gt;restore&lt;/b&gt;</th>" in page
    for rendered in (page, text):
        assert "they exist" in rendered
    assert "| 2026-02-22 04:00 | FAIL |" in text
    assert "cannot tell" not in render_page(Documents.from_mapping(troubled()), NOW)
