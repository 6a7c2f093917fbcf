"""What the cases are about: users, filters and dates chosen from the data, always the same ones of the same data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .cases import COHORT, INSERTED, Case

Connection = psycopg.Connection[TupleRow]
SESSION = "pgkeel-bench"
"""Beginning of the sessions whose logs a run writes and takes away."""
RECENT_DAYS, LIMIT = 7, 50
SAMPLED_ROWS = 20_000
"""From which users are drawn and the share of a filter is estimated."""
WHOLE = 100.0
FILTERS: Mapping[str, tuple[str, Sequence[dict[str, Any]]]] = {
    "User": (
        "metadata",
        (
            {"preferences": {"theme": "solarized"}},
            {"preferences": {"theme": "high-contrast"}},
            {"preferences": {"fontSize": 14}},
            {"preferences": {"theme": "dark"}},
        ),
    ),
    "BehaviorLog": (
        "payload",
        (
            {"experiment": {"name": "adaptive-hints"}},
            {"seq": 20},
            {"answer": {"question": 7}},
            {"ui": {"flags": {"beta": True}}},
            {"device": {"os": "windows"}},
            {"device": {"type": "desktop"}},
        ),
    ),
}


@dataclass(frozen=True)
class Stage:
    """Where a run takes place."""

    size: str
    reference: datetime
    """The end of the data."""
    logs: int
    users: int
    active: list[str]
    """Users drawn by activity: each log of the last week is a lot, so that every answer has rows to compare."""
    cohort: list[str]
    """Users drawn evenly."""
    shares: dict[str, list[tuple[dict[str, Any], float]]]
    """By table: filters, each with the share of the rows that it finds."""
    inserted: int = INSERTED
    zone: timedelta = timedelta(0)
    """How far the server's own time zone is ahead of UTC: now() is cut to days there."""

    def filter_for(self, case: Case) -> tuple[dict[str, Any], float]:
        """The filter whose share is nearest to the one that the case asks for, in orders of magnitude."""

        def distance(found: tuple[dict[str, Any], float]) -> float:
            return max(found[1] / case.share, case.share / found[1]) if found[1] else float("inf")

        return min(self.shares[case.table], key=distance)

    def calls(self, case: Case) -> list[dict[str, Any]]:
        """Parameters of each call; dates as ISO 8601."""
        week = (self.reference - timedelta(days=RECENT_DAYS)).isoformat()
        if case.job == "recent_logs":
            return [
                {"userId": self.active[number % len(self.active)], "since": week, "limit": LIMIT} for number in range(case.most)
            ]
        if case.job.startswith("weekly_scan"):
            return [{"userIds": self.cohort, "since": week}] * case.most
        if case.job.startswith("jsonb"):
            return [{"filter": self.filter_for(case)[0]}] * case.most
        if case.job.startswith("insert"):
            given = {"sessionId": f"{SESSION}-{case.job}", "users": self.cohort, "from": self.reference.isoformat()}
            return [{**given, "count": self.inserted}] * case.most
        since = self.reference - timedelta(days=30)
        return [{"since": since.isoformat(), "days": ((datetime.now(UTC) + self.zone).date() - since.date()).days}] * case.most


def read_stage(connection: Connection, *, seed: int, inserted: int) -> Stage:
    """Read what there is to choose from.

    Raises PgkeelError unless the database was loaded by playbooks/edtech.yml: a run writes logs and drops indexes, and another
    database is not for that.
    """
    if connection.execute("SELECT to_regclass('pgkeel.edtech_load')").fetchone() == (None,):
        raise PgkeelError(
            f"The database {connection.info.dbname!r} does not hold the EdTech reference data, so nothing is measured there",
            "Load it into a database of its own with playbooks/edtech.yml, and name that with benchmark_database",
        )
    found = connection.execute("SELECT size, reference, (rows ->> 'BehaviorLog')::bigint FROM pgkeel.edtech_load").fetchone()
    if found is None:
        raise PgkeelError("The load of the reference data is not complete", "Run playbooks/edtech.yml again")
    size, reference, logs = found
    share = min(100.0, 100.0 * SAMPLED_ROWS / max(int(logs), 1))
    end = datetime(reference.year, reference.month, reference.day, tzinfo=UTC)
    active = _column(
        connection.execute(
            """
            SELECT "userId" FROM public."BehaviorLog" TABLESAMPLE SYSTEM (%s) REPEATABLE (%s)
             WHERE timestamp >= %s ORDER BY hashtextextended(id, %s) LIMIT 400
            """,
            [share, seed, (end - timedelta(days=RECENT_DAYS)).replace(tzinfo=None), seed],
        ).fetchall()
    )
    cohort = _column(
        connection.execute('SELECT id FROM public."User" ORDER BY hashtextextended(id, %s) LIMIT %s', [seed, COHORT]).fetchall()
    )
    users = connection.execute('SELECT count(*) FROM public."User"').fetchone()
    offset = connection.execute("SELECT make_interval(secs => extract(timezone FROM now()))").fetchone()
    return Stage(
        size=size,
        reference=end,
        logs=int(logs),
        users=users[0] if users else 0,
        active=active,
        cohort=cohort,
        shares={table: _shares(connection, table, share if table == "BehaviorLog" else 100.0) for table in FILTERS},
        inserted=inserted,
        zone=offset[0] if offset else timedelta(0),
    )


def _column(rows: Sequence[TupleRow]) -> list[str]:
    return [row[0] for row in rows]


def _shares(connection: Connection, table: str, percent: float) -> list[tuple[dict[str, Any], float]]:
    column, filters = FILTERS[table]
    counts = sql.SQL(", ").join(
        sql.SQL("count(*) FILTER (WHERE {} @> {}::jsonb)").format(sql.Identifier(column), sql.Literal(json.dumps(one)))
        for one in filters
    )
    row = connection.execute(
        sql.SQL("SELECT count(*), {} FROM public.{} TABLESAMPLE SYSTEM ({})").format(
            counts, sql.Identifier(table), sql.Literal(percent)
        )
    ).fetchone()
    total, *found = row if row else (0,)
    # Not in the sample does not mean not there.
    least = 0.0 if percent >= WHOLE else 0.5
    return [(one, max(count, least) / total if total else 0.0) for one, count in zip(filters, found, strict=True)]
