"""The metrics in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What a metric is, what was asked for, and what differs between before and after."""

    title: str
    asked: str
    before: str
    after: str


_CONTAINED = ("no index", "GIN index, jsonb_path_ops")

WORDS = {
    "recent_logs": Words(
        "Latest logs of one user",
        "120 → 42 ms",
        "all logs of the user fetched, chosen in memory",
        "since and limit in the query",
    ),
    "recent_logs_under_load": Words("The same, 20 at once", "120 → 42 ms", "as above", "as above"),
    "weekly_scan": Words(
        "Week of 1,000 users",
        "15 → 2 min",
        "a query a user, all logs fetched, figures made in memory",
        "one query for all",
    ),
    "weekly_scan_aggregated": Words(
        "Week of 1,000 users, N+1 alone", "15 → 2 min", "a query a user, figures made in the database", "one query for all"
    ),
    "jsonb_users_0.01%": Words("Users by metadata, 1 in 10,000", "500 → 50 ms", *_CONTAINED),
    "jsonb_users_1.00%": Words("Users by metadata, 1 %", "", *_CONTAINED),
    "jsonb_users_30.00%": Words("Users by metadata, 30 %", "", *_CONTAINED),
    "jsonb_logs_0.01%": Words("Logs by payload, 1 in 10,000", "500 → 50 ms", *_CONTAINED),
    "jsonb_logs_1.00%": Words("Report on logs by payload, 1 %", "", *_CONTAINED),
    "jsonb_logs_30.00%": Words("Report on logs by payload, 30 %", "", *_CONTAINED),
    "insert_batched": Words("10,000 logs written", "2.4 s → 180 ms", "a statement and a commit a row", "batches"),
    "insert_copy": Words("10,000 logs written, COPY", "2.4 s → 180 ms", "a statement and a commit a row", "COPY"),
    "analytics_30_days_now": Words(
        "Analytics of 30 days, now()", "70 % faster", "whole table read", "covering index on the time"
    ),
    "analytics_30_days_literal": Words(
        "Analytics of 30 days, a given date",
        "70 % faster",
        "whole table read",
        "rolling covering index, 31 days, in the order of the groups",
    ),
    "schema_check": Words("Schema check", "manual → automatic", "by hand", "a playbook"),
    "login_storm": Words("Login storm, 200 students", "no error", "directly", "through pgbouncer"),
}


def words_for(metric: str) -> Words:
    """Its words; a metric without any has its name."""
    return WORDS.get(metric, Words(metric, "", "", ""))


def milliseconds(value: float | None) -> str:
    """Three digits, in the unit that a person would choose."""
    if value is None:
        return "-"
    for limit, divisor, unit in ((1000, 1, "ms"), (60_000, 1000, "s"), (float("inf"), 60_000, "min")):
        if value < limit:
            return f"{_three(value / divisor)} {unit}"
    return "-"


def _three(value: float) -> str:
    if value >= 99.95:  # noqa: PLR2004 - three digits
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"  # noqa: PLR2004


def times(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None else f"{_three(value)}x" if value < 1000 else f"{value:,.0f}x"  # noqa: PLR2004
