"""Mending a Drizzle table's keys and indexes, wherever it states them."""

from __future__ import annotations

import re

from .difference import NOTHING, Difference
from .drizzle_code import foreign_key_code, index_code, primary_key_code
from .drizzle_edit import Edit
from .drizzle_entries import entry_of, parameter_of, put_entry
from .drizzle_place import column_anew
from .drizzle_source import DrizzleSource
from .drizzle_task import Task
from .model import Schema

_INDEX_KINDS = ("index", "uniqueIndex", "unique")


def index_edits(source: DrizzleSource, schema: Schema, difference: Difference) -> list[Edit]:
    """The index as the truth has it, in the place of the one that differs; empty where Drizzle cannot say it."""
    table = difference.table
    index = next((one for one in schema.tables[table].indexes if one.describe() == difference.expected), None)
    code = index_code(index, table, source.names, parameter_of(source, table)) if index else None
    if index is not None and code is None:
        return []
    old = None
    if difference.actual != NOTHING:
        # As the mirror has it: the keys stand in its description.
        old = entry_of(source, table, _INDEX_KINDS, _keys_of(difference))
        if old is None:
            return []
    return put_entry(source, table, old, code)


def _keys_of(difference: Difference) -> list[str]:
    keys = re.search(r"\w+ \((.*?)\)(?: include| nulls| where|$)", difference.actual)
    return [key.split(" ")[0] for key in keys[1].split(", ")] if keys else []


def unique_edits(source: DrizzleSource, task: Task, difference: Difference) -> list[Edit]:
    """Behind the column where it is one of a single column, unless the table already has an index in its place."""
    table, column = difference.table, difference.column
    single = "," not in column and source.property_at(table, column) is not None
    if not single or (difference.actual != NOTHING and ".unique(" not in source.written(table, column)):
        return index_edits(source, task.schema, difference)
    edits = column_anew(source, task, table, column)
    index = next((one for one in task.schema.tables[table].indexes if one.describe() == difference.expected), None)
    if index is None or (index.unique and not index.predicate and not index.nulls_not_distinct):
        return edits
    # An index that the column cannot say, in the place of what it says.
    code = index_code(index, table, source.names, parameter_of(source, table))
    more = put_entry(source, table, None, code) if code else []
    return [*edits, *more] if more else []


def foreign_key_edits(source: DrizzleSource, task: Task, difference: Difference) -> list[Edit]:
    """Behind the column where it is one of a single column, unless the table states it."""
    schema, table, columns = task.schema, difference.table, difference.column.split(",")
    key = next((one for one in schema.tables[table].foreign_keys if one.describe() == difference.expected), None)
    old = entry_of(source, table, ("foreignKey",), columns)
    if len(columns) == 1 and old is None:
        return column_anew(source, task, table, columns[0])
    code = foreign_key_code(key, table, source.names, parameter_of(source, table)) if key else None
    return [] if key and code is None else put_entry(source, table, old, code)


def primary_key_edits(source: DrizzleSource, task: Task, table: str) -> list[Edit]:
    """In the table where it has several columns, otherwise behind its column, and nowhere else."""
    schema = task.schema
    wanted = schema.tables[table].primary_key
    code = primary_key_code(wanted, table, source.names, parameter_of(source, table)) if len(wanted) > 1 else None
    edits = put_entry(source, table, entry_of(source, table, ("primaryKey",), ()), code)
    for column in schema.tables[table].columns:
        if (".primaryKey(" in source.written(table, column)) != (wanted == (column,)):
            edits += column_anew(source, task, table, column)
    return edits
