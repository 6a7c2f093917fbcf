"""The statements that cost most. Only SELECT, INSERT, UPDATE, DELETE and MERGE: utility commands keep their literals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

from ...report.finding import Finding, Level, Priority
from ..context import Context, Row
from ..redaction import redact
from ..registry import Need, check

SHOWN = 5  # statements a check: a person acts on the first ones

# Comments in front of a statement stay in its text.
_QUERY: LiteralString = r"""
    SELECT d.datname AS database, s.queryid, min(s.query) AS query, sum(s.calls)::bigint AS calls, sum(s.rows)::bigint AS rows,
           sum(s.total_exec_time)::float8 AS milliseconds, max(s.max_exec_time)::float8 AS longest_milliseconds,
           sum(s.temp_blks_written)::bigint * 8192 AS spilled_bytes,
           sum(s.shared_blks_read)::bigint * 8192 AS read_bytes, sum(s.shared_blks_hit)::bigint * 8192 AS hit_bytes,
           bool_or(s.toplevel) AS toplevel
      FROM {statements} s JOIN pg_database d ON d.oid = s.dbid
     WHERE d.datname = ANY (%(databases)s) AND s.calls > 0
       AND s.query ~* '^(\s|--[^\n]*\n|/\*([^*]|\*+[^*/])*\*+/)*\(?\s*(select|insert|update|delete|merge|with)\y'
     GROUP BY 1, 2
"""


def _statements(context: Context) -> list[Row]:
    return context.statement_rows(_QUERY, {"databases": list(context.databases)})


def _finding(id: str, priority: Priority, row: Row, summary: str, remedy: str, **evidence: float) -> Finding:  # noqa: A002
    return Finding(
        id=id,
        priority=priority,
        subject=f"{row['database']}: query {row['queryid']}",
        summary=f"{summary}: {redact(row['query'])}",
        evidence={
            **evidence,
            "calls": row["calls"],
            "rows_per_call": round(row["rows"] / row["calls"], 1),
            "mean_milliseconds": round(row["milliseconds"] / row["calls"], 2),
            "statement": redact(row["query"]),
        },
        remedy=remedy,
        effort=Level.MEDIUM,
    )


@check(
    "Q01",
    "Statements are fast on average",
    why="A person waits for them, and so does every request behind them in the pool.",
    priority=Priority.P1,
    needs=(Need.STATEMENTS,),
)
def slow(context: Context) -> Iterable[Finding]:
    """Statements with a high mean time over several calls, the slowest first."""
    limits = context.thresholds
    rows = [
        row
        for row in _statements(context)
        if row["calls"] >= limits.slow_statement_calls
        and row["milliseconds"] / row["calls"] >= limits.slow_statement_mean_milliseconds
    ]
    for row in sorted(rows, key=lambda row: row["milliseconds"] / row["calls"], reverse=True)[:SHOWN]:
        yield _finding(
            "Q01",
            Priority.P1,
            row,
            f"A statement takes {row['milliseconds'] / row['calls']:,.0f} ms on average",
            "EXPLAIN (ANALYZE, BUFFERS) it with typical parameters; look for a missing index or rows read and thrown away.",
            longest_milliseconds=round(row["longest_milliseconds"], 1),
            total_seconds=round(row["milliseconds"] / 1000, 1),
        )


@check(
    "Q02",
    "No statement takes the server for itself",
    why="Where one statement takes most of the time, it is where an hour of work gains most.",
    priority=Priority.P2,
    needs=(Need.STATEMENTS,),
)
def heavy(context: Context) -> Iterable[Finding]:
    """Statements with a large share of all execution time; nested ones are left out, their callers count them already."""
    limits = context.thresholds
    rows = [row for row in _statements(context) if row["toplevel"]]
    total = sum(row["milliseconds"] for row in rows)
    for row in sorted(rows, key=lambda row: row["milliseconds"], reverse=True)[:SHOWN]:
        if (
            row["milliseconds"] < limits.heavy_statement_seconds * 1000
            or row["milliseconds"] < limits.heavy_statement_ratio * total
        ):
            continue
        yield _finding(
            "Q02",
            Priority.P2,
            row,
            f"One statement takes {row['milliseconds'] / total:.0%} of all execution time",
            "Make it faster (EXPLAIN it), or call it less often: many calls with few rows each are often a loop that one query "
            "replaces.",
            share_ratio=round(row["milliseconds"] / total, 3),
            total_seconds=round(row["milliseconds"] / 1000, 1),
        )


@check(
    "Q03",
    "Statements sort and hash in memory",
    why="Temporary files are written and read at disk speed, and wear the disk for everybody else.",
    priority=Priority.P2,
    needs=(Need.STATEMENTS,),
)
def spilling(context: Context) -> Iterable[Finding]:
    """Statements that write large temporary files on each call."""
    limits = context.thresholds
    rows = [
        row
        for row in _statements(context)
        if row["calls"] >= limits.spilling_statement_calls
        and row["spilled_bytes"] > 0
        and row["spilled_bytes"] / row["calls"] >= limits.spilling_statement_bytes
    ]
    for row in sorted(rows, key=lambda row: row["spilled_bytes"], reverse=True)[:SHOWN]:
        each = row["spilled_bytes"] / row["calls"]
        yield _finding(
            "Q03",
            Priority.P2,
            row,
            f"A statement writes {each / 1024**2:,.1f} MiB of temporary files a call",
            "Give it an index in the order it sorts by, return fewer columns, or raise work_mem for its role.",
            spilled_bytes_per_call=round(each),
            spilled_bytes=row["spilled_bytes"],
        )


@check(
    "Q04",
    "Statements find their blocks in memory",
    why="Large reads from disk are slow and push what others need out of the cache.",
    priority=Priority.P2,
    needs=(Need.STATEMENTS,),
)
def reading(context: Context) -> Iterable[Finding]:
    """Statements that read much from disk on each call, and more than they find in memory."""
    limits = context.thresholds
    rows = [
        row
        for row in _statements(context)
        if row["calls"] >= limits.reading_statement_calls
        and row["read_bytes"] > row["hit_bytes"]
        and row["read_bytes"] / row["calls"] >= limits.reading_statement_bytes
    ]
    for row in sorted(rows, key=lambda row: row["read_bytes"], reverse=True)[:SHOWN]:
        each = row["read_bytes"] / row["calls"]
        yield _finding(
            "Q04",
            Priority.P2,
            row,
            f"A statement reads {each / 1024**2:,.1f} MiB from disk a call",
            "EXPLAIN (ANALYZE, BUFFERS) it: an index that narrows its scan is worth more than a larger cache.",
            read_bytes_per_call=round(each),
            hit_ratio=round(row["hit_bytes"] / (row["hit_bytes"] + row["read_bytes"]), 3),
        )
