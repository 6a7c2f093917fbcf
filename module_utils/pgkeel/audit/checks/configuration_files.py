"""What the configuration files say against what runs."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Need, check


@check(
    "C04",
    "No setting waits for a restart",
    why="The file says one thing and the server does another; the next restart changes both at an unplanned moment.",
    priority=Priority.P2,
)
def pending_restart(context: Context) -> Iterable[Finding]:
    """Settings changed in the files that only a restart applies."""
    for row in context.rows(
        "SELECT name, setting, coalesce(unit, '') AS unit FROM pg_settings WHERE pending_restart ORDER BY name"
    ):
        yield Finding(
            id="C04",
            priority=Priority.P2,
            subject=row["name"],
            summary=f"{row['name']} was changed, but the server runs with the old value until it is restarted.",
            evidence={"running_value": row["setting"], "unit": row["unit"]},
            remedy="Restart the server in a maintenance window, or take the change back and reload.",
            risk=Level.MEDIUM,
        )


@check(
    "C05",
    "The configuration files are accepted",
    why="One line that is refused makes reloads do nothing, and may keep the server from starting again.",
    priority=Priority.P0,
    needs=(Need.ALL_SETTINGS,),
)
def file_errors(context: Context) -> Iterable[Finding]:
    """Lines of the configuration files that the server refuses; those that wait for a restart belong to C04."""
    for row in context.rows(
        """
        SELECT f.sourcefile AS file, f.sourceline AS line, coalesce(f.name, '') AS name, f.error
          FROM pg_file_settings f
         WHERE f.error IS NOT NULL
           AND NOT EXISTS (SELECT FROM pg_settings s WHERE s.name = f.name AND s.pending_restart)
         ORDER BY f.seqno
        """
    ):
        yield Finding(
            id="C05",
            priority=Priority.P0,
            subject=f"{row['file']}: {row['name'] or 'syntax'}",
            summary=f"Line {row['line']} of {row['file']} is refused: {row['error']}.",
            evidence={"line": row["line"], "setting": row["name"], "error": row["error"]},
            remedy="Correct or remove that line (ALTER SYSTEM RESET for postgresql.auto.conf), then SELECT pg_reload_conf();",
        )


@check(
    "C06",
    "ALTER SYSTEM does not shadow the files",
    why="A value in postgresql.auto.conf wins silently: whoever edits the managed file changes nothing.",
    priority=Priority.P2,
    needs=(Need.ALL_SETTINGS,),
)
def shadowed(context: Context) -> Iterable[Finding]:
    """Settings that postgresql.auto.conf gives another value than the configuration files do."""
    for row in context.rows(
        r"""
        SELECT a.name, a.setting AS shadowing, f.setting AS shadowed, f.sourcefile AS file
          FROM pg_file_settings a
          CROSS JOIN LATERAL (SELECT setting, sourcefile FROM pg_file_settings o
                               WHERE o.name = a.name AND o.sourcefile !~ '/postgresql\.auto\.conf$'
                               ORDER BY seqno DESC LIMIT 1) f
         WHERE a.sourcefile ~ '/postgresql\.auto\.conf$' AND a.setting IS DISTINCT FROM f.setting
         ORDER BY a.seqno
        """
    ):
        yield Finding(
            id="C06",
            priority=Priority.P2,
            subject=row["name"],
            summary=f"ALTER SYSTEM overrides {row['name']} as {row['file']} gives it.",
            evidence={"effective": row["shadowing"], "in_file": row["shadowed"], "file": row["file"]},
            remedy=(
                f"ALTER SYSTEM RESET {row['name']}; SELECT pg_reload_conf(); keep the value that is right in the managed file."
            ),
            risk=Level.LOW,
        )
