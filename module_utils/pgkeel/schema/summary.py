"""The audit as text for a person."""

from __future__ import annotations

from .index_migration import FILE
from .run import Result


def markdown(result: Result) -> str:
    """The verdict, the pairs, the checklist and every finding with what it does and how it is mended."""
    percent = "could not be computed" if result.type_safety_percent is None else f"{result.type_safety_percent:g} %"
    lines = ["# Schema audit", "", f"Verdict: **{result.verdict.value}**. Type safety: **{percent}**.", ""]
    lines += ["| pair | verdict | differences |", "|---|---|---:|"]
    lines += [f"| {pair.name} | {pair.verdict.value} | {len(pair.differences)} |" for pair in result.pairs]
    lines += ["", "## Compliance", "", "| criterion | status | evidence |", "|---|---|---|"]
    lines += [f"| {_cell(one.criterion)} | {one.status.value} | {_cell(one.evidence)} |" for one in result.checklist]
    objects = result.inventory.objects if result.inventory else ()
    if objects:
        lines += ["", "## Objects that no migration made, and ours", "", "| object | whose | migration file |", "|---|---|---|"]
        for found in objects:
            file = found.migration if found.migrated or not found.migration else f"{found.migration} (to be written)"
            lines.append(f"| {_cell(found.object)} | {found.owner or 'unknown'} | {file or 'none'} |")
    if result.inventory and result.inventory.missing:
        missing = result.inventory.missing
        lines += ["", f"The migration to be written, `{missing.name}/{FILE}`:", "", "```sql", missing.text.rstrip(), "```"]
    unverified = [f"- {pair.name}: {reason}" for pair in result.pairs for reason in pair.unverified]
    if unverified:
        lines += ["", "## Could not verify", "", *unverified]
    if result.findings:
        lines += ["", "## Findings", ""]
    for one in result.findings:
        thing = ".".join(part for part in (one.table, one.column) if part)
        lines += [
            f"### {one.priority.value} {one.pair}: {thing} ({one.kind.value.replace('_', ' ')})",
            "",
            f"- expected: `{one.expected}`",
            f"- actual: `{one.actual}`",
            f"- impact: {one.impact}",
            f"- fix: {one.fix}",
            "",
        ]
    lines += [f"Note: {note}" for note in result.notes]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def summarize(result: Result) -> str:
    """A few lines: the verdict, the pairs, the most urgent findings and the checklist."""
    percent = "unknown" if result.type_safety_percent is None else f"{result.type_safety_percent:g} %"
    lines = [f"{result.verdict.value}, type safety {percent}"]
    lines += [f"  {pair.name}: {pair.verdict.value}, {len(pair.differences)} differences" for pair in result.pairs]
    lines += [f"  could not verify {pair.name}: {reason}" for pair in result.pairs for reason in pair.unverified]
    for one in result.findings:
        thing = ".".join(part for part in (one.table, one.column) if part)
        lines.append(f"  {one.priority.value} {one.pair} {one.kind.value} {thing}: {one.expected} expected, {one.actual} found")
    lines += [f"  {one.criterion}: {one.status.value}. {one.evidence}" for one in result.checklist]
    return "\n".join(lines)
