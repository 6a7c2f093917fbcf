"""One run of the advisor: read the counters, judge the window, advise, keep a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from ..postgres.index_redundancy import Names
from .counsel import Circumstances, Counsel, counsel
from .drop_advice import Node, read_node
from .index_ages import note_indexes
from .model import Statement, Workload
from .optimization_log import indexes_in_force
from .production import read_examples
from .snapshots import Counters, read_counters, read_history, write_down
from .store import ensure_store, installed_version, is_current
from .workload import judge_window

SHOWN_CHARACTERS = 2000
"""Of a statement's text in a result."""
_LIMITS = {"statement_timeout": "60s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "0"}


@dataclass(frozen=True)
class Request:
    """What to judge, and how."""

    login: Login
    window: timedelta = timedelta(days=7)
    retention: timedelta = timedelta(days=60)
    least_total_ms: float = 0.0
    samples: int = 0
    sample_seconds: int = 10
    sample_tables: bool = True
    declared: Names = frozenset()
    replicas: tuple[tuple[str, int], ...] = ()
    """Host and port of each standby."""
    keep_snapshot: bool = True


@dataclass(frozen=True)
class Advised:
    """What came of it."""

    workload: Workload
    counsel: Counsel
    changed: bool
    snapshot: int | None

    def as_dict(self, top: int) -> dict[str, Any]:
        """A JSON-serialisable mapping, with the first ``top`` statements."""
        total = sum(one.total_ms for one in self.workload.statements)
        return {
            "changed": self.changed,
            "window": {"since": self.workload.since.isoformat(), "until": self.workload.until.isoformat()},
            "statements": [_shown(one, total) for one in self.workload.statements[:top]],
            "statements_judged": len(self.workload.statements),
            # Not "skipped": that word tells Ansible that the task did not run.
            "not_judged": [asdict(one) for one in self.workload.skipped],
            "advice_warnings": list(self.workload.warnings),
            "recommendations": [one.as_dict() for one in self.counsel.recommendations],
            "unverified": list(self.counsel.unverified),
            "snapshot": self.snapshot,
        }


def run_advisor(request: Request, wait: Callable[[float], object]) -> Advised:
    """Judge one database. ``wait`` sleeps for seconds between readings.

    Raises PgkeelError for options that contradict one another, and where the server or its counters cannot be read; nothing
    has been kept then.
    """
    _check(request)
    with connect(request.login, application_name="pgkeel pg_advisor") as connection:
        try:
            return _run(connection, request, wait)
        except psycopg.Error as error:
            reason = (error.diag.message_primary or str(error)).strip()
            raise PgkeelError(
                f"Reading {request.login.describe()} broke off: {reason}", "See the server's log, and run again: nothing was kept"
            ) from error


def _check(request: Request) -> None:
    if request.window <= timedelta(0):
        raise PgkeelError("window_hours is not positive", "Give the hours to look back, as 168 for a week")
    if request.retention < request.window:
        raise PgkeelError(
            "retention_days is shorter than the window, so that its first snapshot would always be gone",
            "Raise retention_days, or lower window_hours",
        )
    if request.samples < 0 or request.sample_seconds < 1:
        raise PgkeelError("samples is negative, or sample_seconds below 1", "Give 0 or more samples, each after 1 second or more")


def _run(connection: psycopg.Connection[Any], request: Request, wait: Callable[[float], object]) -> Advised:
    for name, value in _LIMITS.items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])
    database = request.login.database
    installed_version(connection)  # a schema of somebody else is refused before anything is read
    samples: list[Counters] = []
    for _ in range(request.samples):
        samples.append(replace(read_counters(connection, database), texts={}))
        wait(request.sample_seconds)
    counters = read_counters(connection, database)
    since = counters.taken_at - request.window
    workload = judge_window(connection, counters, since)
    history = () if counters.standby else read_history(connection, counters, since)
    unverified: list[str] = []
    examples = read_examples(connection)
    advice = counsel(
        connection,
        workload,
        Circumstances(
            least_total_ms=request.least_total_ms,
            history=sorted((*history, *samples, counters), key=lambda one: one.taken_at),
            texts={query_id: (text, *examples.get(query_id, ())) for query_id, text in counters.texts.items()},
            patterns_known=bool(examples),
            standbys=_standbys(request, unverified),
            declared=request.declared,
            ours=frozenset() if counters.standby else indexes_in_force(connection),
            sample=request.sample_tables,
        ),
    )
    advice = Counsel(advice.recommendations, (*unverified, *advice.unverified))
    if counters.standby or not request.keep_snapshot:
        return Advised(workload, advice, not counters.standby and not is_current(connection), None)
    changed = ensure_store(connection) > 0
    note_indexes(connection)
    return Advised(workload, advice, changed, write_down(connection, counters, request.retention))


def _standbys(request: Request, unverified: list[str]) -> tuple[Node, ...]:
    found = []
    for host, port in request.replicas:
        try:
            with connect(replace(request.login, host=host, port=port), application_name="pgkeel pg_advisor") as connection:
                found.append(read_node(connection, f"{host}:{port}"))
        except (PgkeelError, psycopg.Error) as error:
            unverified.append(f"How the standby {host}:{port} uses the indexes: {str(error).strip()}")
    return tuple(found)


def _shown(one: Statement, total: float) -> dict[str, Any]:
    text = one.text if len(one.text) <= SHOWN_CHARACTERS else f"{one.text[: SHOWN_CHARACTERS - 1]}…"
    return {
        "query_id": str(one.query_id),
        "text": text,
        "fingerprint": one.fingerprint,
        "calls": one.calls,
        "total_ms": round(one.total_ms, 3),
        "mean_ms": round(one.mean_ms, 3),
        "rows": one.rows,
        "blocks_hit": one.blocks_hit,
        "blocks_read": one.blocks_read,
        "since": one.since.isoformat(),
        "share_ratio": round(one.total_ms / total, 4) if total else 0.0,
    }
