"""How a statement uses tables: the shape of what ``resolve`` finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..postgres.index_declaration import IndexKey
from .facts import TableFacts


@dataclass(frozen=True)
class Pattern:
    """A column or expression compared with a pattern."""

    key: IndexKey
    text: str | None
    """The pattern, None where the statement does not say it."""
    regex: bool = False
    ignore_case: bool = False


@dataclass
class Use:
    """One table at one place of a statement. A key is a column or an expression over this table alone."""

    table: TableFacts
    equal: list[IndexKey] = field(default_factory=list)
    """Compared with a value, or with one of several."""
    ranges: list[IndexKey] = field(default_factory=list)
    joins: list[IndexKey] = field(default_factory=list)
    """Compared for equality with another table's column."""
    together: dict[int, list[IndexKey]] = field(default_factory=dict)
    """Of these, those that meet one and the same other table: a key of several columns."""
    either: list[IndexKey] = field(default_factory=list)
    """Compared in one arm of an OR: worth an index only alone."""
    order: list[tuple[IndexKey, bool, bool]] = field(default_factory=list)
    """Key, descending, nulls first; the leading part of ORDER BY as far as it lies in this table."""
    windows: list[tuple[tuple[IndexKey, bool, bool], ...]] = field(default_factory=list)
    """The same of what each OVER goes through."""
    group: list[IndexKey] = field(default_factory=list)
    extremes: list[IndexKey] = field(default_factory=list)
    """Asked for its least or greatest value."""
    needed: set[str] | None = field(default_factory=set)
    """Columns that are read at all; None for all of them."""
    constants: list[str] = field(default_factory=list)
    """Conditions without any parameter, as SQL: what a partial index may say."""
    contains: list[IndexKey] = field(default_factory=list)
    """Left of ``@>``, ``&&`` or ``@?``."""
    key_exists: list[IndexKey] = field(default_factory=list)
    """Asked for a key with ``?``."""
    fulltext: list[IndexKey] = field(default_factory=list)
    """Left of ``@@``: a text's words, or a document and the path of a condition."""
    patterns: list[Pattern] = field(default_factory=list)
    assigned: set[str] = field(default_factory=set)
    """Columns that an UPDATE sets."""

    def join(self, key: IndexKey, other: Use | None) -> None:
        """Note that the key is compared for equality with something of another table, if that is known."""
        self.joins.append(key)
        if other is not None:
            self.together.setdefault(id(other), []).append(key)


@dataclass(frozen=True)
class Parameter:
    """What a ``$n`` is compared with or given to."""

    number: int
    table: tuple[str, str] | None = None
    column: str = ""
    role: str = ""
    """``=``, ``<``, ``>``, ``like``, ``@>``, ``any``, ``limit``, ``offset``, ``key`` (of JSON), ``function:position``."""


@dataclass
class Usage:
    """A statement."""

    uses: list[Use] = field(default_factory=list)
    parameters: dict[int, Parameter] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    """Names of all functions called, in views as well."""
    unknown: set[str] = field(default_factory=set)
    """Relations that the catalog does not have."""
    reads_only: bool = True
    locks: bool = False
    """SELECT … FOR UPDATE and its like."""
    kind: str = "select"
    limited: bool = False
