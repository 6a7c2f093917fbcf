"""Columns in their place in the application's Drizzle files: put there, written anew, or taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .difference import Kind
from .drizzle_code import Code, column_code, foreign_key_code, index_code, property_key
from .drizzle_column import Written, rewritten
from .drizzle_edit import Edit, line_start
from .drizzle_entries import needed, parameter_of, put_entry, without_entry
from .drizzle_source import DrizzleSource
from .drizzle_task import Task
from .model import Schema, Table

# Keys of one column that a table may state instead of the column.
_STATES = {
    "primaryKey": Kind.PRIMARY_KEY,
    "unique": Kind.UNIQUE,
    "uniqueIndex": Kind.UNIQUE,
    "foreignKey": Kind.FOREIGN_KEY,
}


def new_column(source: DrizzleSource, schema: Schema, table: str, column: str) -> list[Edit]:
    """A missing column with the indexes and keys that it takes along; empty where Drizzle cannot say it."""
    found = source.tables.get(table)
    code = column_code(schema, table, schema.tables[table].columns[column], source.names)
    if found is None or code is None or not found["columns"]:
        return []
    last = found["columns"][-1]["start"]
    start = line_start(source.texts[found["path"]], last)
    # In front of the last column: whatever follows that one, a comma or none, stays as it is.
    before, after = (source.texts[found["path"]][start:last], "\n") if start < last else ("", " ")
    line = f"{before}{property_key(source.names.property(table, column))}: {code.text},{after}"
    return [Edit(found["path"], start, start, line, needed(code)), *_keys_with(source, schema.tables[table], column)]


def _keys_with(source: DrizzleSource, found: Table, column: str) -> list[Edit]:
    """What else a missing column takes along: indexes, and keys of several columns."""
    parameter = parameter_of(source, found.name)
    codes = [
        index_code(index, found.name, source.names, parameter)
        for index in found.indexes
        if column in index.columns and not (index.unique and len(index.columns) == 1 and not index.predicate)
    ]
    codes += [
        foreign_key_code(key, found.name, source.names, parameter)
        for key in found.foreign_keys
        if column in key.columns and len(key.columns) > 1
    ]
    return [edit for code in codes if code for edit in put_entry(source, found.name, None, code)]


def without_column(source: DrizzleSource, table: str, column: str) -> list[Edit]:
    """With the indexes and keys of the table that name it; nothing where relations or other tables would be left with it."""
    found, here = source.tables.get(table), source.property_at(table, column)
    if found is None or here is None:
        return []
    path, name = found["path"], here["property"]
    text = source.texts[path]
    after = re.compile(r"\s*,?[ \t]*(//[^\n]*)?\n?").match(text, here["end"])
    edits = [Edit(path, line_start(text, here["start"]), after.end() if after else here["end"], "")]
    # Another primary key is a difference of its own.
    named = [one for one in (found["extras"] or {"entries": []})["entries"] if name in one["properties"]]
    edits += [without_entry(source, path, one) for one in named if one["kind"] != "primaryKey"]
    return [] if _used(source, found, name, named) else edits


def _used(source: DrizzleSource, table: Mapping[str, Any], name: str, known: Iterable[Mapping[str, Any]]) -> bool:
    """Whether anything but these entries speaks of a column."""
    callers = [table["variable"], *([table["extras"]["parameter"]] if table["extras"] else [])]
    called = "|".join(re.escape(one) for one in callers if one)
    use = re.compile(rf"""\b(?:{called})(?:\??\.{re.escape(name)}(?![\w$])|\[["'`]{re.escape(name)}["'`]\])""")
    return any(
        not any(path == table["path"] and one["start"] <= match.start() < one["end"] for one in known)
        for path, text in source.texts.items()
        for match in use.finditer(text)
        # The table's parameter is its own in the table's statement only.
        if match[0].startswith(table["variable"] or "\0")
        or (path == table["path"] and table["body_end"] <= match.start() < (table["statement_end"] or len(text)))
    )


def column_as_it_should_be(source: DrizzleSource, task: Task, table: str, column: str) -> Code | None:
    """A column as it has to be; None where the truth has none, or Drizzle cannot say it."""
    expected = task.schema.tables[table].columns.get(column) if table in task.schema.tables else None
    if expected is None:
        return None
    written = _written(source, table, column)
    if written is None:
        return column_code(task.schema, table, expected, source.names)
    return rewritten(task.schema.tables[table], expected, source.names, written, task.wrong.get((table, column), frozenset()))


def _written(source: DrizzleSource, table: str, column: str) -> Written | None:
    found, here = source.tables.get(table), source.property_at(table, column)
    if found is None or here is None:
        return None
    stated = {
        _STATES[entry["kind"]]
        for entry in (found["extras"] or {"entries": []})["entries"]
        if entry["kind"] in _STATES and entry["properties"] == [here["property"]]
    }
    return Written.at(here, source.texts[found["path"]], stated)


def column_anew(source: DrizzleSource, task: Task, table: str, column: str) -> list[Edit]:
    """A column with what is wrong of it put right; empty where that cannot be derived."""
    found, here = source.tables.get(table), source.property_at(table, column)
    code = column_as_it_should_be(source, task, table, column)
    if found is None or here is None or code is None:
        return []
    return [Edit(found["path"], here["start"], here["end"], f"{property_key(here['property'])}: {code.text}", needed(code))]
