"""Roles and tablespaces as pg_dumpall writes them, made fit for a throwaway cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Of SQL only what can hide a semicolon: strings, quoted names, comments. pg_dumpall sets standard_conforming_strings.
TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|;""")
TABLESPACE = re.compile(
    r"(?:CREATE|ALTER)\s+TABLESPACE\b|COMMENT\s+ON\s+TABLESPACE\b"
    r"|SECURITY\s+LABEL\b[^']*'?[^']*'?\s+ON\s+TABLESPACE\b|(?:GRANT|REVOKE)\b.*\bON\s+TABLESPACE\b",
    re.DOTALL,
)
LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|\\[^\n]*(?:\n|$))*")
PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def statements(script: str) -> Iterator[str]:
    """The script in pieces, each up to and with its semicolon; joined they are the script."""
    begin = 0
    for token in TOKEN.finditer(script):
        if token[0] == ";":
            yield script[begin : token.end()]
            begin = token.end()
    if begin < len(script):
        yield script[begin:]


def for_throwaway_cluster(script: str, superuser: str) -> str:
    """The script without what must not or cannot run beside production.

    Left out: the creation of the bootstrap superuser, which exists already, and tablespaces, whose directories are production's.
    Everything else must run without an error.
    """
    quoted = '"' + superuser.replace('"', '""') + '"'
    names = {quoted, superuser} if PLAIN_NAME.fullmatch(superuser) else {quoted}
    unwanted = {f"CREATE ROLE {name};" for name in names}
    kept = []
    for piece in statements(script):
        head = LEADING.match(piece)
        lead = head[0] if head else ""
        bare = piece[len(lead) :]
        # What leads the statement (a \restrict among it) stays.
        kept.append(lead if bare in unwanted or TABLESPACE.match(bare) else piece)
    return "".join(kept)
