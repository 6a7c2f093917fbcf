"""Writing a column of the application's Drizzle files anew: what is wrong changes, what is right stays as somebody wrote it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .defaults import AUTOINCREMENT
from .difference import Kind
from .drizzle_code import Code, Names, builder_code, default_code, reference_code
from .model import Column, Table

_CLIENT = ("$defaultFn", "$default", "$onUpdate", "$onUpdateFn")
_IDENTITY = ("generatedAlwaysAs", "generatedAlwaysAsIdentity", "generatedByDefaultAsIdentity")
_DEFAULT = ("default", "defaultNow", "defaultRandom", *_CLIENT, *_IDENTITY)
_WRITTEN_ANEW = ("primaryKey", "notNull", "unique", "references", *_DEFAULT)


@dataclass(frozen=True)
class Written:
    """A column as it stands in the file: ``text("a")`` and the calls behind it."""

    builder: str
    links: tuple[tuple[str, str], ...] = ()
    """Name and text of each call: ``("notNull", ".notNull()")``."""
    stated: frozenset[Kind] = field(default_factory=frozenset)
    """Which of its keys the table's extra configuration has, so that the column must not have them too."""

    @classmethod
    def at(cls, place: Mapping[str, Any], text: str, stated: Collection[Kind]) -> Written | None:
        """From the reader's offsets; None where the column is no chain of calls."""
        if place.get("builder_end") is None:
            return None
        start, links = place["builder_start"], place["links"]
        calls = tuple((link["name"], text[link["start"] : link["end"]].strip()) for link in links)
        return cls(text[start : place["builder_end"]], calls, frozenset(stated))

    def calls(self, *names: str) -> str:
        """Those of its calls that have one of these names."""
        return "".join(text for name, text in self.links if name in names)


def rewritten(found: Table, column: Column, names: Names, written: Written, wrong: Collection[Kind]) -> Code | None:
    """The column with what is `wrong` as its table `found` has it; None where Drizzle has no builder or no equal for it."""
    counts = column.default == AUTOINCREMENT or "serial" in written.builder or bool(written.calls(*_IDENTITY))
    anew = Kind.TYPE in wrong or (Kind.DEFAULT in wrong and counts)
    built = builder_code(column, names) if anew else Code(written.builder + _kept(written))
    default = _default(column, written, wrong, anew=anew)
    if built is None or default is None:
        return None
    key = written.calls("primaryKey")
    if Kind.PRIMARY_KEY in wrong:
        key = ".primaryKey()" if found.primary_key == (column.name,) and Kind.PRIMARY_KEY not in written.stated else ""
    unique = written.calls("unique")
    if Kind.UNIQUE in wrong:
        wanted = any(index.unique and index.columns == (column.name,) and not index.predicate for index in found.indexes)
        unique = ".unique()" if wanted and Kind.UNIQUE not in written.stated else ""
    references = written.calls("references")
    if Kind.FOREIGN_KEY in wrong:
        keys = [] if Kind.FOREIGN_KEY in written.stated else [one for one in found.foreign_keys if one.columns == (column.name,)]
        references = "".join(reference_code(one, found.name, names) for one in keys)
    parts = (built.text, key or ("" if column.nullable else ".notNull()"), default.text, unique, references)
    return Code("".join(parts), frozenset({*built.imports, *default.imports}))


def _kept(written: Written) -> str:
    return "".join(text for name, text in written.links if name not in _WRITTEN_ANEW)


def _default(column: Column, written: Written, wrong: Collection[Kind], *, anew: bool) -> Code | None:
    if Kind.DEFAULT in wrong:
        code = default_code(column)
        # A bigint that the application reads as a number has a number for its default.
        if code and not anew and re.search(r"""mode:\s*["'`]number""", written.builder):
            code = Code(re.sub(r"(?<=\d)n(?=\))", "", code.text), code.imports)
        return code
    # A constant takes the form of its type; a function of the client's is the application's own.
    if anew and not (column.client and written.calls(*_CLIENT)):
        return default_code(column)
    return Code(written.calls(*_DEFAULT))
