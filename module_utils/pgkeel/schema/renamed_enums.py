"""Enums that the wrong side has by another name."""

from __future__ import annotations

from collections.abc import Callable

from .model import Schema

Place = tuple[str, str]


def renamed_enums(expected: Schema, actual: Schema) -> dict[str, str]:
    """The expected name and the actual one, each at most once.

    An enum is the same one where the columns that both sides have say so, whatever its values are; values alone say it of an enum
    that no such column settles.
    """
    missing, spare = sorted(set(expected.enums) - set(actual.enums)), sorted(set(actual.enums) - set(expected.enums))
    both = _places(expected) & _places(actual)
    here = {name: _columns_of(expected, name) & both for name in missing}
    there = {name: _columns_of(actual, name) & both for name in spare}

    def same_values(name: str, other: str) -> bool:
        return set(expected.enums[name]) == set(actual.enums[other])

    def same_columns(name: str, other: str) -> bool:
        return bool(there[other]) and there[other] == here[name]

    def some_columns(name: str, other: str) -> bool:
        return bool(there[other]) and there[other] < here[name]

    signs: list[Callable[[str, str], bool]] = [
        lambda name, other: same_values(name, other) and same_columns(name, other),
        same_columns,
        same_values,
        some_columns,
    ]
    found: dict[str, str] = {}
    for sign in signs:
        for name in missing:
            match = next((other for other in spare if other not in found.values() and sign(name, other)), None)
            if name not in found and match:
                found[name] = match
    return found


def _places(schema: Schema) -> set[Place]:
    return {(table.name, column) for table in schema.tables.values() for column in table.columns}


def _columns_of(schema: Schema, enum: str) -> set[Place]:
    return {(table.name, one.name) for table in schema.tables.values() for one in table.columns.values() if one.enum == enum}
