"""What a difference does at run time, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .difference import NOTHING, Difference, Kind, Side
from .drizzle_code import index_code, property_key
from .drizzle_patch import mend, patch
from .drizzle_place import column_as_it_should_be
from .drizzle_source import DrizzleSource
from .drizzle_task import Task
from .index_migration import prisma_line
from .model import Index, Schema, TypedColumn, TypedSchema
from .unmigrated import Inventory

_REGENERATE = "Run npx prisma generate and commit the types that prisma-kysely writes"


@dataclass(frozen=True)
class Sources:
    """What an explanation may draw on; each part is absent where that side is."""

    truth: Schema | None = None
    """The schema that is right."""
    drizzle: DrizzleSource | None = None
    types: TypedSchema | None = None
    """Kysely's committed types."""
    generated: TypedSchema | None = None
    live: Schema | None = None
    inventory: Inventory | None = None
    """What no migration made, and what of the database is ours."""
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Prisma's field by table and column."""


def explain(differences: Sequence[Difference], sources: Sources) -> list[Difference]:
    """The differences with their impact, fix and patch."""
    return [_explained(one, differences, sources) for one in differences]


def combined_patch(differences: Sequence[Difference], sources: Sources) -> str:
    """One unified diff that mends everything in the Drizzle files that can be derived; empty for nothing."""
    if sources.drizzle is None or sources.truth is None:
        return ""
    ours = [one for one in differences if one.wrong is Side.DRIZZLE and one.truth is Side.PRISMA]
    task = Task.of(sources.truth, ours)
    edits = [edit for one in ours for edit in mend(sources.drizzle, task, one)]
    return patch(sources.drizzle, edits) if edits else ""


def _explained(one: Difference, everything: Sequence[Difference], sources: Sources) -> Difference:
    impact = _IMPACT[one.kind](one)
    if one.wrong is Side.DRIZZLE:
        return replace(one, impact=impact, fix=_drizzle_fix(one, everything, sources), patch=combined_patch([one], sources))
    if one.wrong is Side.KYSELY:
        return replace(one, impact=impact, fix=_kysely_fix(one, sources))
    return replace(one, impact=impact, fix=_live_fix(one, sources))


# ---- impact ----------------------------------------------------------------------------------------------------------------


def _missing_table(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        return f'Every query on {one.table} fails: relation "{one.table}" does not exist (42P01).'
    return f"{one.wrong.value.title()} cannot query {one.table}; it does not break what exists."


def _extra_table(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        return f"Nothing fails, but no migration owns {one.table}: prisma migrate dev reports drift and offers a reset."
    return f'Every query on {one.table} compiles and fails at run time: relation "{one.table}" does not exist (42P01).'


def _missing_column(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        return f'Every query that names {one.table}.{one.column} fails: column "{one.column}" does not exist (42703).'
    if one.urgent:
        return (
            f"Every insert into {one.table} fails: {one.column} is not null, has no default in the database and cannot be given "
            "(23502). Selects cannot see it."
        )
    return (
        f"{one.wrong.value.title()} can neither read nor write {one.table}.{one.column}; what others write there it cannot see."
    )


def _extra_column(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        insert = " Inserts fail: it is not null and nothing fills it (23502)." if one.urgent else ""
        return f"Prisma does not know {one.table}.{one.column}: prisma migrate dev reports drift and would drop it.{insert}"
    return (
        f"A select of all columns of {one.table}, and any write that names {one.column}, compiles and fails at run time: "
        f'column "{one.column}" does not exist (42703).'
    )


def _type(one: Difference) -> str:
    if one.wrong is Side.KYSELY:
        return f"TypeScript takes {one.table}.{one.column} for {one.actual} while the driver returns {one.expected}."
    if one.urgent:
        return (
            f"Values of {one.actual} are not those of {one.expected}: what one side writes, the other can refuse or convert, and "
            "migrations made from this side would rewrite the column."
        )
    return f"Length or precision differ: what {one.actual} promises is not what {one.expected} keeps."


def _nullability(one: Difference) -> str:
    if one.actual == "null":
        return f"Writing null into {one.table}.{one.column} compiles and fails at run time: not-null constraint (23502)."
    return (
        f"{one.table}.{one.column} can be null although the types say it cannot: reading it gives null where no code expects it."
    )


def _default(one: Difference) -> str:
    if one.urgent:
        return (
            f"An insert into {one.table} without {one.column} fails: neither the database nor anything else fills it in "
            "(not-null constraint, 23502)."
        )
    if "again with every update" in one.expected:
        return f"Updates leave {one.table}.{one.column} as it was: rows changed through this side look unchanged."
    return (
        f"An insert without {one.column} stores another value than the schema says, or has to give one that needs not be given."
    )


def _enum(one: Difference) -> str:
    if one.expected == NOTHING:
        return "No column uses it; it only misleads."
    return (
        f"Rows with a value that only one side knows cannot be written (22P02: invalid input value for enum {one.column}), "
        "or come back as a value outside the type."
    )


def _missing_enum(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        return f'Every cast to it fails: type "{one.column}" does not exist (42704).'
    return f"Columns of {one.column} accept any text in TypeScript; a value outside it fails at run time (22P02)."


def _primary_key(one: Difference) -> str:
    return f"Upserts and relations by the key of {one.table} rest on a key that the other side lacks (42P10 for ON CONFLICT)."


def _unique(one: Difference) -> str:
    if one.expected == NOTHING and one.wrong is Side.LIVE:
        return f"A second row of {one.table} with the same {one.column}, which schema.prisma allows, fails at run time (23505)."
    if one.expected == NOTHING:
        return f"ON CONFLICT ({one.column}) on {one.table} compiles and fails at run time (42P10): no such unique index exists."
    if one.wrong is Side.LIVE:
        return f"Duplicates of {one.column} can enter {one.table}, and ON CONFLICT on it fails (42P10)."
    return f"The code does not know that {one.table} ({one.column}) is unique: a second row fails at run time (23505)."


def _foreign_key(one: Difference) -> str:
    if one.wrong is Side.LIVE:
        return f"Rows of {one.table} can point nowhere, or deletes behave otherwise than the schema says."
    return "The database acts as Prisma says; code and migrations on this side expect something else on delete or update."


def _index(one: Difference) -> str:
    if one.expected == NOTHING and one.wrong is Side.LIVE:
        return "It works, but schema.prisma does not have it: prisma migrate dev calls it drift, or drops it."
    if one.wrong is Side.LIVE:
        return f"Queries that {one.expected} was made for read the whole table."
    return "Nothing fails: only this side's picture of the indexes is wrong."


def _generated(one: Difference) -> str:
    if one.urgent:
        return f"An insert into {one.table} without {one.column} compiles and fails at run time (not-null constraint, 23502)."
    return f"TypeScript demands a value for {one.table}.{one.column} that the database would fill in, or the other way round."


_IMPACT = {
    Kind.MISSING_TABLE: _missing_table,
    Kind.EXTRA_TABLE: _extra_table,
    Kind.MISSING_ENUM: _missing_enum,
    Kind.MISSING_COLUMN: _missing_column,
    Kind.EXTRA_COLUMN: _extra_column,
    Kind.TYPE: _type,
    Kind.NULLABILITY: _nullability,
    Kind.DEFAULT: _default,
    Kind.ENUM: _enum,
    Kind.PRIMARY_KEY: _primary_key,
    Kind.UNIQUE: _unique,
    Kind.FOREIGN_KEY: _foreign_key,
    Kind.INDEX: _index,
    Kind.GENERATED: _generated,
}


# ---- fixes -----------------------------------------------------------------------------------------------------------------


def _drizzle_fix(  # noqa: PLR0911 - one return a kind
    one: Difference, everything: Sequence[Difference], sources: Sources
) -> str:
    source, truth = sources.drizzle, sources.truth
    if source is None or truth is None:
        return "Change the Drizzle schema"
    place = source.place(one.table, one.column) or source.place(one.table)
    where = f"{place}: " if place else ""
    written = source.written(one.table, one.column)
    task = Task.of(truth, [one])
    code = column_as_it_should_be(source, task, one.table, one.column)
    # What the patch does, where it does something: a key can stand behind its column or in the table.
    edits = mend(source, task, one)
    match one.kind:
        case Kind.MISSING_TABLE if source.unexported(one.table):
            return f"{where}export the table {one.table}: what is not exported does not exist for Drizzle's tools"
        case Kind.MISSING_TABLE:
            return f"Add the table {one.table} to the Drizzle schema; Prisma's columns are in the patch"
        case Kind.EXTRA_TABLE:
            return f"{where}remove the table {one.table}, or add it to schema.prisma and migrate"
        case Kind.MISSING_ENUM | Kind.ENUM:
            return _enum_fix(one, source)
        case Kind.MISSING_COLUMN:
            line = f"{property_key(source.names.property(one.table, one.column))}: {code.text}," if code else one.expected
            return f"{where}add {line}"
        case Kind.EXTRA_COLUMN:
            twin = _renamed_to(one, everything)
            return f"{where}rename {one.column} to {twin}" if twin else f"{where}remove {written or one.column}"
        case Kind.INDEX | Kind.UNIQUE | Kind.FOREIGN_KEY | Kind.PRIMARY_KEY if edits:
            return "; ".join(source.describe(edit) for edit in edits)
        case Kind.INDEX | Kind.UNIQUE if code is None or one.kind is Kind.INDEX or not written:
            index = next((found for found in truth.tables[one.table].indexes if ",".join(found.columns) == one.column), None)
            if one.expected == NOTHING or index is None:
                return f"{where}remove {one.actual}"
            code = index_code(index, one.table, source.names)
            return f"{where}write {code.text}" if code else f"{where}Drizzle cannot express {one.expected}"
        case _ if code and written and not written.endswith(f": {code.text}"):
            return f"{where}replace {written} with {property_key(written.split(':')[0].strip())}: {code.text}"
        case _:
            return f"{where}make it {one.expected} instead of {one.actual}"


def _enum_fix(one: Difference, source: DrizzleSource) -> str:
    if one.expected == NOTHING:
        return f"Remove the pgEnum {one.column}, or add it to schema.prisma and migrate"
    other = source.other_name(one.column)
    if one.kind is Kind.ENUM:
        return f"Give the pgEnum {other or one.column} the values {one.expected}"
    if other:
        return f"Rename the pgEnum {other} to {one.column}, which is what the database calls it"
    return f"Declare pgEnum({one.column!r}) with the values {one.expected}"


def _renamed_to(one: Difference, everything: Sequence[Difference]) -> str:
    """The column that the extra one most likely stands for: the only missing one of its table with a name that begins like it."""
    missing = [
        other.column
        for other in everything
        if other.pair == one.pair and other.kind is Kind.MISSING_COLUMN and other.table == one.table
    ]
    alike = [
        name for name in missing if name.lower().startswith(one.column.lower()) or one.column.lower().startswith(name.lower())
    ]
    return alike[0] if len(alike) == 1 else ""


def _kysely_fix(one: Difference, sources: Sources) -> str:
    expected = (sources.generated.tables.get(one.table, {}) if sources.generated else {}).get(one.column)
    actual = (sources.types.tables.get(one.table, {}) if sources.types else {}).get(one.column)
    place = f" {actual.place}:" if actual else ""
    if sources.generated is None:
        # Without Prisma's schema, or where its generator fails, running it again would be no cure.
        return _kysely_fix_by_hand(one, actual)
    if one.kind is Kind.GENERATED and expected and expected.generated and one.expected == "not Generated":
        return (
            f"{place.strip()} prisma-kysely takes for a default of the database what Prisma's client fills in: give {one.column} "
            "one that the database has (@default(dbgenerated(...))), or give a value with every insert through Kysely and take "
            "Generated away"
        )
    if expected and actual:
        return f"{_REGENERATE};{place} {actual.line} becomes {expected.line}"
    if expected:
        return f"{_REGENERATE}; it adds {expected.line}"
    if actual:
        return f"{_REGENERATE};{place} {actual.line} goes"
    return _REGENERATE


def _kysely_fix_by_hand(one: Difference, actual: TypedColumn | None) -> str:
    where = f"{actual.place}: " if actual else ""
    thing = ".".join(part for part in (one.table, one.column) if part)
    if one.expected == NOTHING:
        return f"{where}take {actual.line if actual else thing} out of Kysely's types: the database does not have it"
    if one.actual == NOTHING:
        return f"Add {thing} ({one.expected}) to Kysely's types"
    return f"{where}make {actual.line if actual else thing} {one.expected} instead of {one.actual}"


def _live_fix(one: Difference, sources: Sources) -> str:
    live = sources.live
    indexes = live.tables[one.table].indexes if live and one.table in live.tables else ()
    made = next((index for index in indexes if index.describe() == one.actual), None)
    if one.expected == NOTHING and one.kind in (Kind.INDEX, Kind.UNIQUE) and made and made.definition:
        return _index_fix(made, one, sources)
    if one.actual == NOTHING:
        return "Deploy the migration that makes it: npx prisma migrate deploy; where there is none, npx prisma migrate dev"
    if one.expected == NOTHING:
        return (
            "Write a migration for it (npx prisma migrate dev --create-only) and mark it as applied "
            "(npx prisma migrate resolve --applied), or remove it from the database"
        )
    return (
        "Bring the database to what schema.prisma says with a migration: npx prisma migrate dev, then npx prisma migrate deploy"
    )


def _index_fix(index: Index, one: Difference, sources: Sources) -> str:
    """For an index that schema.prisma does not have: the line that it wants, and the migration file."""
    line = prisma_line(index, sources.fields.get(one.table, {}))
    declare = f"add {line} to its model in schema.prisma" if line else "Prisma's language cannot express it"
    listed = sources.inventory.objects if sources.inventory else ()
    known = next((found for found in listed if found.table == one.table and found.definition == index.definition), None)
    if known and known.owner and not known.migrated:
        return (
            f"It is pgkeel's own ({known.owner}): write {known.migration} with playbooks/indexes.yml "
            f"-e indexes_migrations_dir=PATH/prisma/migrations; {declare}"
        )
    if sources.inventory and (known is None or known.migrated):
        return f"A migration makes it, and only schema.prisma lacks it: {declare}"
    statement = index.definition.replace(" INDEX ", " INDEX IF NOT EXISTS ", 1)
    if line:
        return f"Declare it: {declare}; give it a migration file (npx prisma migrate dev --create-only) with: {statement};"
    return f"{declare}: give it a migration file (npx prisma migrate dev --create-only) with: {statement};"
