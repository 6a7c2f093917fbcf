"""Values for the parameters of a statement, as production might send them: from its statistics where they speak.

They are people's data. They are put into statements that run on the proving ground and never leave the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil

from ..postgres.index_declaration import IndexKey
from .cures import Cured, substituted
from .facts import Catalog, ColumnFacts
from .usage import Parameter, Usage

SETS = 3
"""Different choices of values for each statement without a list."""
LIST_SETS = 5
"""And for one with a list, whose length matters as much as what is in it."""
LENGTHS = (25, 100, 3, 25, 25)
"""Elements of a list, by choice. 25 is a page of results; where the counters tell how long it is, that takes its place."""
# Where along the histogram, by choice.
_PLACES = (0.5, 0.85, 0.2)
_OPEN_RANGE = (0.9, 0.97, 0.6)
_PAIR_WIDTH = 0.08
_RECENT_DAYS = (7, 30, None)
"""How far back an open range of time goes from the newest value, by choice; None: as far as _OPEN_RANGE says. Applications ask
for the last days, and there the histogram knows least: its last part may span months."""
_ROLE_VALUES = {
    "limit": ("20", "50", "10"),
    "offset": ("0", "100", "20"),
    "date_trunc:0": ("day", "month", "hour"),
    "date_part:0": ("day", "hour", "month"),
    "to_char:1": ("YYYY-MM-DD", "YYYY-MM", "HH24"),
    "like_escape:1": ("\\", "\\", "\\"),
    "timezone:0": ("UTC", "UTC", "UTC"),
    "round:1": ("2", "0", "1"),
    "generate_series:0": ("1", "1", "1"),
    "generate_series:1": ("10", "20", "5"),
}
_TYPE_VALUES = {
    "boolean": ("true", "false", "true"),
    "integer": ("1", "10", "2"),
    "bigint": ("1", "10", "2"),
    "smallint": ("1", "10", "2"),
    "numeric": ("1", "10", "2.5"),
    "double precision": ("1", "10", "2.5"),
    "real": ("1", "10", "2.5"),
    "interval": ("30 days", "7 days", "1 day"),
    "json": ("{}", "{}", "{}"),
    "jsonb": ("{}", "{}", "{}"),
    "uuid": ("00000000-0000-0000-0000-000000000000",) * SETS,
    "date": ("2026-01-01", "2025-06-01", "2026-06-01"),
    "tsquery": ("a", "b", "c"),
    "regconfig": ("simple", "simple", "simple"),
    "text[]": ("{a,b}", "{a}", "{b}"),
    "jsonpath": ('$."id" ? (@ == 1)', '$."id" ? (@ == 2)', '$."id"'),
    "int4range": ("[1,10)", "[10,100)", "[1,2)"),
    "int8range": ("[1,10)", "[10,100)", "[1,2)"),
    "numrange": ("[1,10)", "[10,100)", "[1,2)"),
    "daterange": ("[2026-01-01,2026-01-08)", "[2025-06-01,2025-07-01)", "[2026-06-01,2026-06-02)"),
    "tsrange": ("[2026-01-01,2026-01-08)", "[2025-06-01,2025-07-01)", "[2026-06-01,2026-06-02)"),
    "tstzrange": ("[2026-01-01,2026-01-08)", "[2025-06-01,2025-07-01)", "[2026-06-01,2026-06-02)"),
}
_DOCUMENT_ROLES = {"@>": "jsonb", "@?": "jsonpath", "@@": "jsonpath"}
"""Operators that ask a JSON document, and the type of what they ask with."""
_TIMES = re.compile(r"^timestamp|^time\b")
_ELEMENT = re.compile(r"""\{("(?:[^"\\]|\\.)*"|[^"{},]+)[,}]""", re.DOTALL)
PATTERN_LETTERS = 4
LONGEST_LIST = 1_000
MOST_TRIES = 10_000


def sets_of(usage: Usage, types: Sequence[str]) -> int:
    """How many choices of values a statement gets."""
    lists = any(parameter.role == "any" for parameter in usage.parameters.values())
    return LIST_SETS if lists and any(kind.endswith("[]") for kind in types) else SETS


def chosen_values(
    usage: Usage, types: Sequence[str], catalog: Catalog, choice: int, rows_a_call: float = 0.0
) -> tuple[str | None, ...]:
    """One value for each of ``$1``, ``$2`` … as text, from statistics; ``choice`` below ``sets_of`` selects another selection.

    ``types`` are PostgreSQL's own names of the parameters' types. ``rows_a_call``: what the counters say that it returns or
    changes, which tells the length of a list where each element gives a row. None stands for NULL: nothing is known of an
    unusual type.
    """
    pairs = _pairs(usage)
    # Lists of the usual length meet each of the choices of what stands beside them.
    place = choice if choice < SETS else choice - SETS + 1
    values: list[str | None] = []
    for number, kind in enumerate(types, 1):
        parameter = usage.parameters.get(number, Parameter(number))
        facts = _facts(parameter, catalog)
        known = facts is not None and (facts.bounds or facts.common)
        if facts is not None and known and (parameter.role == "any" or (kind.endswith("[]") and kind != facts.type)):
            told = list_length(parameter, usage, rows_a_call)
            length = told if told and LENGTHS[choice] == LENGTHS[0] else LENGTHS[choice]
            values.append(_array(several(facts, length, choice)))
        else:
            values.append(_value(parameter, kind, facts, choice=place, pair=pairs.get(number), number=number))
    return tuple(values)


def list_length(parameter: Parameter, usage: Usage, rows_a_call: float) -> int:
    """How many elements a list has at least, where each of them gives at most one row; 0 where that cannot be told."""
    if parameter.role != "any" or not parameter.column or rows_a_call <= 0 or usage.limited:
        return 0
    key = IndexKey(column=parameter.column)
    for use in usage.uses:
        unique = any(index.unique and not index.predicate and index.keys == (parameter.column,) for index in use.table.indexes)
        if use.table.id == parameter.table and (use.group == [key] or (unique and len(usage.uses) == 1 and not use.group)):
            return min(LONGEST_LIST, max(1, ceil(rows_a_call)))
    return 0


def several(facts: ColumnFacts, length: int, choice: int) -> list[str]:
    """So many different values, frequent ones as often as they occur; fewer where statistics hold fewer."""
    shares = facts.common_shares or (0.0,) * len(facts.common)
    frequent = sum(shares)
    found: dict[str, None] = {}
    known = len(facts.common) + len(facts.bounds)
    tries = length
    while len(found) < min(length, known) and tries <= MOST_TRIES:
        for step in range(tries):
            at = (step + _PLACES[choice % SETS]) / tries % 1.0
            found.setdefault(_by_share(facts, shares, frequent, at))
            if len(found) >= length:
                break
        tries *= 2
    return list(found)


def _by_share(facts: ColumnFacts, shares: Sequence[float], frequent: float, at: float) -> str:
    """The value at that place, 0 to 1, of all rows in the order of how frequent their values are."""
    if not facts.bounds and frequent:
        at *= frequent
    passed = 0.0
    for value, share in zip(facts.common, shares, strict=False):
        passed += share
        if at < passed:
            return value
    return _at(facts.bounds, (at - frequent) / max(1e-9, 1 - frequent)) if facts.bounds else facts.common[-1]


def is_guess(usage: Usage, types: Sequence[str], catalog: Catalog) -> bool:
    """Whether a value had to be made up whose choice decides about the plan: a pattern, or one of an unknown column's."""
    for number, kind in enumerate(types, 1):
        parameter = usage.parameters.get(number, Parameter(number))
        facts = _facts(parameter, catalog)
        unknown = facts is None or not (facts.common or facts.bounds)
        # Of a text's words and of patterns, statistics tell nothing that could be searched for.
        searched = parameter.role == "like" or (parameter.role == "@@" and kind != "jsonpath")
        if searched or (unknown and parameter.role in {"=", "<", ">", "any", "@>", "&&", "@?", "@@"}):
            return True
    return False


def bound(cured: Cured, types: Sequence[str], values: Sequence[str | None]) -> str:
    """The statement with the values in place of its parameters, each cast to its type."""

    def literal(_position: int, number: int) -> str:
        value, kind = values[number - 1], types[number - 1]
        if value is None:
            return f"CAST(NULL AS {kind})"
        escaped = value.replace("'", "''")
        quoted = f"E'{escaped}'".replace("\\", "\\\\") if "\\" in value else f"'{escaped}'"
        return f"CAST({quoted} AS {kind})"

    return substituted(cured.sql, literal)


def executed(types: Sequence[str], values: Sequence[str | None]) -> str:
    """The arguments of EXECUTE, each cast to its type; empty where there are none."""
    numbered = Cured(", ".join(f"${number}" for number in range(1, len(types) + 1)), len(types))
    return f"({bound(numbered, types, values)})" if types else ""


def _facts(parameter: Parameter, catalog: Catalog) -> ColumnFacts | None:
    if parameter.table is None:
        return None
    table = catalog.tables.get(parameter.table)
    return table.columns.get(parameter.column) if table else None


def _pairs(usage: Usage) -> dict[int, str]:
    """Parameters that bound one column from below and from above: ``low`` or ``high``."""
    sides: dict[tuple[object, str], dict[str, list[int]]] = {}
    for parameter in usage.parameters.values():
        if parameter.role in {"<", ">"} and parameter.column:
            sides.setdefault((parameter.table, parameter.column), {}).setdefault(parameter.role, []).append(parameter.number)
    found: dict[int, str] = {}
    for side in sides.values():
        if {"<", ">"} <= set(side):
            found.update(dict.fromkeys(side[">"], "low"))
            found.update(dict.fromkeys(side["<"], "high"))
    return found


def _value(  # noqa: PLR0911 - one line a kind of parameter
    parameter: Parameter, kind: str, facts: ColumnFacts | None, *, choice: int, pair: str | None, number: int
) -> str | None:
    role = parameter.role
    if role in _ROLE_VALUES and not (kind == "date" or _TIMES.match(kind)):
        return _ROLE_VALUES[role][choice]
    if facts is not None and (facts.bounds or facts.common):
        if role in {"<", ">"} and kind != "interval":
            return _recent(facts, role, kind, choice, pair) or _range(facts, role, choice, pair)
        if role == "like":
            return _pattern(_typical(facts, choice, 0), choice)
        inside = _inside(role, kind, facts, choice)
        if inside is not None:
            return inside
        if kind == facts.type or kind in {"text", "integer", "bigint", "numeric"} or role in {"=", ""}:
            return _typical(facts, choice, number)
    if role == "like":
        return ("%abc%", "%a%", "abc%")[choice]
    if role == "key":
        return "id"
    if kind in _TYPE_VALUES:
        return _TYPE_VALUES[kind][choice]
    if _TIMES.match(kind):
        return ("2026-01-01 00:00:00", "2025-06-01 00:00:00", "2026-06-01 00:00:00")[choice]
    if kind.endswith("[]"):
        return "{}"
    return "a" if kind in {"text", "character varying", "character", "bpchar", "name"} else None


def _typical(facts: ColumnFacts, choice: int, number: int) -> str:
    """A frequent value, a usual one, and another usual one. ``number`` keeps an IN list from repeating one value."""
    if facts.common and (choice == 0 or not facts.bounds):
        return facts.common[(choice + number // 2) % len(facts.common) if number else min(choice, len(facts.common) - 1)]
    return _at(facts.bounds, (_PLACES[choice] + number * 0.037) % 1.0)


def _at(bounds: Sequence[str], place: float) -> str:
    return bounds[min(len(bounds) - 1, int(place * len(bounds)))]


def _range(facts: ColumnFacts, role: str, choice: int, pair: str | None) -> str:
    bounds = facts.bounds or tuple(sorted(facts.common))
    if pair:
        return _at(bounds, min(0.99, _PLACES[choice] + (_PAIR_WIDTH if pair == "high" else 0)))
    return _at(bounds, _OPEN_RANGE[choice] if role == ">" else 1 - _OPEN_RANGE[choice])


def _recent(facts: ColumnFacts, role: str, kind: str, choice: int, pair: str | None) -> str:
    """So many days before the newest value; empty where that is no moment, or the column does not reach back so far."""
    days = _RECENT_DAYS[choice]
    if days is None or pair or role != ">" or not facts.bounds or not (_TIMES.match(kind) or kind == "date"):
        return ""
    try:
        first, newest = (datetime.fromisoformat(facts.bounds[at]) for at in (0, -1))
        since = newest - timedelta(days=days)
        if since <= first:
            return ""
    except (ValueError, TypeError, OverflowError):
        return ""
    return since.date().isoformat() if kind == "date" else str(since)


def _pattern(text: str, choice: int) -> str:
    letters = re.sub(r"[%_\\]", "", text)
    middle = max(0, len(letters) // 2 - PATTERN_LETTERS // 2)
    if choice == SETS - 1:
        # Last: what is chosen before anything is measured must not rest on a prefix that nobody saw the application send.
        return f"{letters[: PATTERN_LETTERS + 1]}%"
    return f"%{letters[middle : middle + PATTERN_LETTERS]}%"


def _inside(role: str, kind: str, facts: ColumnFacts, choice: int) -> str | None:
    """What a query asks of the inside of a document or an array; None for other questions."""
    typical = _typical(facts, choice, 0)
    if kind.endswith("[]"):
        return _first_of((typical, *facts.common, *facts.bounds)) if role == "@>" else None
    if kind == _DOCUMENT_ROLES.get(role):
        return _part(typical) if role == "@>" else _path(typical, asks=role == "@?")
    return _key(typical) if role == "key" else None


def _part(document: str) -> str:
    """One member of a JSON document, as a query would ask for."""
    try:
        value = json.loads(document)
    except ValueError:
        return "{}"
    if isinstance(value, dict) and value:
        name = next((name for name, item in value.items() if isinstance(item, str | int | bool)), next(iter(value)))
        return json.dumps({name: value[name]})
    return json.dumps(value[:1]) if isinstance(value, list) else document


def _path(document: str, *, asks: bool) -> str:
    """A path to one member of a JSON document with the value that it has; ``asks`` for what is there, or is a condition."""
    part = json.loads(_part(document))
    name, value = next(iter(part.items()), ("id", None)) if isinstance(part, dict) else ("id", None)
    path, wanted = f"$.{json.dumps(name)}", json.dumps(value if isinstance(value, str | int | float | bool) else None)
    return f"{path} ? (@ == {wanted})" if asks else f"{path} == {wanted}"


def _first_of(arrays: Sequence[str]) -> str:
    """One element, as a query would ask for, of the first of the arrays that has any and no more than one dimension."""
    elements = (_ELEMENT.match(array) for array in arrays)
    return next((f"{{{element[1]}}}" for element in elements if element), "{}")


def _key(document: str) -> str:
    try:
        value = json.loads(document)
    except ValueError:
        return "id"
    return str(next(iter(value))) if isinstance(value, dict) and value else "id"


def _array(values: Sequence[str]) -> str:
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in dict.fromkeys(values)]
    return "{" + ",".join(quoted) + "}"
