"""What of a side's SQL this server cannot load, cut as small as it can be: a type, a default or an index, not the whole side.

The throwaway database has not every extension that an application's database has, and those that it has are in `public`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .difference import Difference, Kind
from .model import Column, Schema

_NO_SUCH_SCHEMA = "3F000"
# undefined_object (types, operator classes, access methods) and undefined_function.
_UNKNOWN = {"42704", "42883"}
# Both tools write these on one line each.
_APART = re.compile(r"^CREATE (?:UNIQUE INDEX|INDEX|EXTENSION)\b.*;(?:--> statement-breakpoint)?$", re.MULTILINE)
_INDEX = re.compile(
    r'^CREATE (?:UNIQUE )?INDEX "[^"]+" ON (?:"(?P<schema>[^"]+)"\.)?"(?P<table>[^"]+)"(?: USING \w+)? ?\((?P<rest>.*)', re.DOTALL
)
_CREATE_TABLE = re.compile(r'^CREATE TABLE (?:"(?P<schema>[^"]+)"\.)?"(?P<table>[^"]+)" \($', re.MULTILINE)
# Prisma writes NOT NULL in front of the default, drizzle-kit behind it.
_COLUMN = re.compile(
    r'^\s+"(?P<column>[^"]+)" (?P<type>.+?)(?: PRIMARY KEY)?(?: NOT NULL)?(?P<default> DEFAULT .+?)?(?: NOT NULL)?,?$'
)


@dataclass(frozen=True)
class Refusal:
    """What PostgreSQL said against a script."""

    sqlstate: str
    message: str
    position: int = 0
    """Of the character, from 1; 0 where it did not say."""


@dataclass(frozen=True)
class Unread:
    """Something that could not be loaded."""

    table: str
    columns: tuple[str, ...]
    kinds: frozenset[Kind]
    """What cannot be said of these columns."""
    reason: str
    written: str
    """As the SQL has it."""

    def hides(self, difference: Difference) -> bool:
        """Whether a difference may come from nothing but this."""
        named = set(difference.column.split(","))
        return difference.table == self.table and difference.kind in self.kinds and bool(named & set(self.columns))

    def describe(self) -> str:
        """In words."""
        if Kind.INDEX in self.kinds:
            thing = f"an index of {self.table}"
        else:
            thing = f"the {'type' if Kind.TYPE in self.kinds else 'default'} of {self.table}.{self.columns[0]}"
        return f"{thing} cannot be loaded here and was not compared ({self.written}): {self.reason}"


def apart(script: str) -> list[str]:
    """The script in pieces, in its order, with each index and each extension by itself."""
    pieces, end = [], 0
    for found in _APART.finditer(script):
        pieces += [script[end : found.start()], found[0]]
        end = found.end()
    return [piece for piece in (*pieces, script[end:]) if piece.strip()]


def smaller(script: str, refusal: Refusal) -> tuple[str, Unread | None] | None:
    """The script without what PostgreSQL does not know, and what that was; None where that cannot be told.

    A schema that the script does not make is taken for the one of an extension: its name goes and nothing is unread.
    """
    if script.startswith("CREATE EXTENSION"):
        # What needs it is unread, where anything does.
        return "", None
    if refusal.sqlstate == _NO_SUCH_SCHEMA:
        shorter = _unqualified(script, refusal)
        return (shorter, None) if shorter != script else None
    if refusal.sqlstate not in _UNKNOWN:
        return None
    index = _INDEX.match(script)
    if index:
        columns = tuple(re.findall(r'"([^"]+)"', index["rest"]))
        written = script.partition("-->")[0].strip().removesuffix(";")
        kinds = frozenset({Kind.INDEX, Kind.UNIQUE})
        return "", Unread(_name(index["schema"], index["table"]), columns, kinds, refusal.message, written)
    return _without_column_part(script, refusal) if refusal.position else None


def as_written(schema: Schema, unread: Iterable[Unread]) -> Schema:
    """The schema with types and defaults that could not be loaded as the SQL has them."""
    tables = dict(schema.tables)
    for one in unread:
        if one.table in tables and Kind.INDEX not in one.kinds:
            columns = dict(tables[one.table].columns)
            columns.update({name: _restored(columns[name], one) for name in one.columns if name in columns})
            tables[one.table] = replace(tables[one.table], columns=columns)
    return replace(schema, tables=tables)


def visible(differences: Iterable[Difference], unread: Sequence[Unread]) -> list[Difference]:
    """Those that do not come from what could not be loaded alone."""
    return [one for one in differences if not any(other.hides(one) for other in unread)]


def blind(unread: Iterable[Unread]) -> frozenset[tuple[str, str]]:
    """Tables and columns that cannot be called sound."""
    return frozenset((one.table, column) for one in unread if Kind.DEFAULT in one.kinds for column in one.columns)


def _restored(column: Column, unread: Unread) -> Column:
    return replace(column, type=unread.written) if Kind.TYPE in unread.kinds else replace(column, default=unread.written)


def _name(schema: str | None, table: str) -> str:
    return table if schema in (None, "public") else f"{schema}.{table}"


def _line(script: str, position: int) -> tuple[int, int]:
    return script.rfind("\n", 0, position - 1) + 1, script.find("\n", position - 1)


def _unqualified(script: str, refusal: Refusal) -> str:
    if refusal.position:
        start, end = _line(script, refusal.position)
        found = re.compile(r'(?:"[^"]+"|\w+)\.').match(script, refusal.position - 1)
        # The schema of a table that a foreign key names is no extension's.
        return script[: found.start()] + script[found.end() :] if found and _COLUMN.match(script[start:end]) else script
    # PostgreSQL does not say where an operator class stands.
    schema = re.search(r'"([^"]+)"', refusal.message)
    if schema is None or not _INDEX.match(script):
        return script
    return re.sub(rf'(?<![\w."])(?:"{re.escape(schema[1])}"|{re.escape(schema[1])})\.', "", script)


def _without_column_part(script: str, refusal: Refusal) -> tuple[str, Unread] | None:
    """The type becomes text, or the default goes."""
    start, end = _line(script, refusal.position)
    line = _COLUMN.match(script[start:end])
    tables = list(_CREATE_TABLE.finditer(script, 0, start))
    if line is None or not tables:
        return None
    table, place = _name(tables[-1]["schema"], tables[-1]["table"]), refusal.position - 1 - start

    def unread(written: str, *kinds: Kind) -> Unread:
        return Unread(table, (line["column"],), frozenset(kinds), refusal.message, written)

    text, default = line[0], line["default"] or ""
    if line.start("type") <= place < line.end("type"):
        changed = text[: line.start("type")] + "text" + text[line.end("type") :]
        # A default of this type is none of text's.
        return _replaced(script, start, end, changed.replace(default, "", 1)), unread(line["type"], Kind.TYPE, Kind.DEFAULT)
    if line.start("default") <= place < line.end("default"):
        changed = text[: line.start("default")] + text[line.end("default") :]
        return _replaced(script, start, end, changed), unread(default.removeprefix(" DEFAULT "), Kind.DEFAULT)
    return None


def _replaced(script: str, start: int, end: int, line: str) -> str:
    return script[:start] + line + script[end:]
