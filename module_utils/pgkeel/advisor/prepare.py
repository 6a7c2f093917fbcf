"""Making the statements of a workload ready on the copy: cured, understood, and with real values in place of parameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from pglast import ast, parse_sql
from pglast.error import Error as ParseFailure
from pglast.stream import RawStream
from psycopg import pq, sql

from .candidates import Candidate, candidates_of
from .cures import LONGEST_TEXT, Cured, cure, substituted
from .facts import Catalog
from .model import Skipped, Statement
from .resolve import read_usage
from .tree import Tree
from .usage import Usage
from .values import SETS, bound, chosen_values, executed, is_guess, sets_of

_HARMLESS = frozenset({"random", "gen_random_uuid", "clock_timestamp", "timeofday", "statement_timestamp", "uuid_generate_v4"})
"""Volatile functions that change nothing."""
_UNDEFINED = frozenset({"42P01", "3F000"})
_UNTYPED = "42P18"
MOST_CASTS = 8
INSERTS = "inserts rows that it looks up nowhere: no index makes that faster"
AMBIGUOUS = "about a table whose name is in several schemas, and the statement does not say which"
PARTITIONED = "about a partitioned table: no index of it is advised, as none can be built there without blocking in one step"


@dataclass(frozen=True)
class Ready:
    """A statement that the copy can plan."""

    statement: Statement
    cured: Cured
    usage: Usage
    types: tuple[str, ...]
    bound: tuple[str, ...]
    """The statement with real values, several choices of them. It holds people's data and stays on the server."""
    search_path: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    guessed: bool
    replayable: str
    """Empty where it may be run on the copy; else why not."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Of EXECUTE, by the text that has the same values: for the plan that a prepared statement gets once for all values."""
    replay: tuple[str, ...] = ()
    """What is run there: ``bound``, or of an UPDATE, DELETE or INSERT the rows that it looks for."""


@dataclass
class Preparation:
    """What came of all statements."""

    ready: list[Ready]
    skipped: list[Skipped]
    unparsed: int = 0


def prepare(
    session: psycopg.Connection[Any],
    statements: Iterable[Statement],
    catalog: Catalog,
    examples: Mapping[int, Sequence[str]] | None = None,
) -> Preparation:
    """Make statements ready on the copy; those that cannot be are counted with the reason.

    ``examples``: real statements by query_id, with their values, where production collects them (pg_qualstats).
    """
    names = _Types(session)
    ready: list[Ready] = []
    reasons: Counter[str] = Counter()
    times: defaultdict[str, float] = defaultdict(float)
    path: tuple[str, ...] = ()
    for statement in statements:
        found = _cured(statement, catalog)
        if isinstance(found, str):
            reasons[found] += 1
            times[found] += statement.total_ms
            continue
        cured, usage, known = found
        if known.search_path != path:
            path = known.search_path
            set_path(session, path)
        described = _described(session, cured, names)
        if isinstance(described, str):
            reasons[described] += 1
            times[described] += statement.total_ms
            continue
        cured, types = described
        mine = tuple((examples or {}).get(statement.query_id, ()))
        made = _ready(statement, cured, usage, types=types, known=known, examples=mine)
        ready.append(made if usage.reads_only else _reading(session, made, known, names))
    if path:
        session.execute("RESET search_path")
    for one in ready:
        if any(use.table.kind == "p" for use in one.usage.uses):
            reasons[PARTITIONED] += 1
            times[PARTITIONED] += one.statement.total_ms
    skipped = [Skipped(reason, count, times[reason]) for reason, count in reasons.most_common()]
    return Preparation(ready, skipped)


def set_path(session: psycopg.Connection[Any], path: Sequence[str]) -> None:
    """Where unqualified names are looked for."""
    names = sql.SQL(", ").join(map(sql.Identifier, path)) if path else sql.SQL("''")
    session.execute(sql.SQL("SET search_path = {}").format(names))


def _cured(statement: Statement, catalog: Catalog) -> tuple[Cured, Usage, Catalog] | str:  # noqa: PLR0911 - a reason each
    if len(statement.text) > LONGEST_TEXT:
        return f"longer than {LONGEST_TEXT} characters"
    try:
        cured = cure(statement.text)
        if cured is None:
            return "a utility statement, or text that PostgreSQL's parser does not take"
        usage = read_usage(cured.sql, catalog)
        known = catalog
        if usage.unknown:
            homes = homes_of(usage.unknown, catalog)
            if len(homes) != 1:
                return AMBIGUOUS if homes else "about a table that is not on the copy"
            known = catalog.within(*homes)
            usage = read_usage(cured.sql, known)
            if usage.unknown:
                return "about a table that is not on the copy"
    except ParseFailure:
        return "a utility statement, or text that PostgreSQL's parser does not take"
    except RecursionError:
        return "nested too deep"
    if not usage.uses:
        return INSERTS if usage.kind == "insert" else "about no table of the application"
    return cured, usage, known


def homes_of(names: Iterable[str], catalog: Catalog) -> frozenset[str]:
    """The schemas that have all relations of these unqualified names."""
    nowhere: frozenset[str] = frozenset()
    places = [nowhere if "." in name else catalog.homes.get(name, nowhere) for name in names]
    return places[0].intersection(*places[1:]) if places else nowhere


def _ready(
    statement: Statement, cured: Cured, usage: Usage, *, types: tuple[str, ...], known: Catalog, examples: tuple[str, ...]
) -> Ready:
    texts, arguments = _drawn(statement, cured, usage, types=types, known=known, fewer=len(examples))
    texts = tuple(dict.fromkeys((*examples[:SETS], *texts)))
    return Ready(
        statement=statement,
        cured=cured,
        usage=usage,
        types=types,
        bound=texts,
        search_path=known.search_path,
        candidates=candidates_of(usage.uses, known),
        guessed=not examples and is_guess(usage, types, known),
        replayable=refusal(usage, known),
        arguments=arguments if usage.reads_only else {},
        replay=texts if usage.reads_only else (),
    )


def _drawn(
    statement: Statement, cured: Cured, usage: Usage, *, types: tuple[str, ...], known: Catalog, fewer: int = 0
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The statement with several choices of values from statistics, and of each the arguments for EXECUTE.

    ``fewer``: real examples that take the place of some.
    """
    found: dict[str, str] = {}
    rows = statement.rows / max(statement.calls, 1)
    choices = max(1, sets_of(usage, types) - fewer) if types else int(not fewer)
    for choice in range(choices):
        values = chosen_values(usage, types, known, choice, rows)
        found.setdefault(bound(cured, types, values), executed(types, values))
    return tuple(found), {text: arguments for text, arguments in found.items() if arguments}


def _reading(session: psycopg.Connection[Any], ready: Ready, catalog: Catalog, names: _Types) -> Ready:
    """A statement that writes with what it looks for, so that the search at least can be replayed."""
    try:
        text = read_form(ready.cured.sql)
        cured = cure(text) if text else None
        if cured is None:
            return ready
        usage = read_usage(cured.sql, catalog)
    except RecursionError:
        return ready
    described = _described(session, cured, names)
    reason = refusal(usage, catalog)
    if isinstance(described, str) or reason:
        return ready
    cured, types = described
    texts, _ = _drawn(ready.statement, cured, usage, types=types, known=catalog)
    return replace(ready, replay=texts, replayable="")


def read_form(text: str) -> str:
    """The rows that an UPDATE or DELETE of one table or an INSERT looks for, as a SELECT; empty where it is not that simple."""
    node = parse_sql(text)[0].stmt
    if isinstance(node, ast.InsertStmt):
        query: Tree = node.selectStmt
        return str(RawStream()(query)) if query and not (query.valuesLists or node.withClause) else ""
    joined = getattr(node, "fromClause", None) or getattr(node, "usingClause", None)
    if (
        not isinstance(node, ast.UpdateStmt | ast.DeleteStmt)
        or joined
        or node.withClause
        or not (node.whereClause and node.relation)
    ):
        return ""
    return f"SELECT 1 FROM {RawStream()(node.relation)} WHERE {RawStream()(node.whereClause)}"  # noqa: S608 - printed syntax tree


def refusal(usage: Usage, catalog: Catalog) -> str:
    """Why a statement may not be run on the copy, not even there; empty where it may."""
    if usage.kind != "select" or not usage.reads_only:
        return "it writes"
    effects = sorted((usage.functions & catalog.volatile) - _HARMLESS)
    return f"it calls {effects[0]}, which may have effects" if effects else ""


class _Types:
    """Names of types by oid, as a cast takes them; asked for once.

    With -1 for NULL they are those without a length: ``character`` in a cast means ``character(1)``, ``bpchar`` any length.
    """

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self.names: dict[int, str] = dict(session.execute("SELECT oid, format_type(oid, -1) FROM pg_type").fetchall())

    def __call__(self, oid: int) -> str:
        return self.names.get(oid, "text")


def _described(session: psycopg.Connection[Any], cured: Cured, names: _Types) -> tuple[Cured, tuple[str, ...]] | str:
    """Have PostgreSQL infer the parameters' types; parameters that it cannot infer are cast to text."""
    for _ in range(MOST_CASTS):
        result = session.pgconn.prepare(b"", cured.sql.encode())
        if result.status == pq.ExecStatus.COMMAND_OK:
            described = session.pgconn.describe_prepared(b"")
            return cured, tuple(names(described.param_type(number)) for number in range(described.nparams))
        if session.pgconn.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError("the connection to the copy was lost")
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        untyped = message.rpartition("$")[2] if state == _UNTYPED else ""
        if untyped.isdigit():
            cured = replace(cured, sql=_cast(cured.sql, int(untyped)), cures=(*cured.cures, "type"))
            continue
        return "about a table that is not on the copy" if state in _UNDEFINED else f"not plannable on the copy ({state})"
    return "not plannable on the copy (untyped parameters)"


def _cast(text: str, number: int) -> str:
    return substituted(text, lambda _at, found: f"CAST(${found} AS text)" if found == number else f"${found}")
