"""One run of the architect: production is read, a copy restored, indexes are chosen and proved there, and everything is told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from ..backup.drill import check_drill
from ..backup.drill_request import DrillRequest
from ..backup.drill_result import DrillResult
from ..backup.manifest import Manifest
from ..backup.restore import restored_copy
from ..errors import PgkeelError
from ..objectstore.store import Store
from ..postgres.connect import Login, connect
from ..postgres.interruption import interruptible
from .advise import Advice, Limits, advise
from .model import Recommendation, Skipped, State, Workload
from .production import Production, read_production

MIB = 1024 * 1024
APPLYING_LATER = "Applying comes with a later version of pgkeel; this one reads, advises and proves"


@dataclass(frozen=True)
class OptimizeRequest:
    """What to judge, and how far to go."""

    login: Login
    """To production's database; it is only read."""
    drill: DrillRequest
    """Which backup, and where to restore it."""
    window_days: float = 7.0
    budget_share: float = 0.2
    """Of the database's size, for all new indexes together."""
    budget_bytes: int = 0
    """The same in bytes; 0 means by share."""
    proof_seconds: float = 480.0
    most_proved: int = 20


@dataclass
class OptimizeResult:
    """What a run came to; it is filled while it runs."""

    database: str
    backup_id: str = ""
    backup_time: str = ""
    backup_proved: bool = False
    """Whether a drill has proved this very backup."""
    recommendations: list[Recommendation] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    statements: int = 0
    planned: int = 0
    candidates: int = 0
    total_ms: float = 0.0
    budget_bytes: int = 0
    since: str = ""
    until: str = ""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "database": self.database,
            "backup_id": self.backup_id,
            "backup_time": self.backup_time,
            "backup_proved": self.backup_proved,
            "window": {"since": self.since, "until": self.until},
            "statements": self.statements,
            "planned": self.planned,
            "candidates": self.candidates,
            "total_ms": round(self.total_ms, 3),
            "budget_bytes": self.budget_bytes,
            "phases": {name: round(seconds, 3) for name, seconds in self.phases.items()},
            "not_judged": [
                {"reason": one.reason, "statements": one.statements, "total_ms": round(one.total_ms, 3)} for one in self.skipped
            ],
            "warnings": self.warnings,
            "recommendations": [one.as_dict() for one in self.recommendations],
        }


def check_optimize(store: Store, request: OptimizeRequest) -> OptimizeResult:
    """What a run would read and restore; nothing is restored. Raises PgkeelError when it could not run."""
    result = OptimizeResult(request.login.database)
    _note(result, _production(request), request)
    backup = check_drill(store, request.drill)
    result.backup_id, result.backup_time = backup.run_id, backup.snapshot_time.isoformat()
    return result


def run_optimize(store: Store, request: OptimizeRequest) -> OptimizeResult:
    """Read, restore, advise, prove. Production is only read; the copy is gone afterwards, whatever happens.

    Raises PgkeelError when it cannot be done at all.
    """
    result = OptimizeResult(request.login.database)
    with interruptible():
        begun = time.monotonic()
        production = _production(request)
        _note(result, production, request)
        result.phases["read"] = time.monotonic() - begun
        if not production.workload.statements:
            return result
        drilled = DrillResult(database=request.drill.shelf.database)
        with restored_copy(store, request.drill, drilled, production.settings) as (ground, manifest):
            _note_backup(result, manifest, drilled)
            result.phases.update(drilled.phases)
            try:
                advice = advise(
                    lambda: connect(ground.login(manifest.database), application_name="pgkeel optimize"),
                    production.workload,
                    production.writes,
                    Limits(result.budget_bytes, request.proof_seconds, request.most_proved),
                    production.examples,
                    policies=production.policies,
                )
                _note_tables(result, production, ground.login(manifest.database))
            except psycopg.Error as error:
                said = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise PgkeelError(
                    f"The proving ground failed: {said}",
                    "Look at free memory and disk there, and run it again; nothing was changed and nothing is left behind",
                ) from error
        _note_advice(result, advice)
    return result


def _production(request: OptimizeRequest) -> Production:
    since = datetime.now(UTC) - timedelta(days=request.window_days)
    with connect(request.login, application_name="pgkeel optimize") as connection:
        try:
            return read_production(connection, request.login.database, since)
        except psycopg.Error as error:
            reason = (error.diag.message_primary or str(error) or type(error).__name__).strip()
            raise PgkeelError(
                f"Reading {request.login.describe()} broke off: {reason}",
                "Log in as a superuser, or see the server's log, and run again: nothing was changed",
            ) from error


def _note(result: OptimizeResult, production: Production, request: OptimizeRequest) -> None:
    workload: Workload = production.workload
    result.since, result.until = workload.since.isoformat(), workload.until.isoformat()
    result.statements = len(workload.statements)
    result.total_ms = sum(statement.total_ms for statement in workload.statements)
    result.budget_bytes = request.budget_bytes or int(production.bytes * request.budget_share)
    result.skipped = list(workload.skipped)
    result.warnings += workload.warnings
    if not workload.statements:
        result.warnings.append(
            f"pg_stat_statements has no statement of {workload.database} that reads or writes a table: nothing to advise on."
            " Let the application work for a while, or name another database."
        )
    if production.never_analysed:
        names = ", ".join(production.never_analysed[:10])
        result.warnings.append(
            f"Statistics were never collected for {names}: there production's planner guesses, and may plan otherwise than"
            " the copy's. Run ANALYZE, and find out why autovacuum does not."
        )
    if production.standbys:
        result.warnings.append(
            f"{production.standbys} standby(s) follow this server. Statements that run there are counted there: they were not"
            " judged, and whether an index serves or slows them was not verified."
        )


def _note_backup(result: OptimizeResult, manifest: Manifest, drilled: DrillResult) -> None:
    result.backup_id, result.backup_time = manifest.run_id, manifest.snapshot_time.isoformat()
    result.backup_proved = any(
        record["backup_id"] == manifest.run_id and record["verdict"] == "PASS" for record in drilled.history
    )
    if not result.backup_proved:
        result.warnings.append(f"No drill has proved backup {manifest.run_id} yet; its copy restored without an error.")


def _note_tables(result: OptimizeResult, production: Production, login: Login) -> None:
    with connect(login) as session:
        rows = session.execute("SELECT schemaname, relname FROM pg_catalog.pg_stat_user_tables").fetchall()
    missing = sorted(
        ".".join(table) for table in production.tables - {(schema, name) for schema, name in rows} if table[0] != "pgkeel"
    )
    if missing:
        result.warnings.append(
            f"Not on the copy, so that nothing is advised about it: {', '.join(missing[:10])}."
            " Newer than the backup, or left out of it."
        )


def _note_advice(result: OptimizeResult, advice: Advice) -> None:
    result.recommendations += advice.recommendations
    result.planned, result.candidates = advice.planned, advice.candidates
    result.warnings += advice.warnings
    result.skipped += advice.skipped
    result.phases.update(advice.phases)
    if advice.proof is not None:
        result.skipped += [Skipped(f"not replayed: {reason}", count) for reason, count in advice.proof.skipped.items()]


def summary(rows: Sequence[Recommendation]) -> Mapping[str, int]:
    """How many recommendations are in which state; every state that occurs."""
    return {state.value: count for state in State if (count := sum(one.state is state for one in rows))}


def with_others(result: OptimizeResult, others: Sequence[Recommendation]) -> OptimizeResult:
    """The result with advice from elsewhere added, each fingerprint once."""
    known = {one.fingerprint for one in result.recommendations}
    added = [one for one in others if one.fingerprint not in known]
    return replace(result, recommendations=[*result.recommendations, *added])
