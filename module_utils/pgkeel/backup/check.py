"""One check of a drill, and what all of them come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Of a check, and of a drill."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    COULD_NOT_VERIFY = "COULD NOT VERIFY"


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found."""

    name: str
    verdict: Verdict
    evidence: str

    def as_dict(self) -> dict[str, str]:
        """A JSON-serialisable mapping."""
        return {"name": self.name, "verdict": self.verdict.value, "evidence": self.evidence}


def overall(checks: Iterable[Check]) -> Verdict:
    """FAIL before COULD NOT VERIFY before PASS; no check at all verifies nothing."""
    verdicts = {check.verdict for check in checks}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    if not verdicts or Verdict.COULD_NOT_VERIFY in verdicts:
        return Verdict.COULD_NOT_VERIFY
    return Verdict.PASS
