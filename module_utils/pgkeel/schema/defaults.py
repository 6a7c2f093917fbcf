"""Defaults that mean the same get the same text, however they were written."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation

NOW = "CURRENT_TIMESTAMP"
AUTOINCREMENT = "autoincrement"
# transaction_timestamp() is what both are by another name, see "Date/Time Functions" of the PostgreSQL manual.
_NOW = {"now()", "current_timestamp", "transaction_timestamp()", "localtimestamp"}
_CAST = re.compile(
    r"""::(?:"[^"]+"|[a-z_][a-z_0-9]*)(?:\."[^"]+"|\.[a-z_][a-z_0-9]*)?(?:[ ](?:varying|precision|with(?:out)?[ ]time[ ]zone))*"""
    r"""(?:\([\d, ]+\))?(?:[ ]with(?:out)?[ ]time[ ]zone)?(?:\[\])*$""",
    re.IGNORECASE | re.VERBOSE,
)
_STRING = re.compile(r"E?'((?:[^']|'')*)'", re.DOTALL)
_PRECISE_NOW = re.compile(r"(current_timestamp|localtimestamp)\(\d\)", re.IGNORECASE)


def normalise(expression: str | None, column_type: str, identity: str = "") -> str:
    """The expression of a default (pg_get_expr) in one spelling; empty for none.

    Constants lose their casts and get their type's own form: ``'0'::double precision`` and ``0.0`` become ``0``. Every way to
    count up (serial, identity) becomes ``autoincrement``. Other expressions stay as PostgreSQL prints them.
    """
    text = _without_casts((expression or "").strip())
    if identity or text.lower().startswith("nextval("):
        return AUTOINCREMENT
    if text.lower() in _NOW or _PRECISE_NOW.fullmatch(text):
        return NOW
    if text.upper() == "NULL":
        return ""
    return "'{}'" if re.fullmatch(r"ARRAY\[\s*\]", text, re.IGNORECASE) else _constant(text, column_type)


def _constant(text: str, column_type: str) -> str:
    literal = _STRING.fullmatch(text)
    value = literal[1].replace("''", "'") if literal else text
    if _is_number(column_type) and (number := _number(value)) is not None:
        return number
    if column_type in ("json", "jsonb") and literal:
        return _json(value)
    if column_type == "boolean" and value.lower() in ("t", "true", "f", "false"):
        return "true" if value.lower().startswith("t") else "false"
    return f"'{value}'" if literal else text


def _without_casts(text: str) -> str:
    while True:
        shorter = _CAST.sub("", text).strip()
        if shorter.startswith("(") and shorter.endswith(")") and _encloses(shorter):
            shorter = shorter[1:-1].strip()
        if shorter == text:
            return text
        text = shorter


def _encloses(text: str) -> bool:
    """Whether the first parenthesis is closed by the last character."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position == len(text) - 1
    return False


def _is_number(column_type: str) -> bool:
    return column_type.startswith(("numeric", "smallint", "integer", "bigint", "real", "double precision"))


def _number(text: str) -> str | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return f"{value.normalize():f}" if value else "0"


def _json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return f"'{text}'"
