"""Waivers: findings that somebody accepted until a date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..errors import PgkeelError
from ..report.finding import Finding

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_CURE = "Give fingerprint (16 hex digits, from the report), until (YYYY-MM-DD) and reason (a sentence)"


@dataclass(frozen=True)
class Waiver:
    """One accepted finding."""

    fingerprint: str
    until: date
    """The last day on which it holds."""
    reason: str

    def holds(self, today: date) -> bool:
        """Whether it still hides its finding; the day itself counts."""
        return today <= self.until


@dataclass(frozen=True)
class Waived:
    """A finding together with the waiver that hides it."""

    finding: Finding
    waiver: Waiver

    def as_dict(self) -> dict[str, Any]:
        """The finding's mapping with ``waived_until`` (ISO date) and ``waived_because``."""
        return {**self.finding.as_dict(), "waived_until": self.waiver.until.isoformat(), "waived_because": self.waiver.reason}


def parse_waivers(given: Iterable[Mapping[str, Any]]) -> tuple[Waiver, ...]:
    """Waivers from inventory: mappings of ``fingerprint``, ``until`` (ISO date) and ``reason``.

    Raises PgkeelError for anything that is missing, malformed, unknown or given twice.
    """
    waivers: dict[str, Waiver] = {}
    for position, item in enumerate(given, start=1):
        label = f"Audit waiver {position}"
        if set(item) != {"fingerprint", "until", "reason"}:
            raise PgkeelError(f"{label} has the keys {', '.join(sorted(map(str, item))) or 'none'}", _CURE)
        fingerprint, reason = str(item["fingerprint"]), str(item["reason"] or "").strip()
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise PgkeelError(f"{label} has the fingerprint {fingerprint!r}", _CURE)
        try:
            until = date.fromisoformat(str(item["until"]))
        except ValueError as error:
            raise PgkeelError(f"{label} ends at {item['until']!r}, which is no date", _CURE) from error
        if not reason:
            raise PgkeelError(f"{label} has no reason", _CURE)
        if fingerprint in waivers:
            raise PgkeelError(f"{label} repeats the fingerprint {fingerprint}", "Keep one waiver a finding")
        waivers[fingerprint] = Waiver(fingerprint, until, reason)
    return tuple(waivers.values())


def split_waived(
    findings: Iterable[Finding], waivers: Iterable[Waiver], today: date
) -> tuple[tuple[Finding, ...], tuple[Waived, ...]]:
    """The findings that count, and those that a waiver hides today."""
    valid = {waiver.fingerprint: waiver for waiver in waivers if waiver.holds(today)}
    counting: list[Finding] = []
    waived: list[Waived] = []
    for finding in findings:
        waiver = valid.get(finding.fingerprint)
        if waiver is None:
            counting.append(finding)
        else:
            waived.append(Waived(finding, waiver))
    return tuple(counting), tuple(waived)
