"""What the advisor knows of a database: tables, columns with their statistics, indexes, views, and who writes what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

PAGE_BYTES = 8192
Policies: TypeAlias = Mapping[tuple[str, str], frozenset[int]]
"""Tables with row security, by schema and name, and the oids of the roles that their policies bind."""


@dataclass(frozen=True)
class ColumnFacts:
    """A column, and what ANALYZE found in it."""

    name: str
    type: str
    """As format_type prints it, without a length: ``text``, ``timestamp without time zone``, ``jsonb``, ``integer[]``."""
    not_null: bool = False
    distinct: float = 0.0
    """Number of different values; 0 where ANALYZE never looked."""
    null_share: float = 0.0
    width: int = 8
    """Bytes of an average value."""
    correlation: float | None = None
    """Between the order of values and that of rows on disk, -1 to 1."""
    common: tuple[str, ...] = ()
    """The most frequent values as text, the most frequent first. People's data: they stay on the server."""
    common_shares: tuple[float, ...] = ()
    bounds: tuple[str, ...] = ()
    """Of the histogram: values that cut the others into equal parts."""
    growing: bool = False
    """A later value may be as long as one likes, or nearly: text, bytea, arrays."""

    @property
    def analysed(self) -> bool:
        """Whether there are statistics."""
        return self.distinct > 0 or self.null_share > 0


@dataclass(frozen=True)
class IndexFacts:
    """An index that exists."""

    name: str
    method: str
    keys: tuple[str, ...]
    """Column names, or expressions as PostgreSQL prints them."""
    include: tuple[str, ...] = ()
    predicate: str = ""
    unique: bool = False
    valid: bool = True
    plain: bool = True
    """Every key ascending, with its type's own operator class and collation."""
    opclasses: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableFacts:
    """A table."""

    schema: str
    name: str
    rows: float
    pages: int
    columns: Mapping[str, ColumnFacts]
    indexes: tuple[IndexFacts, ...] = ()
    kind: str = "r"
    """``pg_class.relkind``: r table, p partitioned, m materialized view."""

    @property
    def id(self) -> tuple[str, str]:
        """Schema and name."""
        return self.schema, self.name

    @cached_property
    def analysed(self) -> bool:
        """Whether ANALYZE has looked at it, or it is empty."""
        return self.rows == 0 or any(column.analysed for column in self.columns.values())


@dataclass(frozen=True)
class Writes:
    """Rows written to a table within the window."""

    inserted: float = 0.0
    updated: float = 0.0
    updated_hot: float = 0.0
    deleted: float = 0.0


@dataclass(frozen=True)
class Catalog:
    """A database."""

    tables: Mapping[tuple[str, str], TableFacts]
    views: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Definition of every view, as SQL."""
    search_path: tuple[str, ...] = ("public",)
    volatile: frozenset[str] = frozenset()
    """Names of functions that may change something or give another answer each time."""
    extensions: frozenset[str] = frozenset()
    """Those installed in the database."""
    available: frozenset[str] = frozenset()
    """Those that could be created on this server."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """The schema of each extension in one that the database's search path leaves out: what is in it must be named with it."""

    @cached_property
    def homes(self) -> Mapping[str, frozenset[str]]:
        """The schemas that have a table or view of each name."""
        found: dict[str, set[str]] = defaultdict(set)
        for schema, name in (*self.tables, *self.views):
            found[name].add(schema)
        return {name: frozenset(schemas) for name, schemas in found.items()}

    @cached_property
    def taken(self) -> frozenset[tuple[str, str]]:
        """Schema and name of each table, view and index: what a new index cannot be called."""
        indexes = {(schema, index.name) for (schema, _), table in self.tables.items() for index in table.indexes}
        return frozenset({*self.tables, *self.views, *indexes})

    @cached_property
    def _within(self) -> dict[str, Catalog]:
        return {}

    def within(self, schema: str) -> Catalog:
        """The same database, looked at with that schema first in the search path."""
        if schema not in self._within:
            self._within[schema] = replace(self, search_path=(schema, *self.search_path))
        return self._within[schema]

    def find(self, schema: str | None, name: str) -> TableFacts | str | None:
        """A table, or the definition of a view, by a name as a statement has it; without schema the search path decides."""
        for place in (schema,) if schema else self.search_path:
            found = self.tables.get((place, name)) or self.views.get((place, name))
            if found is not None:
                return found
        return None
