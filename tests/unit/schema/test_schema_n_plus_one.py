"""Counts of statements can raise a suspicion of N+1; that there is none they cannot show."""

from pgkeel.schema.checklist import Answer, Facts, checklist
from pgkeel.schema.live import Production, Repeated, Statistics

QUIET = Statistics("2026-01-01T00:00Z", 40, 12_000)


def answer(production):
    return checklist(Facts({}, {}, production=production))[-1]


def test_nothing_suspicious_is_no_proof():
    said = answer(Production((), (), QUIET))
    assert said.status is Answer.COULD_NOT_VERIFY
    assert "heuristic" in said.evidence
    assert "12,000 calls of 40 statements since 2026-01-01" in said.evidence


def test_without_statistics_nothing_is_said():
    assert answer(Production((), (), None)).status is Answer.COULD_NOT_VERIFY
    assert answer(None).status is Answer.COULD_NOT_VERIFY


def test_a_suspicion_names_both_statements():
    one = Repeated("SELECT a WHERE id = $1", 3000, 1.0, 12.0, "SELECT list")
    said = answer(Production((), (), Statistics("2026-01-01T00:00Z", 40, 12_000, (one,))))
    assert said.status is Answer.NO
    assert "heuristic" in said.evidence
    assert "3,000 times" in said.objects[0]
    assert "SELECT list" in said.objects[0]
