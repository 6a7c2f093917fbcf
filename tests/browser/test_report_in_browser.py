"""The report as a browser shows it: nothing loaded, nothing run, nothing cut off, on a laptop, a phone and paper."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from browser.chromium import Chromium, find_chromium
from pgkeel.report.documents import Documents
from pgkeel.report.page import render_page
from unit.report.sample_documents import HOSTILE_REMEDY, HOSTILE_TABLE, NOW, healthy, many, troubled

PAGES = {"troubled": troubled(), "healthy": healthy(), "many": many(), "nothing": {"load": {"rows": 3}}}
LAPTOP, PHONE = 1280, 390

# Elements that reach beyond the window, and text that its own box cuts off.
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  if (!box.width || e.closest('.skip, svg')) return false;
  return box.right > innerWidth + 0.5 || box.left < -0.5
    || (getComputedStyle(e).display !== 'inline' && e.scrollWidth > e.clientWidth + 1);
}).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 60))
"""
OPEN_ALL = "document.querySelectorAll('details').forEach(e => { e.open = true })"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, documents in PAGES.items():
        (folder / f"{name}.html").write_text(render_page(Documents.from_mapping(documents), NOW), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


@pytest.fixture
def show(chromium, pages):
    def open_page(name, width=LAPTOP, **options):
        chromium.requests.clear()
        chromium.complaints.clear()
        chromium.show(pages / f"{name}.html", width, **options)
        return chromium

    return open_page


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_its_window_with_everything_unfolded(show, name, width):
    page = show(name, width)
    assert page.run("innerWidth") == width
    page.run(OPEN_ALL)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(OVERFLOWING) == []


def test_the_measure_of_overflow_sees_one(show):
    page = show("troubled", PHONE)
    page.run("document.querySelector('td').innerHTML = '<div>' + 'x'.repeat(9) + '</div>'")
    page.run("document.querySelector('td div').style.width = '500px'")
    assert page.run(OVERFLOWING) != []


@pytest.mark.parametrize("name", PAGES)
def test_it_asks_for_nothing_and_the_browser_complains_of_nothing(show, name):
    page = show(name)
    page.run(OPEN_ALL)
    assert page.requests == [(page.run("location.href"))]
    assert page.complaints == []
    assert page.run("performance.getEntriesByType('resource').length") == 0


def test_the_policy_stops_what_it_should(show):
    """The negative control of the test above: were there a hole in the escaping, the policy would still hold."""
    page = show("healthy")
    page.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x.png\" onerror=\"window.owned = 1\">')"
    )
    page.run("new Promise(done => setTimeout(done, 200))")
    assert page.run("window.owned") is None
    assert any("x.png" in complaint and "default-src 'none'" in complaint for complaint in page.complaints), page.complaints


def test_hostile_text_is_text(show):
    page = show("troubled")
    page.run(OPEN_ALL)
    text = page.run("document.body.textContent")
    assert HOSTILE_TABLE in text
    assert HOSTILE_REMEDY in text
    assert page.run("document.querySelectorAll('script, img, link, iframe, object, base').length") == 0
    assert page.run("document.title") == "Not in order: edtech-db1 · pgkeel report"


def test_one_click_takes_the_whole_remedy(show):
    page = show("troubled")
    expected = page.run("document.querySelector('pre').textContent")
    spot = page.run(
        "(() => { const e = document.querySelector('pre'); e.scrollIntoView({block: 'center', behavior: 'instant'});"
        " const b = e.getBoundingClientRect(); return [b.left + 40, b.top + b.height / 2]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        page.call("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)
    assert "VACUUM" in expected
    assert page.run("getSelection().toString()").strip() == expected.strip()


def test_a_phone_and_a_laptop_are_laid_out_differently(show):
    top = "document.querySelector('main').getBoundingClientRect().left"
    assert show("troubled", LAPTOP).run(top) > 200
    assert show("troubled", PHONE).run(top) < 20


def test_light_and_dark(show):
    background = "getComputedStyle(document.body).backgroundColor"
    assert show("troubled", scheme="light").run(background) == "rgb(246, 246, 243)"
    assert show("troubled", scheme="dark").run(background) == "rgb(18, 20, 23)"


def test_paper_shows_what_is_folded_on_the_screen(show):
    """The evidence and remedy of a folded finding take room on paper and none on the screen."""
    height = (
        "[...document.querySelectorAll('details:not([open]) .body')].map(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert set(show("troubled").run(height)) == {False}
    assert set(show("troubled", media="print").run(height)) == {True}
    assert show("troubled", media="print").run("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_a_screen_reader_finds_its_way(show):
    page = show("troubled")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]}
    roles = {role for role, _ in named}
    assert {"main", "navigation", "banner", "contentinfo", "table", "columnheader", "rowheader"} <= roles
    assert ("navigation", "Sections") in named
    for name in ("Findings", "Checks", "Schemas", "Backup", "Restore drill", "Workload", "Configuration", "Timings"):
        assert ("region", name) in named
    levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_the_trend_is_drawn_to_scale_and_told(show):
    page = show("troubled")
    figures = page.run("[...document.querySelectorAll('.trend figure')].map(e => e.innerText.replace(/\\s+/g, ' ').trim())")
    assert [text.split(" ")[0] for text in figures] == ["Time", "Data", "Drill", "Size"]
    # The tallest dot of the first panel is the one beyond the budget, and lies above the budget's line.
    tall = page.run(
        "(() => { const svg = document.querySelector('.trend svg'), top = e => e.getBoundingClientRect().top;"
        " const dots = [...svg.querySelectorAll('.dot')]; const high = dots.reduce((a, b) => top(a) < top(b) ? a : b);"
        " return [high.classList.contains('over'), top(high) < top(svg.querySelector('.budget')), dots.length]; })()"
    )
    assert tall == [True, True, 7]
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    images = [node["name"]["value"] for node in nodes if not node["ignored"] and node["role"]["value"] in {"image", "img"}]
    assert any(
        text.startswith("Time to recover over 9 drills: from 6.10 s to 16.2 s, now 11.1 s; budget 15.0 s") for text in images
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_trend_can_be_told_from_the_paper(show, scheme):
    page = show("troubled", scheme=scheme)
    colours = page.run(
        "['.trend polyline', '.trend .budget', '.trend .bad'].map(e => getComputedStyle(document.querySelector(e)).stroke)"
        ".concat(getComputedStyle(document.body).backgroundColor)"
    )
    assert len(set(colours)) == 4


@pytest.mark.parametrize(("name", "width", "scheme"), [("troubled", LAPTOP, "light"), ("troubled", PHONE, "dark")])
def test_there_is_a_picture_of_it(show, tmp_path, name, width, scheme):
    target = Path(os.environ.get("PGKEEL_TEST_SCREENSHOTS") or tmp_path) / f"report-{width}-{scheme}.png"
    show(name, width, scheme=scheme).screenshot(target)
    picture = target.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20], "big") == width
    assert int.from_bytes(picture[20:24], "big") > 2000


def test_a_missing_browser_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AssertionError, match="apt-get install chromium"):
        find_chromium()
