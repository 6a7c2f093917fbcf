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
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept + "…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Filled with spaces to `columns`; to the left of the text where `right` aligns it."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def wrap(text: str, columns: int) -> list[str]:
    """Lines of at most `columns`, broken at spaces, and inside a word only where it is longer than a line."""
    lines: list[str] = []
    line = ""
    for given in one_line(text).split(" "):
        word = given
        while word:
            room = columns - width(line) - (1 if line else 0)
            if width(word) <= room:
                line = f"{line} {word}" if line else word
                break
            if line:
                lines.append(line)
                line = ""
                continue
            head = clip(word, columns + 1).removesuffix("…") if width(word) > columns else word
            lines.append(head)
            word = word[len(head) :]
    return [*lines, line] if line or not lines else lines


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table; cells are Markdown already. Columns numbered in `right` hold figures."""
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


# Controls, format characters (bidirectional overrides too), surrogates, private use, unassigned, line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
