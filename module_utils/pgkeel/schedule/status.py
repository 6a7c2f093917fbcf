"""How the scheduled jobs stand: last run, its result, the next run, and what the reports say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..report.humanize import UNKNOWN, duration, size
from .jobs import Job
from .runs import Run, read_runs
from .systemd import show

_RUNNING = frozenset({"activating", "active", "deactivating", "reloading"})
_TIMER_PROPERTIES = ("LoadState", "ActiveState", "NextElapseUSecRealtime")
_SERVICE_PROPERTIES = ("LoadState", "ActiveState", "InvocationID", "Result", "ExecMainStatus", "InactiveEnterTimestamp")


@dataclass(frozen=True)
class JobStatus:
    """One job; times are ISO 8601 in UTC, empty where there is none."""

    name: str
    state: str
    """``succeeded``, ``failed``, ``interrupted`` (no end was recorded: power cut), ``running`` or ``never ran``."""
    last_run: str
    result: str
    """systemd's word for it: success, exit-code, timeout, signal …"""
    exit_status: str
    seconds: float | None
    next_run: str
    problem: str
    """A sentence that says what to look at; empty when all is well."""


@dataclass(frozen=True)
class ReportLine:
    """The newest saved result of one playbook."""

    name: str
    saved: str
    text: str
    problem: str = ""


def read_status(jobs: Iterable[Job], runs: Path) -> tuple[JobStatus, ...]:
    """Ask systemd and the run records about every job. Raises PgkeelError where systemd does not answer."""
    wanted = tuple(jobs)
    units = show([unit for job in wanted for unit in (job.service, job.timer)], {*_TIMER_PROPERTIES, *_SERVICE_PROPERTIES})
    return tuple(judge(job, read_runs(runs, job.name), units.get(job.service, {}), units.get(job.timer, {})) for job in wanted)


def judge(job: Job, runs: Sequence[Run], service: Mapping[str, str], timer: Mapping[str, str]) -> JobStatus:
    """The status of one job from its records and its units' properties. Pure."""
    last = runs[0] if runs else None
    current = service.get("InvocationID", "")
    running = service.get("ActiveState") in _RUNNING
    if running:
        state = "running"
    elif service.get("ActiveState") == "failed" and not (last and last.ended and last.invocation_id == current):
        # No record of its end: it failed too early (release or venv missing), or the recorder was killed along with it.
        left = parse_time(service.get("InactiveEnterTimestamp", ""))
        begun = last.started if last and last.invocation_id == current else left
        last = Run(job.name, current, begun, left, service.get("Result", ""), service.get("ExecMainStatus", ""))
        state = "failed"
    elif last is None:
        state = "never ran"
    elif not last.ended:
        state = "interrupted"
    else:
        state = "succeeded" if last.result == "success" else "failed"
    return JobStatus(
        name=job.name,
        state=state,
        last_run=last.started if last else "",
        result=last.result if last else "",
        exit_status=last.exit_status if last else "",
        seconds=last.seconds if last else None,
        next_run=parse_time(timer.get("NextElapseUSecRealtime", "")) if job.enabled else "",
        problem=_problem(job, state, last, service, timer),
    )


def _problem(job: Job, state: str, last: Run | None, service: Mapping[str, str], timer: Mapping[str, str]) -> str:
    if service.get("LoadState") != "loaded":
        return f"{job.service} is not installed on the server; run playbooks/site.yml."
    if job.enabled and timer.get("ActiveState") != "active":
        return f"{job.timer} is not active, so that {job.name} never starts by itself; run playbooks/site.yml."
    if state in {"failed", "interrupted"} and last:
        how = f"({last.result}, status {last.exit_status})" if state == "failed" else "before its end was recorded"
        output = (
            f"journalctl _SYSTEMD_INVOCATION_ID={last.invocation_id}" if last.invocation_id else f"journalctl -u {job.service}"
        )
        return f"The last run of {job.name} {'failed' if state == 'failed' else 'was cut off'} {how}. Its output: {output}"
    return ""


def parse_time(text: str) -> str:
    """A time of systemctl, ``@1700000000`` or ``Mon 2026-11-23 04:49:27 UTC`` as ISO 8601 in UTC; empty for anything else."""
    try:
        if text.startswith("@"):
            moment = datetime.fromtimestamp(int(text[1:]), UTC)
        else:
            moment = datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return moment.isoformat(timespec="seconds")


def read_reports(folder: Path) -> tuple[ReportLine, ...]:
    """The newest saved backup, drill and audit of this server, in words; a subject without any is left out."""
    lines = []
    for name in ("backup", "drill", "audit"):
        newest = max(folder.glob(f"*/{name}.json"), key=lambda path: path.stat().st_mtime, default=None)
        if newest:
            saved = datetime.fromtimestamp(newest.stat().st_mtime, UTC).isoformat(timespec="seconds")
            try:
                document = json.loads(newest.read_text(encoding="utf-8"))
                text, problem = _IN_WORDS[name](document)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                text, problem = "unreadable", f"{newest} cannot be read; run the playbook again."
            lines.append(ReportLine(name, saved, text, problem))
    return tuple(lines)


def _backup(document: Mapping[str, Any]) -> tuple[str, str]:
    failed = bool(document.get("failures") or document.get("failed"))
    text = f"{size(document.get('bytes'))} in {duration(document.get('seconds'))}"
    return (f"failed, {text}", "The last backup failed; see the journal of its job.") if failed else (text, "")


def _drill(document: Mapping[str, Any]) -> tuple[str, str]:
    verdict = str(document["verdict"])
    problem = "" if verdict == "PASS" else f"The last restore drill ended with {verdict}; see the journal of its job."
    return f"{verdict}, restored in {duration(document.get('rto_seconds'))}", problem


def _audit(document: Mapping[str, Any]) -> tuple[str, str]:
    findings = ", ".join(f"{priority} {number}" for priority, number in document["findings_by_priority"].items())
    return f"{findings}, could not verify {int(document['could_not_verify'])}", ""


_IN_WORDS = {"backup": _backup, "drill": _drill, "audit": _audit}


def problems(statuses: Iterable[JobStatus], reports: Iterable[ReportLine]) -> tuple[str, ...]:
    """Every sentence that somebody should read."""
    return tuple(problem for problem in (*(s.problem for s in statuses), *(r.problem for r in reports)) if problem)


def render_status(statuses: Sequence[JobStatus], reports: Sequence[ReportLine]) -> str:
    """A table that a person reads. Pure."""
    rows = [("job", "state", "last run (UTC)", "took", "next run (UTC)")]
    rows += [(s.name, s.state, _short(s.last_run), duration(s.seconds), _short(s.next_run)) for s in statuses]
    text = _columns(rows)
    if reports:
        saved = [("newest", "saved (UTC)", "result"), *((r.name, _short(r.saved), r.text) for r in reports)]
        text += "\n" + _columns(saved)
    return text + "".join(f"\n{problem}\n" for problem in problems(statuses, reports))


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)


def _short(moment: str) -> str:
    return moment[:16].replace("T", " ") if moment else UNKNOWN
