"""Changing the text of a file at several places at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby


@dataclass(frozen=True)
class Edit:
    """Text to put in place of what stands between two offsets of a file."""

    path: str
    start: int
    end: int
    text: str
    imports: frozenset[str] = frozenset()
    around: tuple[str, str] | None = None
    """Where it is the only entry of its list unless others are put there too: what goes around all of them."""


def line_start(text: str, offset: int) -> int:
    """Where the line begins that `offset` is the first thing on; `offset` itself where it is not the first."""
    start = text.rfind("\n", 0, offset) + 1
    return offset if text[start:offset].strip() else start


def lines_of(text: str) -> list[str]:
    """With their ends; not splitlines(), which breaks at characters that are no line end for `patch`."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _order(edit: Edit) -> tuple[int, int, str]:
    return edit.start, edit.end, edit.text


def edited(text: str, edits: Iterable[Edit], local: Mapping[str, Collection[str]]) -> str:
    """The text with the edits and their imports; `local` are names by the application's own module."""
    edits = sorted(edits, key=_order)
    names = frozenset[str]().union(*(edit.imports for edit in edits))
    for edit in reversed(_joined(edits)):
        text = text[: edit.start] + edit.text + text[edit.end :]
    for module, variables in sorted(local.items()):
        text = _imported(text, module, variables)
    text = _imported(text, "drizzle-orm", names & {"sql"})
    return _imported(text, "drizzle-orm/pg-core", names - {"sql"})


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """Entries for the same empty list become one edit."""
    found: list[Edit] = []
    for (_, start, end, around), group in groupby(edits, key=lambda one: (one.path, one.start, one.end, one.around)):
        together = list(group)
        if around is None:
            found += together
        else:
            text = around[0] + ", ".join(one.text for one in together) + around[1]
            found.append(Edit(together[0].path, start, end, text))
    return _merged(found)


def _merged(edits: Sequence[Edit]) -> list[Edit]:
    """Neighbours that go share the comma between them."""
    found: list[Edit] = []
    for edit in edits:
        before = found[-1] if found else None
        if before and not before.text and not edit.text and before.start < before.end and edit.start < before.end:
            found[-1] = replace(before, end=max(before.end, edit.end))
        elif before and not before.text and edit.start == edit.end < before.end:
            # An entry that comes where the only one goes, and the white space in front of it with it.
            found.append(replace(edit, start=before.end, end=before.end))
        else:
            found.append(edit)
    return found


def _imported(text: str, module: str, names: Iterable[str]) -> str:
    """The text with `names` imported from `module`."""
    statements = list(re.finditer(r"import\s*(?:type\s*)?\{([^}]*)\}\s*from\s*(['\"])" + re.escape(module) + r"\2", text))
    # `text as t` brings no `text` into scope.
    present = {name.strip().removeprefix("type ") for one in statements for name in one[1].split(",")}
    statement = next((one for one in statements if not re.match(r"import\s*type", one[0])), None)
    missing = [f"type {name}" if name == "AnyPgColumn" else name for name in sorted(set(names) - present)]
    if not missing:
        return text
    if statement is None:
        return f'import {{ {", ".join(missing)} }} from "{module}";\n{text}'
    kept = statement[1].rstrip().rstrip(",")
    end = statement[1][len(statement[1].rstrip()) :]
    return f"{text[: statement.start(1)]}{kept}, {', '.join(missing)}{end}{text[statement.end(1) :]}"
