"""Reading what the playbooks wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.report.documents import NAMES, Documents, DrillVerdict, drill_verdict, number, phases, read_documents
from pgkeel.report.finding import CheckResult, Status
from pgkeel.report.markdown import render_markdown
from pgkeel.report.page import render_page
from pgkeel.report.summary import summarize
from pgkeel.report.table import render_table
from pgkeel.report.tasks import tasks_page
from pgkeel.report.verdict import Standing, judge
from unit.report.sample_documents import NOW, troubled


def _write(folder, documents):
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


def test_all_documents_are_read(tmp_path):
    _write(tmp_path, troubled())
    documents = read_documents(tmp_path)
    assert documents == Documents.from_mapping(troubled())
    assert documents.host == "edtech-db1"
    assert read_documents(tmp_path, "db7").host == "db7"
    assert documents.audit is not None
    assert documents.audit.counts() == {"P0": 2, "P1": 4, "P2": 6}
    assert [result.id for result in documents.audit.with_status(Status.COULD_NOT_VERIFY)] == ["H08", "Q02"]


def test_findings_come_most_urgent_first_and_then_the_cheapest():
    audit = Documents.from_mapping(troubled()).audit
    assert audit is not None
    assert [finding.id for finding in audit.findings][:3] == ["S02", "H01", "C07"]
    assert audit.findings[-1].id == "Q01", "the one with high effort"


def test_a_result_survives_json():
    for result in troubled()["audit"]["results"]:
        assert CheckResult.from_dict(json.loads(json.dumps(result))).as_dict() == result


def test_absent_documents_are_none(tmp_path):
    _write(tmp_path, {"load": troubled()["load"]})
    documents = read_documents(tmp_path)
    assert (documents.site, documents.audit, documents.backups, documents.drills, documents.run) == (None,) * 5


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(PgkeelError, match=r"nothing to report.*Run playbooks/audit\.yml"):
        read_documents(tmp_path)


@pytest.mark.parametrize("content", ["{", "", '{"seconds": NaN}', "\udcff", "[" * 100_000])
def test_a_broken_file_is_an_error_and_not_a_check_that_did_not_run(tmp_path, content):
    _write(tmp_path, {"site": troubled()["site"]})
    (tmp_path / "audit.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(PgkeelError, match=r"audit\.json cannot be read as JSON.*or remove the file"):
        read_documents(tmp_path)


@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("audit", {"checks": 3}, "no results"),
        ("audit", {"results": {}}, "not a list of mappings"),
        ("audit", {"results": [{"id": "H01"}]}, "malformed"),
        ("audit", {"results": [{"id": "H01", "title": "t", "area": "a", "status": "fine"}]}, "malformed"),
        ("audit", [1], "not a mapping"),
        ("backup", {"backups": "none"}, "not a list"),
        ("drill", {"drills": [3]}, "not a list of mappings"),
        ("run", {"phases": [3]}, "not a list of mappings"),
        ("tea", {}, "does not know tea"),
    ],
)
def test_a_document_of_another_shape_is_refused(name, document, message):
    with pytest.raises(PgkeelError, match=message):
        Documents.from_mapping({name: document})


def test_lists_of_backups_and_drills():
    documents = Documents.from_mapping({"backup": {"backups": [{"bytes": 1}, {"bytes": 2}]}, "drill": {"drills": []}})
    assert documents.backups == ({"bytes": 1}, {"bytes": 2})
    assert documents.drills == ()


def test_an_audit_that_failed_keeps_its_reason():
    audit = Documents.from_mapping({"audit": {"failed": True, "msg": "Cannot connect"}}).audit
    assert audit is not None
    assert (audit.results, audit.reason) == ((), "Cannot connect")


def test_numbers_are_numbers():
    assert number({"a": 1}, "a", "x") == 1
    assert number({"a": None}, "a", "x") is None
    assert number({}, "a", "x") is None
    for wrong in ("1", True, [1], float("nan"), float("inf")):
        with pytest.raises(PgkeelError, match=r"x: a is .* not a number"):
            number({"a": wrong}, "a", "x")


def test_phases_in_both_shapes():
    assert phases({"phases": {"fetch": 1.5}}, "drill") == (("fetch", 1.5, ""),)
    assert phases({"phases": [{"name": "lab", "seconds": 2, "status": "ok"}]}, "run") == (("lab", 2, "ok"),)
    assert phases({}, "run") == ()


def test_an_unknown_verdict_verifies_nothing():
    assert drill_verdict({"verdict": "PASS"}) is DrillVerdict.PASS
    for given_verdict in ({}, {"verdict": "pass?"}, {"verdict": None}, {"failed": True, "msg": "no store"}):
        assert drill_verdict(given_verdict) is DrillVerdict.COULD_NOT_VERIFY


_WORDS = (
    "results id title phases name seconds verdict rows operations reason failed msg backups checks evidence bytes settings roles"
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(["PASS", "ok"])
_keys = st.sampled_from([*_WORDS.split(), "finished", "snapshot_time", "items", "reconverge_changed"])
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # the first page compiles its template
@given(st.dictionaries(st.sampled_from(NAMES), st.dictionaries(_keys, _json, max_size=5), min_size=1))
def test_whatever_is_in_the_documents_gives_a_report_or_a_sentence(given_documents):
    try:
        documents = Documents.from_mapping(given_documents)
        verdict = judge(documents, NOW)
        page = render_page(documents, NOW)
        summary = summarize(documents)
        texts = [render_markdown(documents, NOW), render_table(documents, NOW), tasks_page(documents)]
    except PgkeelError:
        return
    assert "<script" not in page
    assert all(texts)
    assert verdict.standing is not Standing.IN_ORDER
    assert summary["success"] is False
