"""What is mended together, so that two differences of one column do not each write it anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .difference import Difference, Kind
from .model import Schema


@dataclass(frozen=True)
class Task:
    """What is mended together."""

    schema: Schema
    """The truth."""
    wrong: Mapping[tuple[str, str], frozenset[Kind]]
    """What differs, by table and column."""

    @classmethod
    def of(cls, schema: Schema, differences: Iterable[Difference]) -> Task:
        """All of these."""
        wrong: dict[tuple[str, str], frozenset[Kind]] = defaultdict(frozenset)
        for one in differences:
            if one.kind is Kind.MISSING_ENUM:
                for table, name in columns_of(schema, one.column):
                    wrong[table, name] |= {Kind.TYPE}
            # A key changes every column that has it, and every one that shall have it.
            columns = schema.tables[one.table].columns if one.kind is Kind.PRIMARY_KEY else (one.column,)
            for column in columns:
                wrong[one.table, column] |= {one.kind}
        return cls(schema, wrong)


def columns_of(schema: Schema, enum: str) -> list[tuple[str, str]]:
    """Tables and columns that have an enum."""
    return [
        (table.name, column.name) for table in schema.tables.values() for column in table.columns.values() if column.enum == enum
    ]
