"""The HTML report: one self-contained page that loads nothing and runs nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import DictLoader, Environment, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from . import schemas, subjects
from .documents import Documents, DrillVerdict, drill_verdict, failure
from .finding import CheckResult, Finding, Priority, Status
from .humanize import count, duration, exact, figure, percent, plain, plural, size
from .page_style import STYLE
from .page_template import TEMPLATE
from .trend import trend
from .verdict import Standing, judge

MEANINGS = {
    Priority.P0: "data or service at risk now",
    Priority.P1: "will hurt, plan it",
    Priority.P2: "worth improving",
}
SCHEMA_MEANINGS = {
    Priority.P0: "ordinary queries fail",
    Priority.P1: "values or types go wrong",
    Priority.P2: "keys and indexes only",
}
OUTCOMES = {
    Status.OK: "nothing found",
    Status.COULD_NOT_VERIFY: "could not verify",
    Status.NOT_APPLICABLE: "not applicable",
}

_STANDING_MOODS = {
    Standing.NOT_IN_ORDER: "bad",
    Standing.NOT_PROVED: "unknown",
    Standing.NEEDS_WORK: "warn",
    Standing.IN_ORDER: "good",
}
_VERDICT_MOODS = {DrillVerdict.PASS.value: "good", DrillVerdict.FAIL.value: "bad"}
_PRIORITY_MOODS = {"P0": "bad", "P1": "warn", "P2": "plan"}
_OPEN_AT_MOST = 10
"""More findings of a lower priority than this start folded."""
_SQL = re.compile(
    r";\s*(--.*)?$|^\s*(ALTER|CREATE|DROP|REINDEX|VACUUM|ANALYZE|SELECT|SET|GRANT|REVOKE|UPDATE|DELETE)\s", re.MULTILINE
)
_DRILL_WORDS = {DrillVerdict.FAIL: "FAIL", DrillVerdict.COULD_NOT_VERIFY: "unverified", DrillVerdict.PASS: "PASS"}
"""Worst first."""


@dataclass(frozen=True)
class Group:
    """The findings of one priority."""

    priority: str
    meaning: str
    findings: tuple[Finding, ...]
    open: bool


@dataclass(frozen=True)
class Tile:
    """One key figure."""

    label: str
    text: str
    note: str
    exact: str = ""
    mood: str = ""


@dataclass(frozen=True)
class Section:
    """One line of the table of contents."""

    anchor: str
    label: str
    note: str = ""


def render_page(documents: Documents, now: datetime) -> str:
    """The report as HTML. The same documents give the same text until one of them is too old at `now` to prove anything."""
    verdict = judge(documents, now)
    audit, run = documents.audit, documents.run
    groups = _groups(audit.findings if audit else ())
    return _template().render(
        host=documents.host,
        title=plain((run or {}).get("title") or "server report"),
        started=plain((run or {}).get("started") or ""),
        style=Markup(STYLE),  # noqa: S704 - our own constant
        style_hash=base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode(),
        verdict=verdict,
        mood=_STANDING_MOODS[verdict.standing],
        tiles=_tiles(documents),
        sections=_sections(documents),
        groups=groups,
        audit=audit,
        audit_seconds=figure("seconds", audit.seconds) if audit else None,
        unverified=audit.with_status(Status.COULD_NOT_VERIFY) if audit else (),
        waived=subjects.waived(documents),
        declared=subjects.declared_indexes(documents),
        schemas=documents.schemas,
        schemas_expected=documents.application,
        schema_groups=_schema_groups(documents),
        backups=documents.backups,
        drills=documents.drills,
        workload=documents.workload,
        operations=subjects.operations(documents),
        load=documents.load,
        loaded=subjects.loaded(documents.load) if documents.load is not None else None,
        site=documents.site,
        configured=subjects.configured(documents.site) if documents.site is not None else None,
        run=run,
        changed=subjects.changed_again(run or {}),
        timings=subjects.bars(run, "run") if run is not None else (),
    )


def result_mood(result: CheckResult) -> str:
    """How the outcome of a check is drawn: a finding is as bad as its worst."""
    if result.status is Status.FINDING:
        return _PRIORITY_MOODS[min((finding.priority for finding in result.findings), default=Priority.P2).value]
    return {Status.OK: "good", Status.COULD_NOT_VERIFY: "unknown", Status.NOT_APPLICABLE: "none"}[result.status]


def outcome(result: CheckResult) -> str:
    """The outcome of a check in words."""
    return OUTCOMES.get(result.status) or plural(len(result.findings), "finding")


def looks_like_sql(remedy: str) -> bool:
    """Whether a remedy is code to copy rather than a sentence to read."""
    return bool(_SQL.search(remedy))


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"page.html": TEMPLATE}),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    environment.filters |= {
        "plain": plain,
        "failure": failure,
        "why": subjects.drill_reason,
        "figures": lambda evidence: [figure(key, value) for key, value in evidence.items()],
        "looks_like_sql": looks_like_sql,
        "outcome": outcome,
        "result_mood": result_mood,
        "verdict_mood": verdict_mood,
        "schema_mood": schemas.mood,
        "backup_figures": subjects.backup_figures,
        "drill_figures": subjects.drill_figures,
        "drill_checks": subjects.drill_checks,
        "drill_gaps": subjects.drill_gaps,
        "drill_verdict": lambda drill: drill_verdict(drill).value,
        "drill_mood": lambda drill: verdict_mood(drill_verdict(drill).value),
        "bars": subjects.bars,
        "together": subjects.together,
        "trend": trend,
    }
    return environment.get_template("page.html")


def verdict_mood(verdict: str) -> str:
    """How a verdict is drawn; one that is not known is unknown, never good."""
    return _VERDICT_MOODS.get(verdict.upper(), "unknown")


def _groups(findings: tuple[Finding, ...]) -> list[Group]:
    groups = []
    for priority, meaning in MEANINGS.items():
        chosen = tuple(finding for finding in findings if finding.priority is priority)
        folded = priority is Priority.P2 or len(chosen) > _OPEN_AT_MOST
        groups.append(Group(priority.value, meaning, chosen, open=priority is Priority.P0 or not folded))
    return groups


def _sections(documents: Documents) -> list[Section]:
    audit = documents.audit
    checks = "not run"
    if audit:
        unverified = len(audit.with_status(Status.COULD_NOT_VERIFY))
        checks = f"{len(audit.results)}, {unverified} unverified" if unverified else str(len(audit.results))
    return [
        Section("findings", "Findings", str(len(audit.findings)) if audit and audit.results else "not run"),
        Section("checks", "Checks", checks),
        Section("schemas", "Schemas", documents.schemas.verdict if documents.schemas else "unverified"),
        Section("backup", "Backup", "" if documents.backups else "not run"),
        Section("drill", "Restore drill", _drill_words(documents)),
        Section("workload", "Workload", "" if documents.workload or documents.load else "not run"),
        Section("configuration", "Configuration", "" if documents.site else "not run"),
        Section("timings", "Timings"),
    ]


def _drill_words(documents: Documents) -> str:
    verdicts = {drill_verdict(drill) for drill in documents.drills or ()}
    return next((words for verdict, words in _DRILL_WORDS.items() if verdict in verdicts), "not run")


def _tiles(documents: Documents) -> list[Tile]:
    return [*_audit_tiles(documents), *_schema_tiles(documents), *_backup_tiles(documents), *_drill_tiles(documents)]


def _schema_tiles(documents: Documents) -> list[Tile]:
    found = documents.schemas
    if found is None:
        return [Tile("Schemas", "not verified", "nobody has compared them", mood="unknown")] if documents.application else []
    counts = " · ".join(f"{name} {number}" for name, number in found.counts().items())
    note = "could not be verified" if found.verdict == schemas.COULD_NOT_VERIFY else f"type-safe columns · {counts}"
    return [Tile("Schemas", found.percent, note, found.verdict, mood=schemas.mood(found.verdict))]


def _schema_groups(documents: Documents) -> list[tuple[str, str, tuple[schemas.SchemaFinding, ...]]]:
    found = documents.schemas
    if found is None:
        return []
    return [(priority.value, meaning, found.with_priority(priority)) for priority, meaning in SCHEMA_MEANINGS.items()]


def _audit_tiles(documents: Documents) -> list[Tile]:
    audit = documents.audit
    if audit is None or not audit.results:
        return [Tile("Findings", "not run", "the audit has not looked", mood="unknown")]
    counts = audit.counts()
    unverified = len(audit.with_status(Status.COULD_NOT_VERIFY))
    worst = next((priority for priority, found in counts.items() if found), "")
    return [
        Tile(
            "Findings",
            count(sum(counts.values())),
            " · ".join(f"{name} {found}" for name, found in counts.items()),
            mood=_PRIORITY_MOODS.get(worst, "good"),
        ),
        Tile(
            "Checks verified",
            f"{len(audit.results) - unverified} of {len(audit.results)}",
            f"{unverified} could not be verified" if unverified else "all of them verified",
            mood="unknown" if unverified else "",
        ),
    ]


def _backup_tiles(documents: Documents) -> list[Tile]:
    if not documents.backups:
        return [Tile("Backup", "not run", "no backup is known", mood="unknown")]
    if any(failure(backup) for backup in documents.backups):
        return [Tile("Backup", "failed", "see below", mood="bad")]
    stored = subjects.total(documents.backups, "bytes", "backup")
    data = subjects.total(documents.backups, "database_bytes", "backup")
    seconds = subjects.total(documents.backups, "seconds", "backup")
    notes = [f"{percent(stored / data)} of {size(data)}"] if stored and data else []
    notes += [f"in {duration(seconds)}"] if seconds is not None else []
    return [Tile("Backup", size(stored), ", ".join(notes), f"{exact(stored)} bytes" if stored is not None else "not measured")]


def _drill_tiles(documents: Documents) -> list[Tile]:
    if not documents.drills:
        return [Tile("Restore drill", "not run", "no backup is proved", mood="unknown")]
    words = _drill_words(documents)
    mood = {"PASS": "good", "FAIL": "bad"}.get(words, "unknown")
    compared = subjects.total(documents.drills, "rows_compared", "drill")
    tables = subjects.total(documents.drills, "tables_compared", "drill")
    notes = "what was compared is not recorded"
    if compared is not None and tables is not None:
        notes = f"{count(compared)} rows in {plural(int(tables), 'table')}"
    tiles = [Tile("Restore drill", words, notes, mood=mood)]
    slowest = subjects.largest(documents.drills, "rto_seconds", "drill")
    if slowest is not None:
        tiles.append(Tile("Time to recover", duration(slowest), "measured, data verified", f"{exact(slowest)} seconds"))
    return tiles
