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
    if column_type.endswith("[]") and (elements := _elements(text)) is not None:
        return _array(elements, column_type.removesuffix("[]"))
    return _constant(text, column_type)


def value(default: str, column_type: str) -> str:
    """The value of a normalised default without the form that its type gives it: ``'1'`` of a text is the ``1`` of an integer."""
    if column_type.endswith("[]") and default == "'{}'":
        return "[]"
    literal = _STRING.fullmatch(default)
    plain = literal[1] if literal else default
    if (number := _number(plain)) is not None:
        return number
    try:
        return json.dumps(json.loads(plain), sort_keys=True)
    except ValueError:
        return plain


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


def _elements(text: str) -> list[str] | None:
    """The elements of `ARRAY[…]` or of an array literal, as constants in SQL; None for anything else, nested arrays included."""
    literal = _STRING.fullmatch(text)
    if literal:
        return _literal_elements(literal[1].replace("''", "'"))
    built = re.fullmatch(r"ARRAY\[(.*)\]", text, re.IGNORECASE | re.DOTALL)
    if built is None:
        return None
    parts, depth, quoted = [""], 0, False
    for character in built[1]:
        quoted ^= character == "'"
        depth += 0 if quoted else (character in "([") - (character in ")]")
        if character == "," and not quoted and not depth:
            parts.append("")
        else:
            parts[-1] += character
    found = [_without_casts(part.strip()) for part in parts]
    constant = re.compile(r"-?[\d.]+(e[+-]?\d+)?|true|false|NULL", re.IGNORECASE)
    if found == [""]:
        return []
    return found if all(_STRING.fullmatch(part) or constant.fullmatch(part) for part in found) else None


def _literal_elements(text: str) -> list[str] | None:
    """Of `{a,"b,c",NULL}` (section "Array Input and Output Syntax" of the PostgreSQL manual)."""
    if not re.fullmatch(r"\s*\{.*\}\s*", text, re.DOTALL):
        return None
    body = text.strip()[1:-1]
    if not body.strip():
        return []
    element = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^,{}"\\]|\\.)+?))\s*(?:,|$)', re.DOTALL)
    found, position = [], 0
    while position < len(body):
        match = element.match(body, position)
        if match is None:
            return None
        value = match[1] if match[1] is not None else match[2]
        plain = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL).replace("'", "''")
        found.append("NULL" if match[1] is None and value.upper() == "NULL" else f"'{plain}'")
        position = match.end()
    return found


def _array(elements: list[str], element_type: str) -> str:
    """One spelling: `'{}'`, or the normalised elements in brackets."""
    if not elements:
        return "'{}'"
    return f"ARRAY[{', '.join('NULL' if one.upper() == 'NULL' else _constant(one, element_type) for one in elements)}]"


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
