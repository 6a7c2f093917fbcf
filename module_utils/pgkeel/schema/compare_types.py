"""Comparing Kysely's types with what prisma-kysely generates today, or with a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from .compare import BY_DATABASE
from .difference import NOTHING, Difference, Kind, Side
from .model import Column, Schema, TypedColumn, TypedSchema

# What a type that accepts anything is called: any narrower type is as right (a typed JSON document, say).
_ANYTHING = {"unknown", "any"}
_UNRESOLVED = "unresolved "


def compare_types(truth: Side, expected: TypedSchema, actual: TypedSchema) -> list[Difference]:
    """Every difference of the committed types (`actual`) from those that they should be."""
    found = list(_enums(truth, expected, actual))
    wrong_enums = {difference.column for difference in found}
    for table in sorted({*expected.tables, *actual.tables}):
        wanted, has = expected.tables.get(table), actual.tables.get(table)
        if has is None:
            found.append(_difference(truth, Kind.MISSING_TABLE, (table, ""), "a table", NOTHING))
        elif wanted is None:
            found.append(_difference(truth, Kind.EXTRA_TABLE, (table, ""), NOTHING, "a table", urgent=True))
        else:
            for name in wanted:
                if name not in has:
                    urgent = not wanted[name].nullable and not wanted[name].generated
                    found.append(
                        _difference(truth, Kind.MISSING_COLUMN, (table, name), describe(wanted[name]), NOTHING, urgent=urgent)
                    )
                else:
                    found += _column(
                        truth, table, wanted[name], has[name], enum_differs=enum_of(expected, wanted[name]) in wrong_enums
                    )
            for name in has:
                if name not in wanted:
                    found.append(_difference(truth, Kind.EXTRA_COLUMN, (table, name), NOTHING, describe(has[name]), urgent=True))
    return found


def types_of(schema: Schema, actual: TypedSchema) -> TypedSchema:
    """What a database says about types that have no generated ones to be compared with: names, nulls and defaults.

    Types themselves are taken from `actual`: which TypeScript type a PostgreSQL type becomes is the driver's affair, and only
    the generator knows what it chose.
    """

    def column(table: str, one: Column) -> TypedColumn:
        written = actual.tables.get(table, {}).get(one.name)
        # Prisma calls a list never null, though its column can be.
        nullable = written.nullable if written and one.type.endswith("[]") else one.nullable
        return TypedColumn(one.name, written.type if written else "a column", nullable, bool(one.default))

    return TypedSchema(
        {table.name: {one.name: column(table.name, one) for one in table.columns.values()} for table in schema.tables.values()},
        actual.enums,
    )


def filled_by_database(generated: TypedSchema, schema: Schema) -> TypedSchema:
    """The generated types, with `Generated` taken from columns that only Prisma's client fills in.

    prisma-kysely knows uuid() and cuid() for such ones, but takes nanoid() and ulid() for defaults of the database: an insert
    through Kysely that leaves them out, as the type allows, fails.
    """

    def corrected(table: str, one: TypedColumn) -> TypedColumn:
        column = schema.tables[table].columns.get(one.name) if table in schema.tables else None
        only_client = column is not None and column.client not in ("", BY_DATABASE) and not column.default and not column.nullable
        return replace(one, generated=False) if only_client else one

    return TypedSchema(
        {table: {name: corrected(table, one) for name, one in columns.items()} for table, columns in generated.tables.items()},
        generated.enums,
    )


def unresolved(expected: TypedSchema, actual: TypedSchema) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Columns, by table and name, and tables whose types nobody can tell here: what is written there, and the tables' names."""
    columns = {
        (table, name): column.type.removeprefix(_UNRESOLVED)
        for table, its in actual.tables.items()
        for name, column in its.items()
        if _untold(expected.tables.get(table, {}).get(name), column)
    }
    return columns, list(actual.unresolved)


def dropped_by(schema: Schema, generated: TypedSchema) -> list[tuple[str, str]]:
    """Tables, and columns of the other ones, that Prisma migrates and its generators do not see (Unsupported, @@ignore)."""
    found = [(table, "") for table in schema.tables if table not in generated.tables]
    for table, columns in generated.tables.items():
        if table in schema.tables:
            found += [(table, column) for column in schema.tables[table].columns if column not in columns]
    return found


def left_out(dropped: Sequence[tuple[str, str]]) -> list[str]:
    """Of `dropped_by`, in sentences."""
    return [
        f"prisma-kysely leaves out {table}{'.' + column if column else ''}: it cannot be compared" for table, column in dropped
    ]


def not_installed(columns: Mapping[tuple[str, str], str], tables: Iterable[str]) -> list[str]:
    """Of `unresolved`, in sentences."""
    things = {**{".".join(place): text for place, text in columns.items()}, **dict.fromkeys(tables, "")}
    return [
        f"The type of {thing}{f' ({text})' if text else ''} comes from a package that is not installed: it cannot be compared"
        for thing, text in things.items()
    ]


def _untold(expected: TypedColumn | None, actual: TypedColumn) -> bool:
    """Whether a name that is not resolved hides if the types are the same; what is expected may be anything, or that name."""
    if expected is None or expected.type == actual.type or expected.type in _ANYTHING:
        return False
    return actual.type.startswith(_UNRESOLVED) or expected.type.startswith(_UNRESOLVED)


def describe(column: TypedColumn) -> str:
    """A column as types.ts writes it."""
    whole = f"{column.type}{' | null' if column.nullable else ''}"
    return f"Generated<{whole}>" if column.generated else whole


def _difference(
    truth: Side, kind: Kind, place: tuple[str, str], expected: str, actual: str, *, urgent: bool = False
) -> Difference:
    """`place` is table and column."""
    return Difference(truth, Side.KYSELY, kind, *place, expected, actual, urgent)


def _enums(truth: Side, expected: TypedSchema, actual: TypedSchema) -> Iterator[Difference]:
    # Only enums that a table uses: a generated file exports all of them, and a hand-written one may write the values out.
    written = {column.type for table in actual.tables.values() for column in table.values()}
    for name, values in sorted(expected.enums.items()):
        if name not in actual.enums:
            if _union(values) not in written and any(
                enum_of(expected, column) == name for table in expected.tables.values() for column in table.values()
            ):
                yield _difference(truth, Kind.MISSING_ENUM, ("", name), ", ".join(values), NOTHING)
        elif set(values) != set(actual.enums[name]):
            yield _difference(truth, Kind.ENUM, ("", name), ", ".join(values), ", ".join(actual.enums[name]), urgent=True)


def _union(values: tuple[str, ...]) -> str:
    """As the reader writes a union of strings."""
    return " | ".join(sorted(f'"{value}"' for value in values))


def enum_of(schema: TypedSchema, column: TypedColumn) -> str:
    """The enum that the column's type is, or is an array of; empty for none."""
    plain = column.type.removesuffix("[]").removeprefix("(").removesuffix(")")
    return next((name for name, values in schema.enums.items() if plain in (name, _union(values))), "")


def _column(truth: Side, table: str, expected: TypedColumn, actual: TypedColumn, *, enum_differs: bool) -> Iterator[Difference]:
    name = expected.name
    if expected.type != actual.type and expected.type not in _ANYTHING and not enum_differs and not _untold(expected, actual):
        yield _difference(truth, Kind.TYPE, (table, name), expected.type, actual.type, urgent=False)
    if expected.nullable != actual.nullable and not (expected.type in _ANYTHING and actual.type in _ANYTHING):
        yield _difference(truth, Kind.NULLABILITY, (table, name), _null(expected), _null(actual))
    if expected.generated != actual.generated:
        # Types that allow an insert without a value that nothing fills in.
        urgent = actual.generated and not expected.nullable
        yield _difference(truth, Kind.GENERATED, (table, name), _generated(expected), _generated(actual), urgent=urgent)


def _null(column: TypedColumn) -> str:
    return "null" if column.nullable else "not null"


def _generated(column: TypedColumn) -> str:
    return "Generated" if column.generated else "not Generated"
