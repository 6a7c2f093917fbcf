"""Statement texts that may be shown: no literal, no comment, bounded."""

from __future__ import annotations

import re

SHOWN_CHARACTERS = 300

# pg_stat_statements replaces constants itself, but not in every case: an entry made while its text was being evicted keeps
# them, and comments (where tracing libraries put request data) always stay. So everything quoted goes, whatever its origin.
_TOKEN = re.compile(
    r"""
      (?P<comment> /\*.*?(?:\*/|\Z) | --[^\n]* )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<escaped> [eE]'(?:[^'\\]|''|\\.)*(?:'|\Z) )
    | (?P<literal> (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z) )
    | (?P<word> [A-Za-z_\x80-\U0010ffff] [\w$]* )
    | (?P<parameter> \$\d+ )
    | (?P<dollar> \$\$.*?(?:\$\$|\Z) | \$(?P<tag>[A-Za-z_\x80-\U0010ffff]\w*)\$ .*? (?:\$(?P=tag)\$|\Z) )
    | (?P<number> (?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\w* )
    """,
    re.VERBOSE | re.DOTALL,
)


def _replace(match: re.Match[str]) -> str:
    if match.group("comment") is not None:
        return " "
    if any(match.group(kept) is not None for kept in ("identifier", "word", "parameter")):
        return match.group(0)
    return "?"


def strip_literals(statement: str) -> str:
    """A statement on one line, whole or cut off anywhere, with every literal replaced by ``?``, without comments."""
    return " ".join(_TOKEN.sub(_replace, statement).split())


def redact(statement: str) -> str:
    """A statement on one line, with every literal replaced by ``?``, without comments, cut at 300 characters."""
    text = strip_literals(statement)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
