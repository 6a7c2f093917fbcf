"""The second opinion: the same work with Python's psycopg."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from ..postgres.connect import Login

Given = Mapping[str, Any]
Work = Callable[[psycopg.Connection[DictRow], Given], list[dict[str, Any]]]
Statement = tuple[LiteralString, list[Any]]
Logs = Sequence[tuple[Any, ...]]
BATCH = 2500

ALL_OF: LiteralString = 'SELECT * FROM public."BehaviorLog" WHERE "userId" = $1'
RECENT: LiteralString = """
SELECT * FROM public."BehaviorLog" WHERE "userId" = $1 AND "timestamp" >= $2 ORDER BY "timestamp" DESC, id DESC LIMIT $3
"""
ONE_USER: LiteralString = """
SELECT count(*)::int AS events, count(DISTINCT "eventType")::int AS kinds, avg(duration) AS "meanDuration"
  FROM public."BehaviorLog" WHERE "userId" = $1 AND "timestamp" >= $2
"""
TOGETHER: LiteralString = """
SELECT "userId", figures.* FROM unnest($1::text[]) AS asked ("userId") CROSS JOIN LATERAL (
       SELECT count(*)::int AS events, count(DISTINCT "eventType")::int AS kinds, avg(duration) AS "meanDuration"
         FROM public."BehaviorLog" WHERE "BehaviorLog"."userId" = asked."userId" AND "timestamp" >= $2) AS figures
"""
USERS_WITH: LiteralString = 'SELECT id, username FROM public."User" WHERE metadata @> $1::jsonb'
LOGS_WITH: LiteralString = 'SELECT id, "userId" FROM public."BehaviorLog" WHERE payload @> $1::jsonb'
LAST_MONTH: LiteralString = """
SELECT "eventType", count(*)::int AS events, avg(duration) AS "meanDuration" FROM public."BehaviorLog"
 WHERE "timestamp" >= $1 GROUP BY "eventType" ORDER BY "eventType"
"""
LAST_MONTH_NOW: LiteralString = """
SELECT "eventType", count(*)::int AS events, avg(duration) AS "meanDuration" FROM public."BehaviorLog"
 WHERE "timestamp" >= date_trunc('day', now()) - $1::int * interval '1 day' GROUP BY "eventType" ORDER BY "eventType"
"""
ONE_LOG: LiteralString = """
INSERT INTO public."BehaviorLog" (id, "userId", "sessionId", "eventType", "actionCategory", "timestamp", duration, payload)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)
"""
MANY_LOGS: LiteralString = """
INSERT INTO public."BehaviorLog" (id, "userId", "sessionId", "eventType", "actionCategory", "timestamp", duration, payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamp[], $7::float8[], $8::jsonb[])
ON CONFLICT (id) DO NOTHING
"""
COPY_LOGS: LiteralString = """
COPY public."BehaviorLog" (id, "userId", "sessionId", "eventType", "actionCategory", "timestamp", duration, payload) FROM STDIN
"""
WRITTEN: LiteralString = """
SELECT id, "userId", "sessionId", "eventType", "actionCategory", "timestamp", duration, payload
  FROM public."BehaviorLog" WHERE "sessionId" = $1 ORDER BY id
"""
REMOVE: LiteralString = 'DELETE FROM public."BehaviorLog" WHERE "sessionId" = $1'
_KINDS = ("page_view", "video_play", "quiz_answer", "exercise_attempt", "lesson_complete")


def _moment(text: str) -> datetime:
    """A timestamp as the application's columns hold it: UTC, without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


def new_logs(given: Given) -> list[tuple[Any, ...]]:
    """The logs that are inserted; the same for the same numbers."""
    start = _moment(given["from"])
    return [
        (
            f"{given['sessionId']}-{number:08d}",
            given["users"][number % len(given["users"])],
            given["sessionId"],
            _KINDS[number % len(_KINDS)],
            "learning",
            start + timedelta(milliseconds=250 * number),
            (number % 9000) / 100,
            json.dumps({"v": 2, "seq": number, "device": {"os": "ios", "type": "mobile"}, "progress": {"percent": number % 101}}),
        )
        for number in range(given["count"])
    ]


def _ask(connection: psycopg.Connection[DictRow], statement: LiteralString, *values: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - parameters
    return psycopg.RawCursor(connection, row_factory=dict_row).execute(statement, values).fetchall()


def _recent_before(connection: psycopg.Connection[DictRow], given: Given) -> list[dict[str, Any]]:
    since = _moment(given["since"])
    rows = [row for row in _ask(connection, ALL_OF, given["userId"]) if row["timestamp"] >= since]
    return sorted(rows, key=lambda row: (row["timestamp"], row["id"]), reverse=True)[: given["limit"]]


def _weekly_before(connection: psycopg.Connection[DictRow], given: Given) -> list[dict[str, Any]]:
    since = _moment(given["since"])
    return [{"userId": user, **_ask(connection, ONE_USER, user, since)[0]} for user in given["userIds"]]


def _weekly_after(connection: psycopg.Connection[DictRow], given: Given) -> list[dict[str, Any]]:
    found = {row["userId"]: row for row in _ask(connection, TOGETHER, given["userIds"], _moment(given["since"]))}
    return [found[user] for user in given["userIds"]]


def _insert_one_by_one(connection: psycopg.Connection[DictRow], given: Given) -> list[dict[str, Any]]:
    cursor = psycopg.RawCursor(connection)
    for row in given["logs"]:
        cursor.execute(ONE_LOG, row)
    return []


def _insert_at_once(connection: psycopg.Connection[DictRow], logs: Logs) -> None:
    psycopg.RawCursor(connection).execute(MANY_LOGS, [list(column) for column in zip(*logs, strict=True)])


def _copy(connection: psycopg.Connection[DictRow], logs: Logs) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY_LOGS) as copy:
        for row in logs:
            copy.write_row(row)


@dataclass(frozen=True)
class Batched:
    """Writes in batches, two at a time, as files/bench/application/batches.mjs has them."""

    write: Callable[[psycopg.Connection[DictRow], Logs], None]

    def over(self, first: psycopg.Connection[DictRow], second: psycopg.Connection[DictRow], given: Given) -> list[dict[str, Any]]:
        """Write the logs over both connections."""
        logs = given["logs"]
        batches = [logs[start : start + BATCH] for start in range(0, len(logs), BATCH)]

        def lane(connection: psycopg.Connection[DictRow], mine: Sequence[Logs]) -> None:
            for batch in mine:
                self.write(connection, batch)

        with ThreadPoolExecutor(1) as pool:
            half = pool.submit(lane, second, batches[1::2])
            lane(first, batches[::2])
            half.result()
        return []


def _contained(statement: LiteralString) -> Work:
    return lambda connection, given: _ask(connection, statement, json.dumps(given["filter"]))


WORK: Mapping[str, Mapping[str, Work | Batched]] = {
    "recent_logs": {
        "before": _recent_before,
        "after": lambda connection, given: _ask(connection, RECENT, given["userId"], _moment(given["since"]), given["limit"]),
    },
    "weekly_scan_aggregated": {"before": _weekly_before, "after": _weekly_after},
    "jsonb_users": {side: _contained(USERS_WITH) for side in ("before", "after")},
    "jsonb_logs": {side: _contained(LOGS_WITH) for side in ("before", "after")},
    "analytics_now": {side: lambda connection, _given: _ask(connection, LAST_MONTH_NOW, 30) for side in ("before", "after")},
    "analytics_literal": {
        "before": lambda connection, given: _ask(connection, LAST_MONTH_NOW, given["days"]),
        "after": lambda connection, given: _ask(connection, LAST_MONTH, _moment(given["since"])),
    },
    "insert": {"before": _insert_one_by_one, "after": Batched(_insert_at_once)},
    "insert_copy": {"before": _insert_one_by_one, "after": Batched(_copy)},
}


def statement_of(job: str, side: str, given: Given) -> Statement | None:
    """The statement that a side sends, or the one that it repeats, with its parameters; None where it has no plan (COPY)."""
    since = _moment(given["since"]) if "since" in given else None
    statements: dict[tuple[str, str], Statement | None] = {
        ("recent_logs", "before"): (ALL_OF, [given.get("userId")]),
        ("recent_logs", "after"): (RECENT, [given.get("userId"), since, given.get("limit")]),
        ("weekly_scan_aggregated", "before"): (ONE_USER, [given.get("userIds", [""])[0], since]),
        ("weekly_scan_aggregated", "after"): (TOGETHER, [given.get("userIds"), since]),
    }
    if job.startswith("jsonb"):
        return (USERS_WITH if job == "jsonb_users" else LOGS_WITH), [json.dumps(given["filter"])]
    if job == "analytics_now":
        return LAST_MONTH_NOW, [30]
    if job == "analytics_literal":
        return (LAST_MONTH_NOW, [given["days"]]) if side == "before" else (LAST_MONTH, [since])
    return statements.get((job, side))


def run(login: Login, job: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job as files/bench/bench.mjs does: the same keys go in and come out, but for the statement."""
    work = WORK[job["case"]][job["side"]]
    writes = job["case"].startswith("insert")
    samples: list[float] = []
    results: list[Any] = []
    address = make_conninfo(host=login.host, port=login.port, user=login.user, password=login.password, dbname=login.database)

    def connected() -> psycopg.Connection[DictRow]:
        return psycopg.connect(address, autocommit=True, prepare_threshold=None, row_factory=dict_row)

    # As a client's pool has it: a second connection, made before it is needed.
    with connected() as connection, connected() if isinstance(work, Batched) else nullcontext(connection) as second:

        def once(given: Given) -> tuple[float, list[dict[str, Any]]]:
            if writes:
                # An application has its logs already.
                given = {**given, "logs": new_logs(given)}
            began = time.perf_counter()
            rows = work.over(connection, second, given) if isinstance(work, Batched) else work(connection, given)
            took = (time.perf_counter() - began) * 1000
            if writes:
                rows = _ask(connection, WRITTEN, given["sessionId"])
                psycopg.RawCursor(connection).execute(REMOVE, [given["sessionId"]])
            return took, rows

        warmed = time.monotonic() + job["warm_seconds"]
        for given in job["calls"][: job["warm"]]:
            if time.monotonic() >= warmed:
                break
            once(given)
        deadline = time.monotonic() + job["seconds"]
        for number, given in enumerate(job["calls"]):
            if number >= job["least"] and time.monotonic() >= deadline:
                break
            took, rows = once(given)
            samples.append(took)
            results.append(json.loads(json.dumps(rows, default=str)))
    return {"samples_ms": samples, "results": results}
