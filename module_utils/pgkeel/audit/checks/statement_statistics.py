"""pg_stat_statements: there, complete, and large enough."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Need, check


@check(
    "C03",
    "pg_stat_statements records every statement",
    why="Everything that finds slow queries reads it; what it did not record did not happen.",
    priority=Priority.P1,
    needs=(Need.ALL_SETTINGS,),
)
def recording(context: Context) -> Iterable[Finding]:
    """Preloaded, created, track = all, and room for enough statements."""
    settings = context.server.settings
    if "pg_stat_statements.max" not in settings:
        yield Finding(
            id="C03",
            priority=Priority.P1,
            subject="shared_preload_libraries",
            summary="pg_stat_statements is not preloaded: slow queries leave no trace.",
            evidence={"shared_preload_libraries": context.setting("shared_preload_libraries")},
            remedy="Add pg_stat_statements to shared_preload_libraries, keeping what is there, and restart the server.",
            risk=Level.MEDIUM,
        )
        return
    if not context.statements_schema:
        yield Finding(
            id="C03",
            priority=Priority.P1,
            subject="extension pg_stat_statements",
            summary="No audited database has the extension pg_stat_statements: what it records cannot be read.",
            evidence={"databases": list(context.databases)},
            remedy="CREATE EXTENSION pg_stat_statements; in the application's database.",
        )
    if settings["pg_stat_statements.track"] != "all":
        yield Finding(
            id="C03",
            priority=Priority.P2,
            subject="pg_stat_statements.track",
            summary=(
                f"pg_stat_statements.track is {settings['pg_stat_statements.track']}: "
                "statements inside functions are not recorded."
            ),
            evidence={"pg_stat_statements.track": settings["pg_stat_statements.track"]},
            remedy="ALTER SYSTEM SET pg_stat_statements.track = 'all'; SELECT pg_reload_conf();",
        )
    if int(settings["pg_stat_statements.max"]) < context.thresholds.statements_minimum_entries:
        yield Finding(
            id="C03",
            priority=Priority.P2,
            subject="pg_stat_statements.max",
            summary=f"pg_stat_statements keeps {settings['pg_stat_statements.max']} statements only.",
            evidence={"entries": int(settings["pg_stat_statements.max"])},
            remedy="Set pg_stat_statements.max = 10000 and restart the server.",
            risk=Level.MEDIUM,
        )


@check(
    "Q05",
    "pg_stat_statements does not forget",
    why="When it is full it drops the least used statements, with their history: sums and means are then wrong.",
    priority=Priority.P2,
    needs=(Need.STATEMENTS,),
)
def evictions(context: Context) -> Iterable[Finding]:
    """Evictions a day."""
    row = context.statement_rows(
        "SELECT dealloc AS times, extract(epoch FROM now() - stats_reset)::float8 / 86400 AS days FROM {statements_info}", {}
    )[0]
    rate = row["times"] / max(1.0, row["days"])
    if row["times"] == 0 or rate < context.thresholds.evictions_per_day:
        return
    yield Finding(
        id="Q05",
        priority=Priority.P2,
        subject="pg_stat_statements.max",
        summary=f"pg_stat_statements made room {row['times']} times, {rate:.1f} a day: statements are forgotten.",
        evidence={
            "evictions": row["times"],
            "evictions_per_day": round(rate, 1),
            "entries": int(context.setting("pg_stat_statements.max")),
        },
        remedy=(
            "Raise pg_stat_statements.max (restart); look for statements that differ only in "
            "the length of an IN list: use = ANY($1)."
        ),
        risk=Level.MEDIUM,
    )
