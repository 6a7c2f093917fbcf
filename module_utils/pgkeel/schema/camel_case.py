"""A schema with the names that Kysely's CamelCasePlugin, and prisma-kysely with `camelCase`, give it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from .model import Schema


def camel_case(name: str) -> str:
    """As the plugin makes it of a name in snake case, `upperCase` included (camel-case.ts in Kysely's source)."""
    if name[1:] == name[1:].upper():
        name = name.lower()
    return name[:1] + "".join(letter.upper() if before == "_" else letter for before, letter in pairwise(name) if letter != "_")


def camel_cased(schema: Schema) -> Schema:
    """Tables and columns under their new names; keys and indexes, which types do not have, are left as they are."""
    return Schema(
        {
            camel_case(table.name): replace(
                table,
                name=camel_case(table.name),
                columns={camel_case(one.name): replace(one, name=camel_case(one.name)) for one in table.columns.values()},
            )
            for table in schema.tables.values()
        },
        schema.enums,
    )
