"""What is in scope in a Drizzle file, how one file gets a name from another, and names for what is to be declared."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

# Words that TypeScript does not take for a variable, and names that a Drizzle file imports or the language has.
_WORDS = (
    "await bigint bigserial boolean break case catch char check cidr class const continue crypto customType date debugger "
    "decimal default delete do doublePrecision else enum export extends false finally for foreignKey function geometry if "
    "implements import in index inet instanceof integer interface interval json jsonb let line macaddr new null numeric "
    "package pgEnum pgSchema pgTable point primaryKey private protected public real relations return serial smallint "
    "smallserial sql static super switch table text this throw time timestamp true try typeof undefined unique uniqueIndex "
    "uuid var varchar vector void while with yield"
)
_TAKEN = frozenset(_WORDS.split())
_IMPORT = re.compile(r"import\s*(?:type\s*)?\{([^}]*)\}\s*from\s*['\"]([^'\"]+)['\"]")


def imported_names(text: str) -> set[str]:
    """The names that a file imports one by one."""
    parts = [part.strip().removeprefix("type ") for found in _IMPORT.finditer(text) for part in found[1].split(",")]
    return {part.split(" as ")[-1].strip() for part in parts if part}


def uses(text: str, variable: str) -> bool:
    """Whether a piece of code calls a variable, or takes something of it."""
    return bool(re.search(rf"""(?<![.\w$"'`]){re.escape(variable)}(?=[.(\[])""", text))


def variable_for(name: str, suffix: str, taken: Collection[str]) -> str:
    """A variable for a table or enum, as a person would call it; with the suffix where that name is taken."""
    plain = re.sub(r"\W+", "_", name.rpartition(".")[2]).strip("_")
    plain = plain[:1].lower() + plain[1:]
    if not plain or plain[0].isdigit():
        plain = f"_{plain}"
    while plain in taken or plain in _TAKEN:
        plain += suffix
    return plain


def declared_names(text: str) -> set[str]:
    """What a file declares or imports."""
    return {*re.findall(r"\b(?:const|let|var|function|class|enum)\s+([\w$]+)", text), *imported_names(text)}


def module_for(path: str, importing: str, text: str) -> str:
    """How the file `importing`, with this text, names the file `path` in an import: with an extension where it writes them."""
    module = os.path.relpath(path, os.path.dirname(importing)).replace(os.sep, "/")
    stem, extension = re.sub(r"\.([mc]?)ts$", "", module), re.search(r"\.([mc]?)ts$", module)
    written = {os.path.splitext(found[2])[1] for found in _IMPORT.finditer(text) if found[2].startswith(".")}
    if extension and f".{extension[1]}js" in written:
        stem += f".{extension[1]}js"
    elif extension and extension[0] in written:
        stem += extension[0]
    return stem if stem.startswith(".") else f"./{stem}"


def after_imports(text: str) -> int:
    """Where the first declaration may stand: behind the last import."""
    found = list(re.finditer(r"^import\b[^;]*?(?:from\s*)?['\"][^'\"]+['\"];?[^\n]*(?:\n|$)", text, re.MULTILINE))
    return found[-1].end() if found else 0


def imports_files(text: str) -> bool:
    """Whether a file imports another one of the application's."""
    return bool(re.search(r"""(?:from|import)\s*['"]\.""", text))
