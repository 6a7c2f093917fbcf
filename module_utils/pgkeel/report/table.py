"""The report as plain text for a terminal. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from . import subjects
from .documents import Documents, drill_verdict, failure
from .finding import Status
from .humanize import Figure, duration, plural
from .prose import clip, one_line, pad, width, wrap
from .verdict import judge

WIDEST = 100
_LABELS = 20
_FINDINGS = 15
"""More than this many findings end in a line that says how many are left."""


def render_table(documents: Documents, now: datetime, columns: int = WIDEST) -> str:
    """The report in at most `columns` columns (at least 60, at most 100): configured, audit, backup, drill, workload, phases.

    Control characters in foreign names never reach the terminal. Ends with a line end.
    """
    columns = max(60, min(columns, WIDEST))
    verdict = judge(documents, now)
    lines = [
        *wrap(f"{verdict.standing.words.upper()}: {verdict.sentence}", columns),
        *wrap(f"First: {verdict.first}", columns),
    ]
    for title, body in (
        ("Configured", _configured(documents)),
        ("Audit", _audit(documents, columns)),
        ("Schemas", _schemas(documents)),
        ("Backup", _backup(documents)),
        ("Restore drill", _drill(documents)),
        ("Workload", _workload(documents)),
        ("Phases", _phases(documents)),
    ):
        content = list(body)
        if content:
            lines += ["", f"── {title} ".ljust(columns, "─")]
            lines += [line for row in content for line in _lines(row, columns)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


Row = str | Figure
"""A finished line, or a label and a value that may need several lines."""


def _lines(row: Row, columns: int) -> list[str]:
    if isinstance(row, str):
        return [clip(row, columns)]
    value = wrap(row.text, columns - _LABELS - 2)
    label = pad(clip(one_line(row.label), _LABELS), _LABELS)
    return [f"{label if not number else ' ' * _LABELS}  {line}" for number, line in enumerate(value)]


def _configured(documents: Documents) -> Iterator[Row]:
    if documents.site is None:
        yield Figure("not run", "playbooks/site.yml has not recorded what it configured")
        return
    configured = subjects.configured(documents.site)
    yield from configured.facts
    for listing in configured.lists:
        yield Figure(listing.label, ", ".join(listing.entries) or "none")
    for settings in configured.tables:
        yield Figure(settings.label, ", ".join(f"{name} = {value}" for name, value in settings.rows) or "none")


def _audit(documents: Documents, columns: int) -> Iterator[Row]:
    audit = documents.audit
    if audit is None or not audit.results:
        yield Figure("not run", (audit.reason if audit else "") or "playbooks/audit.yml: nothing is known to be in order")
        return
    unverified = audit.with_status(Status.COULD_NOT_VERIFY)
    took = f" in {duration(audit.seconds)}" if audit.seconds is not None else ""
    yield Figure("checks", f"{len(audit.results)}{took}, {len(audit.with_status(Status.OK))} found nothing")
    yield Figure("findings", ", ".join(f"{priority} {number}" for priority, number in audit.counts().items()))
    if audit.waived:
        yield Figure("waived", plural(len(audit.waived), "more finding"))
    declared = subjects.declared_indexes(documents)
    if declared:
        good = sum(one.mood == "good" for one in declared)
        yield Figure("declared indexes", f"{good} of {len(declared)} present and valid")
    for result in unverified:
        yield Figure("could not verify", f"{result.id} {result.title}: {result.reason or 'no reason given'}")
    shown = audit.findings[:_FINDINGS]
    widest = max((width(one_line(finding.subject)) for finding in shown), default=0)
    subject = min(widest, columns // 3)
    for finding in shown:
        name = pad(clip(one_line(finding.subject), subject), subject)
        yield f"{finding.priority.value}  {pad(clip(one_line(finding.id), 4), 4)}  {name}  {one_line(finding.summary)}"
    if len(audit.findings) > len(shown):
        yield f"and {plural(len(audit.findings) - len(shown), 'more finding')} in the report"


def _schemas(documents: Documents) -> Iterator[Row]:
    found = documents.schemas
    if found is None:
        if documents.application:
            yield Figure("could not verify", "playbooks/schema_audit.yml: nobody has compared the schemas")
        return
    yield Figure("verdict", f"{found.verdict}, type-safe columns {found.percent}")
    yield Figure("differences", ", ".join(f"{priority} {number}" for priority, number in found.counts().items()))
    for reason in found.unverified:
        yield Figure("could not verify", reason)
    yield from (Figure(one.status, one.criterion) for one in found.checklist if one.status != "yes")


def _backup(documents: Documents) -> Iterator[Row]:
    if not documents.backups:
        yield Figure("not run", "playbooks/backup.yml: no backup is known")
    for backup in documents.backups or ():
        if failure(backup):
            yield Figure("failed", failure(backup))
        yield from subjects.backup_figures(backup)


def _drill(documents: Documents) -> Iterator[Row]:
    if not documents.drills:
        yield Figure("not run", "playbooks/restore_drill.yml: only a restored backup counts")
    for drill in documents.drills or ():
        reason = subjects.drill_reason(drill)
        yield Figure("verdict", drill_verdict(drill).value + (f": {reason}" if reason else ""))
        yield from subjects.drill_figures(drill)
        phases = [f"{bar.name} {bar.seconds.text}" for bar in subjects.bars(drill, "drill")]
        if phases:
            yield Figure("phases", ", ".join(phases))


def _workload(documents: Documents) -> Iterator[Row]:
    rows = [(row.kind, row.count.text, row.p50.text, row.p95.text, row.errors.text) for row in subjects.operations(documents)]
    if rows:
        yield from _aligned(("operation", "count", "p50", "p95", "errors"), rows)
    if documents.load is not None:
        loaded = subjects.loaded(documents.load)
        yield Figure("data loaded", f"{loaded.total.text} rows in {loaded.seconds.text}")


def _phases(documents: Documents) -> Iterator[Row]:
    if documents.run is None:
        return
    bars = subjects.bars(documents.run, "run")
    if bars:
        rows = [(bar.name, bar.status or "no status", bar.seconds.text) for bar in bars]
        yield from _aligned(("phase", "status", "time"), [*rows, ("together", "", subjects.together(documents.run, "run").text)])
    changed = subjects.changed_again(documents.run)
    if changed:
        yield Figure("site.yml again", f"changed {changed}")


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right."""
    cells = [[clip(one_line(cell), 40 if not column else 14) for column, cell in enumerate(row)] for row in (header, *rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        yield "   ".join(pad(cell, widths[column], right=column > 0) for column, cell in enumerate(row))
