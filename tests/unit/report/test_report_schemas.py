"""The schema audit in the report: absent, old or unread is never in order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.report.documents import Documents
from pgkeel.report.freshness import THRESHOLDS
from pgkeel.report.markdown import render_markdown
from pgkeel.report.page import render_page
from pgkeel.report.schemas import mood
from pgkeel.report.table import render_table
from pgkeel.report.verdict import Standing, judge
from unit.report.sample_documents import NOW, drifted, healthy

RENDERERS = (render_page, render_markdown, render_table)


def documents(schema_audit, *, application=True):
    found = {**healthy(), "schema_audit": schema_audit}
    return Documents.from_mapping({key: value for key, value in found.items() if value is not None}, application=application)


@pytest.mark.parametrize("render", RENDERERS)
def test_absent_could_not_be_verified(render):
    found = documents(None)
    text = render(found, NOW)
    assert "could not verify" in text.lower()
    assert "playbooks/schema_audit.yml" in text
    verdict = judge(found, NOW)
    assert verdict.standing is Standing.NOT_PROVED
    assert "schemas were not compared" in verdict.sentence


def test_a_server_without_an_application_misses_nothing():
    found = documents(None, application=False)
    assert judge(found, NOW).standing is Standing.IN_ORDER
    for render in (render_page, render_markdown):
        assert "names no application's schemas" in render(found, NOW).replace("&#39;", "'")


@pytest.mark.parametrize("render", RENDERERS)
def test_verdict_percentage_findings_and_checklist_are_shown(render):
    text = render(documents(drifted()), NOW).replace("\\", "")
    for words in ("nconsistent", "97.4 %", "Zero N+1 queries", "Post.search"):
        assert words in text


@pytest.mark.parametrize("render", RENDERERS[:2])
def test_pages_show_each_difference_and_each_object(render):
    text = render(documents(drifted()), NOW).replace("\\", "")
    for words in ("User.passwordHash", "missing column", "prisma-live", "index by_hand on Post", "pgkeel_indexes_001"):
        assert words in text


@pytest.mark.parametrize(
    ("changes", "standing", "clause"),
    [
        ({"verdict": "could not verify"}, Standing.NOT_PROVED, "could not verify everything"),
        ({"verdict": "splendid"}, Standing.NOT_PROVED, "could not verify everything"),
        ({"could_not_verify": ["prisma-live: no connection"]}, Standing.NOT_PROVED, "could not verify everything"),
        ({"finished": None}, Standing.NOT_PROVED, "the age of the schema audit is unknown"),
        ({"verdict": "inconsistent"}, Standing.NEEDS_WORK, "the schemas are inconsistent"),
        (
            {"verdict": "inconsistent", "findings": drifted()["findings"][1:2]},
            Standing.NEEDS_WORK,
            "1 schema difference needs a plan",
        ),
        ({"verdict": "inconsistent", "findings": drifted()["findings"][:1]}, Standing.NOT_IN_ORDER, "makes queries fail"),
        ({"verdict": None, "failed": True, "msg": "no node"}, Standing.NOT_PROVED, "could not verify everything"),
    ],
)
def test_each_trouble_alone_is_seen(changes, standing, clause):
    found = healthy()["schema_audit"] | changes
    verdict = judge(documents({key: value for key, value in found.items() if value is not None}), NOW)
    assert verdict.standing is standing
    assert clause in verdict.sentence


def test_an_old_one_proves_nothing_any_more():
    found = documents(healthy()["schema_audit"])
    made = found.finished["schema_audit"]
    assert judge(found, NOW).standing is Standing.IN_ORDER
    late = made + THRESHOLDS.schemas + timedelta(minutes=1)
    assert any("the schema audit is more than 8 days old" in step.clause for step in judge(found, late).steps)


@pytest.mark.parametrize(
    "broken",
    [
        {"findings": 3},
        {"findings": [{"id": "T01"}]},
        {"checklist": [{"criterion": "x"}]},
        {"pairs": ["prisma-live"]},
        {"type_safety_percent": "97"},
        {"could_not_verify": "everything"},
    ],
)
def test_what_is_malformed_is_refused(broken):
    with pytest.raises(PgkeelError, match="schema_audit"):
        documents(healthy()["schema_audit"] | broken)


def test_what_is_not_known_is_never_drawn_as_good():
    assert {mood(one) for one in ("could not verify", "splendid", "")} == {"unknown"}
    assert (mood("yes"), mood("consistent"), mood("no")) == ("good", "good", "bad")


def test_every_link_of_the_verdict_leads_somewhere():
    found = documents(drifted())
    page = render_page(found, NOW)
    for step in judge(found, NOW).steps:
        assert f'id="{step.anchor}"' in page
