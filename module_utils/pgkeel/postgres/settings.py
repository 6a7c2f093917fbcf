"""Values of settings: what PostgreSQL would make of a text, and when two texts mean the same.

The rules are those of the PostgreSQL 17 documentation, section 19.1.1 "Parameter Names and Values", and where it is silent,
those of guc.c (``parse_int``, ``convert_to_base_unit``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import PgkeelError

BYTES: Mapping[str, float] = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
MILLISECONDS: Mapping[str, float] = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

BOOLEANS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}

# Choices that PostgreSQL takes and shows as another one; of some, pg_settings lists both.
OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "wal_level": {"archive": "replica", "hot_standby": "replica"},
    "wal_compression": {"on": "pglz"},
}

# Settings whose value is a list of names: spaces and letter case between the commas mean nothing.
LISTS = frozenset({"datestyle", "listen_addresses", "search_path", "temp_tablespaces", "unix_socket_directories"})
# Of them, those whose letter case counts.
PATHS = frozenset({"unix_socket_directories"})
# How the words of a date's order begin, and what PostgreSQL shows.
DATE_ORDERS: Mapping[str, str] = {"ymd": "ymd", "dmy": "dmy", "euro": "dmy", "mdy": "mdy", "us": "mdy", "noneuro": "mdy"}

# Settings that PostgreSQL shows with the letter case of its own files, whatever was written.
CASELESS = frozenset({"timezone", "log_timezone"})

_NUMBER = re.compile(r"(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))\s*(?P<unit>[A-Za-z]*)")
_UNIT = re.compile(r"(?P<count>\d*)(?P<unit>[A-Za-z]+)")

Value = str | int | float | bool


@dataclass(frozen=True)
class Setting:
    """One row of pg_settings, as far as planning needs it."""

    name: str
    value: str
    """As pg_settings shows it: numbers in ``unit``."""
    unit: str
    """``8kB``, ``ms`` and the like; empty where there is none."""
    vartype: str
    """``bool``, ``enum``, ``integer``, ``real`` or ``string``."""
    context: str
    """``postmaster`` needs a restart, ``internal`` can never be set, all others need a reload."""
    minimum: str = ""
    maximum: str = ""
    choices: Sequence[str] = ()
    default: str = ""
    source: str = "default"
    source_file: str = ""
    pending_restart: bool = False
    placeholder: bool = False
    """Stands for a setting of a library that is not loaded: its type and limits are unknown."""


def text_of(value: Value) -> str:
    """The text to write for a value from YAML, where ``on`` and ``off`` arrive as booleans."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def factor(unit: str) -> tuple[str, float]:
    """The dimension (``bytes``, ``time`` or empty) of a pg_settings unit, and how many bytes or milliseconds one is.

    ``8kB`` gives ``("bytes", 8192)``. Raises ValueError for a unit that PostgreSQL does not have.
    """
    if not unit:
        return "", 1
    match = _UNIT.fullmatch(unit)
    if match:
        count = int(match["count"] or 1)
        if match["unit"] in BYTES:
            return "bytes", count * BYTES[match["unit"]]
        if match["unit"] in MILLISECONDS:
            return "time", count * MILLISECONDS[match["unit"]]
    raise ValueError(f"{unit!r} is not a unit")


def number(text: str, unit: str, *, integer: bool = False) -> float:
    """A number in ``unit``, from a text such as ``4MB``, ``1.5h`` or ``20``; a bare number is in ``unit`` already.

    A fraction is rounded to the next smaller unit, as PostgreSQL does: ``1.3GB`` is 1331 MB. An ``integer`` setting reads a
    leading zero as octal; it rounds what it gets, and this does not. Raises ValueError for what is not a number or has a
    foreign unit.
    """
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise ValueError("it is not a number")
    digits = match["number"]
    plain = digits.lstrip("+-")
    if "x" in digits.lower():
        value = float(int(digits, 16))
    elif integer and len(plain) > 1 and plain.startswith("0") and plain.isdigit():
        if not set(plain) <= set("01234567"):
            raise ValueError("a leading zero makes it octal, and it is not an octal number")
        value = float(int(digits, 8))
    else:
        value = float(digits)
    if not match["unit"]:
        return value
    dimension, base = factor(unit)
    if not dimension:
        raise ValueError("this setting takes no unit")
    table = BYTES if dimension == "bytes" else MILLISECONDS
    if match["unit"] not in table:
        raise ValueError(f"the units are {', '.join(table)}")
    value = value * table[match["unit"]] / base
    smaller = [size for size in table.values() if size < table[match["unit"]]]
    if smaller and math.isfinite(value):
        step = max(smaller) / base
        value = round(value / step) * step
    return value


def canonical(setting: Setting, text: str) -> str:
    """The one form in which equal values of this setting are equal texts: the form that pg_settings shows.

    Raises ValueError, with the reason, for a text that PostgreSQL would refuse.
    """
    text = text.strip() if setting.vartype != "string" else text
    match setting.vartype:
        case "bool":
            # Any prefix of a word will do that can be only one of both.
            meant = {value for word, value in BOOLEANS.items() if word.startswith(text.lower())}
            if len(meant) != 1:
                raise ValueError("it is not on or off")
            return "on" if meant.pop() else "off"
        case "enum":
            return _enum(setting, text)
        case "integer":
            value = number(text, setting.unit, integer=True)
            if not math.isfinite(value):
                raise ValueError("it is not finite")
            return str(round(value))
        case "real":
            # pg_settings shows six digits, however many the server works with.
            return f"{number(text, setting.unit):.6g}"
    return _string(setting.name.lower(), text)


def _string(name: str, text: str) -> str:
    if name in CASELESS:
        return text.lower()
    if name not in LISTS:
        return text
    parts = [part.strip() if name in PATHS else part.strip().lower() for part in text.split(",")]
    return _date_style(parts) if name == "datestyle" else ", ".join(parts)


def _date_style(words: Sequence[str]) -> str:
    """A style and an order, as PostgreSQL shows both where one was given; its own start values stand for the other."""
    style, order = "iso", ""
    for word in words:
        if word in {"iso", "sql", "german"} or word.startswith("postgres"):
            style = "postgres" if word.startswith("postgres") else word
        else:
            order = next((order for start, order in DATE_ORDERS.items() if word.startswith(start)), word)
    return f"{style}, {order or ('dmy' if style == 'german' else 'mdy')}"


def _enum(setting: Setting, text: str) -> str:
    known = {choice.lower(): choice for choice in setting.choices}
    if "debug2" in known:
        known["debug"] = "debug2"
    known |= OTHER_NAMES.get(setting.name, {})
    if text.lower() in known:
        return known[text.lower()]
    # Some enumerations grew out of a boolean and still take its spellings.
    spelling = BOOLEANS.get(text.lower())
    if spelling is not None and text_of(spelling) in setting.choices:
        return known[text_of(spelling)]
    raise ValueError(f"the choices are {', '.join(setting.choices)}")


def check(setting: Setting, text: str) -> str:
    """The canonical value, when the server would take it.

    Raises PgkeelError for a setting that cannot be set, and for a value of the wrong type, unit or size.
    """
    if setting.context == "internal":
        raise PgkeelError(f"The setting {setting.name} only reports and cannot be set", "Remove it from the settings")
    if "\n" in text or "\x00" in text:
        raise PgkeelError(f"The value of the setting {setting.name} has a line break in it", "Give it in one line")
    if setting.placeholder:
        return text
    try:
        value = canonical(setting, text)
        reason = _out_of_range(setting, text, value)
    except ValueError as error:
        reason = str(error)
    if reason:
        raise PgkeelError(f"The setting {setting.name} cannot be {text!r}: {reason}", "Correct the value; nothing was changed")
    return value


def _out_of_range(setting: Setting, text: str, value: str) -> str:
    if setting.vartype not in {"integer", "real"}:
        return ""
    # PostgreSQL judges every digit of a real number, though it shows six.
    amount = number(text, setting.unit) if setting.vartype == "real" else float(value)
    too_small = setting.minimum and amount < float(setting.minimum)
    too_large = setting.maximum and amount > float(setting.maximum)
    if too_small or too_large:
        unit = f" (in units of {setting.unit})" if setting.unit else ""
        return f"it must lie between {setting.minimum} and {setting.maximum}{unit}"
    return ""


def same(setting: Setting, one: str, other: str) -> bool:
    """Whether two texts mean the same value; texts that PostgreSQL would refuse are the same only when equal."""
    if setting.placeholder:
        return one == other
    try:
        return canonical(setting, one) == canonical(setting, other)
    except ValueError:
        return one == other


def readable(setting: Setting, value: str) -> str:
    """A bare number with its unit, for people: ``16384`` of ``8kB`` is ``128MB``, ``-1`` stays."""
    if setting.vartype not in {"integer", "real"} or not setting.unit:
        return value
    try:
        amount = float(value)
    except ValueError:
        return value
    if amount <= 0:
        return value
    dimension, base = factor(setting.unit)
    total = amount * base
    table = BYTES if dimension == "bytes" else MILLISECONDS
    unit = next((unit for unit, size in reversed(list(table.items())) if total >= size and total % size == 0), None)
    return f"{total / table[unit]:.15g}{unit}" if unit else value


def parse_libraries(text: str) -> list[str]:
    """The names in a ``shared_preload_libraries`` value, in order and each once.

    An empty name (``""``, which a careless ALTER SYSTEM leaves behind and no server starts with) is dropped.
    """
    names = [quoted.replace('""', '"') or bare.strip() for quoted, bare in re.findall(r'"((?:[^"]|"")*)"|([^",]+)', text)]
    return list(dict.fromkeys(name for name in names if name))


def render_libraries(names: list[str]) -> str:
    """The value that ``parse_libraries`` reads back as these names."""
    return ",".join(name if re.fullmatch(r"[A-Za-z0-9_$./-]+", name) else '"' + name.replace('"', '""') + '"' for name in names)
