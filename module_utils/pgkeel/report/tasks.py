"""Findings as tasks: lines for the beads tracker, and a checklist in Markdown. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from .documents import Documents
from .finding import Finding, Priority
from .humanize import figure, plural
from .prose import code_block, code_span, escape, one_line

_TITLE_LENGTH = 200
_TYPES = {Priority.P0: "bug", Priority.P1: "task", Priority.P2: "chore"}


def bd_lines(findings: Sequence[Finding]) -> list[str]:
    """One `bd create` command a finding, safe to paste into a shell whatever the findings are named.

    The priority is the tracker's own (0 to 2), effort and risk become labels, and the fingerprint becomes the external
    reference, by which a finding that was filed already can be found again.
    """
    return [_bd_line(finding) for finding in findings]


def checklist(findings: Sequence[Finding]) -> str:
    """A Markdown checklist by priority, with effort and risk."""
    parts: list[str] = []
    for priority in Priority:
        chosen = [finding for finding in findings if finding.priority is priority]
        if chosen:
            parts.append(f"### {priority.value}: {plural(len(chosen), 'task')}\n")
            parts += [_item(finding) for finding in chosen]
            parts.append("")
    return "\n".join(parts) if parts else "Nothing was found.\n"


def tasks_page(documents: Documents) -> str:
    """The file tasks.md: the checklist, then the same tasks as commands."""
    title = f"# Tasks for {escape(documents.host)}\n\n"
    if documents.audit is None or not documents.audit.results:
        return f"{title}The audit has not run, so no task is known. Run `playbooks/audit.yml`.\n"
    findings = documents.audit.findings
    page = title + checklist(findings)
    if findings:
        commands = "\n".join(bd_lines(findings))
        page += f"\n## For the beads tracker\n\nRun these in the tracker's repository.\n\n{code_block(commands, 'sh')}\n"
    return page


def _bd_line(finding: Finding) -> str:
    title = one_line(f"{finding.id} {finding.subject}: {finding.summary}")
    if len(title) > _TITLE_LENGTH:
        title = title[: _TITLE_LENGTH - 1] + "…"
    evidence = "; ".join(
        f"{shown.label} {shown.text}" for shown in (figure(key, value) for key, value in finding.evidence.items())
    )
    description = " ".join(
        part
        for part in (
            one_line(finding.summary),
            f"Evidence: {one_line(evidence)}." if evidence else "",
            f"Effort {finding.effort.value}, risk {finding.risk.value}, fingerprint {finding.fingerprint}.",
            _remedy(finding),
        )
        if part
    )
    return " ".join(
        [
            "bd create",
            shlex.quote(title),
            f"-t {_TYPES[finding.priority]}",
            f"-p {finding.priority.value[1]}",
            f"-l pgkeel,effort-{finding.effort.value},risk-{finding.risk.value}",
            f"--external-ref pgkeel-{finding.fingerprint}",
            f"-d {shlex.quote(description)}",
        ]
    )


def _remedy(finding: Finding) -> str:
    """On one line; where a comment would swallow what follows it there, only where to find it."""
    if "--" in finding.remedy and "\n" in finding.remedy:
        return "Remedy: in the report, under this fingerprint."
    return f"Remedy: {one_line(finding.remedy)}" if finding.remedy else ""


def _item(finding: Finding) -> str:
    return (
        f"- [ ] **{escape(finding.id)}** {escape(finding.summary)} ({code_span(finding.subject)}; "
        f"effort {finding.effort.value}, risk {finding.risk.value}; {code_span(finding.fingerprint)})"
    )
