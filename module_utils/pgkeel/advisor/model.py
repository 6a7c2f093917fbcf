"""What the architect speaks of: statements of a workload, advice, and what became of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ..postgres.index_declaration import IndexDeclaration

_LIST = re.compile(r"\bIN\s*\(\s*\$\d+(?:\s*,\s*\$\d+)*\s*\)", re.IGNORECASE)
_PARAMETER = re.compile(r"\$\d+")


@dataclass(frozen=True)
class Statement:
    """One statement of the workload, summed over users and levels, within the window that is judged."""

    query_id: int
    """Of pg_stat_statements."""
    text: str
    """As pg_stat_statements normalised it (``$1`` for a constant), with what it left literal redacted."""
    calls: int
    total_ms: float
    """Executing, not planning."""
    rows: int
    blocks_hit: int
    blocks_read: int
    since: datetime
    """Begin of the window."""
    fingerprint: str = ""
    """pglast's; empty where the text cannot be parsed."""
    users: frozenset[int] = frozenset()
    """Oids of the roles that ran it."""

    @property
    def mean_ms(self) -> float:
        """A call's average."""
        return self.total_ms / max(self.calls, 1)


@dataclass(frozen=True)
class Skipped:
    """Statements that were not read, and why."""

    reason: str
    statements: int
    total_ms: float = 0.0


@dataclass(frozen=True)
class Workload:
    """What a database did between two moments."""

    database: str
    since: datetime
    until: datetime
    statements: tuple[Statement, ...]
    """The slowest in sum first."""
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    """What makes it less than whole: entries evicted, counters reset within the window."""


class Kind(StrEnum):
    """What a piece of advice would do."""

    CREATE_INDEX = "create_index"
    DROP_INDEX = "drop_index"
    REWRITE = "rewrite"
    STATISTICS = "statistics"
    FILLFACTOR = "fillfactor"
    BATCH = "batch"
    """An N+1: one query instead of one a row."""


class State(StrEnum):
    """Where a recommendation stands."""

    PROPOSED = "proposed"
    PROVED = "proved"
    APPLIED = "applied"
    WATCHING = "watching"
    KEPT = "kept"
    REVERTED = "reverted"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Measured:
    """What replaying on the copy came to; ratios, 1.0 unchanged and 0.5 half."""

    time_ratio: float
    """Weighted by calls, with over without."""
    buffers_ratio: float
    worst_query_ratio: float
    write_ratio: float | None
    """Of an insert or update of the tables concerned; 1.0 where nothing writes them, None where it could not be measured."""
    bytes: int
    rounds: int


@dataclass(frozen=True)
class Recommendation:
    """One piece of advice, from whatever source, and what is known of it."""

    kind: Kind
    subject: str
    """The table, index or statement it is about, schema-qualified."""
    ddl: str
    """SQL that does it; empty where the application must change."""
    undo: str
    reason: str
    """One sentence a person understands."""
    source: str
    """``heuristic``, ``retrieval`` or ``model``."""
    statements: tuple[int, ...] = ()
    """query_id of those it serves, the most served first."""
    statement: str = ""
    """Redacted text of the first."""
    index: IndexDeclaration | None = None
    confidence: float = 0.0
    """0 to 100."""
    estimated_gain: float | None = None
    """Share of the served statements' cost that the planner expects to save, 0 to 1."""
    measured: Measured | None = None
    bytes: int = 0
    state: State = State.PROPOSED
    state_reason: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that stay the same between runs for the same advice, however long the lists of a statement are."""
        about = self.ddl or _PARAMETER.sub("$", _LIST.sub("IN ($)", self.statement))
        return hashlib.sha256(f"{self.kind}\x00{self.subject}\x00{about}".encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable row as optimize.json has it."""
        measured = self.measured
        return {
            "fingerprint": self.fingerprint,
            "kind": self.kind.value,
            "subject": self.subject,
            "statement": self.statement,
            "statements": [str(query_id) for query_id in self.statements],
            "ddl": self.ddl,
            "undo": self.undo,
            "source": self.source,
            "confidence": round(self.confidence, 1),
            "estimated_gain": self.estimated_gain,
            "measured_gain": None if measured is None else round(1 - measured.time_ratio, 4),
            "worst_query_change": None if measured is None else round(measured.worst_query_ratio - 1, 4),
            "write_cost": None if measured is None or measured.write_ratio is None else round(measured.write_ratio - 1, 4),
            "measured": None if measured is None else asdict(measured),
            "bytes": self.bytes,
            "state": self.state.value,
            "reason": self.state_reason or self.reason,
            "advice": self.reason,
            "index": None
            if self.index is None
            else {"schema": self.index.schema, "table": self.index.table, "name": self.index.name},
            "metadata": dict(self.metadata),
        }
