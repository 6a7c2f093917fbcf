"""The restore drill: the newest committed backup becomes a running database, and everything in it is compared."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from ..objectstore.errors import DamagedObjectError
from ..objectstore.objects import read_small
from ..objectstore.store import Store
from ..postgres.cgroup import read_caps
from ..postgres.connect import connect
from ..postgres.give_way import give_way
from ..postgres.ground_folder import sweep
from ..postgres.interruption import interruptible
from ..postgres.proving_ground import ProvingGround
from ..postgres.throwaway_database import ThrowawayDatabase
from .assertions import check_assertions
from .check import Check, Verdict
from .compare import compare, compare_locale
from .content_hash import fix_output
from .contents import Contents, Session, read_contents
from .control import negative_control, refusals
from .drill_request import DrillRequest
from .drill_result import DrillResult, check_budgets
from .history import DrillRecord, remember
from .keys import MANIFEST
from .manifest import Manifest
from .progress import reported
from .restore import RestoreFailedError, Running, analyse, blamed, decrypt, fetch, locate, measured, prepared, restore
from .shared_server import check_closed, check_globals, compare_roles, without_roles
from .snapshot import read_locale
from .structure import check_structure


def check_drill(store: Store, request: DrillRequest) -> Manifest:
    """Everything that must hold before a drill; nothing is restored. Returns the backup it would take. Raises PgkeelError."""
    return locate(store, request, DrillResult())


def run_drill(store: Store, request: DrillRequest) -> DrillResult:
    """Restore the newest committed backup into a throwaway cluster, or database, and compare it with its manifest.

    Never raises: what went wrong is in the result, as FAIL when the backup is to blame, else as COULD NOT VERIFY.
    The copy and everything downloaded are gone afterwards. With a cluster of its own, production is not connected to at all.
    """
    target = "cluster" if request.production is None else "database"
    result = DrillResult(
        database=request.shelf.database,
        target=target,
        rto_budget_seconds=request.rto_budget_seconds,
        rpo_budget_seconds=request.rpo_budget_seconds,
        caps=read_caps().as_dict(),
        progress=request.progress,
    )
    begun = time.monotonic()
    started = datetime.now(UTC)
    try:
        with interruptible(), reported(request.progress):
            _drill(store, request, result, begun)
    except (DamagedObjectError, RestoreFailedError) as error:
        result.checks.append(Check("backup restores", Verdict.FAIL, str(error)))
        result.reason = str(error)
    except PgkeelError as error:
        result.checks.append(Check("drill", Verdict.COULD_NOT_VERIFY, str(error)))
        result.reason = str(error)
    except Exception as error:
        # A drill always has a verdict. Not the error's text, which may hold what was being read.
        place = traceback.extract_tb(error.__traceback__)[-1]
        result.reason = (
            f"The drill broke off: {type(error).__name__} in {place.name}, line {place.lineno}. This is worth a bug report."
        )
        result.checks.append(Check("drill", Verdict.COULD_NOT_VERIFY, result.reason))
    if not result.reason and result.verdict is not Verdict.PASS:
        worst = [check for check in result.checks if check.verdict is result.verdict]
        result.reason = "; ".join(f"{check.name}: {check.evidence}" for check in worst) + "."
    try:
        result.history = remember(store, request.shelf, request.signing_key, request.verify_keys, _record(result, started))
    except PgkeelError as error:
        result.warnings.append(f"The drill's record could not be stored: {error}")
    return result


def _record(result: DrillResult, started: datetime) -> DrillRecord | None:
    """What is kept of the drill; nothing when there was no backup to judge."""
    if not result.backup_id:
        return None
    return DrillRecord(
        database=result.database,
        backup_id=result.backup_id,
        time=started,
        verdict=result.verdict.value,
        reason=result.reason[:2000],
        target=result.target,
        rto_seconds=result.rto_seconds,
        rpo_seconds=result.rpo_seconds,
        phases={name: round(seconds, 3) for name, seconds in result.phases.items()},
        rows_compared=result.rows_compared,
        database_bytes=result.database_bytes,
        by_budget=result.by_budget,
    )


def _drill(store: Store, request: DrillRequest, result: DrillResult, begun: float) -> None:
    with result.phase("locate"):
        sweep(request.base_dir)
        manifest = locate(store, request, result)
    ready = begun
    try:
        with prepared(request, manifest, result) as running:
            result.progress.measure = lambda phase: measured(phase, manifest, running)
            with result.phase("fetch"):
                dump, roles = fetch(store, request, manifest, running.folder)
            with result.phase("decrypt"):
                controls = _control_refusals(store, request, manifest, roles)
                dump, roles = decrypt(request, manifest, dump, roles)
                if request.production is not None:
                    script = roles.read_text(encoding="utf-8")
                    result.checks.append(check_globals(script, manifest.contents, manifest.server.superuser))
            with blamed(running):
                with result.phase("restore"):
                    restore(request, manifest, running, dump, roles)
                if request.analyze:
                    with result.phase("analyse"):
                        analyse(request, manifest, running)
                with result.phase("verify"):
                    _verify(request, manifest, running, result, controls)
            ready = time.monotonic()
            result.rto_seconds = ready - begun
            result.checks += check_budgets(result, request)
    finally:
        if ready > begun:
            result.phases["clean"] = time.monotonic() - ready


def _verify(
    request: DrillRequest, manifest: Manifest, running: Running, result: DrillResult, controls: list[dict[str, Any]]
) -> None:
    with connect(running.login(running.copy_of(manifest.database))) as session:
        fix_output(session)
        if isinstance(running, ThrowawayDatabase):
            give_way(session)
        found = read_contents(session)
        result.checks += _comparisons(running, manifest.contents, found)
        result.checks.append(compare_locale(manifest.locale, read_locale(session)))
        result.checks.append(_check_indexes(session))
        result.checks.append(check_closed(session) if isinstance(running, ThrowawayDatabase) else _check_harmless(session))
        result.tables_compared = len(found.tables)
        result.rows_compared = found.rows
        result.checks.append(negative_control(session, manifest.contents, found, controls, result))
        result.checks += check_assertions(session, request.assertions)
    result.checks.append(check_structure(request.bin_dir, running, running.copy_of(manifest.database), request.jobs))


def _comparisons(running: Running, expected: Contents, found: Contents) -> list[Check]:
    """Everything; roles that were not restored are judged apart."""
    if isinstance(running, ProvingGround):
        return compare(expected, found)
    return [*compare(without_roles(expected), without_roles(found)), compare_roles(expected, found)]


def _check_indexes(session: Session) -> Check:
    """Of tables and partitions: that of a partitioned table is invalid as long as a partition lacks it, in production too."""
    rows = session.execute(
        """
        SELECT n.nspname || '.' || c.relname
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready)
        ORDER BY 1
        """
    ).fetchall()
    if rows:
        return Check("valid indexes", Verdict.FAIL, f"invalid: {', '.join(str(name) for (name,) in rows[:20])}")
    return Check("valid indexes", Verdict.PASS, "all valid")


def _check_harmless(session: Session) -> Check:
    row = session.execute(
        "SELECT current_setting('archive_mode'), current_setting('listen_addresses'), current_setting('wal_level')"
    ).fetchone()
    fine = row == ("off", "", "minimal")
    return Check(
        "copy is isolated",
        Verdict.PASS if fine else Verdict.COULD_NOT_VERIFY,
        f"archive_mode, listen_addresses, wal_level = {row}",
    )


def _control_refusals(store: Store, request: DrillRequest, manifest: Manifest, roles: Path) -> list[dict[str, Any]]:
    stored = read_small(store, request.shelf.key(manifest.run_id, MANIFEST))
    return refusals(stored, roles.read_bytes(), request.identity, request.verify_keys)
