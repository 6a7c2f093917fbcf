"""Statements whose literals never leave the server.

pg_stat_statements replaces the constants of SELECT, INSERT, UPDATE, DELETE and MERGE, and leaves those of PREPARE, DO, COPY,
COMMENT and most other commands as they came; comments, where tracing libraries put request data, always stay. Here every literal
token goes, whoever left it, and every comment with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pglast
from pglast import ast, parser
from pglast.stream import RawStream
from pglast.visitors import Visitor

from ..audit.redaction import strip_literals

_LITERALS = frozenset({"SCONST", "USCONST", "BCONST", "XCONST", "ICONST", "FCONST"})
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
_TABLE_STATEMENTS = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_EXECUTORS = (ast.PrepareStmt, ast.CopyStmt, ast.DeclareCursorStmt, ast.CreateTableAsStmt)
_WRAPPERS = (*_EXECUTORS, ast.ExplainStmt, ast.RuleStmt)
_ZONE = ("TIME", "ZONE")
_PRECISE = frozenset({"CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "FLOAT_P"})
"""Words after which an integer in brackets is a number of digits."""
MOST_COLUMNS = 1664
"""That an answer can have: a larger integer is no place in it."""


@dataclass(frozen=True)
class Understood:
    """A statement, redacted, and what parsing it told."""

    text: str
    """On one line, each literal a parameter, no comment."""
    fingerprint: str
    """pglast's; empty where the text cannot be parsed."""
    kind: str
    """``SelectStmt``, ``InsertStmt`` …; empty where it cannot be parsed."""
    tree: ast.Node | None
    """Of the redacted statement; None where that cannot be parsed."""
    relations: frozenset[tuple[str, str]] = frozenset()
    """Schema (empty where not written) and name of each relation, without those that WITH defines."""

    @property
    def lost(self) -> bool:
        """Whether it would do so, and cannot be parsed any more without its literals."""
        return self.tree is None and self.kind in {one.__name__ for one in _TABLE_STATEMENTS}

    @property
    def reads_or_writes_rows(self) -> bool:
        """Whether it is one of SELECT, INSERT, UPDATE, DELETE and MERGE: what an adviser can help."""
        return isinstance(self.tree, _TABLE_STATEMENTS)


def redact(text: str) -> str:
    """The statement on one line, every literal replaced by a parameter that it did not use, without comments.

    Integers that say which column (``ORDER BY 1``) or how wide a type (``numeric(10, 2)``) stay: they are no data, and the
    statement means another thing without them. A text that cannot be scanned, because it was cut, has ``?`` for each literal.
    """
    return understand(text).text


def understand(text: str) -> Understood:
    """Parse a statement as pg_stat_statements shows it, and redact it.

    What PREPARE, DECLARE CURSOR, COPY and CREATE TABLE AS wrap is taken out: their entries count its executions. Never raises
    for a bad text.
    """
    root = _parse(text)
    if isinstance(root, _EXECUTORS) and isinstance(root.query, _TABLE_STATEMENTS):
        inner = _printed(root.query)
        text = inner or text
        root = _parse(text)
    redacted, whole = _redacted(text, root)
    tree = root if whole else _parse(redacted)
    return Understood(
        redacted,
        _fingerprint(redacted) or _fingerprint(text),
        type(root or tree).__name__ if root or tree else "",
        tree,
        _relations(tree) if tree else frozenset(),
    )


def _parse(text: str) -> Any:  # noqa: ANN401 - any of pglast's nodes
    try:
        statements = pglast.parse_sql(text)
    except (parser.ParseError, RecursionError, ValueError):  # ValueError: a NUL byte
        return None
    return statements[0].stmt if len(statements) == 1 else None


def _printed(tree: Any) -> str:  # noqa: ANN401 - pglast's nodes
    try:
        return str(RawStream()(tree))
    except (NotImplementedError, RecursionError, ValueError):
        return ""


def _fingerprint(text: str) -> str:
    try:
        return str(pglast.fingerprint(text))
    except (parser.ParseError, ValueError):
        return ""


def _redacted(text: str, root: Any) -> tuple[str, bool]:  # noqa: ANN401 - pglast's nodes
    """The redacted text, and whether nothing but white space and comments went."""
    try:
        tokens = parser.scan(text)
    except (parser.ParseError, ValueError):
        return strip_literals(text), False
    try:
        kept = _structural(text) if root and any(one.name == "ICONST" for one in tokens) else frozenset()
    except RecursionError:
        return strip_literals(text), False  # nested too deep to tell which integers are data
    next_parameter = first_parameter = 1 + max(
        (_number(text[one.start + 1 : one.end + 1]) for one in tokens if one.name == "PARAM"), default=0
    )
    pieces: list[str] = []
    end = 0
    sets = setting = False
    assigns = not isinstance(root, (*_TABLE_STATEMENTS, *_WRAPPERS))
    for place, token in enumerate(tokens):
        if text[end : token.start].strip():
            return strip_literals(text), False  # the scanner passed over something: trust it with nothing
        if (token.start > end or token.name in _COMMENTS) and pieces and pieces[-1] != " ":
            pieces.append(" ")
        end = token.end + 1
        if token.name in _COMMENTS:
            continue
        digits = place > 1 and tokens[place - 1].name == "ASCII_40" and tokens[place - 2].name in _PRECISE
        if token.name in _LITERALS and token.start not in kept and not digits:
            pieces.append(f"${next_parameter}")
            next_parameter += 1
        else:
            pieces.append(text[token.start : end])
            sets = sets or (assigns and token.name == "SET")
            if sets and (token.name in {"TO", "ASCII_61"} or (place and (tokens[place - 1].name, token.name) == _ZONE)):
                # A setting's value may be a bare word, and what follows one of a list.
                pieces.append(" $1")
                setting = True
                break
    else:
        if text[end:].strip():
            return strip_literals(text), False
    return "".join(pieces).strip(), next_parameter == first_parameter and not setting


def _number(digits: str) -> int:
    return int(digits) if digits.isdigit() else 0


def _structural(text: str) -> frozenset[int]:
    """Where the integers stand that are no data; pglast's nodes carry no place of a constant, its JSON does."""
    places = set(_constants(json.loads(parser.parse_sql_json(text))))
    if text.isascii():
        return frozenset(places)
    # Nodes are placed by bytes, tokens by characters.
    encoded = text.encode()
    return frozenset(len(encoded[:place].decode(errors="replace")) for place in places)


def _constants(root: Any) -> Iterator[int]:  # noqa: ANN401 - pglast's nodes
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            for clause in ("sortClause", "groupClause", "distinctClause", "content", "typmods"):
                for item in node.get(clause) or ():
                    item = item.get("SortBy", {}).get("node", item)  # noqa: PLW2901 - looked through
                    for one in item.get("RowExpr", {}).get("args", (item,)):
                        value = one.get("A_Const", {})
                        if "ival" in value and (clause == "typmods" or value["ival"].get("ival", 0) <= MOST_COLUMNS):
                            yield value.get("location", 0)


class _Names(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.defined: set[str] = set()

    def visit_RangeVar(self, _ancestors: Any, node: Any) -> None:  # noqa: ANN401, N802
        self.found.add((node.schemaname or "", node.relname))

    def visit_CommonTableExpr(self, _ancestors: Any, node: Any) -> None:  # noqa: ANN401, N802
        self.defined.add(node.ctename)


def _relations(tree: Any) -> frozenset[tuple[str, str]]:  # noqa: ANN401 - pglast's nodes
    names = _Names()
    _visit(names, tree)
    return frozenset((schema, name) for schema, name in names.found if schema or name not in names.defined)


def _visit(visitor: Callable[[Any], object], tree: Any) -> None:  # noqa: ANN401 - pglast's nodes
    try:
        visitor(tree)
    except RecursionError:
        return
