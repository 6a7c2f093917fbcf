"""The page of the success metrics as a browser shows it: nothing cut off; red where one is missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser.chromium import Chromium
from pgkeel.benchmark.bench_page import render_bench

KEPT = json.loads((Path(__file__).parents[2] / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
# What scrolls in a frame of its own may be wider than the window, but not what says what it is about.
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  const scrolls = e.closest('.skip, svg, .chart, pre') && !e.matches('caption');
  return box.width && !scrolls && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 60))
"""
OPEN_ALL = "document.querySelectorAll('details').forEach(e => { e.open = true })"


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


@pytest.fixture
def show(chromium, tmp_path):
    def open_page(rows, width=1280, **options):
        page = tmp_path / "benchmarks.html"
        page.write_text(render_bench(rows, KEPT["run"]), encoding="utf-8")
        chromium.requests.clear()
        chromium.complaints.clear()
        chromium.show(page, width, **options)
        return chromium

    return open_page


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_window(show, width):
    page = show(KEPT["results"], width)
    page.run(OPEN_ALL)
    assert page.run("innerWidth") == width
    assert page.run(OVERFLOWING) == []
    assert page.complaints == []
    assert len(page.requests) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_was_missed_is_red_and_what_was_met_is_not(show, scheme):
    row = next(row for row in KEPT["results"] if row["target"] is not None)
    missed, met = {**row, "met": False, "reason": "", "difference": ""}, {**row, "met": True, "reason": "", "difference": ""}
    red = show([missed], scheme=scheme).run("getComputedStyle(document.querySelector('table.metric strong')).color")
    usual = show([met], scheme=scheme).run("getComputedStyle(document.querySelector('table.metric strong')).color")
    make = "const e = document.createElement('i'); e.className = 'bad'; document.body.append(e)"
    probe = f"(() => {{ {make}; return getComputedStyle(e).color }})()"
    assert red == show([missed], scheme=scheme).run(probe)
    assert usual != red


def test_each_measured_row_has_two_dots(show):
    drawn = [row for row in KEPT["results"] if row["before_ms"] and row["after_ms"]]
    page = show(KEPT["results"])
    assert page.run("document.querySelectorAll('.chart svg circle').length") == 2 * len(drawn)


def test_what_was_special_about_a_run_is_said(show):
    assert KEPT["run"]["remark"] in show(KEPT["results"]).run("document.querySelector('header').textContent")
