"""Statement texts that may be shown: no literal, no comment, bounded."""

from __future__ import annotations

import re

SHOWN_CHARACTERS = 300

# pg_stat_statements replaces constants itself, but not in every case: an entry made while its text was being evicted keeps
# them, and comments (where tracing libraries put request data) always stay. So everything quoted goes, whatever its origin.
_TOKEN = re.compile(
    r"""
      (?P<block> /\* )
    | (?P<comment> --[^\n]* )
    | (?P<identifier> "(?:[^"]|"")*" )
    # PostgreSQL takes two strings as one where a line ends between them.
    | (?P<escaped> [eE]'(?:[^'\\]|''|\\(?:.|\Z))* (?:' (?:\s|--[^\n]*\n)+ '(?:[^'\\]|''|\\(?:.|\Z))*)* (?:'|\Z) )
    | (?P<literal> (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z) )
    | (?P<word> [A-Za-z_\x80-\U0010ffff] [\w$]* )
    | (?P<parameter> \$\d+ )
    | (?P<dollar> \$\$.*?(?:\$\$|\Z) | \$(?P<tag>[A-Za-z_\x80-\U0010ffff]\w*)\$ .*? (?:\$(?P=tag)\$|\Z) )
    | (?P<number> (?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w* )
    """,
    re.VERBOSE | re.DOTALL,
)
_EDGE = re.compile(r"/\*|\*/")


def _replace(match: re.Match[str]) -> str:
    if match.group("comment") is not None or match.group("block") is not None:
        return " "
    if any(match.group(kept) is not None for kept in ("identifier", "word", "parameter")):
        return match.group(0)
    return "?"


def strip_literals(statement: str) -> str:
    """A statement on one line, whole or cut off anywhere, with every literal replaced by ``?``, without comments."""
    pieces: list[str] = []
    end = 0
    while match := _TOKEN.search(statement, end):
        pieces += [statement[end : match.start()], _replace(match)]
        end = _end_of_comment(statement, match.start()) if match.group("block") else match.end()
    return " ".join("".join([*pieces, statement[end:]]).split())


def _end_of_comment(statement: str, begin: int) -> int:
    """Where the comment ends that begins there: one may hold others, and each has its own end."""
    depth = 0
    for edge in _EDGE.finditer(statement, begin):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(statement)


def redact(statement: str) -> str:
    """A statement on one line, with every literal replaced by ``?``, without comments, cut at 300 characters."""
    text = strip_literals(statement)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
