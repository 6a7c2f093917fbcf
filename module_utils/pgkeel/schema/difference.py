"""A difference between two sides: one fact, which side is wrong, and its place in the report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..report.finding import Finding, Level, Priority


class Side(StrEnum):
    """Where a schema comes from; the order is the order of truth."""

    PRISMA = "prisma"
    LIVE = "live"
    DRIZZLE = "drizzle"
    KYSELY = "kysely"


class Kind(StrEnum):
    """What differs."""

    MISSING_TABLE = "missing_table"
    EXTRA_TABLE = "extra_table"
    MISSING_ENUM = "missing_enum"
    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    TYPE = "type"
    NULLABILITY = "nullability"
    DEFAULT = "default"
    ENUM = "enum"
    PRIMARY_KEY = "primary_key"
    UNIQUE = "unique"
    FOREIGN_KEY = "foreign_key"
    INDEX = "index"
    GENERATED = "generated"


IDS = {kind: f"T{number:02}" for number, kind in enumerate(Kind, start=1)}
"""Of the findings, stable: T01 is a missing table."""

NOTHING = "(absent)"
_STRUCTURE = {Kind.FOREIGN_KEY, Kind.INDEX}


@dataclass(frozen=True)
class Difference:
    """One fact. The first side of the pair is the truth, the second one is wrong."""

    truth: Side
    wrong: Side
    kind: Kind
    table: str
    """Empty for an enum that no table names."""
    column: str
    """The column, several joined with a comma, or the enum; empty for a table."""
    expected: str
    actual: str
    urgent: bool = False
    """Whether ordinary queries fail because of it."""
    impact: str = ""
    fix: str = ""
    patch: str = ""
    """A unified diff of the file; empty where it cannot be derived."""

    @property
    def pair(self) -> str:
        """``prisma-drizzle``: the two sides in the order of the contract."""
        return pair_name(self.truth, self.wrong)

    @property
    def priority(self) -> Priority:
        """P0 where ordinary queries fail, P2 for what only costs time or integrity, P1 for the rest."""
        if self.urgent:
            return Priority.P0
        return Priority.P2 if self.kind in _STRUCTURE else Priority.P1

    def as_dict(self) -> dict[str, Any]:
        """As ``schema_audit.json`` has it, with what every finding has."""
        return {
            "pair": self.pair,
            "kind": self.kind.value,
            "table": self.table or None,
            "column": self.column or None,
            "expected": self.expected,
            "actual": self.actual,
            "wrong_side": self.wrong.value,
            "impact": self.impact,
            "fix": self.fix,
            "patch": self.patch,
            **{key: value for key, value in self.as_finding().as_dict().items() if key != "evidence"},
        }

    def as_finding(self) -> Finding:
        """In the shape that reports and trackers know."""
        thing = ".".join(part for part in (self.table, self.column) if part)
        return Finding(
            id=IDS[self.kind],
            priority=self.priority,
            subject=f"{self.pair}: {thing}",
            summary=(
                f"{self.wrong.value.title()} has {self.actual} where {self.truth.value.title()} has {self.expected} "
                f"for {thing} ({self.kind.value.replace('_', ' ')})."
            ),
            evidence={"expected": self.expected, "actual": self.actual, "impact": self.impact},
            remedy=self.fix,
            effort=Level.LOW,
            risk=Level.MEDIUM if self.wrong is Side.LIVE else Level.LOW,
        )


_CONTRACT_ORDER = [Side.PRISMA, Side.DRIZZLE, Side.KYSELY, Side.LIVE]


def pair_name(one: Side, other: Side) -> str:
    """The name of a pair, whichever of the two is the truth."""
    return "-".join(side.value for side in sorted((one, other), key=_CONTRACT_ORDER.index))
