"""A schema as PostgreSQL has it, and as Kysely's types have it. Names in `public` stand alone, others as `schema.name`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    """As format_type() writes it: ``timestamp(3) without time zone``, ``text[]``."""
    nullable: bool
    default: str = ""
    """Normalised (see `defaults`); empty where the database fills in nothing."""
    enum: str = ""
    """The enum that the type is, or is an array of; empty otherwise."""
    client: str = ""
    """What the ORM's client fills in by itself: ``uuid()``, ``@updatedAt``, ``$defaultFn``, ``$onUpdate``; empty for nothing."""
    on_update: bool = False
    """Whether that client sets the column again with every update."""


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key; its name is of no importance."""

    columns: tuple[str, ...]
    table: str
    referenced: tuple[str, ...]
    on_delete: str
    on_update: str

    def describe(self) -> str:
        """In words, with the actions."""
        return (
            f"({', '.join(self.columns)}) references {self.table} ({', '.join(self.referenced)}) "
            f"on delete {self.on_delete} on update {self.on_update}"
        )


@dataclass(frozen=True)
class IndexKey:
    """A key of an index: a column or an expression."""

    text: str
    descending: bool = False
    nulls_first: bool = False
    opclass: str = ""
    """Where it is not the default one."""


@dataclass(frozen=True)
class Index:
    """An index or unique constraint that is not the primary key; its name is only for people."""

    name: str
    keys: tuple[IndexKey, ...]
    method: str = "btree"
    unique: bool = False
    nulls_not_distinct: bool = False
    include: tuple[str, ...] = ()
    predicate: str = ""
    valid: bool = True
    definition: str = field(default="", compare=False)
    """The statement that makes it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The texts of its keys, in order."""
        return tuple(key.text for key in self.keys)

    def describe(self) -> str:
        """In words, without the name."""
        keys = ", ".join(
            " ".join(part for part in (key.text, key.opclass, "desc" if key.descending else "") if part) for key in self.keys
        )
        return " ".join(
            part
            for part in (
                "unique" if self.unique else "",
                f"{self.method} ({keys})",
                f"include ({', '.join(self.include)})" if self.include else "",
                "nulls not distinct" if self.nulls_not_distinct else "",
                f"where {self.predicate}" if self.predicate else "",
            )
            if part
        )


@dataclass(frozen=True)
class Table:
    """A table."""

    name: str
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()


@dataclass(frozen=True)
class Schema:
    """Everything that is compared."""

    tables: Mapping[str, Table]
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values in their order, by name."""


@dataclass(frozen=True)
class TypedColumn:
    """A column as Kysely's types have it."""

    name: str
    type: str
    """What a select gives, null taken away: ``string``, ``Date``, ``"A" | "B"``.

    ``unresolved Decimal`` where a name in it is of a package that is not installed.
    """
    nullable: bool
    generated: bool
    """Whether an insert may leave it out."""
    line: str = ""
    """As it is written in the file."""
    place: str = ""
    """``file:line``."""


@dataclass(frozen=True)
class TypedSchema:
    """Kysely's types."""

    tables: Mapping[str, Mapping[str, TypedColumn]]
    enums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    """Tables whose type is made of one from a package that is not installed."""
