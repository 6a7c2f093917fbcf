"""The lines to change in the application's Drizzle files, as unified diffs."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .difference import Difference, Kind
from .drizzle_code import Code, enum_code, table_code, values_code
from .drizzle_edit import Edit, edited, lines_of
from .drizzle_entries import needed
from .drizzle_keys import foreign_key_edits, index_edits, primary_key_edits, unique_edits
from .drizzle_names import after_imports
from .drizzle_place import column_anew, new_column, without_column
from .drizzle_source import DrizzleSource
from .drizzle_task import Task, columns_of
from .model import Schema


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
            lines_of(before),
            lines_of(edited(before, found, source.imports(path, found))),
            f"a/{name}",
            f"b/{name}",
        )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in parts)


def mend(source: DrizzleSource, task: Task, difference: Difference) -> list[Edit]:
    """What mends a difference among others, with what that needs; empty where that cannot be derived."""
    edits = _mend(source, task, difference)
    declared: set[str] = set()
    for edit in edits:  # which grows meanwhile
        for variable in source.undeclared(edit.text) - declared:
            declared.add(variable)
            more = _declared_anew(source, task.schema, variable)
            if not more:
                return []
            edits += more
    return edits if all(source.reaches(edit) for edit in edits) else []


def _declared_anew(source: DrizzleSource, schema: Schema, variable: str) -> list[Edit]:
    enum = next((name for name, its in source.new_enums.items() if its == variable), "")
    table = next((name for name, its in source.new_tables.items() if its == variable), "")
    return _new_enum(source, schema, enum) if enum else _new_table(source, schema, table)


def _mend(source: DrizzleSource, task: Task, difference: Difference) -> list[Edit]:  # noqa: PLR0911 - one return a kind
    schema = task.schema
    where = (difference.table, difference.column)
    match difference.kind:
        case Kind.MISSING_TABLE:
            return _new_table(source, schema, difference.table)
        case Kind.MISSING_ENUM:
            return _missing_enum(source, task, difference.column)
        case Kind.ENUM:
            return _enum_values(source, schema, difference.column)
        case Kind.MISSING_COLUMN:
            return new_column(source, schema, difference.table, difference.column)
        case Kind.EXTRA_COLUMN:
            return without_column(source, difference.table, difference.column)
        case Kind.EXTRA_TABLE:
            return _without_table(source, difference.table)
        case Kind.PRIMARY_KEY:
            return primary_key_edits(source, task, difference.table)
        case Kind.INDEX:
            return index_edits(source, schema, difference)
        case Kind.UNIQUE:
            return unique_edits(source, task, difference)
        case Kind.FOREIGN_KEY:
            return foreign_key_edits(source, task, difference)
        case Kind.TYPE | Kind.NULLABILITY | Kind.DEFAULT:
            return column_anew(source, task, *where)
        case _:
            return []


def _new_table(source: DrizzleSource, schema: Schema, table: str) -> list[Edit]:
    if source.unexported(table):
        found = source.tables[table]
        return [Edit(found["path"], found["statement"], found["statement"], "export ")]
    return _appended(source, table_code(schema, schema.tables[table], source.names))


def _without_table(source: DrizzleSource, table: str) -> list[Edit]:
    found = source.tables.get(table)
    return _without_statement(source, found) if found else []


def _without_statement(source: DrizzleSource, found: Mapping[str, Any]) -> list[Edit]:
    """Only where nothing else speaks of it: relations, foreign keys and queries would be left with a name that is gone."""
    variable = found["variable"]
    # The name of the table itself, in quotes, is no use of the variable.
    use = re.compile(rf"""(?<!["'`])\b{re.escape(variable)}\b(?!["'`])""")
    spoken = sum(len(use.findall(text)) for text in source.texts.values()) if variable else 0
    if spoken != 1 or not found.get("statement_end"):
        return []
    text = source.texts[found["path"]]
    after = re.compile(r"[ \t]*\n?").match(text, found["statement_end"])
    return [Edit(found["path"], found["statement"], after.end() if after else found["statement_end"], "")]


def _missing_enum(source: DrizzleSource, task: Task, enum: str) -> list[Edit]:
    """Its own name where it only has another one; otherwise its declaration, and the columns that have it."""
    if enum in source.renamed:
        found = source.enums[source.renamed[enum]]
        return [Edit(found["path"], found["name_start"], found["name_end"], json.dumps(enum))]
    edits = _new_enum(source, task.schema, enum)
    return edits and [*edits, *(edit for place in columns_of(task.schema, enum) for edit in column_anew(source, task, *place))]


def _new_enum(source: DrizzleSource, schema: Schema, enum: str) -> list[Edit]:
    path = source.place_of_enums()
    if "." in enum or not path:
        return []
    code = enum_code(enum, schema.enums[enum], source.names)
    # In front of the tables, which call it while the file loads.
    offset = after_imports(source.texts[path])
    return [Edit(path, offset, offset, f"\n{code.text}\n", code.imports)]


def _appended(source: DrizzleSource, code: Code | None) -> list[Edit]:
    path = source.place_of_tables()
    if code is None or not path:
        return []
    end = len(source.texts[path])
    return [Edit(path, end, end, f"\n{code.text}\n", needed(code))]


def _enum_values(source: DrizzleSource, schema: Schema, enum: str) -> list[Edit]:
    found = source.enums.get(source.other_name(enum) or enum)
    if found is None:
        return []
    if enum not in schema.enums:
        return _without_statement(source, found)
    if found["start"] is None:
        return []
    return [Edit(found["path"], found["start"], found["end"], values_code(schema.enums[enum]))]
