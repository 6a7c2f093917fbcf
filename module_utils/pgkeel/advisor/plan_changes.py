"""Which statements the copy plans otherwise with the new indexes: only those need to be run."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from .prepare import Ready, set_path
from .whatif import index_names

SETTLED = "pgkeel_settled"
"""Name of the statement while it is prepared."""
_SHAPE = (
    "Node Type",
    "Relation Name",
    "Alias",
    "Index Name",
    "Join Type",
    "Scan Direction",
    "Strategy",
    "Parallel Aware",
    "Subplan Name",
)
_VALUE = re.compile(r"'(?:[^']|'')*'|\$\d+|\b\d[\d.]*|::[\w ]+(?:\(\d+\))?(?:\[\])?|[(){}]")
"""What differs between the conditions of one plan made for values and for parameters."""


@dataclass
class Switch:
    """Makes the built indexes visible to the planner, or not: by their validity in the catalog of the throwaway copy."""

    session: psycopg.Connection[Any]
    oids: dict[str, int]
    shown: bool = True

    def show(self, shown: bool) -> None:
        """All of them, or none. Writes still maintain them: only reads are compared like this."""
        if shown != self.shown:
            self.session.execute(
                "UPDATE pg_catalog.pg_index SET indisvalid = %s WHERE indexrelid = ANY(%s)", (shown, list(self.oids.values()))
            )
            self.shown = shown


@dataclass(frozen=True)
class Draw:
    """A choice of values, as a client's statement is run without the indexes and with them. It stays on the server."""

    without: str
    with_: str
    used: frozenset[str]
    """Those of the indexes that the plan with them uses."""


@dataclass
class Changed:
    """A statement, and the choices of values for which its plan changes."""

    ready: Ready
    draws: list[Draw] = field(default_factory=list)
    unchanged: int = 0
    skipped: str = ""
    """Why it cannot be planned on the copy."""


@dataclass
class _Planned:
    """A statement's plans under one set of indexes."""

    custom: dict[str, Mapping[str, Any]]
    """By text, made for its values."""
    settled: Mapping[str, Any] | None
    """The one for all values, where a prepared statement would keep it."""


def changed_plans(session: psycopg.Connection[Any], switch: Switch, statements: Sequence[Ready]) -> list[Changed]:
    """Every statement with the choices of values whose plan is another one with the indexes.

    Clients that send values and clients that prepare are both judged: these settle on one plan for all values where PostgreSQL
    would, and that may be so only without the indexes, or only with them. All statements are planned without the indexes
    first and with them afterwards, so that the switch is thrown twice and no more. Raises psycopg.Error when the server is lost.
    """
    found = [Changed(ready) for ready in statements]
    rule = _Rule.of(session)
    plans: dict[bool, list[_Planned | None]] = {}
    for shown in (False, True):
        switch.show(shown)
        plans[shown] = []
        for one in found:
            try:
                plans[shown].append(_planned(session, one.ready, rule))
            except psycopg.Error as error:
                if session.closed:
                    raise
                one.skipped = f"it failed on the copy ({error.sqlstate})"
                plans[shown].append(None)
    names = frozenset(switch.oids)
    for one, before, after in zip(found, plans[False], plans[True], strict=True):
        if before is not None and after is not None:
            _compare(one, before, after, names)
    return found


def prepare_settled(session: psycopg.Connection[Any], text: str, ready: Ready) -> None:
    """Where the text is an EXECUTE: prepare it anew, for a plan made while the indexes were out of sight would be kept."""
    if text.startswith(f"EXECUTE {SETTLED}"):
        session.execute("DEALLOCATE ALL")
        session.execute("SET plan_cache_mode = force_generic_plan")
        session.execute(f"PREPARE {SETTLED} AS {ready.cured.sql}".encode())


def _compare(one: Changed, before: _Planned, after: _Planned, names: frozenset[str]) -> None:
    for text in one.ready.replay:
        old, new = before.custom[text], after.custom[text]
        shapes = shape_of(old), shape_of(new)
        if shapes[0] == shapes[1]:
            one.unchanged += 1
        else:
            one.draws.append(Draw(text, text, frozenset(index_names(new)) & names))
        arguments = one.ready.arguments.get(text)
        if not arguments or (before.settled is None and after.settled is None):
            continue
        execute = f"EXECUTE {SETTLED}{arguments}"
        kept, now = before.settled or old, after.settled or new
        if shape_of(kept) != shape_of(now) and (shape_of(kept), shape_of(now)) != shapes:
            one.draws.append(
                Draw(
                    text if before.settled is None else execute,
                    text if after.settled is None else execute,
                    frozenset(index_names(now)) & names,
                )
            )


@dataclass(frozen=True)
class _Rule:
    """When a prepared statement settles on one plan for all values, on this server."""

    mode: str
    """``plan_cache_mode``, as production has it."""
    operator_cost: float

    @classmethod
    def of(cls, session: psycopg.Connection[Any]) -> _Rule:
        row = session.execute(
            """SELECT (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'plan_cache_mode'),
                      pg_catalog.current_setting('cpu_operator_cost')::float8"""
        ).fetchone()
        return cls(*(row or ("auto", 0.0025)))

    def settles(self, general: float, custom: Iterable[float], tables: int) -> bool:
        """Whether the plan for all values is kept: PostgreSQL adds the price of planning to those made for values each time."""
        if self.mode != "auto":
            return self.mode == "force_generic_plan"
        planning = 1000 * self.operator_cost * (tables + 1)
        return general < statistics.mean(custom) + planning


def _planned(session: psycopg.Connection[Any], ready: Ready, rule: _Rule) -> _Planned:
    set_path(session, ready.search_path)
    custom = {text: _plan(session, text) for text in ready.replay}
    settled = None
    if ready.arguments and rule.mode != "force_custom_plan":
        text = f"EXECUTE {SETTLED}{next(iter(ready.arguments.values()))}"
        prepare_settled(session, text, ready)
        general = _plan(session, text)
        costs = [_cost(custom[text]) for text in ready.arguments if text in custom]
        if costs and rule.settles(_cost(general), costs, max(1, len(ready.usage.uses))):
            settled = general
    return _Planned(custom, settled)


def _plan(session: psycopg.Connection[Any], text: str) -> Mapping[str, Any]:
    row = session.execute(("EXPLAIN (FORMAT JSON) " + text).encode()).fetchone()
    plan: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
    return plan


def _cost(plan: Mapping[str, Any]) -> float:
    return float(plan.get("Total Cost", 0.0))


def shape_of(plan: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two plans one: their nodes, and what indexes are asked for, whatever the values."""
    condition = _VALUE.sub("", str(plan.get("Index Cond", "")))
    return (*[plan.get(name) for name in _SHAPE], condition, *[shape_of(child) for child in plan.get("Plans", ())])
