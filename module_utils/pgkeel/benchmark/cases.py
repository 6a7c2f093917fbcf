"""What is measured: each case is one client doing one thing, before and after, with the ratio that it should reach.

Before is what the application did: all of a user's logs fetched and chosen in memory, a query a user, an insert a row, no index
for containment. After is what pgkeel configures and docs/application.md recommends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import PgkeelError

Side = Literal["before", "after"]
SIDES: tuple[Side, Side] = ("before", "after")
NODE_CLIENTS = {"Drizzle": "drizzle", "Kysely": "kysely", "node-postgres": "node-postgres", "Prisma": "prisma"}
"""Name and module in files/bench."""
PYTHON, PGBENCH = "psycopg", "pgbench"
INSERTED = 10_000
"""Logs that one insert of a batch writes."""
COHORT = 1_000
"""Users of the weekly scan."""
STORM_CLIENTS = 20
"""Calls at once under load: the application's pool."""


@dataclass(frozen=True)
class Case:
    """One row of the results."""

    metric: str
    client: str
    job: str
    """The name of the work in the client."""
    target: float | None
    """Ratio of the medians that is wanted; None where there is nothing to reach, only something to know."""
    share: float = 0.0
    """Of the rows that a containment finds."""
    table: str = ""
    concurrency: int = 1
    least: int = 3
    most: int = 20
    """Calls that are made however long they take, and at most."""
    paired: bool = False
    """Each call has parameters of its own: only calls that both sides made are compared."""
    ordered: bool = False
    """The order of the rows is part of the answer."""
    indexed_before: bool = False
    """The indexes of the group are there on both sides: what differs is the client's own doing."""
    note: str = ""


@dataclass(frozen=True)
class Index:
    """An index that «after» has and «before» has not."""

    name: str
    table: str
    definition: str
    """What follows the table in CREATE INDEX, as pg_get_indexdef writes it; ``{cutoff}`` is 31 days before the data's end."""


@dataclass(frozen=True)
class Group:
    """Cases that share their indexes, and are measured together."""

    name: str
    cases: tuple[Case, ...]
    indexes: tuple[Index, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether logs are written, and taken away again."""
        return bool(self.indexes) or any(case.job.startswith("insert") for case in self.cases)


def _recent(client: str) -> Case:
    return Case("recent_logs", client, "recent_logs", 10, least=20, most=200, paired=True, ordered=True)


def _users(client: str, share: float, target: float | None, note: str = "") -> Case:
    return Case(f"jsonb_users_{share:.2%}", client, "jsonb_users", target, share=share, table="User", note=note)


def _logs(client: str, share: float, target: float | None, job: str = "jsonb_logs") -> Case:
    return Case(f"jsonb_logs_{share:.2%}", client, job, target, share=share, table="BehaviorLog", most=8)


def _insert(client: str, metric: str = "insert_batched") -> Case:
    job = "insert_copy" if metric == "insert_copy" else "insert"
    return Case(metric, client, job, 20, least=1, most=4, ordered=True, indexed_before=True)


_DATED = "Before asks with now(), as the application did; after sends the date, which only so a partial index can serve."

GROUPS: tuple[Group, ...] = (
    Group(
        "recent_logs",
        (
            _recent("Drizzle"),
            _recent("Prisma"),
            _recent(PYTHON),
            _recent(PGBENCH),
            Case(
                "recent_logs_under_load",
                "Drizzle",
                "recent_logs",
                10,
                concurrency=STORM_CLIENTS,
                least=40,
                most=400,
                paired=True,
                ordered=True,
            ),
        ),
    ),
    Group(
        "weekly_scan",
        (
            Case("weekly_scan", "Kysely", "weekly_scan", 20, least=1, most=5, ordered=True),
            Case(
                "weekly_scan_aggregated",
                "Kysely",
                "weekly_scan_aggregated",
                20,
                most=10,
                ordered=True,
                note="The figures of each user come from the database already, a query a user: what N+1 alone costs.",
            ),
            Case("weekly_scan_aggregated", PYTHON, "weekly_scan_aggregated", 20, most=10, ordered=True),
        ),
        (
            Index(
                "BehaviorLog_userId_timestamp_covering_idx",
                "BehaviorLog",
                'USING btree ("userId", "timestamp") INCLUDE ("eventType", duration)',
            ),
        ),
    ),
    Group(
        "jsonb_users",
        (
            _users("Drizzle", 0.0001, 50),
            _users(
                "Prisma",
                0.0001,
                50,
                "Before is Prisma's own JSON filter (path, equals), which no GIN index serves; after is @> in $queryRaw.",
            ),
            _users(PYTHON, 0.0001, 50),
            _users("Drizzle", 0.01, None),
            _users("Drizzle", 0.3, None),
        ),
        (Index("User_metadata_idx", "User", "USING gin (metadata jsonb_path_ops)"),),
    ),
    Group(
        "logs",
        (
            _logs("Drizzle", 0.0001, 50),
            _logs(PYTHON, 0.0001, 50),
            _logs("Kysely", 0.01, None, "jsonb_logs_report"),
            _logs("Kysely", 0.3, None, "jsonb_logs_report"),
            _insert("Drizzle"),
            _insert("node-postgres"),
            _insert("Prisma"),
            _insert(PYTHON),
            _insert("node-postgres", "insert_copy"),
            _insert(PYTHON, "insert_copy"),
        ),
        (Index("BehaviorLog_payload_idx", "BehaviorLog", "USING gin (payload jsonb_path_ops)"),),
    ),
    Group(
        "analytics_now",
        (
            Case("analytics_30_days_now", "Kysely", "analytics_now", 4, most=8, ordered=True),
            Case("analytics_30_days_now", PYTHON, "analytics_now", 4, most=8, ordered=True),
        ),
        (
            Index(
                "BehaviorLog_timestamp_covering_idx",
                "BehaviorLog",
                'USING btree ("timestamp") INCLUDE ("eventType", duration)',
            ),
        ),
    ),
    Group(
        "analytics_literal",
        (
            Case("analytics_30_days_literal", "Kysely", "analytics_literal", 8, most=8, ordered=True, note=_DATED),
            Case("analytics_30_days_literal", PYTHON, "analytics_literal", 8, most=8, ordered=True, note=_DATED),
        ),
        (
            Index(
                "BehaviorLog_recent_idx",
                "BehaviorLog",
                'USING btree ("timestamp") INCLUDE ("eventType", duration)'
                " WHERE (\"timestamp\" >= '{cutoff}'::timestamp without time zone)",
            ),
        ),
    ),
)
GROUP_NAMES = tuple(group.name for group in GROUPS)


def group_named(name: str) -> Group:
    """The group of that name; raises PgkeelError for a name that does not exist."""
    found = next((group for group in GROUPS if group.name == name), None)
    if found is None:
        raise PgkeelError(f"There is no group of measurements {name!r}", f"Choose one of {', '.join(GROUP_NAMES)}")
    return found
