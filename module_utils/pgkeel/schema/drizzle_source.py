"""The application's Drizzle files: what stands where in them, and what things are called there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from .declared import DeclaredTables
from .drizzle_code import Names
from .drizzle_edit import Edit
from .drizzle_names import declared_names, imported_names, imports_files, module_for, uses, variable_for
from .model import Schema
from .renamed_enums import renamed_enums


class DrizzleSource:
    """The application's Drizzle files, with the places of tables, columns and enums in them."""

    def __init__(
        self, drizzle: DeclaredTables, prisma: DeclaredTables, truth: Schema | None = None, loaded: Schema | None = None
    ) -> None:
        """`truth` says what the files lack, and `loaded`, what PostgreSQL made of them, what they only call otherwise.

        Without `truth` nothing that they lack has a name in a patch.
        """
        source = drizzle.source
        self.texts: Mapping[str, str] = source.get("texts") or {}
        self.tables: dict[str, Mapping[str, Any]] = {table["table"]: table for table in source.get("tables") or ()}
        self.enums: dict[str, Mapping[str, Any]] = {enum["enum"]: enum for enum in source.get("enums") or ()}
        self._declared = drizzle
        enums = {name: enum["variable"] for name, enum in self.enums.items() if enum["variable"]}
        tables = {name: table["variable"] for name, table in self.tables.items() if table["variable"]}
        self._homes: dict[str, str] = {
            one["variable"]: one["path"] for one in (*self.tables.values(), *self.enums.values()) if one["variable"]
        }
        self._hidden = {one["variable"] for one in (*self.tables.values(), *self.enums.values()) if not one["exported"]}
        # A name alone cannot move an enum to another schema.
        self.renamed = {
            name: spare
            for name, spare in (renamed_enums(truth, loaded) if truth and loaded else {}).items()
            if "." not in name + spare and (self.enums.get(spare) or {"variable": ""})["variable"]
        }
        self.new_enums: dict[str, str] = {}
        self.new_tables: dict[str, str] = {}
        if truth:
            taken = {name for text in self.texts.values() for name in declared_names(text)}
            # What the files have in a form that the reader cannot place is not declared a second time.
            here = {*self.enums, *self.renamed, *(loaded.enums if loaded else ())}
            for enum in sorted(set(truth.enums) - here):
                if "." not in enum:
                    self.new_enums[enum] = variable_for(enum, "Enum", taken)
                    taken.add(self.new_enums[enum])
            for table in sorted(set(truth.tables) - set(self.tables) - set(drizzle.tables)):
                if "." not in table:
                    self.new_tables[table] = variable_for(table, "Table", taken)
                    taken.add(self.new_tables[table])
            enums |= {enum: self.enums[spare]["variable"] for enum, spare in self.renamed.items()} | self.new_enums
            tables |= self.new_tables
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
        found = self.tables.get(table)
        if found is None:
            return ""
        here = self.property_at(table, column)
        offset = here["start"] if here else found["body_start"]
        return f"{found['path']}:{self.texts[found['path']].count(chr(10), 0, offset) + 1}"

    def written(self, table: str, column: str) -> str:
        """A column as it stands in the file; empty when it does not."""
        found, here = self.tables.get(table), self.property_at(table, column)
        return self.texts[found["path"]][here["start"] : here["end"]] if found and here else ""

    def describe(self, edit: Edit) -> str:
        """An edit in words, with its place."""
        text = self.texts[edit.path]
        old = text[edit.start : edit.end].strip().strip(",").strip()
        new = edit.text.strip().rstrip(",")
        what = f"replace {old} with {new}" if old and new else f"write {new}" if new else f"remove {old}"
        return f"{edit.path}:{text.count(chr(10), 0, edit.start) + 1}: {what}"

    def property_at(self, table: str, column: str) -> Mapping[str, Any] | None:
        """Where a column stands; None when it is not written out in the files."""
        found = self.tables.get(table)
        declared = self._declared.tables.get(table, {}).get(column)
        if found is None or declared is None:
            return None
        return next((one for one in found["columns"] if one["property"] == declared.property), None)

    def other_name(self, enum: str) -> str:
        """What the files call an enum that they have by another name; empty where they have it not."""
        return self.renamed.get(enum, "")

    def unexported(self, table: str) -> bool:
        """Whether the files have the table and do not export it, so that Drizzle's tools cannot see it."""
        found = self.tables.get(table)
        return (
            found is not None and table not in self._declared.tables and found["statement"] is not None and not found["exported"]
        )

    def undeclared(self, text: str) -> set[str]:
        """The variables of what the files lack that a piece of code uses."""
        return {variable for variable in (*self.new_enums.values(), *self.new_tables.values()) if uses(text, variable)}

    def reaches(self, edit: Edit) -> bool:
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
        new = {variable: self.place_of_enums() for variable in self.new_enums.values()}
        new |= {variable: self.place_of_tables() for variable in self.new_tables.values()}
        for variable, home in {**self._homes, **new}.items():
            if home and home != path and variable not in here and any(uses(edit.text, variable) for edit in edits):
                found[module_for(home, path, text)].add(variable)
        return found

    def place_of_enums(self) -> str:
        """Where the others are; otherwise a file that imports none of the application's, and so is loaded first."""
        paths = [enum["path"] for enum in self.enums.values()] or sorted({table["path"] for table in self.tables.values()})
        first = [path for path in paths if not imports_files(self.texts[path])] or paths
        return max(sorted(set(first)), key=first.count) if first else ""

    def place_of_tables(self) -> str:
        """Where most tables are, the next one belongs."""
        paths = [table["path"] for table in self.tables.values()]
        return max(sorted(set(paths)), key=paths.count) if paths else ""
