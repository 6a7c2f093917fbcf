"""The application's table OptimizationLog, found by its name and its shape."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.catalog import quoted

_TEXT = frozenset({"text", "character varying", "character"})
_NUMBER = frozenset({"double precision", "real", "numeric"})
_TIME = frozenset({"timestamp without time zone", "timestamp with time zone"})
_SHAPE: dict[str, frozenset[str]] = {
    "querytext": _TEXT,
    "recommendation": _TEXT,
    "performancegain": _NUMBER,
    "confidence": _NUMBER,
    "source": _TEXT,
    "createdat": _TIME,
    "appliedat": _TIME,
}
SUREST = 100
_OURS = ("pgkeel", "optimization_log")


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """Without a length."""
    not_null: bool
    has_default: bool
    """Or is an identity or generated column."""
    length: int | None = None
    """Characters that it holds; None where there is no limit."""
    most: float | None = None
    """The largest number that it holds; None where there is no limit."""


@dataclass(frozen=True)
class LogTable:
    """Where the log's rows go."""

    schema: str
    name: str
    columns: dict[str, Column]
    """By their name in lower case without underscores: ``querytext`` may be queryText or query_text."""

    @property
    def described(self) -> str:
        """Its qualified name, quoted."""
        return quoted(self.schema, self.name)

    @property
    def makes_ids(self) -> bool:
        """Whether the database gives each row its id; else pgkeel does."""
        identity = self.columns["id"]
        return identity.has_default

    @property
    def keeps_metadata(self) -> bool:
        """Whether there is a JSON column for what has no column of its own."""
        column = self.columns.get("metadata")
        return column is not None and column.type in {"jsonb", "json"}

    @property
    def adopted(self) -> bool:
        """Whether it is the application's."""
        return (self.schema, self.name) != _OURS


def find_log_table(connection: psycopg.Connection[Any]) -> LogTable:
    """The application's table, or pgkeel's own where it has none. Reads only; ``ensure_store`` makes pgkeel's own.

    Raises PgkeelError where two tables of the application fit equally well, or one has the name and not the shape.
    """
    tables: dict[tuple[str, str], dict[str, Column]] = defaultdict(dict)
    for schema, table, column, kind, not_null, has_default, length, modifier in connection.execute(
        r"""
        SELECT n.nspname::text, c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, NULL), a.attnotnull,
               a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '',
               CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
               CASE WHEN a.atttypid = 'numeric'::regtype AND a.atttypmod > 4 THEN a.atttypmod - 4 END
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND lower(replace(c.relname, '_', '')) IN ('optimizationlog', 'optimizationlogs')
        """
    ):
        tables[schema, table][_plain(column)] = Column(column, kind, not_null, has_default, length, greatest(modifier))
    ours = tables.pop(_OURS, None)
    fitting = {name: columns for name, columns in tables.items() if not misfit(columns)}
    exact = {name: columns for name, columns in fitting.items() if name[1] == "OptimizationLog"}
    chosen = exact or fitting
    if len(chosen) > 1:
        names = " and ".join(quoted(*name) for name in sorted(chosen))
        raise PgkeelError(f"There are several tables for the optimization log: {names}", "Rename or drop all but one")
    if chosen:
        place, columns = next(iter(chosen.items()))
        return LogTable(*place, columns)
    for name, columns in sorted(tables.items()):
        raise PgkeelError(
            f"The table {quoted(*name)} has the name of an optimization log, and {misfit(columns)}",
            "Give it the columns that docs/architect.md lists, or rename it: pgkeel then keeps a log of its own",
        )
    return LogTable(*_OURS, ours or {})


def misfit(columns: dict[str, Column]) -> str:
    """Why a table is no optimization log, in words that follow "and"; empty where it is one."""
    if "id" not in columns:
        return "it has no column id"
    for name, types in _SHAPE.items():
        if name not in columns:
            return f"it has no column {name}"
        if columns[name].type not in types:
            return f"its column {columns[name].name} is of type {columns[name].type}"
    confidence = columns["confidence"]
    if confidence.most is not None and confidence.most < SUREST:
        return f"its column {confidence.name} holds {confidence.most:g} at most, where confidence goes to {SUREST}"
    identity = columns["id"]
    if not identity.has_default and identity.type not in _TEXT | {"uuid"}:
        return f"its column id is of type {identity.type} without a default"
    known = {*_SHAPE, "id", "metadata", "updatedat"} - {"performancegain", "appliedat"}
    needed = (column.name for name, column in columns.items() if name not in known and column.not_null and not column.has_default)
    return next((f"its column {name} may not be null, where pgkeel has no value for it" for name in needed), "")


def greatest(modifier: int | None) -> float | None:
    """The largest number that numeric(digits, places) holds, by its modifier less 4; None where there is no limit."""
    if modifier is None:
        return None
    digits, places = modifier >> 16 & 0xFFFF, ((modifier & 0x7FF) ^ 0x400) - 0x400  # places may be negative
    return float(10 ** (digits - places) - 10**-places)


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
