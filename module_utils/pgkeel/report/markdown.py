"""The report as Markdown: for a pull request, an issue or a wiki. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from . import subjects
from .documents import Documents, drill_verdict, failure
from .finding import CheckResult, Finding, Status
from .humanize import Figure, duration, figure, plain, plural
from .prose import code_block, code_span, escape, markdown_table
from .tasks import checklist
from .trend import Row, trend
from .verdict import judge


def render_markdown(documents: Documents, now: datetime) -> str:
    """The report as of `now`, with the same verdict, findings and figures as the page; foreign text in it is never markup."""
    verdict = judge(documents, now)
    blocks = [f"# {escape(documents.host)}: {verdict.standing.words.lower()}", escape(verdict.sentence)]
    blocks.append(f"**First:** {escape(verdict.first)}")
    if verdict.steps[1:]:
        blocks.append("\n".join(f"{number}. {escape(step.action)}" for number, step in enumerate(verdict.steps[1:], 2)))
    for title, body in (
        ("Findings", _findings(documents)),
        ("Checks", _checks(documents)),
        ("Schemas", _schemas(documents)),
        ("Backup", _backup(documents)),
        ("Restore drill", _drill(documents)),
        ("Workload", _workload(documents)),
        ("Configuration", _configuration(documents)),
        ("Timings", _timings(documents)),
    ):
        blocks += [f"## {title}", *body]
    return "\n\n".join(blocks) + "\n"


def _not_run(playbook: str, what: str) -> str:
    return f"**Not run.** {what} Run `playbooks/{playbook}.yml`."


def _figures(figures: Sequence[Figure]) -> str:
    return "\n".join(f"- {escape(one.label)}: {escape(one.text)}" for one in figures)


def _findings(documents: Documents) -> Iterator[str]:
    audit = documents.audit
    if audit is None:
        yield _not_run("audit", "Nobody has looked for findings yet, so nothing is known to be in order.")
    elif not audit.results:
        yield f"**Could not run.** {escape(audit.reason or 'The audit ran no check.')}"
    elif not audit.findings:
        yield "No check found anything to act on."
    else:
        yield checklist(audit.findings).rstrip()
        for finding in audit.findings:
            yield from _finding(finding)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"### {finding.priority.value} {escape(finding.id)}: {escape(finding.summary)}"
    yield (
        _figures(
            [
                *(figure(key, value) for key, value in finding.evidence.items()),
                Figure("effort", finding.effort.value),
                Figure("risk", finding.risk.value),
            ]
        )
        + f"\n- subject: {code_span(finding.subject)}\n- fingerprint: {code_span(finding.fingerprint)}"
    )
    if finding.remedy:
        yield code_block(finding.remedy)


def _outcome(result: CheckResult) -> str:
    if result.status is Status.FINDING:
        return f"**{plural(len(result.findings), 'finding')}**"
    words = {Status.OK: "nothing found", Status.COULD_NOT_VERIFY: "**could not verify**", Status.NOT_APPLICABLE: "not applicable"}
    return words[result.status] + (f": {escape(result.reason)}" if result.reason else "")


def _checks(documents: Documents) -> Iterator[str]:
    audit = documents.audit
    if audit is None:
        yield _not_run("audit", "No check has run.")
        return
    unverified = audit.with_status(Status.COULD_NOT_VERIFY)
    took = f" in {duration(audit.seconds)}" if audit.seconds is not None else ""
    yield f"{plural(len(audit.results), 'check')}{took}; {len(unverified)} could not be verified."
    if audit.results:
        rows = [[escape(one.id), escape(one.title), escape(one.area), _outcome(one)] for one in audit.results]
        yield markdown_table(("Check", "Looks at", "Area", "Outcome"), rows)
    waived = subjects.waived(documents)
    if waived:
        yield "### Waived findings"
        yield markdown_table(("Check", "Object", "Until", "Because"), [[escape(cell) for cell in row] for row in waived])
    declared = subjects.declared_indexes(documents)
    if declared:
        yield "### Declared indexes"
        cells = [
            [code_span(one.name), code_span(one.table), escape(one.state), one.scans.text, one.size.text] for one in declared
        ]
        yield markdown_table(("Index", "Table", "State", "Scans", "Size"), cells, right=(3, 4))


def _schemas(documents: Documents) -> Iterator[str]:
    found = documents.schemas
    if found is None:
        yield (
            "**Could not verify.** Nobody has compared the application's schemas with the database. "
            "Run `playbooks/schema_audit.yml`."
            if documents.application
            else "The inventory names no application's schemas: there is nothing to compare."
        )
        return
    yield f"**{found.verdict.capitalize()}**; type-safe columns: {found.percent}"
    if found.unverified:
        yield "\n".join(f"- could not verify {escape(reason)}" for reason in found.unverified)
    if found.pairs:
        cells = [[escape(one.pair), escape(one.verdict), str(one.differences)] for one in found.pairs]
        yield markdown_table(("Pair", "Verdict", "Differences"), cells, right=(2,))
    if found.checklist:
        rules = [[escape(one.criterion), escape(one.status), escape(one.evidence)] for one in found.checklist]
        yield markdown_table(("Rule", "Kept", "Evidence"), rules)
        yield from (f"- {escape(thing)}" for one in found.checklist for thing in one.objects)
    for difference in found.findings:
        yield f"### {difference.priority.value} {escape(difference.thing)}: {escape(difference.kind)} ({escape(difference.pair)})"
        yield "\n".join(
            f"- {label}: {escape(text)}"
            for label, text in (
                ("expected", difference.expected),
                ("actual", difference.actual),
                ("impact", difference.impact),
                ("fix", difference.fix),
            )
        )


def _backup(documents: Documents) -> Iterator[str]:
    if not documents.backups:
        yield _not_run("backup", "No backup is known.")
    for backup in documents.backups or ():
        if failure(backup):
            yield f"**Failed.** {escape(failure(backup))}"
        figures = subjects.backup_figures(backup)
        if figures:
            yield _figures(figures)


def _drill(documents: Documents) -> Iterator[str]:
    if not documents.drills:
        yield _not_run("restore_drill", "No backup has been restored, so none is known to be good.")
    for drill in documents.drills or ():
        reason = subjects.drill_reason(drill)
        yield f"**{drill_verdict(drill).value}**" + (f": {escape(reason)}" if reason else "")
        figures = subjects.drill_figures(drill)
        if figures:
            yield _figures(figures)
        checks = subjects.drill_checks(drill)
        if checks:
            rows = [[escape(one["name"]), escape(plain(one["evidence"])), escape(one["verdict"])] for one in checks]
            yield markdown_table(("Check", "Evidence", "Verdict"), rows)
        gaps = subjects.drill_gaps(drill)
        if gaps:
            yield markdown_table(("Not verified", "Why"), [[escape(name), escape(why)] for name, why in gaps])
        drills = trend(drill).rows
        if drills:
            columns = ("Began (UTC)", "Verdict", "To recover", "At risk", "Took", "Size")
            yield markdown_table(columns, [_drilled(row) for row in reversed(drills)], right=(2, 3, 4, 5))
        bars = subjects.bars(drill, "drill")
        if bars:
            yield markdown_table(("Phase", "Time"), [[escape(bar.name), bar.seconds.text] for bar in bars], right=(1,))


def _drilled(row: Row) -> list[str]:
    figures = (row.recover, row.at_risk, row.took, row.size)
    return [escape(row.time), row.verdict, *(escape(figure.text) for figure in figures)]


def _workload(documents: Documents) -> Iterator[str]:
    operations = subjects.operations(documents)
    if operations:
        yield markdown_table(
            ("Operation", "Count", "p50", "p95", "Errors"),
            [[escape(row.kind), row.count.text, row.p50.text, row.p95.text, row.errors.text] for row in operations],
            right=(1, 2, 3, 4),
        )
    if documents.load is not None:
        loaded = subjects.loaded(documents.load)
        yield f"Data loaded: {loaded.total.text} rows in {loaded.seconds.text}."
        if loaded.tables:
            yield markdown_table(("Table", "Rows"), [[code_span(one.label), one.text] for one in loaded.tables], right=(1,))
    if documents.workload is None and documents.load is None:
        yield "No workload was run against this server, and no reference data loaded."


def _configuration(documents: Documents) -> Iterator[str]:
    if documents.site is None:
        yield _not_run("site", "What was configured on this server is not recorded.")
        return
    configured = subjects.configured(documents.site)
    lists = [Figure(one.label, ", ".join(one.entries) or "none") for one in configured.lists]
    if configured.facts or lists:
        yield _figures([*configured.facts, *lists])
    for table in configured.tables:
        yield f"### {escape(table.label).capitalize()}"
        if table.rows:
            yield markdown_table(("Name", "Value"), [[code_span(name), code_span(value)] for name, value in table.rows])


def _timings(documents: Documents) -> Iterator[str]:
    bars = subjects.bars(documents.run, "run") if documents.run is not None else ()
    if documents.run is None or not bars:
        yield "No run was timed."
    else:
        rows = [[escape(bar.name), escape(bar.status or "no status"), bar.seconds.text] for bar in bars]
        yield markdown_table(("Phase", "Status", "Time"), rows, right=(2,))
    changed = subjects.changed_again(documents.run or {})
    if changed:
        yield f"A second run of `site.yml` changed {changed}."
