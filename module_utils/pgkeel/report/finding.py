"""One finding, one shape: audit checks, schema differences and recommendations."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Priority(StrEnum):
    """P0: data or service at risk now. P1: will hurt, plan it. P2: worth improving."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"


class Level(StrEnum):
    """Of effort and of risk."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Status(StrEnum):
    """The outcome of one check. A check that could not run is never OK."""

    OK = "ok"
    FINDING = "finding"
    COULD_NOT_VERIFY = "could not verify"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Finding:
    """Something a person should act on."""

    id: str
    """Of the check, stable: ``I02``."""
    priority: Priority
    subject: str
    """The object: a table, an index, a setting, a role."""
    summary: str
    """One sentence a person understands without the rest."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """The figures it rests on, JSON-serialisable; units in the key's name (``size_bytes``)."""
    remedy: str = ""
    """SQL or steps."""
    effort: Level = Level.LOW
    risk: Level = Level.LOW

    @property
    def fingerprint(self) -> str:
        """16 hex digits that stay the same while check and subject do: the key for baselines and waivers."""
        return hashlib.sha256(f"{self.id}\x00{self.subject}".encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping, fingerprint included."""
        return {**asdict(self), "fingerprint": self.fingerprint}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Finding:
        """The inverse of `as_dict`; raises KeyError, TypeError or ValueError when `mapping` is not one of ours."""
        return cls(
            id=str(mapping["id"]),
            priority=Priority(mapping["priority"]),
            subject=str(mapping["subject"]),
            summary=str(mapping["summary"]),
            evidence=dict(mapping.get("evidence") or {}),
            remedy=str(mapping.get("remedy") or ""),
            effort=Level(mapping.get("effort", Level.LOW)),
            risk=Level(mapping.get("risk", Level.LOW)),
        )


@dataclass(frozen=True)
class CheckResult:
    """What one check came to."""

    id: str
    title: str
    area: str
    """``health``, ``indexes``, ``configuration``, ``queries`` or ``security``."""
    status: Status
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it could not be verified or does not apply; empty otherwise."""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "id": self.id,
            "title": self.title,
            "area": self.area,
            "status": self.status.value,
            "findings": [finding.as_dict() for finding in self.findings],
            "reason": self.reason,
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> CheckResult:
        """The inverse of `as_dict`; raises KeyError, TypeError or ValueError when `mapping` is not one of ours."""
        return cls(
            id=str(mapping["id"]),
            title=str(mapping["title"]),
            area=str(mapping["area"]),
            status=Status(mapping["status"]),
            findings=tuple(Finding.from_dict(finding) for finding in mapping.get("findings") or ()),
            reason=str(mapping.get("reason") or ""),
            seconds=float(mapping.get("seconds") or 0.0),
        )
