"""Foreign text inside Markdown and on a terminal: shown as it is, never obeyed. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# What Markdown could read as markup or HTML. `.`, `+` and `-` matter only at the start of a line, where we put no foreign text.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#!])")


def one_line(text: str) -> str:
    """Line ends and other control characters (a terminal would obey them) become spaces; runs of spaces become one."""
    return " ".join("".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text).split())


def escape(text: str) -> str:
    """Foreign text as Markdown that shows exactly that text, on one line. A bare address does not become a link."""
    return _MARKUP.sub(r"\\\1", one_line(text)).replace("://", ":\\/\\/")


def code_span(text: str) -> str:
    """Foreign text in a code span whose fence is longer than any run of backticks in it; fit for a table cell."""
    content = one_line(text).replace("|", "\\|")
    if not content:
        return ""
    fence = "`" * (_longest_run(content) + 1)
    padding = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{padding}{content}{padding}{fence}"


def code_block(text: str, language: str = "") -> str:
    """Foreign text in a fenced block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return sum(0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def clip(text: str, columns: int) -> str:
    """At most `columns` wide, with an ellipsis where something was cut."""
    return text if width(text) <= columns else _head(text, columns - 1) + "…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Filled with spaces to `columns`; to the left of the text where `right` aligns it."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most `columns` (at least 2), broken at spaces, and inside a word only where it is longer than a line."""
    lines = [""]
    for given in one_line(text).split(" "):
        word = given
        if width(lines[-1]) + 1 + width(word) <= columns and lines[-1]:
            lines[-1] += f" {word}"
            continue
        while width(word) > columns:
            head = _head(word, columns)
            lines.append(head)
            word = word[len(head) :]
        lines.append(word)
    return [line for line in lines if line] or [""]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table; cells are Markdown already. Columns numbered in `right` hold figures."""
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


# Controls, format characters (bidirectional overrides too), surrogates, private use, unassigned, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _head(text: str, columns: int) -> str:
    """As much from the start of `text` as fits."""
    taken = 0
    for position, char in enumerate(text):
        taken += width(char)
        if taken > columns:
            return text[:position]
    return text


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
