"""A group of cases on one database: everything before, the indexes, everything after, and the database as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from ..postgres.interruption import InterruptedRunError, uninterrupted
from . import psycopg_client
from .cases import PYTHON, SIDES, Case, Group, Side
from .clients import Clients
from .index_change import build, restore, take_away
from .same_rows import first_difference
from .stage import SESSION, Stage
from .timing import row

Connection = psycopg.Connection[TupleRow]
PLAN_SECONDS = 60
UNWARMED = ("weekly_scan",)


@dataclass(frozen=True)
class Effort:
    """How long a run may take, and how much it does."""

    seconds: float = 8.0
    """Of each case and side; calls that a case needs at least are made all the same."""
    warm: int = 50
    """Calls beforehand that are not timed, at most."""
    warm_seconds: float = 1.5
    least: int = 1000
    """Calls that are made all the same, where a case does not ask for fewer."""
    first_only: bool = False
    """One client a metric: the first."""


@dataclass(frozen=True)
class Bench:
    """Where and how cases are measured."""

    connection: Connection
    """As superuser, in autocommit mode, straight to the server."""
    stage: Stage
    clients: Clients
    effort: Effort = Effort()


def measure_group(
    bench: Bench, group: Group, told: Callable[[dict[str, Any], dict[str, Any]], None]
) -> dict[str, list[dict[str, Any]]]:
    """Measure every case: ``rows`` (of results.json), ``raw`` (samples of each) and ``indexes`` (what each cost).

    ``told`` gets each row and its samples as soon as they are there. A client that is missing or fails makes a row with a reason;
    the others go on.
    The indexes are put back whatever happens. Raises PgkeelError, InterruptedRunError among them.
    """
    connection, stage, effort = bench.connection, bench.stage, bench.effort
    if effort.first_only:
        first = {case.metric: case for case in reversed(group.cases)}
        group = replace(group, cases=tuple(case for case in group.cases if first[case.metric] is case))
    found: dict[int, dict[Side, dict[str, Any]]] = {number: {} for number in range(len(group.cases))}
    reasons = {number: bench.clients.missing(case.client) for number, case in enumerate(group.cases)}
    rows: list[dict[str, Any]] = []
    raw: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    # A run that was killed may have left either.
    restore(connection)
    if group.writes:
        _forget(connection)
    try:
        if group.indexes:
            take_away(connection, group.indexes, stage.reference)
        for number, case in enumerate(group.cases):
            if not case.indexed_before and not reasons[number]:
                reasons[number] = _measure(bench, case, "before", found[number])
        weighed = any(index.table == "BehaviorLog" for index in group.indexes)
        without = _insert_cost(connection, stage) if weighed else None
        costs = [build(connection, index, stage.reference) for index in group.indexes]
        for number, case in enumerate(group.cases):
            for side in SIDES if case.indexed_before else SIDES[1:]:
                if not reasons[number]:
                    reasons[number] = _measure(bench, case, side, found[number])
            rows.append(_row(stage, case, found[number], reasons[number]))
            raw.append(_raw(case, found[number]))
            told(rows[-1], raw[-1])
        if weighed:
            # Last: what it leaves in a GIN index's list of pending entries would slow the others down.
            costs[0].update(insert_without=without, insert_with=_insert_cost(connection, stage))
    finally:
        with uninterrupted(), _afresh(connection) as mending:
            try:
                if group.writes:
                    _tidy(mending)
            finally:
                restore(mending)
    return {"rows": rows, "raw": raw, "indexes": costs}


@contextmanager
def _afresh(connection: Connection) -> Iterator[Connection]:
    """The connection; or one like it, where an interruption came while the server was at work for the first."""
    if connection.info.transaction_status is TransactionStatus.IDLE:
        yield connection
        return
    given = make_conninfo(**connection.info.get_parameters(), password=connection.info.password or None)
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=5)
    connection.close()
    with psycopg.connect(given, autocommit=True) as another:
        another.execute("SET statement_timeout = 0")
        yield another


def _raw(case: Case, sides: Mapping[Side, Mapping[str, Any]]) -> dict[str, Any]:
    samples = {f"{side}_ms": [round(sample, 4) for sample in one.get("samples_ms", [])] for side, one in sides.items()}
    return {"metric": case.metric, "client": case.client, **samples}


def _measure(bench: Bench, case: Case, side: Side, into: dict[Side, dict[str, Any]]) -> str:
    """One side of a case; why it was not measured, or nothing."""
    calls, effort = bench.stage.calls(case), bench.effort
    job = {
        "case": case.job,
        "side": side,
        "calls": calls,
        # A minute each before: too long to be done for nothing, and then not after either.
        "warm": 0 if case.job in UNWARMED or case.job.startswith("insert") else effort.warm,
        "warm_seconds": min(effort.warm_seconds, effort.seconds),
        "seconds": effort.seconds,
        "least": min(case.least, effort.least),
        "concurrency": case.concurrency,
    }
    try:
        into[side] = bench.clients.run(case, job)
    except InterruptedRunError:
        raise
    except (PgkeelError, psycopg.Error) as error:
        if case.job.startswith("insert"):
            # The next client writes logs with the same ids.
            _forget(bench.connection)
        return f"could not measure {side}: {str(error).strip().splitlines()[0]}"
    into[side]["plan"] = _plan(bench.connection, case, side, calls[0], into[side].get("statement"))
    return ""


def _plan(
    connection: Connection, case: Case, side: Side, given: Mapping[str, Any], statement: Mapping[str, Any] | None
) -> str | None:
    """What the server did for the statement that the client sent, run once more and rolled back; None where there is none."""
    if statement is None:
        own = psycopg_client.statement_of(case.job, side, given)
        if case.client != PYTHON and not case.job.startswith("recent"):
            own = None
        if own is None:
            return None
        text, values = own[0], list(own[1])
    else:
        text, values = str(statement["sql"]), list(statement["parameters"])
    with suppress(psycopg.Error), connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PLAN_SECONDS}s"])
        explain = "EXPLAIN (ANALYZE, BUFFERS, SETTINGS) " + text
        found = psycopg.RawCursor(connection).execute(explain, values).fetchall()
        return "\n".join(line for (line,) in found)
    return None


def _row(stage: Stage, case: Case, sides: Mapping[Side, Mapping[str, Any]], reason: str) -> dict[str, Any]:
    before, after = (sides.get(side, {}) for side in SIDES)
    samples = [list(one.get("samples_ms", [])) for one in (before, after)]
    if case.paired and case.client != "pgbench" and all(samples):
        common = min(map(len, samples))
        samples = [one[:common] for one in samples]
    answers = [list(one.get("results", [])) for one in (before, after)]
    difference, count = "", None
    for number, (one, other) in enumerate(zip(*answers, strict=False)):
        count = len(one) if count is None else count
        difference = difference or first_difference(one, other, ordered=case.ordered)
        if difference and "call" not in difference:
            difference = f"call {number + 1}: {difference}"
    if count is not None and not difference and not any(map(len, answers[0])):
        reason = reason or "both answers are empty, so that nothing was compared"
    note = case.note
    if case.job == "analytics_now" and stage.reference.date() < datetime.now(UTC).date():
        note = f"The data ends on {stage.reference.date().isoformat()}: fewer than 30 days of it lie before now()."
    if case.share:
        filter_, share = stage.filter_for(case)
        note = f"{note} {json.dumps(filter_)} finds about {share:.3%} of the rows.".strip()
    if case.client == "pgbench":
        note = "pgbench shows no rows; psycopg compares those of the same statements."
    described = {**asdict(replace(case, note=note))}
    plans: dict[str, str | None] = {side: one.get("plan") for side, one in zip(SIDES, (before, after), strict=True)}
    return row(described, samples[0], samples[1], count, plans, difference, reason)


def _insert_cost(connection: Connection, stage: Stage) -> dict[str, float]:
    """WAL and time of a batch of logs, after a checkpoint: ``rows``, ``wal_bytes``, ``milliseconds`` (the median of three)."""
    given = {"sessionId": f"{SESSION}-cost", "users": stage.cohort, "from": stage.reference.isoformat(), "count": stage.inserted}
    rows = psycopg_client.new_logs(given)
    columns = [list(column) for column in zip(*rows, strict=True)]
    measured = []
    for _ in range(3):
        # So that each pays the same full-page images.
        connection.execute("CHECKPOINT")
        found = (
            psycopg.RawCursor(connection)
            .execute("EXPLAIN (ANALYZE, WAL, TIMING OFF, FORMAT JSON) " + psycopg_client.MANY_LOGS, columns)
            .fetchone()
        )
        plan = found[0][0] if found else {}
        measured.append((plan["Execution Time"], plan["Plan"]["WAL Bytes"]))
        psycopg.RawCursor(connection).execute(psycopg_client.REMOVE, [given["sessionId"]])
    measured.sort()
    return {"rows": len(rows), "milliseconds": round(measured[1][0], 1), "wal_bytes": measured[1][1]}


def _forget(connection: Connection) -> None:
    """Take away what a client that was ended in the middle has written."""
    sessions: Sequence[str] = [f"{SESSION}-{job}" for job in ("insert", "insert_copy", "cost")]
    connection.execute('DELETE FROM public."BehaviorLog" WHERE "sessionId" = ANY(%s)', [list(sessions)])


def _tidy(connection: Connection) -> None:
    _forget(connection)
    # Index-only scans need to know again that every row is visible.
    connection.execute('VACUUM public."BehaviorLog"')
