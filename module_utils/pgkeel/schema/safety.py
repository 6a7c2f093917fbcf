"""The share of type-safe columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .difference import Difference, Kind

# What decides whether code that compiles also runs; keys and indexes do not.
TYPE_KINDS = frozenset(
    {
        Kind.MISSING_TABLE,
        Kind.EXTRA_TABLE,
        Kind.MISSING_COLUMN,
        Kind.EXTRA_COLUMN,
        Kind.TYPE,
        Kind.NULLABILITY,
        Kind.DEFAULT,
        Kind.ENUM,
        Kind.MISSING_ENUM,
        Kind.GENERATED,
    }
)


@dataclass(frozen=True)
class Compared:
    """The columns that a pair has, on either side, and what differs."""

    columns: Collection[tuple[str, str, str]]
    """Table, column and enum (empty for none)."""
    differences: Collection[Difference]
    blind: Collection[tuple[str, str]] = ()
    """Columns, or tables with an empty column, that could not be compared: not sound."""

    def sound(self) -> int:
        """How many of the columns agree in everything that types rest on."""
        relevant = [one for one in self.differences if one.kind in TYPE_KINDS]
        tables = {one.table for one in relevant if not one.column} | {table for table, column in self.blind if not column}
        columns = {(one.table, one.column) for one in relevant if one.table and one.column} | set(self.blind)
        enums = {one.column for one in relevant if not one.table}
        return sum(
            table not in tables and (table, column) not in columns and not (enum and enum in enums)
            for table, column, enum in self.columns
        )


def type_safety_percent(pairs: Iterable[Compared]) -> float | None:
    """Columns that agree, of all columns of all pairs, in percent, rounded down to a tenth; None when nothing was compared.

    Rounded down, so that 100 means every one.
    """
    compared = list(pairs)
    total = sum(len(pair.columns) for pair in compared)
    if not total:
        return None
    return int(1000 * sum(pair.sound() for pair in compared) / total) / 10
