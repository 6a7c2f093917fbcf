"""Waivers: accepted until a date, then counting again."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.audit.waivers import Waiver, parse_waivers, split_waived
from pgkeel.errors import PgkeelError
from pgkeel.report.finding import Finding, Priority

GIVEN = {"fingerprint": "0123456789abcdef", "until": "2026-03-01", "reason": "known"}


def finding(subject="t"):
    return Finding(id="I01", priority=Priority.P1, subject=subject, summary="s")


def test_a_waiver_is_read():
    assert parse_waivers([GIVEN]) == (Waiver("0123456789abcdef", date(2026, 3, 1), "known"),)
    assert parse_waivers([{**GIVEN, "until": date(2026, 3, 1)}])[0].until == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": "0123"}, "has the fingerprint '0123'"),
        ({"fingerprint": "0123456789ABCDEF"}, "has the fingerprint"),
        ({"until": "soon"}, "'soon', which is no date"),
        ({"until": "2026-02-30"}, "which is no date"),
        ({"until": None}, "which is no date"),
        ({"reason": "  "}, "has no reason"),
        ({"reason": None}, "has no reason"),
        ({"owner": "me"}, "has the keys fingerprint, owner, reason, until"),
    ],
)
def test_a_malformed_waiver_is_refused(change, words):
    with pytest.raises(PgkeelError, match=f"Audit waiver 1 .*{words}"):
        parse_waivers([{**GIVEN, **change}])


def test_a_missing_key_and_a_repetition_are_refused():
    with pytest.raises(PgkeelError, match="has the keys none"):
        parse_waivers([{}])
    with pytest.raises(PgkeelError, match="Audit waiver 2 repeats"):
        parse_waivers([GIVEN, GIVEN])


@given(st.integers(-1000, 1000))
def test_it_holds_through_its_day(days):
    waiver = Waiver(finding().fingerprint, date(2026, 3, 1), "r")
    counting, waived = split_waived([finding()], [waiver], waiver.until + timedelta(days=days))
    assert (len(counting), len(waived)) == ((0, 1) if days <= 0 else (1, 0))


@given(st.lists(st.text(), unique=True), st.data())
def test_every_finding_is_on_one_side(subjects, data):
    findings = [finding(subject) for subject in subjects]
    covered = data.draw(st.lists(st.sampled_from(findings), unique_by=lambda one: one.subject)) if findings else []
    waivers = [Waiver(one.fingerprint, date(2026, 3, 1), "r") for one in covered]
    counting, waived = split_waived(findings, waivers, date(2026, 1, 1))
    assert {one.subject for one in counting} == {one.subject for one in findings} - {one.subject for one in covered}
    assert {one.finding.subject for one in waived} == {one.subject for one in covered}


def test_a_waived_finding_says_until_when_and_why():
    waived = split_waived([finding()], [Waiver(finding().fingerprint, date(2026, 3, 1), "r")], date(2026, 3, 1))[1]
    assert waived[0].as_dict()["waived_until"] == "2026-03-01"
    assert waived[0].as_dict()["waived_because"] == "r"
