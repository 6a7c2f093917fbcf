"""What a restore drill came to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .check import Check, Verdict, overall
from .drill_request import DrillRequest
from .progress import Progress

RTO, RPO = BUDGETS = ("recovery time (RTO)", "age of the data (RPO)")


@dataclass
class DrillResult:
    """What a drill came to; it is filled while the drill runs."""

    database: str = ""
    backup_id: str = ""
    reason: str = ""
    checks: list[Check] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds."""
    rto_seconds: float | None = None
    """From the start until the copy was usable and verified."""
    rpo_seconds: float | None = None
    """Age of the snapshot when the drill began."""
    tables_compared: int = 0
    rows_compared: int = 0
    database_bytes: int = 0
    dump_bytes: int = 0
    negative_control: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """The last drills of this database, this one included, oldest first."""
    target: str = "cluster"
    rto_budget_seconds: float = 0.0
    """0: none."""
    rpo_budget_seconds: float = 0.0
    caps: dict[str, Any] = field(default_factory=dict)
    """What the kernel let it take at most: control group, bytes of memory, processors."""
    not_verified: list[dict[str, str]] = field(default_factory=list)
    """What the target cannot tell by its nature, each with its reason."""
    warnings: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress, repr=False)

    @property
    def verdict(self) -> Verdict:
        """PASS only when every check passed, the negative control among them, and nothing went wrong."""
        verdict = overall(self.checks)
        if verdict is Verdict.PASS and (self.reason or not self.negative_control.get("detected")):
            return Verdict.COULD_NOT_VERIFY
        return verdict

    @property
    def by_budget(self) -> bool:
        """Whether it is FAIL because of a budget alone."""
        return self.verdict is Verdict.FAIL and overall(one for one in self.checks if one.name not in BUDGETS) is not Verdict.FAIL

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "database": self.database,
            "backup_id": self.backup_id,
            "checks": [check.as_dict() for check in self.checks],
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "rto_seconds": None if self.rto_seconds is None else round(self.rto_seconds, 3),
            "rpo_seconds": None if self.rpo_seconds is None else round(self.rpo_seconds, 3),
            "tables_compared": self.tables_compared,
            "rows_compared": self.rows_compared,
            "database_bytes": self.database_bytes,
            "dump_bytes": self.dump_bytes,
            "negative_control": self.negative_control,
            "not_verified": self.not_verified,
            "target": self.target,
            "rto_budget_seconds": self.rto_budget_seconds,
            "rpo_budget_seconds": self.rpo_budget_seconds,
            "caps": self.caps,
            "history": self.history,
        }

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, also one that fails."""
        begun = time.monotonic()
        self.progress.phase = name
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun


def check_budgets(result: DrillResult, request: DrillRequest) -> list[Check]:
    """Recovery time and data loss against what the operator allows; no budget, no check."""
    checks = []
    for name, seconds, budget in (
        (RTO, result.rto_seconds, request.rto_budget_seconds),
        (RPO, result.rpo_seconds, request.rpo_budget_seconds),
    ):
        if budget and seconds is not None:
            verdict = Verdict.PASS if seconds <= budget else Verdict.FAIL
            checks.append(Check(name, verdict, f"{seconds:.0f} s of at most {budget:.0f} s"))
    return checks
