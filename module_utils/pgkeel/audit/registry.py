"""A check is one small function that a decorator gives its identity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType

from ..report.finding import Finding, Priority
from .context import Context
from .outcome import CouldNotVerify, NotApplicable

AREAS = {"H": "health", "I": "indexes", "C": "configuration", "Q": "queries", "S": "security"}


class Scope(StrEnum):
    """Once for the server, or once a database."""

    CLUSTER = "cluster"
    DATABASE = "database"


class Need(StrEnum):
    """What must be there before a check can look."""

    PRIMARY = "a server that is not a standby"
    STATEMENTS = "the extension pg_stat_statements in an audited database, and the right to read all of it"
    ALL_STATISTICS = "the privileges of pg_read_all_stats"
    ALL_SETTINGS = "the privileges of pg_read_all_settings"
    SUPERUSER = "the rights of a superuser"


@dataclass(frozen=True)
class Check:
    """One registered question."""

    id: str
    title: str
    why: str
    """One sentence: what goes wrong when it is ignored."""
    priority: Priority
    """The highest it reports."""
    scope: Scope
    needs: tuple[Need, ...]
    find: Callable[[Context], Iterable[Finding]]

    @property
    def area(self) -> str:
        """``health``, ``indexes``, ``configuration``, ``queries`` or ``security``."""
        return AREAS[self.id[0]]

    def run(self, context: Context) -> Iterator[Finding]:
        """Its findings, one by one; CouldNotVerify or NotApplicable where there is no verdict.

        CouldNotVerify may come after some findings: those stand, and the rest is not known.
        """
        for need in self.needs:
            _require(need, context)
        yield from self.find(context)


def check(
    id: str,  # noqa: A002 - the word that reports use
    title: str,
    *,
    why: str,
    priority: Priority,
    scope: Scope = Scope.CLUSTER,
    needs: tuple[Need, ...] = (),
) -> Callable[[Callable[[Context], Iterable[Finding]]], Check]:
    """Make a check of a function from context to findings."""
    if not re.fullmatch(r"[HICQS]\d\d", id):
        raise ValueError(f"{id!r} is no check id: a letter of H, I, C, Q, S and two digits")

    def register(find: Callable[[Context], Iterable[Finding]]) -> Check:
        return Check(id, title, why, priority, scope, needs, find)

    return register


def collect(*modules: ModuleType) -> tuple[Check, ...]:
    """All checks defined in some modules, by id. ValueError when two share an id."""
    found: dict[str, Check] = {}
    for module in modules:
        for item in vars(module).values():
            if isinstance(item, Check):
                if item.id in found and found[item.id] is not item:
                    raise ValueError(f"two checks have the id {item.id}")
                found[item.id] = item
    order = list(AREAS)
    return tuple(sorted(found.values(), key=lambda one: (order.index(one.id[0]), one.id)))


def _require(need: Need, context: Context) -> None:
    server = context.server
    if need is Need.PRIMARY:
        if server.in_recovery:
            raise NotApplicable("the server is a standby; its primary answers this")
        return
    if need is Need.STATEMENTS:
        if not context.statements_schema:
            raise CouldNotVerify("no audited database has the extension pg_stat_statements")
        if "pg_stat_statements.max" not in server.settings:
            raise CouldNotVerify("pg_stat_statements is not preloaded")
    met = {
        Need.STATEMENTS: server.reads_all_statistics,
        Need.ALL_STATISTICS: server.reads_all_statistics,
        Need.ALL_SETTINGS: server.reads_all_settings,
        Need.SUPERUSER: server.superuser,
    }[need]
    if not met:
        raise CouldNotVerify(f"role {server.user} lacks what this check needs: {need}")
