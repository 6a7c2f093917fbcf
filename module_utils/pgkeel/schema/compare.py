"""Comparing two schemas that were read from catalogs. One difference a fact: what follows from another one is not said again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

from .defaults import value
from .difference import NOTHING, Difference, Kind, Side
from .model import Column, ForeignKey, Index, Schema, Table
from .renamed_enums import renamed_enums

T = TypeVar("T")
BY_DATABASE = "dbgenerated()"
"""Prisma's way to say that the database fills a column in, however it does that."""


@dataclass(frozen=True)
class Rejected:
    """A foreign key of the wrong side that PostgreSQL refused to create."""

    table: str
    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What is compared with what."""

    truth: Side
    wrong: Side
    expected: Schema
    actual: Schema
    rejected: tuple[Rejected, ...] = ()

    def difference(self, kind: Kind, table: str, column: str, expected: str, actual: str, *, urgent: bool = False) -> Difference:
        """A difference between these two sides."""
        return Difference(self.truth, self.wrong, kind, table, column, expected, actual, urgent)


def compare(sides: Comparison) -> list[Difference]:
    """Every difference, tables in alphabetical order."""
    renamed = renamed_enums(sides.expected, sides.actual)
    found = list(_enums(sides, renamed))
    for name in sorted({*sides.expected.tables, *sides.actual.tables}):
        expected, actual = sides.expected.tables.get(name), sides.actual.tables.get(name)
        if actual is None:
            found.append(sides.difference(Kind.MISSING_TABLE, name, "", "a table", NOTHING, urgent=sides.wrong is Side.LIVE))
        elif expected is None:
            found.append(sides.difference(Kind.EXTRA_TABLE, name, "", NOTHING, "a table", urgent=sides.wrong is not Side.LIVE))
        else:
            found += _table(sides, expected, actual, renamed)
    return found


def unexplained(sides: Comparison, found: Sequence[Difference]) -> list[str]:
    """Foreign keys that could not be created although nothing else about them differs: sentences."""
    return [
        f"The foreign key of {one.table} ({', '.join(one.columns)}) could not be created: {one.reason}"
        for one in sides.rejected
        if not any(difference.table == one.table and difference.column in one.columns for difference in found)
        and not any(difference.kind in (Kind.TYPE, Kind.PRIMARY_KEY, Kind.UNIQUE) for difference in found)
    ]


# ---- enums -----------------------------------------------------------------------------------------------------------------


def _used(schema: Schema, enum: str) -> bool:
    return any(column.enum == enum for table in schema.tables.values() for column in table.columns.values())


def _enums(sides: Comparison, renamed: Mapping[str, str]) -> Iterator[Difference]:
    expected, actual = sides.expected.enums, sides.actual.enums
    for name in sorted({*expected, *actual}):
        if name not in actual:
            yield sides.difference(Kind.MISSING_ENUM, "", name, _values(expected[name]), NOTHING, urgent=sides.wrong is Side.LIVE)
            # Its name is one fact and its values are another: mending the one leaves the other.
            yield from _enum_values(sides, name, renamed.get(name, ""))
        elif name not in expected:
            # An extra enum is a fact of its own only where nothing else speaks of it.
            if name not in renamed.values() and not _used(sides.actual, name):
                yield sides.difference(Kind.ENUM, "", name, NOTHING, _values(actual[name]))
        else:
            yield from _enum_values(sides, name, name)


def _enum_values(sides: Comparison, name: str, other: str) -> Iterator[Difference]:
    """Of an enum that the wrong side calls `other`; empty where it has it not."""
    expected, actual = sides.expected.enums[name], sides.actual.enums.get(other, ())
    urgent = set(expected) != set(actual)
    if other and (urgent or (sides.wrong is Side.LIVE and expected != actual)):
        yield sides.difference(Kind.ENUM, "", name, _values(expected), _values(actual), urgent=urgent)


def _columns(schema: Schema, table: str) -> dict[str, Column]:
    found = schema.tables.get(table)
    return dict(found.columns) if found else {}


def _values(values: Iterable[str]) -> str:
    return ", ".join(values)


# ---- one table -------------------------------------------------------------------------------------------------------------


def _table(sides: Comparison, expected: Table, actual: Table, renamed: Mapping[str, str]) -> Iterator[Difference]:
    gone = set(expected.columns) - set(actual.columns)
    new = set(actual.columns) - set(expected.columns)
    for name, column in expected.columns.items():
        if name in gone:
            # An insert cannot leave out what the database demands.
            needed = not column.nullable and not column.default and column.client != BY_DATABASE
            yield sides.difference(
                Kind.MISSING_COLUMN, expected.name, name, describe(column), NOTHING, urgent=needed or sides.wrong is Side.LIVE
            )
        else:
            yield from _column(sides, expected, actual, name, renamed)
    for name in actual.columns:
        if name in new:
            column = actual.columns[name]
            urgent = sides.wrong is not Side.LIVE or (not column.nullable and not column.default)
            yield sides.difference(Kind.EXTRA_COLUMN, expected.name, name, NOTHING, describe(column), urgent=urgent)
    if expected.primary_key != actual.primary_key and not gone & set(expected.primary_key):
        columns = ",".join(expected.primary_key or actual.primary_key)
        yield sides.difference(
            Kind.PRIMARY_KEY, expected.name, columns, _key(expected, actual), _key(actual, expected), urgent=False
        )
    yield from _foreign_keys(sides, expected, actual, gone, new)
    yield from _indexes(sides, expected, actual, gone, new)


def describe(column: Column) -> str:
    """A column in words."""
    default = f" default {column.default}" if column.default else f" ({column.client} by the client)" if column.client else ""
    return f"{column.type}{'' if column.nullable else ' not null'}{default}"


def _key(table: Table, other: Table) -> str:
    """The primary key, or the unique index that stands in for the other side's: Prisma 5 made those for relation tables."""
    if table.primary_key:
        return f"primary key ({', '.join(table.primary_key)})"
    stand_in = any(_is_key(index, other.primary_key) for index in table.indexes)
    return f"unique index ({', '.join(other.primary_key)})" if stand_in else NOTHING


def _is_key(index: Index, columns: tuple[str, ...]) -> bool:
    return index.unique and index.columns == columns and not index.predicate


def _column(sides: Comparison, table: Table, other: Table, name: str, renamed: Mapping[str, str]) -> Iterator[Difference]:
    expected, actual = table.columns[name], other.columns[name]
    # Where the enum itself is missing or has another name, that is the fact.
    enum_missing = expected.enum and expected.enum not in sides.actual.enums
    if expected.type != actual.type and not (enum_missing and _follows(expected, actual, renamed)):
        yield sides.difference(Kind.TYPE, table.name, name, expected.type, actual.type, urgent=_fails(expected.type, actual.type))
    key_differs = table.primary_key != other.primary_key and name in {*table.primary_key, *other.primary_key}
    if expected.nullable != actual.nullable and not key_differs:
        yield sides.difference(Kind.NULLABILITY, table.name, name, _nullable(expected), _nullable(actual))
    yield from _default(sides, table.name, expected, actual)


def _follows(expected: Column, actual: Column, renamed: Mapping[str, str]) -> bool:
    """Whether the other type is only what became of an enum that the wrong side lacks, or calls otherwise."""
    other = renamed.get(expected.enum, "")
    lists_alike = expected.type.endswith("[]") == actual.type.endswith("[]")
    return actual.enum == other and (lists_alike or not other)


_FAMILIES: tuple[tuple[str, ...], ...] = (
    ("text", "character varying", "character"),
    ("timestamp", "date"),
    ("time",),
    ("smallint", "integer", "bigint", "numeric", "real", "double precision"),
    ("json", "jsonb"),
    ("interval",),
)


def _fails(expected: str, actual: str) -> bool:
    """Whether values of the one type are refused for the other, more than by their length or size."""

    def family(name: str) -> str:
        base = re.match(r"[a-z ]+?(?=\(| with|$)", name.removesuffix("[]"))
        return next((kind[0] for kind in _FAMILIES if base and base[0] in kind), name)

    return expected.endswith("[]") != actual.endswith("[]") or family(expected) != family(actual)


def _nullable(column: Column) -> str:
    return "null" if column.nullable else "not null"


def _default(sides: Comparison, table: str, expected: Column, actual: Column) -> Iterator[Difference]:
    say = _said_default
    # That the same value is written in another form follows from the type.
    if expected.type != actual.type and expected.default and value(*_typed(expected)) == value(*_typed(actual)):
        actual = replace(actual, default=expected.default)
    if expected.client == BY_DATABASE and sides.truth is Side.PRISMA:
        differs = not actual.default and not actual.client
        urgent = differs and sides.wrong is Side.LIVE and not actual.nullable
    elif sides.wrong is Side.LIVE:
        differs, urgent = expected.default != actual.default, not actual.default and not actual.nullable
    elif sides.truth is Side.LIVE:
        differs, urgent = _misses(expected, actual), not expected.default and bool(actual.default) and not expected.nullable
    else:
        # The client fills what the database does not: a mirror must do the same, or its inserts have no value.
        stale = expected.client == "@updatedAt" and bool(actual.client) and not actual.on_update
        differs = _misses(expected, actual) or (bool(expected.client) and not actual.client and not actual.default) or stale
        urgent = differs and not expected.default and not expected.nullable and not stale
    if differs:
        yield sides.difference(Kind.DEFAULT, table, expected.name, say(expected), say(actual), urgent=urgent)


def _typed(column: Column) -> tuple[str, str]:
    return column.default, column.type


def _misses(expected: Column, actual: Column) -> bool:
    """Whether a mirror promises another default than the database has; one that its client fills needs no promise."""
    if expected.default == actual.default:
        return False
    return bool(actual.default) or not actual.client


def _said_default(column: Column) -> str:
    if column.default:
        return f"default {column.default}"
    if column.client == BY_DATABASE:
        return "filled in by the database"
    if column.client:
        again = ", again with every update" if column.on_update or column.client == "@updatedAt" else ""
        return f"{column.client} by the client{again}"
    return "no default"


# ---- keys and indexes ------------------------------------------------------------------------------------------------------


def _foreign_keys(sides: Comparison, expected: Table, actual: Table, gone: set[str], new: set[str]) -> Iterator[Difference]:
    def follows(key: ForeignKey) -> bool:
        """From a missing or extra table or column, or from what made PostgreSQL refuse the key (see `unexplained`)."""
        return (
            bool({*gone, *new} & set(key.columns))
            or key.table not in sides.actual.tables
            or key.table not in sides.expected.tables
            or any(name not in _columns(sides.actual, key.table) for name in key.referenced)
            or any(one.table == expected.name and one.columns == key.columns for one in sides.rejected)
        )

    left = [key for key in expected.foreign_keys if key not in actual.foreign_keys and not follows(key)]
    right = [key for key in actual.foreign_keys if key not in expected.foreign_keys and not follows(key)]
    for one, other in _paired(left, right, [lambda key: key.columns]):
        named = one or other
        if named is not None:
            texts = (one.describe() if one else NOTHING, other.describe() if other else NOTHING)
            yield sides.difference(Kind.FOREIGN_KEY, expected.name, ",".join(named.columns), *texts)


def _indexes(sides: Comparison, expected: Table, actual: Table, gone: set[str], new: set[str]) -> Iterator[Difference]:
    precise = sides.wrong is Side.LIVE
    nullable = {name for name, column in actual.columns.items() if column.nullable} if precise else set()

    def identity(index: Index) -> object:
        # PostgreSQL cannot tell where nulls go in a column that has none, and a mirror builds no index.
        keys = tuple(
            (key.text, key.descending, key.nulls_first if key.text in nullable else None, key.opclass) for key in index.keys
        )
        return keys, index.method, index.unique, index.nulls_not_distinct, index.include, index.predicate

    def usable(table: Table) -> list[Index]:
        # An index with an expression of a missing column cannot be there either; one that is the primary key is no second one.
        return [
            index
            for index in table.indexes
            if not {*gone, *new} & set(index.columns)
            and not _is_key(index, expected.primary_key)
            and not _is_key(index, actual.primary_key)
        ]

    here, there = usable(expected), usable(actual)
    found, wanted = {identity(index) for index in there if index.valid}, {identity(index) for index in here}
    left = _distinct([index for index in here if identity(index) not in found], identity)
    right = _distinct([index for index in there if identity(index) not in (wanted if index.valid else found)], identity)
    alike: list[Callable[[Index], object]] = [
        lambda index: (index.unique, index.columns),
        lambda index: (index.unique, frozenset(index.columns)),
        lambda index: frozenset(index.columns),
    ]
    matched = _paired(left, right, alike)
    for one, other in _shortened(list(matched)):
        named = one or other
        if named is None:
            continue
        kind = Kind.UNIQUE if (one and one.unique) or (other and other.unique) else Kind.INDEX
        invalid = " (invalid)" if other and not other.valid else ""
        texts = (one.describe() if one else NOTHING, other.describe() + invalid if other else NOTHING)
        yield sides.difference(kind, expected.name, ",".join(named.columns), *texts)


def _shortened(pairs: Sequence[tuple[Index | None, Index | None]]) -> list[tuple[Index | None, Index | None]]:
    """An index that lost or gained columns behind its first one is one index that differs, not one missing and one too many."""
    found = list(pairs)
    for place, (one, _) in enumerate(found):
        for other_place, (missing, other) in enumerate(found):
            if one is None or other is None or missing is not None or found[place][1] is not None:
                continue
            ours, theirs = set(one.columns), set(other.columns)
            if one.unique == other.unique and one.columns[0] == other.columns[0] and (ours < theirs or theirs < ours):
                found[place], found[other_place] = (one, other), (None, None)
    return found


def _distinct(items: Iterable[T], identity: Callable[[T], object]) -> list[T]:
    return list({identity(item): item for item in reversed(list(items))}.values())[::-1]


def _paired(left: list[T], right: list[T], keys: Sequence[Callable[[T], object]]) -> Iterator[tuple[T | None, T | None]]:
    """Each of the left with one of the right that is alike by the earliest key; then those that stay alone."""
    for key in keys:
        for one in list(left):
            match = next((other for other in right if key(other) == key(one)), None)
            if match is not None:
                left.remove(one)
                right.remove(match)
                yield one, match
    yield from chain(((one, None) for one in left), ((None, other) for other in right))
