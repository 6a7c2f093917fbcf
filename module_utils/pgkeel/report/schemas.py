"""The schema audit as the report reads it: verdict, share of sound columns, findings and the compliance checklist."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import PgkeelError
from .finding import Priority
from .humanize import plain

CONSISTENT, INCONSISTENT, COULD_NOT_VERIFY = "consistent", "inconsistent", "could not verify"
_AGAIN = "Run playbooks/schema_audit.yml again"
_MOODS = {CONSISTENT: "good", INCONSISTENT: "bad", "yes": "good", "no": "bad", "not applicable": "none"}


@dataclass(frozen=True)
class SchemaFinding:
    """One difference between two sides."""

    id: str
    priority: Priority
    pair: str
    kind: str
    thing: str
    """Table and column."""
    expected: str
    actual: str
    impact: str
    fix: str
    fingerprint: str


@dataclass(frozen=True)
class Criterion:
    """A row of the compliance checklist."""

    criterion: str
    status: str
    evidence: str
    objects: tuple[str, ...]


@dataclass(frozen=True)
class ComparedPair:
    """Two sides."""

    pair: str
    verdict: str
    differences: int


@dataclass(frozen=True)
class SchemaAudit:
    """What playbooks/schema_audit.yml wrote."""

    verdict: str
    """One that is not known is `could not verify`."""
    type_safety_percent: float | None
    pairs: tuple[ComparedPair, ...] = ()
    findings: tuple[SchemaFinding, ...] = ()
    checklist: tuple[Criterion, ...] = ()
    unverified: tuple[str, ...] = ()

    def with_priority(self, priority: Priority) -> tuple[SchemaFinding, ...]:
        """Its findings of one priority, in the order of the document."""
        return tuple(one for one in self.findings if one.priority is priority)

    def counts(self) -> dict[str, int]:
        """Findings by priority."""
        return {priority.value: len(self.with_priority(priority)) for priority in Priority}

    @property
    def percent(self) -> str:
        """The share of sound columns for people."""
        return "not known" if self.type_safety_percent is None else f"{self.type_safety_percent:g} %"


def schema_audit(document: Mapping[str, Any]) -> SchemaAudit:
    """Take ``schema_audit.json``. Raises PgkeelError where it does not have the shape that its playbook writes."""
    verdict = document.get("verdict")
    percent = document.get("type_safety_percent")
    if percent is not None and (isinstance(percent, bool) or not isinstance(percent, int | float) or not math.isfinite(percent)):
        raise PgkeelError(f"schema_audit: type_safety_percent is {percent!r}, not a number", _AGAIN)
    try:
        return SchemaAudit(
            verdict if isinstance(verdict, str) and verdict in (CONSISTENT, INCONSISTENT) else COULD_NOT_VERIFY,
            percent,
            tuple(
                ComparedPair(plain(one["pair"]), plain(one["verdict"]), int(one["differences"]))
                for one in _rows(document, "pairs")
            ),
            tuple(sorted((_finding(one) for one in _rows(document, "findings")), key=lambda one: one.priority)),
            tuple(
                Criterion(plain(one["criterion"]), plain(one["status"]), plain(one["evidence"]), _texts(one.get("objects")))
                for one in _rows(document, "checklist")
            ),
            _texts(document.get("could_not_verify")) or ((plain(document["msg"]),) if document.get("failed") else ()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PgkeelError(f"schema_audit: it is malformed ({error!r})", _AGAIN) from error


def mood(status: str) -> str:
    """How a verdict or status is drawn; what is not known is unknown, never good."""
    return _MOODS.get(status, "unknown")


def _finding(given: Mapping[str, Any]) -> SchemaFinding:
    thing = ".".join(str(given[part]) for part in ("table", "column") if given[part])
    words = (plain(given["pair"]), str(given["kind"]).replace("_", " "), thing)
    texts = (plain(given[part]) for part in ("expected", "actual", "impact", "fix", "fingerprint"))
    return SchemaFinding(str(given["id"]), Priority(given["priority"]), *words, *texts)


def _rows(document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = document.get(key) or []
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise PgkeelError(f"schema_audit: {key} is not a list of mappings", _AGAIN)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if value is not None and not isinstance(value, list):
        raise TypeError("a list of texts is none")
    return tuple(plain(text) for text in value or ())
