"""Settings that keep what was committed."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import check


@check(
    "C01",
    "Commits are durable",
    why="Without fsync or full pages a crash destroys the cluster; without synchronous commit it takes the last transactions.",
    priority=Priority.P0,
)
def durability(context: Context) -> Iterable[Finding]:
    """fsync, full_page_writes and synchronous_commit."""
    for name, priority, loss in (
        ("fsync", Priority.P0, "a crash of the machine can destroy the whole cluster"),
        ("full_page_writes", Priority.P0, "a crash can leave half-written blocks that recovery cannot mend"),
        ("synchronous_commit", Priority.P1, "a crash loses transactions that the application was told are committed"),
    ):
        if context.setting(name) == "off":
            yield Finding(
                id="C01",
                priority=priority,
                subject=name,
                summary=f"{name} is off: {loss}.",
                evidence={name: "off"},
                remedy=f"ALTER SYSTEM RESET {name}; or correct it in the configuration files; then SELECT pg_reload_conf();",
                risk=Level.LOW,
            )


@check(
    "C02",
    "Autovacuum and its counters are on",
    why="Without them no table is vacuumed or analyzed until the server is forced to, near wraparound.",
    priority=Priority.P0,
)
def autovacuum(context: Context) -> Iterable[Finding]:
    """The settings autovacuum and track_counts."""
    for name in ("autovacuum", "track_counts"):
        if context.setting(name) == "off":
            yield Finding(
                id="C02",
                priority=Priority.P0,
                subject=name,
                summary=f"{name} is off: nothing is vacuumed or analyzed by itself.",
                evidence={name: "off"},
                remedy=f"ALTER SYSTEM RESET {name}; or correct it in the configuration files; then SELECT pg_reload_conf();",
                risk=Level.LOW,
            )
