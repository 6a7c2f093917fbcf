"""What a Drizzle table has beside its columns, its extra configuration: finding an entry, putting one there, taking one out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .drizzle_code import Code, property_key
from .drizzle_edit import Edit, line_start
from .drizzle_source import DrizzleSource


def entry_of(source: DrizzleSource, table: str, kinds: Collection[str], columns: Sequence[str]) -> Mapping[str, Any] | None:
    """What the table's extra configuration has of these kinds on these columns."""
    extras = (source.tables.get(table) or {}).get("extras") or {"entries": []}
    wanted = [source.names.property(table, column) for column in columns]
    found: list[Mapping[str, Any]] = [
        entry for entry in extras["entries"] if entry["kind"] in kinds and (not wanted or entry["properties"] == wanted)
    ]
    return found[0] if len(found) == 1 else None


def parameter_of(source: DrizzleSource, table: str) -> str:
    """What the callback of the extra configuration calls the table, or is to call it where there is none yet."""
    extras = (source.tables.get(table) or {}).get("extras")
    return str(extras["parameter"]) if extras else "table"


def put_entry(source: DrizzleSource, table: str, old: Mapping[str, Any] | None, code: Code | None) -> list[Edit]:
    """Put `code` in the place of `old`, or beside the others where there is no old one; None takes it away."""
    found = source.tables.get(table)
    if found is None or found.get("extras") is None:
        return []
    if code is None:
        return [without_entry(source, found["path"], old)] if old else []
    extras, path, text = found["extras"], found["path"], source.texts[found["path"]]
    if old is not None:
        label = text[old["start"] : old["end"]].split(":")[0] + ": " if extras["named"] else ""
        return [Edit(path, old["start"], old["end"], label + code.text, needed(code))]
    label = f"{property_key(_label(code))}: " if extras["named"] else ""
    if extras["start"] is None:
        return [Edit(path, found["body_end"], found["body_end"], code.text, needed(code), (", (table) => [", "]"))]
    if not extras["entries"]:
        return [Edit(path, extras["start"] + 1, extras["start"] + 1, label + code.text, needed(code), ("", ""))]
    first = extras["entries"][0]["start"]
    start = line_start(text, first)
    before, end = (text[start:first], ",\n") if start < first else ("", ", ")
    return [Edit(path, start, start, f"{before}{label}{code.text}{end}", needed(code))]


def without_entry(source: DrizzleSource, path: str, old: Mapping[str, Any]) -> Edit:
    """With the comma that follows it, or where none does, the one in front."""
    text = source.texts[path]
    after = re.compile(r"\s*,[ \t]*\n?").match(text, old["end"])
    if after is None:
        before = text[: old["start"]].rstrip()
        return Edit(path, len(before) - before.endswith(","), old["end"], "")
    start = line_start(text, old["start"])
    alone = start < old["start"] and after[0].endswith("\n")
    return Edit(path, start if alone else old["start"], after.end() if alone else after.end() - after[0].endswith("\n"), "")


def needed(code: Code) -> frozenset[str]:
    """What the code imports, the type that a table needs to speak of itself among it."""
    return code.imports | ({"AnyPgColumn"} if "AnyPgColumn" in code.text else frozenset())


def _label(code: Code) -> str:
    """A key for an entry where the extra configuration is an object."""
    named = re.search(r'"([^"]+)"', code.text)
    return named[1] if named else code.text.partition("(")[0]
