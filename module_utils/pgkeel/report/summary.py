"""The demo's summary.json: a few figures for a program, and whether the main job succeeded. Pure functions."""

from __future__ import annotations

from typing import Any

from .documents import Documents, DrillVerdict, drill_verdict, failure, number, phases
from .subjects import largest, total

_DRILL_ORDER = (DrillVerdict.FAIL, DrillVerdict.COULD_NOT_VERIFY, DrillVerdict.PASS)


def summarize(documents: Documents) -> dict[str, Any]:
    """The figures that `make demo` promises; null stands for what is not known.

    `success` is true only when every phase is ok, every drill passed having compared something, the second site.yml changed
    nothing, and nothing is missing; `problems` says in words why it is not.
    """
    run = documents.run or {}
    ran = phases(run, "run")
    changed = number(run, "reconverge_changed", "run")
    audit = documents.audit
    backups, drills = documents.backups or (), documents.drills or ()
    verdict = min((drill_verdict(drill) for drill in drills), key=_DRILL_ORDER.index, default=None)
    summary: dict[str, Any] = {
        "phases": {name: seconds for name, seconds, _ in ran},
        "reconverge_changed": changed,
        "audit": {
            "checks": len(audit.results) if audit else None,
            "findings": audit.counts() if audit else {"P0": None, "P1": None, "P2": None},
        },
        "backup": {key: total(backups, key, "backup") for key in ("bytes", "database_bytes", "seconds")},
        "drill": {
            "verdict": verdict.value if verdict else None,
            "rto_seconds": largest(drills, "rto_seconds", "drill"),
            "tables_compared": total(drills, "tables_compared", "drill"),
            "rows_compared": total(drills, "rows_compared", "drill"),
        },
    }
    problems = [f"phase {name} is {status or 'without a status'}" for name, _, status in ran if status != "ok"]
    if not ran:
        problems.append("no phase is recorded")
    if changed:
        problems.append(f"the second run of site.yml changed {changed:g} tasks")
    problems += [f"the backup failed: {failure(backup)}" for backup in backups if failure(backup)]
    if audit and not audit.results:
        problems.append("the audit ran no check")
    if verdict not in (None, DrillVerdict.PASS):
        problems.append(f"the drill's verdict is {verdict}")
    if verdict is DrillVerdict.PASS and not (summary["drill"]["tables_compared"] and summary["drill"]["rows_compared"]):
        problems.append("the drill compared nothing")
    problems += [f"{name} is missing" for name in _missing(summary)]
    return {"success": not problems, **summary, "problems": problems}


def _missing(summary: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in summary.items():
        if isinstance(value, dict):
            names += _missing(value, f"{prefix}{key}.")
        elif value is None:
            names.append(prefix + key)
    return names
