"""Prisma migrations for indexes that pgkeel built: without one, `prisma migrate dev` calls the index drift."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .model import Index

FILE = "migration.sql"
# Prisma runs migrations in the order of their names, and ours build on whatever tables the others make.
_NAME = "99999999999999_pgkeel_indexes_{:03}"
_OURS = re.compile(r"\d+_pgkeel_indexes_(\d+)")
_STATEMENT = re.compile(
    r"""\b(?P<verb>CREATE(?:\s+UNIQUE)?|DROP)\s+INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+(?:NOT\s+)?EXISTS\s+)?"""
    r"""(?:(?:"[^"]+"|\w+)\s*\.\s*)?(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))[^;]*""",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_METHODS = {"hash": "Hash", "gin": "Gin", "gist": "Gist", "spgist": "SpGist", "brin": "Brin"}
_HEADER = """\
-- Indexes that pgkeel built without blocking anybody. Where one is there already, its statement does nothing.
-- Declare in schema.prisma what its language can say; otherwise the next `prisma migrate dev` writes a DROP INDEX:
"""
_REBUILT = """\
-- A definition changed. Where pgkeel has built the new one, say so instead of building it again behind a lock:
--   npx prisma migrate resolve --applied {}
"""


@dataclass(frozen=True)
class OwnIndex:
    """An index of the inventory, as a migration makes or drops it."""

    name: str
    table: str
    """`schema.table` outside `public`."""
    statement: str
    """SQL without a semicolon."""
    present: bool = True
    prisma: str = ""
    """The line for schema.prisma; empty where its language cannot say it."""


@dataclass(frozen=True)
class OwnMigration:
    """A folder beside the application's migrations, and the text of its only file."""

    name: str
    text: str


def next_migration(existing: Mapping[str, str], indexes: Iterable[OwnIndex]) -> OwnMigration | None:
    """The migration that is missing; None where the existing ones (SQL by name of the folder) make every index already.

    The same input gives the same name and text. A migration that was written is never changed: Prisma compares checksums. A new
    or changed declaration goes to a further one.
    """
    last = {name: statement for folder in sorted(existing) for name, statement in _statements(existing[folder])}
    number = 1 + max((int(found[1]) for folder in existing if (found := _OURS.fullmatch(folder))), default=0)
    name, wanted, lines, rebuilt = _NAME.format(number), list[str](), list[str](), False
    for index in sorted(indexes, key=lambda one: (one.table, one.name)):
        before = last.get(index.name)
        made = before is not None and not before.upper().startswith("DROP")
        if not index.present:
            wanted += [f"{index.statement};"] if made else []
        elif not made or (_plain(str(before)) != _plain(index.statement) and _is_ours(existing, index.name)):
            rebuilt = rebuilt or made
            drop = f"DROP INDEX IF EXISTS {_dropped(index)};\n" if made else ""
            wanted.append(f"{drop}{index.statement};")
            lines.append(f"--   {index.table}: {index.prisma or '(nothing: Prisma cannot express it and leaves it alone)'}\n")
    if not wanted:
        return None
    header = _HEADER + "".join(lines) if lines else ""
    return OwnMigration(name, header + (_REBUILT.format(name) if rebuilt else "") + "\n".join(wanted) + "\n")


def made_by(existing: Mapping[str, str], index: str) -> str:
    """The newest migration that makes the index, by name; empty where none names it, or the last one that does drops it."""
    found = ""
    for folder in sorted(existing):
        for name, statement in _statements(existing[folder]):
            if name == index:
                found = "" if statement.upper().startswith("DROP") else folder
    return found


def prisma_line(index: Index, fields: Mapping[str, str]) -> str:
    """`@@index([...])` for schema.prisma; empty where its language cannot express the index.

    `fields` has Prisma's field by column, for those that differ.
    """
    plain = all(re.fullmatch(r"[A-Za-z_]\w*", key.text) for key in index.keys)
    if not plain or index.predicate or index.include or index.nulls_not_distinct:
        return ""
    if index.method not in (*_METHODS, "btree"):
        return ""

    def key(position: int) -> str:
        one = index.keys[position]
        options = [f'ops: raw("{one.opclass}")'] if one.opclass else []
        options += ["sort: Desc"] if one.descending else []
        return fields.get(one.text, one.text) + (f"({', '.join(options)})" if options else "")

    keys = ", ".join(key(position) for position in range(len(index.keys)))
    method = f", type: {_METHODS[index.method]}" if index.method in _METHODS else ""
    return f'@@{"unique" if index.unique else "index"}([{keys}]{method}, map: "{index.name}")'


def _statements(text: str) -> Sequence[tuple[str, str]]:
    """Index and statement of everything that makes or drops one, in order."""
    found = _STATEMENT.finditer(_COMMENT.sub(" ", text))
    # Unquoted names are folded, as PostgreSQL does.
    return [((one["quoted"] or one["plain"].lower()).replace('""', '"'), one[0].strip()) for one in found]


def _is_ours(existing: Mapping[str, str], index: str) -> bool:
    return bool(_OURS.fullmatch(made_by(existing, index)))


def _dropped(index: OwnIndex) -> str:
    schema, _, _ = index.table.rpartition(".")
    parts = [part.replace('"', '""') for part in (schema, index.name) if part]
    return ".".join(f'"{part}"' for part in parts)


def _plain(statement: str) -> str:
    return " ".join(statement.split())
