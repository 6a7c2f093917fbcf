"""What the live database has and no migration made, and which of it is pgkeel's own, with the migration file it needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .difference import Difference, Kind
from .index_migration import FILE, OwnIndex, OwnMigration, made_by, next_migration
from .model import Index, Schema
from .objects import DatabaseObject

# Schemas that pgkeel's own roles and programs make, and what for.
OUR_SCHEMAS = {"pgbouncer": "roles/pgbouncer, to look up logins", "pgkeel": "the reference data's record of itself"}
_EXTENSION = re.compile(r'\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?"?([\w-]+)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Declared:
    """What the inventory declares of this database."""

    indexes: tuple[OwnIndex, ...] = ()
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unmigrated:
    """An object that no migration of the application made, or one of ours whichever made it."""

    object: str
    """``index BehaviorLog_payload_idx on BehaviorLog``."""
    owner: str = ""
    """Why it is pgkeel's own: ``database_indexes``; empty when somebody else made it."""
    migration: str = ""
    """The migration file that makes it, or for one of ours the file that would; empty where there is none."""
    migrated: bool = False
    """Whether that file exists."""
    managed: bool = True
    """Whether it stands in a schema that the ORMs manage, so that Prisma would see it as drift."""
    table: str = ""
    definition: str = ""

    @property
    def against(self) -> bool:
        """Whether it speaks against migrations owning the database."""
        return self.managed and not self.migrated

    def describe(self) -> str:
        """One line."""
        if not self.owner:
            return self.object if self.managed else f"{self.object} (in a schema that no ORM manages)"
        if self.migrated and self.migration:
            return f"{self.object} (ours, {self.owner}; migration file {self.migration})"
        if self.migration:
            return f"{self.object} (ours, {self.owner}; no migration file yet, {self.migration} is to be written)"
        return f"{self.object} (ours, {self.owner})"

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "object": self.object,
            "table": self.table or None,
            "ours": bool(self.owner),
            "owner": self.owner or None,
            "migration": self.migration or None,
            "migrated": self.migrated,
            "managed": self.managed,
            "definition": self.definition or None,
        }


@dataclass(frozen=True)
class Inventory:
    """The objects, and the migration that would make those of ours that have none."""

    objects: tuple[Unmigrated, ...]
    missing: OwnMigration | None = None


@dataclass(frozen=True)
class Seen:
    """What is known of the live database and of what the migrations make."""

    live: Schema
    unowned: Sequence[Difference]
    """What the live schema has and the migrations' has not."""
    built: Schema
    """What the migrations make, and after them the declared indexes: how PostgreSQL prints those."""
    migrations: Mapping[str, str] | None
    """SQL by name; None where the folder was not given, and schema.prisma stands in for it."""
    objects: Collection[DatabaseObject] = ()
    """Of the live database."""
    made: Collection[DatabaseObject] = ()
    """Of the database that the migrations made."""
    elsewhere: Sequence[str] = ()
    """Live tables in schemas that no ORM manages."""


def inventory(seen: Seen, declared: Declared) -> Inventory:
    """Ours first, then the others in alphabetical order."""
    ours = _our_indexes(seen, declared)
    accounted = {(table, index.describe()) for table, index, _ in ours}
    loose = {(one.table, one.actual) for one in seen.unowned if one.kind in (Kind.INDEX, Kind.UNIQUE)}
    lacking = [own for table, index, own in ours if (table, index.describe()) in loose]
    missing = next_migration(seen.migrations or {}, lacking) if lacking else None
    found = [
        _our_index(seen, (table, index), missing if (table, index.describe()) in loose else None) for table, index, _ in ours
    ]
    unowned = [
        _other(one, seen.live)
        for one in seen.unowned
        if (one.table, one.actual) not in accounted or one.kind not in (Kind.INDEX, Kind.UNIQUE)
    ]
    return Inventory(
        (*found, *sorted([*unowned, *_objects(seen, declared)], key=lambda one: (not one.owner, one.object))), missing
    )


def _our_indexes(seen: Seen, declared: Declared) -> list[tuple[str, Index, OwnIndex]]:
    """Declared indexes that are there as declared: table, the live index, and what was declared."""
    found = []
    for own in declared.indexes:
        live, built = _named(seen.live, own), _named(seen.built, own)
        if own.present and live and built and live.describe() == built.describe():
            found.append((own.table, live, own))
    return found


def _named(schema: Schema, own: OwnIndex) -> Index | None:
    table = schema.tables.get(own.table)
    return next((index for index in table.indexes if index.name == own.name), None) if table else None


def _our_index(seen: Seen, place: tuple[str, Index], missing: OwnMigration | None) -> Unmigrated:
    table, index = place
    if missing:
        file = f"{missing.name}/{FILE}"
    else:
        folder = made_by(seen.migrations or {}, index.name)
        file = f"{folder}/{FILE}" if folder else ""
    return Unmigrated(
        f"index {index.name} on {table}",
        "database_indexes",
        file,
        migrated=missing is None,
        table=table,
        definition=index.definition,
    )


def _other(one: Difference, live: Schema) -> Unmigrated:
    if one.kind in (Kind.INDEX, Kind.UNIQUE) and one.table in live.tables:
        index = next((index for index in live.tables[one.table].indexes if index.describe() == one.actual), None)
        name = f"index {index.name} on {one.table}" if index else f"index {one.actual} on {one.table}"
        return Unmigrated(name, table=one.table, definition=index.definition if index else "")
    thing = ".".join(part for part in (one.table, one.column) if part)
    kinds = {Kind.EXTRA_TABLE: "table", Kind.EXTRA_COLUMN: "column"}
    return Unmigrated(f"{kinds.get(one.kind, one.kind.value.replace('_', ' '))} {thing}", table=one.table)


def _objects(seen: Seen, declared: Declared) -> list[Unmigrated]:
    spoken = {"public"} | {name.partition(".")[0] for name in (*seen.live.tables, *seen.live.enums) if "." in name}

    def judged(name: str, namespace: str) -> Unmigrated:
        owner = OUR_SCHEMAS.get(namespace, "")
        return Unmigrated(name, owner, managed=not owner and namespace in spoken)

    found = [judged(f"table {table}", table.partition(".")[0]) for table in seen.elsewhere]
    if seen.migrations is None:
        # schema.prisma can say nothing of views, functions and the like.
        return found
    # The throwaway databases have extensions for everybody: only the text says which the application makes.
    named = {name.lower() for text in seen.migrations.values() for name in _EXTENSION.findall(text)}
    extra = set(seen.objects) - set(seen.made)
    found += [judged(str(one), one.namespace) for one in extra if one.kind != "extension"]
    for one in seen.objects:
        if one.kind == "extension" and one.name.lower() not in named:
            owner = "database_extensions" if one.name in declared.extensions else ""
            found.append(Unmigrated(str(one), owner, managed=not owner))
    return found
