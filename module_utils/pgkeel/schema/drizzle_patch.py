"""The lines to change in the application's Drizzle files, as unified diffs."""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .declared import DeclaredTables
from .difference import NOTHING, Difference, Kind
from .drizzle_code import Code, Names, column_code, enum_code, property_key, table_code, values_code
from .model import Schema


@dataclass(frozen=True)
class Edit:
    """Text to put in place of what stands between two offsets of a file."""

    path: str
    start: int
    end: int
    text: str
    imports: frozenset[str] = frozenset()


class DrizzleSource:
    """The application's Drizzle files, with the places of tables, columns and enums in them."""

    def __init__(self, drizzle: DeclaredTables, prisma: DeclaredTables) -> None:
        source = drizzle.source
        self.texts: Mapping[str, str] = source.get("texts") or {}
        self._tables: dict[str, Mapping[str, Any]] = {table["table"]: table for table in source.get("tables") or ()}
        self._enums: dict[str, Mapping[str, Any]] = {enum["enum"]: enum for enum in source.get("enums") or ()}
        self._declared = drizzle
        self.names = Names(
            enums={name: enum["variable"] for name, enum in self._enums.items() if enum["variable"]},
            tables={name: table["variable"] for name, table in self._tables.items() if table["variable"]},
            properties={
                (table, name): column.property for table, columns in drizzle.tables.items() for name, column in columns.items()
            },
            fields={
                (table, name): column.property for table, columns in prisma.tables.items() for name, column in columns.items()
            },
        )

    def place(self, table: str, column: str = "") -> str:
        """``file:line`` of a table or of a column; empty when it is not written out in the files."""
        found = self._tables.get(table)
        if found is None:
            return ""
        here = self._property(table, column)
        offset = here["start"] if here else found["body_start"]
        return f"{found['path']}:{self.texts[found['path']].count(chr(10), 0, offset) + 1}"

    def written(self, table: str, column: str) -> str:
        """A column as it stands in the file; empty when it does not."""
        found, here = self._tables.get(table), self._property(table, column)
        return self.texts[found["path"]][here["start"] : here["end"]] if found and here else ""

    def edits(self, schema: Schema, difference: Difference) -> list[Edit]:  # noqa: PLR0911 - one return a kind
        """What mends a difference; empty where that cannot be derived."""
        where = (difference.table, difference.column)
        match difference.kind:
            case Kind.MISSING_TABLE:
                return self._new_table(schema, difference.table)
            case Kind.MISSING_ENUM:
                return self._new_enum(schema, difference.column)
            case Kind.ENUM:
                return self._enum_values(schema, difference.column)
            case Kind.MISSING_COLUMN:
                return self._new_column(schema, difference.table, difference.column)
            case Kind.EXTRA_COLUMN:
                return self._without_column(difference.table, difference.column)
            case Kind.UNIQUE if difference.expected == NOTHING and ".unique(" not in self.written(*where):
                # It stands in the table's extra configuration.
                return []
            case Kind.TYPE | Kind.NULLABILITY | Kind.DEFAULT | Kind.UNIQUE | Kind.FOREIGN_KEY | Kind.PRIMARY_KEY:
                return self._column_anew(schema, difference.table, difference.column)
            case _:
                return []

    def _property(self, table: str, column: str) -> Mapping[str, Any] | None:
        found = self._tables.get(table)
        declared = self._declared.tables.get(table, {}).get(column)
        if found is None or declared is None:
            return None
        return next((one for one in found["columns"] if one["property"] == declared.property), None)

    def unexported(self, table: str) -> bool:
        """Whether the files have the table and do not export it, so that Drizzle's tools cannot see it."""
        found = self._tables.get(table)
        return (
            found is not None and table not in self._declared.tables and found["statement"] is not None and not found["exported"]
        )

    def _new_table(self, schema: Schema, table: str) -> list[Edit]:
        if self.unexported(table):
            found = self._tables[table]
            return [Edit(found["path"], found["statement"], found["statement"], "export ")]
        return self._appended(table_code(schema, schema.tables[table], self.names))

    def _new_enum(self, schema: Schema, enum: str) -> list[Edit]:
        code = enum_code(enum, schema.enums[enum], self.names)
        return [] if "." in enum else self._appended(code)

    def _appended(self, code: Code | None) -> list[Edit]:
        # Where most tables are, the next one belongs.
        paths = [table["path"] for table in self._tables.values()]
        if code is None or not paths:
            return []
        path = max(sorted(set(paths)), key=paths.count)
        end = len(self.texts[path])
        return [Edit(path, end, end, f"\n{code.text}\n", code.imports)]

    def _enum_values(self, schema: Schema, enum: str) -> list[Edit]:
        found = self._enums.get(enum)
        if found is None or enum not in schema.enums:
            return []
        return [Edit(found["path"], found["start"], found["end"], values_code(schema.enums[enum]))]

    def _new_column(self, schema: Schema, table: str, column: str) -> list[Edit]:
        found = self._tables.get(table)
        code = column_code(schema, table, schema.tables[table].columns[column], self.names)
        if found is None or code is None or not found["columns"]:
            return []
        last = found["columns"][-1]["start"]
        start = _line_start(self.texts[found["path"]], last)
        # In front of the last column: whatever follows that one, a comma or none, stays as it is.
        before, after = (self.texts[found["path"]][start:last], "\n") if start < last else ("", " ")
        line = f"{before}{property_key(self.names.property(table, column))}: {code.text},{after}"
        return [Edit(found["path"], start, start, line, _needed(code))]

    def _without_column(self, table: str, column: str) -> list[Edit]:
        found, here = self._tables.get(table), self._property(table, column)
        if found is None or here is None:
            return []
        text = self.texts[found["path"]]
        after = re.compile(r"\s*,?[ \t]*(//[^\n]*)?\n?").match(text, here["end"])
        return [Edit(found["path"], _line_start(text, here["start"]), after.end() if after else here["end"], "")]

    def _column_anew(self, schema: Schema, table: str, column: str) -> list[Edit]:
        found, here = self._tables.get(table), self._property(table, column)
        expected = schema.tables[table].columns.get(column)
        code = column_code(schema, table, expected, self.names) if expected else None
        if found is None or here is None or code is None:
            return []
        return [Edit(found["path"], here["start"], here["end"], f"{property_key(here['property'])}: {code.text}", _needed(code))]


def _line_start(text: str, offset: int) -> int:
    """Where the line begins that `offset` is the first thing on; `offset` itself where it is not the first."""
    start = text.rfind("\n", 0, offset) + 1
    return offset if text[start:offset].strip() else start


def _needed(code: Code) -> frozenset[str]:
    return code.imports | ({"AnyPgColumn"} if "AnyPgColumn" in code.text else frozenset())


def patch(source: DrizzleSource, edits: Iterable[Edit]) -> str:
    """The edits as one unified diff, files with the paths they have; equal edits count once."""
    by_path: dict[str, set[Edit]] = defaultdict(set)
    for edit in edits:
        by_path[edit.path].add(edit)
    base = os.path.commonpath([os.path.dirname(path) for path in by_path]) if by_path else ""
    parts: list[str] = []
    for path, found in sorted(by_path.items()):
        before = source.texts[path]
        name = os.path.relpath(path, base)
        parts += difflib.unified_diff(
            before.splitlines(keepends=True),
            _edited(before, sorted(found, key=_order)).splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
    return "".join(line if line.endswith("\n") else line + "\n" for line in parts)


def _order(edit: Edit) -> tuple[int, int, str]:
    return edit.start, edit.end, edit.text


def _edited(text: str, edits: Sequence[Edit]) -> str:
    names = frozenset[str]().union(*(edit.imports for edit in edits))
    for edit in reversed(edits):
        text = text[: edit.start] + edit.text + text[edit.end :]
    text = _imported(text, "drizzle-orm", names & {"sql"})
    return _imported(text, "drizzle-orm/pg-core", names - {"sql"})


def _imported(text: str, module: str, names: Iterable[str]) -> str:
    """The text with `names` imported from `module`."""
    statements = list(re.finditer(r"import\s*(?:type\s*)?\{([^}]*)\}\s*from\s*(['\"])" + re.escape(module) + r"\2", text))
    present = {name.strip().removeprefix("type ").split(" as ")[0] for one in statements for name in one[1].split(",")}
    statement = next((one for one in statements if not re.match(r"import\s*type", one[0])), None)
    missing = [f"type {name}" if name == "AnyPgColumn" else name for name in sorted(set(names) - present)]
    if not missing:
        return text
    if statement is None:
        return f'import {{ {", ".join(missing)} }} from "{module}";\n{text}'
    kept = statement[1].rstrip().rstrip(",")
    end = statement[1][len(statement[1].rstrip()) :]
    return f"{text[: statement.start(1)]}{kept}, {', '.join(missing)}{end}{text[statement.end(1) :]}"
