"""What PostgreSQL cannot parse or plan of a pg_stat_statements text, and how it becomes a statement again.

Normalising replaces constants where SQL allows nothing but a constant (``interval $1``), and gives equal constants different
numbers (``GROUP BY date_trunc($2, t)``). Cures are casts, numbers made equal, and the statement inside a wrapper.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind
from pglast.error import Error as ParseFailure
from pglast.parser import scan
from pglast.stream import RawStream

from .tree import Tree, children, names_of, nodes

LONGEST_TEXT = 100_000
"""Characters; longer ones are machine-made lists, and parsing them would take longer than the scan may."""
_TYPE_WORDS = frozenset(
    [
        "INTERVAL",
        "TIMESTAMP",
        "TIME",
        "BOOLEAN_P",
        "BIT",
        "CHARACTER",
        "CHAR_P",
        "VARCHAR",
        "NUMERIC",
        "DECIMAL_P",
        "DEC",
        "FLOAT_P",
        "REAL",
        "INT_P",
        "INTEGER",
        "BIGINT",
        "SMALLINT",
        "NCHAR",
        "JSON",
        "NAME_P",
        "TEXT_P",
        "XML_P",
    ]
)
_ZONED = ("WITH", "WITHOUT")
_FIELDS = frozenset({"YEAR_P", "MONTH_P", "DAY_P", "HOUR_P", "MINUTE_P", "SECOND_P"})
_MOMENTS = frozenset({"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"})
_EXTRACT = re.compile(r"\bextract\s*\(\s*\$(\d+)\s+from\b", re.IGNORECASE)


@dataclass(frozen=True)
class Cured:
    """A statement that can be planned."""

    sql: str
    parameters: int
    """``$1`` to ``$n`` occur, all of them."""
    cures: tuple[str, ...] = ()
    """What was done."""


def cure(text: str) -> Cured | None:
    """The statement in ``text`` as one that PostgreSQL can prepare; None where there is none.

    A pure function. Texts beyond LONGEST_TEXT are refused.
    """
    if len(text) > LONGEST_TEXT:
        return None
    done: list[str] = []
    sql = _EXTRACT.sub("extract(epoch FROM", text.rstrip().rstrip(";"))
    if sql != text.rstrip().rstrip(";"):
        done.append("extract")
    # The parser is more lenient than PostgreSQL: it takes a parameter after a type name.
    sql, changed = _cast_after_types(sql)
    if changed:
        done.append("cast")
    try:
        statements = parse_sql(sql)
    except ParseFailure:
        return None
    if len(statements) != 1:
        return None
    inner = unwrapped(statements[0].stmt)
    if inner is None:
        return None
    if inner is not statements[0].stmt:
        sql = str(RawStream()(inner))
        inner = parse_sql(sql)[0].stmt
        done.append("unwrap")
    equal = _equal_groups(inner)
    intervals, series = _moment_offsets(inner), _series_of_numbers(inner)
    if equal:
        done.append("group")
    if intervals:
        done.append("interval")
    if series:
        done.append("series")
    sql, count = _renumbered(sql, equal, dict.fromkeys(intervals, "interval") | dict.fromkeys(series, "integer"))
    return Cured(sql, count, tuple(done))


def unwrapped(statement: Tree) -> Tree:
    """The query inside EXPLAIN, PREPARE, COPY, DECLARE or CREATE TABLE AS; None where a utility statement holds none."""
    while isinstance(statement, ast.ExplainStmt | ast.PrepareStmt | ast.CopyStmt | ast.DeclareCursorStmt | ast.CreateTableAsStmt):
        statement = statement.query
    if isinstance(statement, ast.SelectStmt):
        return statement if statement.intoClause is None else None
    return statement if isinstance(statement, ast.UpdateStmt | ast.DeleteStmt | ast.InsertStmt | ast.MergeStmt) else None


def _cast_after_types(sql: str) -> tuple[str, bool]:
    """``interval $1`` → ``CAST($1 AS interval)``, for every type name before a parameter."""
    encoded = sql.encode()
    try:
        tokens = [token for token in scan(sql) if "COMMENT" not in token.name]
    except ParseFailure:
        return sql, False
    # scan counts characters on some versions and bytes on others: text and tokens are compared to find out.
    source: Any = sql
    if tokens and tokens[-1].end >= len(sql):
        source = encoded
    pieces: list[Any] = []
    at = 0
    for number, token in enumerate(tokens):
        if token.name != "PARAM" or number == 0:
            continue
        first = _type_start(tokens, number)
        if first is None:
            continue
        kind = source[tokens[first].start : tokens[number - 1].end + 1]
        parameter = source[token.start : token.end + 1]
        if isinstance(source, bytes):
            pieces += [source[at : tokens[first].start], b"CAST(" + parameter + b" AS " + kind + b")"]
        else:
            pieces += [source[at : tokens[first].start], f"CAST({parameter} AS {kind})"]
        at = tokens[_after_fields(tokens, number) if tokens[first].name == "INTERVAL" else number].end + 1
    if not pieces:
        return sql, False
    pieces.append(source[at:])
    joined = (b"" if isinstance(source, bytes) else "").join(pieces)
    return (joined.decode() if isinstance(joined, bytes) else joined), True


def _type_start(tokens: list[Any], number: int) -> int | None:
    """Index of the first token of the type name that ends right before the token of that number; None where none does."""
    start = _before_modifiers(tokens, number - 1)
    if tokens[start].name == "ZONE" and start > len(_ZONED) and tokens[start - 2].name in _ZONED:
        start = _before_modifiers(tokens, start - len(("WITH", "TIME", "ZONE")))
    elif tokens[start].name in {"PRECISION", "VARYING"} and start:
        start -= 1
    if tokens[start].name not in _TYPE_WORDS and tokens[start].name != "IDENT" and tokens[start + 1].name != "PRECISION":
        return None
    while start > 1 and tokens[start - 1].name == "ASCII_46":
        start -= 2
    return start - 1 if start and tokens[start - 1].name == "NATIONAL" else start


def _before_modifiers(tokens: list[Any], at: int) -> int:
    """The token before ``(10, 2)``, where one ends there; else the same."""
    if tokens[at].name != "ASCII_41":
        return at
    while at > 1 and tokens[at].name != "ASCII_40":
        at -= 1
    return at - 1


def _after_fields(tokens: list[Any], number: int) -> int:
    """The last token of ``interval $1 day to second(3)``: what the value counts, which a value for it says itself."""
    end = number
    names = [token.name for token in tokens[number + 1 : number + 7]]
    if names[:1] and names[0] in _FIELDS:
        end += 3 if names[1:2] == ["TO"] and names[2:3] and names[2] in _FIELDS else 1
        if tokens[end].name == "SECOND_P" and [token.name for token in tokens[end + 1 : end + 2]] == ["ASCII_40"]:
            end += len(("(", "digits", ")"))
    return end


class _Shapes:
    """Numbers of nodes: the same where two differ in nothing but positions and parameter numbers."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._known: dict[int, int] = {}

    def of(self, node: Tree) -> int:
        """The number of a node of a tree that stays as it is; each node is looked at once, however often it is asked for."""
        waiting = [(node, False)]
        while waiting:
            found, below_done = waiting.pop()
            if id(found) in self._known:
                continue
            if below_done or isinstance(found, ast.ParamRef):
                self._known[id(found)] = self._numbers.setdefault(self._parts(found), len(self._numbers))
            else:
                waiting.append((found, True))
                waiting.extend((child, False) for child in children(found))
        return self._known[id(node)]

    def _parts(self, node: Tree) -> tuple[Any, ...]:
        values = node
        if isinstance(node, ast.ParamRef):
            values = ()
        elif isinstance(node, ast.Node):
            values = [getattr(node, name, None) for name in getattr(node, "__slots__", ()) if "location" not in name]
        below = (ast.Node, tuple, list)
        return (type(node).__name__, *[(self._known[id(one)],) if isinstance(one, below) else one for one in values])


def _equal_groups(statement: Tree) -> dict[int, int]:
    """Parameter numbers that stood for the same constant, since an output repeats an expression of GROUP BY."""
    equal: dict[int, int] = {}
    shapes = _Shapes()
    for query in nodes(statement, ast.SelectStmt):
        groups = [item for item in (*(query.groupClause or ()), *(query.distinctClause or ())) if item is not None]
        _match(groups, (query.targetList, query.sortClause, query.havingClause), shapes, equal)
        if query.distinctClause:
            _match([item.node for item in query.sortClause or ()], query.targetList, shapes, equal)
    return equal


def _match(groups: list[Tree], outer: Tree, shapes: _Shapes, equal: dict[int, int]) -> None:
    """Make parameters equal between groups and what repeats them outside."""
    alike: dict[int, list[list[int]]] = {}
    for group in groups:
        mine = [int(parameter.number or 0) for parameter in nodes(group, ast.ParamRef)]
        if mine:
            alike.setdefault(shapes.of(group), []).append(mine)
    repeated: set[int] = set()
    for found in nodes(outer, ast.Node) if alike else ():
        shape = shapes.of(found)
        if shape in alike:
            repeated.add(shape)
            alike[shape].append([int(parameter.number or 0) for parameter in nodes(found, ast.ParamRef)])
    for shape in repeated:
        for numbers in zip(*alike[shape], strict=True):
            roots = {_root(equal, number) for number in numbers}
            equal |= dict.fromkeys(roots - {min(roots)}, min(roots))


def _root(equal: dict[int, int], number: int) -> int:
    while number in equal:
        above = equal[number]
        equal[number] = equal.get(above, above)  # or long chains would be gone along again and again
        number = above
    return number


def _moment_offsets(statement: Tree) -> set[int]:
    """Parameters added to or taken from the present moment."""
    found: set[int] = set()
    for expression in nodes(statement, ast.A_Expr):
        if expression.kind != A_Expr_Kind.AEXPR_OP or names_of(expression.name)[-1] not in {"+", "-"}:
            continue
        for moment, offset in ((expression.lexpr, expression.rexpr), (expression.rexpr, expression.lexpr)):
            known = isinstance(moment, ast.SQLValueFunction) or (
                isinstance(moment, ast.FuncCall) and names_of(moment.funcname)[-1] in _MOMENTS
            )
            if known and isinstance(offset, ast.ParamRef):
                found.add(int(offset.number or 0))
    return found


def _series_of_numbers(statement: Tree) -> set[int]:
    """Parameters of ``generate_series($1, $2)``: PostgreSQL cannot tell which one is meant, and moments would have a type."""
    found: set[int] = set()
    for call in nodes(statement, ast.FuncCall):
        if names_of(call.funcname)[-1] == "generate_series" and all(isinstance(one, ast.ParamRef) for one in call.args or ()):
            found |= {int(one.number or 0) for one in call.args or ()}
    return found


def _renumbered(sql: str, equal: dict[int, int], types: dict[int, str]) -> tuple[str, int]:
    numbers: dict[int, int] = {}

    def replace(start: int, number: int) -> str:  # noqa: ARG001 - the position is for the caller
        new = numbers.setdefault(_root(equal, number), len(numbers) + 1)
        return f"CAST(${new} AS {types[number]})" if number in types else f"${new}"

    return substituted(sql, replace), len(numbers)


def substituted(sql: str, replace: Callable[[int, int], str]) -> str:
    """The text with ``replace(position, number)`` in place of every ``$n``, those in strings and comments left alone."""
    if "$" not in sql:
        return sql
    tokens = scan(sql)
    source = sql.encode() if tokens and any(sql[t.start : t.start + 1] != "$" for t in tokens if t.name == "PARAM") else None
    pieces: list[str] = []
    at = 0
    for token in tokens:
        if token.name != "PARAM":
            continue
        whole: Any = source if source is not None else sql
        gap, word = whole[at : token.start], whole[token.start + 1 : token.end + 1]
        pieces += [gap.decode() if isinstance(gap, bytes) else gap, replace(token.start, int(word))]
        at = token.end + 1
    rest = (source if source is not None else sql)[at:]
    pieces.append(rest.decode() if isinstance(rest, bytes) else rest)
    return "".join(pieces)
