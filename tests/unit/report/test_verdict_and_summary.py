"""Is the server in order; did the demo succeed."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.report.documents import Documents
from pgkeel.report.page import render_page
from pgkeel.report.summary import summarize
from pgkeel.report.verdict import Standing, judge
from unit.report.sample_documents import NOW, healthy, troubled


def _judge(documents):
    return judge(Documents.from_mapping(documents), NOW)


def test_a_healthy_server_is_in_order():
    verdict = _judge(healthy())
    assert verdict.standing is Standing.IN_ORDER
    assert verdict.sentence == (
        "edtech-db1 is in order: 30 checks found nothing to worry about, and the newest backup was restored and compared."
    )
    assert verdict.first == "Nothing needs doing now."


def test_a_finding_that_can_wait_leaves_it_in_order():
    documents = healthy()
    documents["audit"]["results"] = [result for result in troubled()["audit"]["results"] if result["id"] in ("I03", "C01", "Q03")]
    assert _judge(documents).standing is Standing.IN_ORDER
    assert _judge(documents).sentence.endswith("; 3 improvements can wait.")


def test_the_most_urgent_comes_first():
    verdict = _judge(troubled())
    assert verdict.standing is Standing.NOT_IN_ORDER
    assert verdict.sentence == (
        "edtech-db1 is not in order: 2 findings put data or service at risk now and 1 schema difference makes queries fail."
    )
    assert verdict.first.startswith("Remedy S02 (pg_hba.conf line 14): ")
    assert [step.standing.name for step in verdict.steps] == [
        *("NOT_IN_ORDER", "NOT_IN_ORDER"),
        *("NOT_PROVED", "NOT_PROVED"),
        *("NEEDS_WORK", "NEEDS_WORK", "NEEDS_WORK"),
    ]
    assert verdict.steps[2].action == (
        "Clear what keeps H08 (Free disk space) from being verified: "
        "The audit's role may not run df on the server: permission denied for function pg_ls_waldir."
    )


@pytest.mark.parametrize("absent", ["audit", "backup", "drill", "schema_audit"])
def test_what_did_not_run_is_never_in_order(absent):
    documents = healthy()
    del documents[absent]
    assert _judge(documents).standing is Standing.NOT_PROVED
    assert "playbooks/" in _judge(documents).first


def _set(documents, path, value):
    changed = copy.deepcopy(documents)
    *outer, last = path
    inner = changed
    for key in outer:
        inner = inner[key]
    inner[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "standing", "clause"),
    [
        (("drill", "verdict"), "FAIL", Standing.NOT_IN_ORDER, "did not restore"),
        (("drill", "verdict"), "COULD NOT VERIFY", Standing.NOT_PROVED, "could not verify the newest backup"),
        (("drill", "verdict"), "splendid", Standing.NOT_PROVED, "could not verify the newest backup"),
        (("drill",), {"failed": True, "msg": "no store"}, Standing.NOT_PROVED, "could not verify the newest backup"),
        (
            ("drill",),
            {"verdict": "COULD NOT VERIFY", "databases": [{"verdict": "PASS"}], "failures": ["edtech: no disk"]},
            Standing.NOT_PROVED,
            "could not verify the newest backup",
        ),
        (("drill",), {"verdict": "PASS", "databases": []}, Standing.NOT_PROVED, "no backup has been restored"),
        (
            ("backup",),
            {"databases": [{"bytes": 3}], "failures": ["edtech: no bucket"]},
            Standing.NOT_IN_ORDER,
            "the last backup failed",
        ),
        (("drill",), {"drills": []}, Standing.NOT_PROVED, "no backup has been restored"),
        (("backup",), {"failed": True, "msg": "no bucket"}, Standing.NOT_IN_ORDER, "the last backup failed"),
        (("backup",), {"backups": []}, Standing.NOT_PROVED, "no backup is known"),
        (("audit",), {"failed": True, "msg": "refused"}, Standing.NOT_PROVED, "the audit ran no check"),
        (("audit", "results"), [], Standing.NOT_PROVED, "the audit ran no check"),
        (("audit", "results", 3, "status"), "could not verify", Standing.NOT_PROVED, "1 check could not be verified"),
        (("run", "phases", 2, "status"), "failed", Standing.NOT_IN_ORDER, "the phase “load” ended as “failed”"),
        (("run", "reconverge_changed"), 2, Standing.NEEDS_WORK, "changed 2 things"),
        (("site", "postgresql", "restart"), "pending", Standing.NEEDS_WORK, "wait for a restart"),
        (("workload", "operations", "log_in", "errors"), 4, Standing.NEEDS_WORK, "met 4 errors"),
    ],
)
def test_each_trouble_alone_is_seen(path, value, standing, clause):
    verdict = _judge(_set(healthy(), path, value))
    assert verdict.standing is standing
    assert clause in verdict.sentence


@pytest.mark.parametrize(
    ("path", "limit", "clause"),
    [
        (("backup", "snapshot_time"), timedelta(hours=26), "the newest backup is more than 26 hours old"),
        (("drill", "finished"), timedelta(days=8), "the restore drill is more than 8 days old"),
        (("audit", "finished"), timedelta(days=2), "the audit is more than 2 days old"),
    ],
)
def test_a_proof_is_one_for_a_while(path, limit, clause):
    just = _judge(_set(healthy(), path, (NOW - limit).isoformat()))
    assert just.standing is Standing.IN_ORDER
    old = _judge(_set(healthy(), path, (NOW - limit - timedelta(seconds=1)).isoformat()))
    assert old.standing is Standing.NOT_PROVED
    assert old.sentence == f"edtech-db1 is not proved to be in order: {clause}."
    assert f"{NOW - limit - timedelta(seconds=1):%Y-%m-%d %H:%M} UTC" in old.first
    for value in (None, (NOW + timedelta(minutes=6)).isoformat()):
        unknown = _judge(_set(healthy(), path, value))
        assert unknown.standing is Standing.NOT_PROVED
        assert "age" in unknown.sentence
        assert "unknown" in unknown.sentence
    assert _judge(_set(healthy(), path, (NOW + timedelta(minutes=4)).isoformat())).standing is Standing.IN_ORDER
    with pytest.raises(PgkeelError, match="not a time with its zone"):
        _judge(_set(healthy(), path, "2026-03-02T03:00:00"))


def test_the_oldest_of_the_newest_backups_counts():
    documents = healthy()
    one = documents["backup"]
    documents["backup"] = {"databases": [one, {**one, "snapshot_time": "2026-02-01T03:00:00Z"}], "finished": one["finished"]}
    assert "the newest backup is more than 26 hours old" in _judge(documents).sentence
    del documents["backup"]["databases"][1]["snapshot_time"]
    assert "the age of the newest backup is unknown" in _judge(documents).sentence


def test_the_page_stays_the_same_until_a_proof_is_too_old():
    documents = Documents.from_mapping(healthy())
    first, later, too_late = (render_page(documents, NOW + timedelta(hours=hours)) for hours in (0, 15, 40))
    assert first == later != too_late
    assert too_late == render_page(documents, NOW + timedelta(hours=41))


def test_many_reasons_stay_one_sentence():
    documents = _set(healthy(), ("drill", "verdict"), "FAIL")
    for phase in documents["run"]["phases"]:
        phase["status"] = "failed"
    sentence = _judge(documents).sentence
    assert sentence.endswith("the phase “lab” ended as “failed” and 7 more reasons below.")


def test_the_summary_has_what_the_demo_promises():
    assert summarize(Documents.from_mapping(troubled())) == {
        "success": True,
        "phases": {
            "lab": 38.21,
            "site": 71.5,
            "load": 14.33,
            "workload": 20.02,
            "audit": 4.9,
            "backup": 9.2,
            "drill": 15.1,
            "site again": 19.8,
        },
        "reconverge_changed": 0,
        "audit": {"checks": 30, "findings": {"P0": 2, "P1": 4, "P2": 6}},
        "backup": {"bytes": 41_203_311, "database_bytes": 287_309_824, "seconds": 4.2181},
        "drill": {"verdict": "PASS", "rto_seconds": 11.072, "tables_compared": 21, "rows_compared": 912_344},
        "problems": [],
    }


@pytest.mark.parametrize("absent", ["audit", "backup", "drill", "run"])
def test_a_missing_document_is_no_success(absent):
    documents = healthy()
    del documents[absent]
    summary = summarize(Documents.from_mapping(documents))
    assert summary["success"] is False
    assert any("missing" in problem for problem in summary["problems"])


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("run", "phases", 0, "status"), "failed", "phase lab is failed"),
        (("run", "phases", 0, "status"), None, "phase lab is without a status"),
        (("run", "phases"), [], "no phase is recorded"),
        (("run", "reconverge_changed"), 1, "the second run of site.yml changed 1 tasks"),
        (("run", "reconverge_changed"), None, "reconverge_changed is missing"),
        (("audit", "results"), [], "the audit ran no check"),
        (("backup", "failed"), True, "the backup failed: it failed without a reason"),
        (("backup", "bytes"), None, "backup.bytes is missing"),
        (("drill", "verdict"), "FAIL", "the drill's verdict is FAIL"),
        (("drill", "rows_compared"), 0, "the drill compared nothing"),
        (("drill", "rto_seconds"), None, "drill.rto_seconds is missing"),
    ],
)
def test_each_shortfall_is_no_success(path, value, problem):
    summary = summarize(Documents.from_mapping(_set(troubled(), path, value)))
    assert summary["success"] is False
    assert problem in summary["problems"]


def test_several_backups_and_drills_add_up_and_the_worst_verdict_counts():
    documents = troubled()
    documents["backup"] = {"backups": [documents["backup"], {**documents["backup"], "bytes": 9}]}
    documents["drill"] = {
        "drills": [documents["drill"], {**documents["drill"], "verdict": "COULD NOT VERIFY", "rto_seconds": 60}]
    }
    summary = summarize(Documents.from_mapping(documents))
    assert summary["backup"]["bytes"] == 41_203_320
    assert summary["drill"] == {
        "verdict": "COULD NOT VERIFY",
        "rto_seconds": 60,
        "tables_compared": 42,
        "rows_compared": 1_824_688,
    }
    assert summary["success"] is False
