"""The terminal table, the Markdown and the tasks; and that foreign text is only ever text."""

from __future__ import annotations

import re
import shlex
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pgkeel.report.documents import Documents
from pgkeel.report.finding import Finding, Level, Priority
from pgkeel.report.markdown import render_markdown
from pgkeel.report.prose import clip, code_block, code_span, escape, one_line, wrap
from pgkeel.report.prose import width as columns_of
from pgkeel.report.table import render_table
from pgkeel.report.tasks import bd_lines, checklist, tasks_page
from unit.report.sample_documents import HOSTILE_TABLE, NOW, many, troubled

DOCUMENTS = Documents.from_mapping(troubled())


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_the_table_fits_and_has_all_sections(columns):
    table = render_table(DOCUMENTS, NOW, columns)
    assert max(columns_of(line) for line in table.splitlines()) <= columns
    titles = re.findall(r"^── (.+?) ─", table, re.MULTILINE)
    assert titles == ["Configured", "Audit", "Schemas", "Backup", "Restore drill", "Workload", "Phases"]
    assert table.startswith("NOT IN ORDER: edtech-db1 is not in order: ")
    for shown in (
        "P0 2, P1 4, P2 6",
        "41.2 MB",
        "PASS",
        "11.1 s",
        "1 min 12 s",
        "changed nothing",
        "H08 Free disk space",
        "1 of 3 present",
    ):
        assert shown in table


def test_the_table_ends_long_lists_with_what_is_left():
    table = render_table(Documents.from_mapping(many(60)), NOW)
    assert "and 56 more findings in the report" in table


def test_the_table_says_what_was_not_run():
    table = render_table(Documents.from_mapping({"load": {"rows": {"User": 3}}}), NOW)
    assert table.count("not run") == 4
    assert "3 rows in —" in table


def test_no_control_character_reaches_the_terminal():
    documents = many(3)
    documents["audit"]["results"][0]["findings"][0]["subject"] = "a\x1b[31m\x1b]0;x\x07b\u202ec\u2028d"
    documents["site"]["settings"]["a\x1bb"] = "c\x9bd"
    table = render_table(Documents.from_mapping(documents), NOW)
    assert not [char for char in table if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl")]


@given(st.text(), st.integers(min_value=4, max_value=40))
def test_text_is_wrapped_and_clipped_to_columns(text, columns):
    assert all(columns_of(line) <= columns for line in wrap(text, columns))
    assert columns_of(clip(one_line(text), columns)) <= columns
    assert "".join(wrap(text, columns)).replace(" ", "") == one_line(text).replace(" ", "")


def test_markdown_has_the_same_facts_as_the_page():
    text = render_markdown(DOCUMENTS, NOW)
    for shown in (
        "# edtech-db1: not in order",
        "**First:** Remedy S02",
        "- [ ] **H01**",
        "```\nVACUUM (FREEZE, VERBOSE)",
        "| H08 | Free disk space | health | **could not verify**: ",
        "| sequences | 4 of 4 at or beyond the saved value | PASS |",
        "- time to recover: 11.1 s",
        "| weekly analytics | 12 | 812 ms | 1.20 s | 0 |",
        "A second run of `site.yml` changed nothing.",
        "| C09 | max\\_wal\\_size | 2026-06-30 | Moves with the disks \\<b\\> |",
        "| `User_metadata_idx` | `public.User` | missing | — | — |",
    ):
        assert shown in text


def test_markdown_says_what_was_not_run():
    text = render_markdown(Documents.from_mapping({"run": {}}), NOW)
    assert text.count("**Not run.**") == 5
    assert "No workload was run" in text


def test_hostile_text_is_not_markup_in_markdown():
    text = render_markdown(DOCUMENTS, NOW)
    outside = re.sub(r"(?s)(`{3,})[a-z]*\n.*?\n\1(?!`)", "", text)
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)
    assert "<script" not in outside.replace("\\<", "")
    assert "\x1b" not in text
    assert "canary" not in text, "the password of a role or of a setting"


@example("a\n```\n# out\n````")
@given(st.text() | st.text(alphabet="`a \n|"))
def test_a_code_span_and_block_cannot_be_left(text):
    span = code_span(text)
    if span:
        fence = re.match(r"`+", span).group()
        assert span.endswith(fence)
        assert not re.search(rf"(?<!`){fence}(?!`)", span[len(fence) : -len(fence)])
        assert "\n" not in span
    block = code_block(text)
    fence = re.match(r"`+", block).group()
    assert not re.search(rf"^\s*{fence}", block[len(fence) : -len(fence)], re.MULTILINE)


@given(st.text())
def test_escaped_text_is_one_line_without_live_markup(text):
    shown = escape(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*_\[\]|]", shown)


def test_hostile_table_names_are_escaped():
    assert escape(HOSTILE_TABLE).startswith('"Evil"\\<script\\>alert')
    assert "://" not in escape("https://example.org")


def test_each_finding_is_one_command_that_the_shell_takes_apart_again():
    findings = DOCUMENTS.audit.findings
    lines = bd_lines(findings)
    assert len(lines) == 12
    for finding, line in zip(findings, lines, strict=True):
        words = shlex.split(line)
        assert words[:2] == ["bd", "create"]
        options = dict(zip(words[3::2], words[4::2], strict=True))
        assert set(options) == {"-t", "-p", "-l", "--external-ref", "-d"}
        assert options["-p"] == finding.priority.value.removeprefix("P")
        assert options["-l"] == f"pgkeel,effort-{finding.effort.value},risk-{finding.risk.value}"
        assert options["--external-ref"] == f"pgkeel-{finding.fingerprint}"
        assert len(words[2]) <= 200
        assert one_line(finding.subject)[:60] in words[2]
        assert one_line(finding.summary) in options["-d"]


@given(st.text(), st.text(), st.text(), st.text())
def test_no_name_can_leave_its_quotes(subject, summary, remedy, value):
    finding = Finding("I01", Priority.P1, subject, summary, {"note": value}, remedy, Level.LOW, Level.HIGH)
    (line,) = bd_lines([finding])
    assert "\n" not in line
    words = shlex.split(line)
    assert len(words) == 13
    assert words[3::2] == ["-t", "-p", "-l", "--external-ref", "-d"]


def test_a_remedy_with_comments_is_not_flattened():
    finding = Finding("I01", Priority.P1, "a", "b", remedy="-- first\nDROP INDEX a;")
    assert "DROP INDEX" not in bd_lines([finding])[0]


def test_the_checklist_is_grouped_by_priority():
    text = checklist(DOCUMENTS.audit.findings)
    assert re.findall(r"### (.+)", text) == ["P0: 2 tasks", "P1: 4 tasks", "P2: 6 tasks"]
    assert text.count("- [ ] ") == 12
    assert "effort medium, risk low" in text


def test_no_audit_is_not_an_empty_list_of_tasks():
    assert "The audit has not run" in tasks_page(Documents.from_mapping({"run": {}}))
