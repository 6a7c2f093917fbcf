"""An audit report as text for a terminal."""

from __future__ import annotations

import textwrap

from .run import AuditReport

WIDTH = 120  # columns
_INDENT = " " * 9


def summarize(report: AuditReport) -> str:
    """Counts first, then findings with their remedies, what could not be verified, and what is waived."""
    counts = report.findings_by_priority
    lines = [
        f"PostgreSQL {report.server.version}, {len(report.databases)} database(s): {', '.join(report.databases)}",
        f"{len(report.results)} checks in {report.seconds:.1f} s: "
        + ", ".join(f"{counts[priority]} {priority}" for priority in counts)
        + f", {report.could_not_verify} could not be verified, {len(report.waived)} waived",
    ]
    for finding in report.findings:
        lines += ["", *_wrapped(f"{finding.priority}  {finding.id}  ", finding.summary)]
        lines += _wrapped(_INDENT, f"on {finding.subject} [{finding.fingerprint}], effort {finding.effort}, risk {finding.risk}")
        if finding.remedy:
            lines += _wrapped(_INDENT + "→ ", finding.remedy)
    if report.unverified:
        lines += ["", "Could not verify:"]
        for gap in report.unverified:
            where = f" in {gap.database}" if gap.database else ""
            lines += _wrapped(f"    {gap.check}  ", f"{gap.reason}{where}")
    if report.waived:
        lines += ["", "Waived:"]
        for item in report.waived:
            text = f"{item.finding.summary} Until {item.waiver.until}: {item.waiver.reason}"
            lines += _wrapped(f"    {item.finding.id}  ", text)
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False)
