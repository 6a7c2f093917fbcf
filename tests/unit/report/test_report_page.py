"""The HTML page as text; how it looks is for tests/browser."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from pgkeel.report.documents import Documents
from pgkeel.report.page import looks_like_sql, render_page
from pgkeel.report.page_style import STYLE
from pgkeel.report.subjects import bars, configured, declared_indexes
from unit.report.sample_documents import HOSTILE_REMEDY, HOSTILE_TABLE, NOW, healthy, many, troubled

VOID = {"meta", "br", "rect", "circle", "path"}


class _Reader(HTMLParser):
    """Elements, attributes and text of a page; balks at tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def _read(documents):
    reader = _Reader()
    reader.feed(render_page(Documents.from_mapping(documents), NOW))
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("documents", [troubled(), healthy(), many(), {"run": {}}, {"audit": {"failed": True, "msg": "no"}}])
def test_the_page_is_well_formed_and_loads_and_runs_nothing(documents):
    reader = _read(documents)
    names = {tag for tag, _ in reader.tags}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "embed", "base", "form", "image", "use"})
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "style", "srcset", "action")]
        assert not [
            value for value in attributes.values() if value and re.match(r"\w+:|//", value) and "default-src" not in value
        ]
        assert attributes.get("href", "#").startswith("#")


def test_every_link_and_label_has_its_target():
    reader = _read(troubled())
    identifiers = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    wanted = {attributes["href"][1:] for _, attributes in reader.tags if "href" in attributes}
    wanted |= {attributes["aria-labelledby"] for _, attributes in reader.tags if "aria-labelledby" in attributes}
    assert wanted <= set(identifiers)


def test_the_policy_allows_this_style_and_nothing_else():
    page = render_page(Documents.from_mapping(troubled()), NOW)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'" in page


def test_hostile_text_is_shown_and_not_obeyed():
    reader = _read(troubled())
    text = "".join(reader.text)
    assert HOSTILE_TABLE in text
    assert HOSTILE_REMEDY in text
    page = render_page(Documents.from_mapping(troubled()), NOW)
    assert "<script" not in page
    assert "canary" not in page


def test_the_page_tells_everything_about_a_finding():
    text = " ".join("".join(_read(troubled()).text).split())
    for shown in (
        "edtech-db1 is not in order: 2 findings put data or service at risk now and 1 schema difference makes queries fail.",
        "28 of 30",
        "retained7.51 GB",
        "SELECT pg_drop_replication_slot('analytics_old');",
        "effort low · risk medium",
        "fingerprint db742544d589bec9",
        "H08 Free disk space The audit's role may not run df",
        "COULD NOT VERIFY",
        "table public.User, rows deleted 1, detected yes",
        "C09max_wal_size2026-06-30Moves with the disks <b>",
        "work_mem4MB instead of 16MB, in /var/lib",
        "shared_buffers128MB → 6GB",
        "primary_conninfo(hidden)",
        "18,220",
        "INVALID",
        "57014 canceled",
        "missing ——",
        "A second run of site.yml changed nothing.",
    ):
        assert shown in text, shown


def test_exact_values_are_in_titles():
    titles = {attributes.get("title") for _, attributes in _read(troubled()).tags}
    assert {"41,203,311 bytes", "11.072 seconds", "7,512,366,080 bytes", "1,204.9 ms", "912,344"} <= titles


def test_what_was_not_run_says_so_and_is_nowhere_green():
    reader = _read({"load": {"rows": 3}})
    text = "".join(reader.text)
    assert text.count("Not run") == 5
    assert not [attributes for _, attributes in reader.tags if "good" in (attributes.get("class") or "").split()]


def test_checks_that_could_not_be_verified_do_not_look_like_checks_that_found_nothing():
    page = render_page(Documents.from_mapping(troubled()), NOW)
    page = page[: page.index("Waived findings")]
    rows = dict(re.findall(r'<tr><td class="tight">(\w+)</td>.*?<span class="state (\w+)">', page, re.DOTALL))
    assert rows["H08"] == "unknown"
    assert rows["H03"] == "good"
    assert rows["H02"] == "none"
    assert (rows["H01"], rows["H06"], rows["Q03"]) == ("bad", "warn", "plan")
    assert list(rows.values()).count("good") == 16


@pytest.mark.parametrize(
    ("verdict", "mood"),
    [("PASS", "good"), ("FAIL", "bad"), ("COULD NOT VERIFY", "unknown"), ("", "unknown"), ("passed?", "unknown")],
)
def test_a_drill_is_green_only_when_it_passed(verdict, mood):
    documents = healthy()
    documents["drill"]["verdict"] = verdict
    page = render_page(Documents.from_mapping(documents), NOW)
    assert f'<p class="outcome {mood}">' in page


def test_long_lists_start_folded_and_urgent_findings_open():
    page = render_page(Documents.from_mapping(many(60)), NOW)
    shown = re.findall(r'<details class="finding (p\d)" id="\w+"( open)?>', page)
    assert {priority for priority, is_open in shown if is_open} == {"p0"}
    assert len(shown) == 71


def test_the_same_documents_give_the_same_page():
    assert render_page(Documents.from_mapping(troubled()), NOW) == render_page(Documents.from_mapping(troubled()), NOW)


def test_bars_follow_one_another_within_the_whole():
    shown = bars({"phases": {"a": 1.0, "b": 0.0, "c": 3.0}}, "drill")
    assert [(bar.start, bar.width) for bar in shown] == [(0.0, 25.0), (25.0, 0.6), (25.0, 75.0)]
    (last,) = bars({"phases": [{"name": "only", "seconds": 0}]}, "run")
    assert 0 <= last.start <= 100 - last.width


def test_secrets_in_the_configuration_are_hidden_and_harmless_settings_are_not():
    shown = configured(
        {
            "roles": [{"name": "app", "password": "canary"}, "plain"],
            "s3_secret_key": "canary",
            "settings": {
                "password_encryption": "scram-sha-256",
                "ssl_passphrase_command": "echo canary",
                "primary_conninfo": "canary",
                "backup_password": "canary",
                "empty_password": "",
            },
        }
    )
    assert "canary" not in repr(shown)
    assert shown.lists[0].entries == ("app", "plain")
    assert ("password_encryption", "scram-sha-256") in shown.tables[0].rows


@pytest.mark.parametrize(
    ("remedy", "is_sql"),
    [
        ("DROP INDEX a;", True),
        ("-- careful\nVACUUM x;\n", True),
        ('CREATE INDEX CONCURRENTLY "a" ON b (c)', True),
        ("Set shared_buffers to a quarter of the memory", False),
        ("Drop the slot; then reload, and look again", False),
    ],
)
def test_sql_is_told_from_sentences(remedy, is_sql):
    assert looks_like_sql(remedy) is is_sql


def _luminance(colour: str) -> float:
    full = colour if len(colour) == 7 else "#" + "".join(char * 2 for char in colour[1:])
    parts = [int(full[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_text_has_contrast(scheme):
    """WCAG 2.2 AA: 4.5 to 1 for text."""
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+): (#\w+)", block))
    for text in ("ink", "soft", "bad", "warn", "plan", "good", "unknown"):
        for ground in ("paper", "card", "code"):
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


@pytest.mark.parametrize(
    ("row", "state", "mood"),
    [
        ({"present": True, "valid": True}, "present, valid", "good"),
        ({"present": True, "valid": True, "unverified": "a standby"}, "not compared: a standby", "unknown"),
        ({"present": False, "unverified": "a standby"}, "not compared: a standby", "unknown"),
        ({"present": False}, "missing", "bad"),
        ({"present": True, "valid": False, "unverified": "a standby"}, "INVALID", "bad"),
        ({"present": True, "valid": True, "drift": "it is gin (doc)"}, "differs: it is gin (doc)", "bad"),
    ],
)
def test_a_declared_index_that_was_not_compared_is_not_good(row, state, mood):
    documents = healthy()
    documents["audit"]["declared_indexes"] = [{"name": "i", "table": "t", "drift": "", "unverified": "", **row}]
    (shown,) = declared_indexes(Documents.from_mapping(documents))
    assert (shown.state, shown.mood) == (state, mood)
