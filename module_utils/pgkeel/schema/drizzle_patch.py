"""The lines to change in the application's Drizzle files, as unified diffs."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .declared import DeclaredTables
from .difference import NOTHING, Difference, Kind
from .drizzle_code import (
    Code,
    Names,
    column_code,
    enum_code,
    foreign_key_code,
    index_code,
    primary_key_code,
    property_key,
    table_code,
    values_code,
)
from .drizzle_column import Written, rewritten
from .drizzle_edit import Edit, edited, line_start, lines_of
from .drizzle_names import after_imports, declared_names, imported_names, imports_files, module_for, uses, variable_for
from .model import Schema, Table

_INDEX_KINDS = ("index", "uniqueIndex", "unique")
# Keys of one column that a table may state instead of the column.
_STATES = {
    "primaryKey": Kind.PRIMARY_KEY,
    "unique": Kind.UNIQUE,
    "uniqueIndex": Kind.UNIQUE,
    "foreignKey": Kind.FOREIGN_KEY,
}


@dataclass(frozen=True)
class Task:
    """What is mended together."""

    schema: Schema
    """The truth."""
    wrong: Mapping[tuple[str, str], frozenset[Kind]]
    """What differs, by table and column."""

    @classmethod
    def of(cls, schema: Schema, differences: Iterable[Difference]) -> Task:
        """All of these."""
        wrong: dict[tuple[str, str], frozenset[Kind]] = defaultdict(frozenset)
        for one in differences:
            if one.kind is Kind.MISSING_ENUM:
                for table, name in _columns_of(schema, one.column):
                    wrong[table, name] |= {Kind.TYPE}
            # A key changes every column that has it, and every one that shall have it.
            columns = schema.tables[one.table].columns if one.kind is Kind.PRIMARY_KEY else (one.column,)
            for column in columns:
                wrong[one.table, column] |= {one.kind}
        return cls(schema, wrong)


class DrizzleSource:
    """The application's Drizzle files, with the places of tables, columns and enums in them."""

    def __init__(self, drizzle: DeclaredTables, prisma: DeclaredTables, truth: Schema | None = None) -> None:
        """`truth` says what the files lack; without it nothing that they lack has a name in a patch."""
        source = drizzle.source
        self.texts: Mapping[str, str] = source.get("texts") or {}
        self._tables: dict[str, Mapping[str, Any]] = {table["table"]: table for table in source.get("tables") or ()}
        self._enums: dict[str, Mapping[str, Any]] = {enum["enum"]: enum for enum in source.get("enums") or ()}
        self._declared = drizzle
        enums = {name: enum["variable"] for name, enum in self._enums.items() if enum["variable"]}
        tables = {name: table["variable"] for name, table in self._tables.items() if table["variable"]}
        self._homes: dict[str, str] = {
            one["variable"]: one["path"] for one in (*self._tables.values(), *self._enums.values()) if one["variable"]
        }
        self._hidden = {one["variable"] for one in (*self._tables.values(), *self._enums.values()) if not one["exported"]}
        self._renamed = _renamed(self._enums, truth) if truth else {}
        self._new_enums: dict[str, str] = {}
        self._new_tables: dict[str, str] = {}
        if truth:
            taken = {name for text in self.texts.values() for name in declared_names(text)}
            for enum in sorted(set(truth.enums) - set(self._enums) - set(self._renamed)):
                if "." not in enum:
                    self._new_enums[enum] = variable_for(enum, "Enum", taken)
                    taken.add(self._new_enums[enum])
            for table in sorted(set(truth.tables) - set(self._tables)):
                if "." not in table:
                    self._new_tables[table] = variable_for(table, "Table", taken)
                    taken.add(self._new_tables[table])
            enums |= {enum: self._enums[spare]["variable"] for enum, spare in self._renamed.items()} | self._new_enums
            tables |= self._new_tables
        self.names = Names(
            enums=enums,
            tables=tables,
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

    def edits(self, schema: Schema, difference: Difference) -> list[Edit]:
        """What mends a difference by itself; empty where that cannot be derived."""
        return self.mend(Task.of(schema, [difference]), difference)

    def mend(self, task: Task, difference: Difference) -> list[Edit]:
        """What mends a difference among others, with what that needs; empty where that cannot be derived."""
        edits = self._mend(task, difference)
        declared: set[str] = set()
        for edit in edits:  # which grows meanwhile
            for variable in self._undeclared(edit.text) - declared:
                declared.add(variable)
                more = self._declared_anew(task.schema, variable)
                if not more:
                    return []
                edits += more
        return edits if all(self._reaches(edit) for edit in edits) else []

    def _undeclared(self, text: str) -> set[str]:
        return {variable for variable in (*self._new_enums.values(), *self._new_tables.values()) if uses(text, variable)}

    def _declared_anew(self, schema: Schema, variable: str) -> list[Edit]:
        enum = next((name for name, its in self._new_enums.items() if its == variable), "")
        table = next((name for name, its in self._new_tables.items() if its == variable), "")
        return self._new_enum(schema, enum) if enum else self._new_table(schema, table)

    def _reaches(self, edit: Edit) -> bool:
        """Whether all that an edit names is declared in its file, imported there, or can be imported."""
        here = imported_names(self.texts[edit.path])
        return not any(
            home != edit.path and variable in self._hidden and variable not in here and uses(edit.text, variable)
            for variable, home in self._homes.items()
        )

    def imports(self, path: str, edits: Iterable[Edit]) -> dict[str, set[str]]:
        """What a file has to import of the application's other files because of its edits: names by module."""
        text, found = self.texts[path], defaultdict(set)
        here = imported_names(text)
        new = {variable: self._place_of_enums() for variable in self._new_enums.values()}
        new |= {variable: self._place_of_tables() for variable in self._new_tables.values()}
        for variable, home in {**self._homes, **new}.items():
            if home and home != path and variable not in here and any(uses(edit.text, variable) for edit in edits):
                found[module_for(home, path, text)].add(variable)
        return found

    def _mend(self, task: Task, difference: Difference) -> list[Edit]:  # noqa: PLR0911 - one return a kind
        schema = task.schema
        where = (difference.table, difference.column)
        match difference.kind:
            case Kind.MISSING_TABLE:
                return self._new_table(schema, difference.table)
            case Kind.MISSING_ENUM:
                return self._missing_enum(task, difference.column)
            case Kind.ENUM:
                return self._enum_values(schema, difference.column)
            case Kind.MISSING_COLUMN:
                return self._new_column(schema, difference.table, difference.column)
            case Kind.EXTRA_COLUMN:
                return self._without_column(difference.table, difference.column)
            case Kind.EXTRA_TABLE:
                return self._without_table(difference.table)
            case Kind.PRIMARY_KEY:
                return self._primary_key(task, difference.table)
            case Kind.INDEX:
                return self._index(schema, difference)
            case Kind.UNIQUE:
                return self._unique(task, difference)
            case Kind.FOREIGN_KEY:
                return self._foreign_key(task, difference)
            case Kind.TYPE | Kind.NULLABILITY | Kind.DEFAULT:
                return self._column_anew(task, *where)
            case _:
                return []

    def _property(self, table: str, column: str) -> Mapping[str, Any] | None:
        found = self._tables.get(table)
        declared = self._declared.tables.get(table, {}).get(column)
        if found is None or declared is None:
            return None
        return next((one for one in found["columns"] if one["property"] == declared.property), None)

    def other_name(self, enum: str) -> str:
        """What the files call an enum that they have by another name; empty where they have it not."""
        return self._renamed.get(enum, "")

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

    def _missing_enum(self, task: Task, enum: str) -> list[Edit]:
        """Its own name where it only has another one; otherwise its declaration, and the columns that have it."""
        if enum in self._renamed:
            found = self._enums[self._renamed[enum]]
            return [Edit(found["path"], found["name_start"], found["name_end"], json.dumps(enum))]
        edits = self._new_enum(task.schema, enum)
        return edits and [*edits, *(edit for place in _columns_of(task.schema, enum) for edit in self._column_anew(task, *place))]

    def _new_enum(self, schema: Schema, enum: str) -> list[Edit]:
        path = self._place_of_enums()
        if "." in enum or not path:
            return []
        code = enum_code(enum, schema.enums[enum], self.names)
        # In front of the tables, which call it while the file loads.
        offset = after_imports(self.texts[path])
        return [Edit(path, offset, offset, f"\n{code.text}\n", code.imports)]

    def _place_of_enums(self) -> str:
        """Where the others are; otherwise a file that imports none of the application's, and so is loaded first."""
        paths = [enum["path"] for enum in self._enums.values()] or sorted({table["path"] for table in self._tables.values()})
        first = [path for path in paths if not imports_files(self.texts[path])] or paths
        return max(sorted(set(first)), key=first.count) if first else ""

    def _place_of_tables(self) -> str:
        """Where most tables are, the next one belongs."""
        paths = [table["path"] for table in self._tables.values()]
        return max(sorted(set(paths)), key=paths.count) if paths else ""

    def _appended(self, code: Code | None) -> list[Edit]:
        path = self._place_of_tables()
        if code is None or not path:
            return []
        end = len(self.texts[path])
        return [Edit(path, end, end, f"\n{code.text}\n", _needed(code))]

    def _enum_values(self, schema: Schema, enum: str) -> list[Edit]:
        found = self._enums.get(enum)
        if found is None:
            return []
        if enum not in schema.enums:
            return self._without_statement(found)
        return [Edit(found["path"], found["start"], found["end"], values_code(schema.enums[enum]))]

    def _new_column(self, schema: Schema, table: str, column: str) -> list[Edit]:
        found = self._tables.get(table)
        code = column_code(schema, table, schema.tables[table].columns[column], self.names)
        if found is None or code is None or not found["columns"]:
            return []
        last = found["columns"][-1]["start"]
        start = line_start(self.texts[found["path"]], last)
        # In front of the last column: whatever follows that one, a comma or none, stays as it is.
        before, after = (self.texts[found["path"]][start:last], "\n") if start < last else ("", " ")
        line = f"{before}{property_key(self.names.property(table, column))}: {code.text},{after}"
        return [Edit(found["path"], start, start, line, _needed(code)), *self._keys_with(schema.tables[table], column)]

    def _keys_with(self, found: Table, column: str) -> list[Edit]:
        """What else a missing column takes along: indexes, and keys of several columns."""
        parameter = self._parameter(found.name)
        codes = [
            index_code(index, found.name, self.names, parameter)
            for index in found.indexes
            if column in index.columns and not (index.unique and len(index.columns) == 1 and not index.predicate)
        ]
        codes += [
            foreign_key_code(key, found.name, self.names, parameter)
            for key in found.foreign_keys
            if column in key.columns and len(key.columns) > 1
        ]
        return [edit for code in codes if code for edit in self._extra(found.name, None, code)]

    def _without_column(self, table: str, column: str) -> list[Edit]:
        """With the indexes and keys of the table that name it; nothing where relations or other tables would be left with it."""
        found, here = self._tables.get(table), self._property(table, column)
        if found is None or here is None:
            return []
        path, name = found["path"], here["property"]
        text = self.texts[path]
        after = re.compile(r"\s*,?[ \t]*(//[^\n]*)?\n?").match(text, here["end"])
        edits = [Edit(path, line_start(text, here["start"]), after.end() if after else here["end"], "")]
        # Another primary key is a difference of its own.
        named = [one for one in (found["extras"] or {"entries": []})["entries"] if name in one["properties"]]
        edits += [self._without_entry(path, one) for one in named if one["kind"] != "primaryKey"]
        return [] if self._used(found, name, named) else edits

    def _used(self, table: Mapping[str, Any], name: str, known: Iterable[Mapping[str, Any]]) -> bool:
        """Whether anything but these entries speaks of a column."""
        callers = [table["variable"], *([table["extras"]["parameter"]] if table["extras"] else [])]
        called = "|".join(re.escape(one) for one in callers if one)
        use = re.compile(rf"""\b(?:{called})(?:\??\.{re.escape(name)}(?![\w$])|\[["'`]{re.escape(name)}["'`]\])""")
        return any(
            not any(path == table["path"] and one["start"] <= match.start() < one["end"] for one in known)
            for path, text in self.texts.items()
            for match in use.finditer(text)
            # The table's parameter is its own in the table's statement only.
            if match[0].startswith(table["variable"] or "\0")
            or (path == table["path"] and table["body_end"] <= match.start() < (table["statement_end"] or len(text)))
        )

    def column(self, task: Task, table: str, column: str) -> Code | None:
        """A column as it has to be; None where the truth has none, or Drizzle cannot say it."""
        expected = task.schema.tables[table].columns.get(column) if table in task.schema.tables else None
        if expected is None:
            return None
        written = self._written(table, column)
        if written is None:
            return column_code(task.schema, table, expected, self.names)
        return rewritten(task.schema.tables[table], expected, self.names, written, task.wrong.get((table, column), frozenset()))

    def _written(self, table: str, column: str) -> Written | None:
        found, here = self._tables.get(table), self._property(table, column)
        if found is None or here is None:
            return None
        stated = {
            _STATES[entry["kind"]]
            for entry in (found["extras"] or {"entries": []})["entries"]
            if entry["kind"] in _STATES and entry["properties"] == [here["property"]]
        }
        return Written.at(here, self.texts[found["path"]], stated)

    def _column_anew(self, task: Task, table: str, column: str) -> list[Edit]:
        found, here = self._tables.get(table), self._property(table, column)
        code = self.column(task, table, column)
        if found is None or here is None or code is None:
            return []
        return [Edit(found["path"], here["start"], here["end"], f"{property_key(here['property'])}: {code.text}", _needed(code))]

    # ---- whole tables, and what a table has beside its columns ---------------------------------------------------------------

    def _without_table(self, table: str) -> list[Edit]:
        found = self._tables.get(table)
        return self._without_statement(found) if found else []

    def _without_statement(self, found: Mapping[str, Any]) -> list[Edit]:
        """Only where nothing else speaks of it: relations, foreign keys and queries would be left with a name that is gone."""
        variable = found["variable"]
        # The name of the table itself, in quotes, is no use of the variable.
        use = re.compile(rf"""(?<!["'`])\b{re.escape(variable)}\b(?!["'`])""")
        spoken = sum(len(use.findall(text)) for text in self.texts.values()) if variable else 0
        if spoken != 1 or not found.get("statement_end"):
            return []
        text = self.texts[found["path"]]
        after = re.compile(r"[ \t]*\n?").match(text, found["statement_end"])
        return [Edit(found["path"], found["statement"], after.end() if after else found["statement_end"], "")]

    def _entry(self, table: str, kinds: Collection[str], columns: Sequence[str]) -> Mapping[str, Any] | None:
        """What the table's extra configuration has of these kinds on these columns."""
        extras = (self._tables.get(table) or {}).get("extras") or {"entries": []}
        wanted = [self.names.property(table, column) for column in columns]
        found: list[Mapping[str, Any]] = [
            entry for entry in extras["entries"] if entry["kind"] in kinds and (not wanted or entry["properties"] == wanted)
        ]
        return found[0] if len(found) == 1 else None

    def _parameter(self, table: str) -> str:
        extras = (self._tables.get(table) or {}).get("extras")
        return str(extras["parameter"]) if extras else "table"

    def _extra(self, table: str, old: Mapping[str, Any] | None, code: Code | None) -> list[Edit]:
        """Put `code` in the place of `old`, or beside the others where there is no old one; None takes it away."""
        found = self._tables.get(table)
        if found is None or found.get("extras") is None:
            return []
        if code is None:
            return [self._without_entry(found["path"], old)] if old else []
        extras, path, text = found["extras"], found["path"], self.texts[found["path"]]
        if old is not None:
            label = text[old["start"] : old["end"]].split(":")[0] + ": " if extras["named"] else ""
            return [Edit(path, old["start"], old["end"], label + code.text, _needed(code))]
        label = f"{property_key(_label(code))}: " if extras["named"] else ""
        if extras["start"] is None:
            return [Edit(path, found["body_end"], found["body_end"], code.text, _needed(code), (", (table) => [", "]"))]
        if not extras["entries"]:
            return [Edit(path, extras["start"] + 1, extras["start"] + 1, label + code.text, _needed(code), ("", ""))]
        first = extras["entries"][0]["start"]
        start = line_start(text, first)
        before, end = (text[start:first], ",\n") if start < first else ("", ", ")
        return [Edit(path, start, start, f"{before}{label}{code.text}{end}", _needed(code))]

    def _without_entry(self, path: str, old: Mapping[str, Any]) -> Edit:
        """With the comma that follows it, or where none does, the one in front."""
        text = self.texts[path]
        after = re.compile(r"\s*,[ \t]*\n?").match(text, old["end"])
        if after is None:
            before = text[: old["start"]].rstrip()
            return Edit(path, len(before) - before.endswith(","), old["end"], "")
        start = line_start(text, old["start"])
        alone = start < old["start"] and after[0].endswith("\n")
        return Edit(path, start if alone else old["start"], after.end() if alone else after.end() - after[0].endswith("\n"), "")

    def _index(self, schema: Schema, difference: Difference) -> list[Edit]:
        table = difference.table
        index = next((one for one in schema.tables[table].indexes if one.describe() == difference.expected), None)
        code = index_code(index, table, self.names, self._parameter(table)) if index else None
        if index is not None and code is None:
            return []
        old = None
        if difference.actual != NOTHING:
            # As the mirror has it: the keys stand in its description.
            old = self._entry(table, _INDEX_KINDS, self._keys_of(difference))
            if old is None:
                return []
        return self._extra(table, old, code)

    def _keys_of(self, difference: Difference) -> list[str]:
        keys = re.search(r"\w+ \((.*?)\)(?: include| nulls| where|$)", difference.actual)
        return [key.split(" ")[0] for key in keys[1].split(", ")] if keys else []

    def _unique(self, task: Task, difference: Difference) -> list[Edit]:
        table, column = difference.table, difference.column
        single = "," not in column and self._property(table, column) is not None
        if single and (difference.actual == NOTHING or ".unique(" in self.written(table, column)):
            return self._column_anew(task, table, column)
        return self._index(task.schema, difference)

    def _foreign_key(self, task: Task, difference: Difference) -> list[Edit]:
        schema, table, columns = task.schema, difference.table, difference.column.split(",")
        key = next((one for one in schema.tables[table].foreign_keys if one.describe() == difference.expected), None)
        old = self._entry(table, ("foreignKey",), columns)
        if len(columns) == 1 and old is None:
            return self._column_anew(task, table, columns[0])
        code = foreign_key_code(key, table, self.names, self._parameter(table)) if key else None
        return [] if key and code is None else self._extra(table, old, code)

    def _primary_key(self, task: Task, table: str) -> list[Edit]:
        schema = task.schema
        wanted = schema.tables[table].primary_key
        code = primary_key_code(wanted, table, self.names, self._parameter(table)) if len(wanted) > 1 else None
        edits = self._extra(table, self._entry(table, ("primaryKey",), ()), code)
        for column in schema.tables[table].columns:
            if (".primaryKey(" in self.written(table, column)) != (wanted == (column,)):
                edits += self._column_anew(task, table, column)
        return edits


def _columns_of(schema: Schema, enum: str) -> list[tuple[str, str]]:
    """Tables and columns that have an enum."""
    return [
        (table.name, column.name) for table in schema.tables.values() for column in table.columns.values() if column.enum == enum
    ]


def _renamed(enums: Mapping[str, Mapping[str, Any]], truth: Schema) -> dict[str, str]:
    """Enums that the files have by another name: the truth's name and theirs."""
    spare = {name: frozenset(enum["values"]) for name, enum in enums.items() if name not in truth.enums and enum["variable"]}
    found: dict[str, str] = {}
    for name, values in sorted(truth.enums.items()):
        same = [other for other, its in spare.items() if its == frozenset(values) and other not in found.values()]
        # A name alone cannot move an enum to another schema.
        if name not in enums and same and "." not in name + same[0]:
            found[name] = same[0]
    return found


def _label(code: Code) -> str:
    """A key for an entry where the extra configuration is an object."""
    named = re.search(r'"([^"]+)"', code.text)
    return named[1] if named else code.text.partition("(")[0]


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
            lines_of(before),
            lines_of(edited(before, found, source.imports(path, found))),
            f"a/{name}",
            f"b/{name}",
        )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in parts)
