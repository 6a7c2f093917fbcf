"""docs/benchmarks.md from a committed results file, and the snippets of docs/application.md from the code that is measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..report.humanize import duration, size
from .bench_page import headline, little_help, verdict
from .bench_plots import count_of, growth_panels
from .words import milliseconds, times, words_for

Row = dict[str, Any]
HOW = """\
`make bench` does all of it on a fresh lab server and takes it down again: `build/bench/benchmarks.html` is this as a page
with plots and plans, `results.json` has a row a metric and client, `run.json` the machine and the growth, `raw/` every
sample. `BENCH_SIZE=quick` measures 100,000 logs in some minutes. After `BENCH_MINUTES` (30) it stops by itself; then, and
when it is interrupted, what was measured is kept and the rest says why it was not. `make bench-cost` measures what pgkeel
itself costs; the next `make bench` shows it.

On another server: load the data into a database of its own (`playbooks/edtech.yml -e edtech_database=bench -e
edtech_size=bench`; what the disk does not hold is refused), then `playbooks/benchmark.yml --tags metrics`. It drops and
builds indexes there and writes and deletes logs, says so first, and leaves all as it was; a database that was not loaded so
is refused. Node 20 must be on the server, or `-e benchmark_install_node=true`."""
FULL = 10_000_000
"""Logs that the targets are for."""


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]], numbers_from: int) -> str:
    rule = ["---" if number < numbers_from else "---:" for number in range(len(columns))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (columns, rule, *lines))


def _line(row: Row) -> list[str]:
    words = words_for(row["metric"])
    before, after = (
        f"{milliseconds(one['median'])} ({milliseconds(one['p95'])})" if one else "-"
        for one in (row["before_ms"], row["after_ms"])
    )
    told = verdict(row)
    shown = f"**{told}**" if told in {"MISSED", "DIFFERENT", "not measured"} else told
    target = f"≥ {row['target']}" if row["target"] else "-"
    return [f"{words.title}, {row['client']}", words.asked or "-", before, after, times(row["ratio"]), target, shown]


def render_document(rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """The document; the same file gives the same text."""
    machine = about["machine"]
    costs = about.get("costs") or []
    _, sentence = headline(rows, costs)
    intro = f"{count_of(about['data']['logs'])} logs in 90 days, {about['data']['users']:,} users"
    if machine:
        intro += f"; {machine['processor'] or 'processor unknown'}, {machine['cores']} cores, clients included, "
        intro += f"{size(machine['memory_bytes'])} of memory, PostgreSQL {machine['postgresql']}, "
        intro += f"shared_buffers {machine['settings']['shared_buffers']}"
    blocks = [
        "# Benchmarks: before and after",
        "<!-- Made by tools/bench_document.py from benchmarks.json; do not edit. -->",
        f"**{sentence}.** {intro}. Run of {about['started'][:10]}, {duration(about['seconds'])};"
        f" to repeat it: `{about['command']}`.",
        *([about["remark"]] if about.get("remark") else []),
        *([f"It stopped before the end, because {about['stopped']}."] if about["stopped"] else []),
        "Before is what the application did, after is [application.md](application.md); both with the application's own clients\n"
        "through pgbouncer, on the same rows, one after the other, and with the same answers row by row. Median (p95).\n"
        "The target is a ratio of medians. *MISSED* is what it says.",
        *(["Targets are for 10 million logs: with fewer there is less to gain."] if about["data"]["logs"] < FULL else []),
        _table(["what, by which client", "asked for", "before", "after", "ratio", "target", ""], [_line(row) for row in rows], 2),
    ]
    notes = {row["metric"]: row["note"] for row in rows if row["note"]}
    reasons = [f"- {words_for(row['metric']).title}, {row['client']}: {row['reason']}" for row in rows if row["reason"]]
    blocks += ["\n".join(f"- {words_for(metric).title}: {note}" for metric, note in notes.items())] if notes else []
    blocks += ["## Not measured", "\n".join(reasons)] if reasons else []
    little = [f"- {words_for(row['metric']).title}, {row['client']}: {times(row['ratio'])}" for row in little_help(rows)]
    blocks += ["## Where the index does not help", "\n".join(little) or "Each containment became at least twice as fast."]
    panels = growth_panels(about["growth"])
    if panels:
        sizes = about["growth"]
        lines = []
        for metric in dict.fromkeys(row["metric"] for one in sizes for row in one["rows"]):
            found = [next((row for row in one["rows"] if row["metric"] == metric), None) for one in sizes]
            cells = [
                f"{milliseconds(row['before_ms']['median'])} → {milliseconds(row['after_ms']['median'])}"
                if row and row["before_ms"] and row["after_ms"]
                else "-"
                for row in found
            ]
            lines.append([words_for(metric).title, *cells])
        blocks += ["## What grows with the data", _table(["", *(f"{count_of(one['logs'])} logs" for one in sizes)], lines, 1)]
    blocks += _indexes(about["growth"])
    blocks += ["## What pgkeel itself costs"] if costs else []
    for block in costs:
        columns = [name for name, _ in block["columns"]]
        lines = [
            [*line[:-1], f"**{line[-1]}**"] if met is False else line
            for line, met in zip(block["lines"], block["met"], strict=True)
        ]
        told = f"{block['caption']} Measured on {block['measured'][:10]}."
        blocks += [f"### {block['title']}", told, _table(columns, lines, 1)]
    blocks += ["## To repeat it", HOW]
    return "\n\n".join(blocks) + "\n"


def _indexes(sizes: Sequence[Row]) -> list[str]:
    lines = []
    for one in sizes:
        for index in one["indexes"]:
            without, with_ = index.get("insert_without"), index.get("insert_with")
            insert = ["-", "-"]
            if without and with_:
                insert = [
                    f"{milliseconds(without['milliseconds'])} → {milliseconds(with_['milliseconds'])}",
                    f"{size(without['wal_bytes'])} → {size(with_['wal_bytes'])}",
                ]
            built = [size(index["bytes"]), duration(index["seconds"]), size(index["wal_bytes"])]
            lines.append([f"`{index['index']}`", count_of(one["logs"]), *built, *insert])
    if not lines:
        return []
    told = "10,000 logs in one statement, without and with the index, each right after a checkpoint:"
    columns = ["index", "logs", "size", "built in", "WAL", "insert", "WAL of the insert"]
    return ["## What the indexes cost", told, _table(columns, lines, 1)]


def fill_snippets(document: str, sources: Mapping[str, str]) -> str:
    """The document with the block after each ``<!-- NAME -->`` replaced by that source."""

    def put(found: re.Match[str]) -> str:
        return f"<!-- {found[1]} -->\n```{found[2]}\n{sources[found[1]].strip()}\n```"

    return re.sub(r"<!-- (\S+) -->\n```(\w+)\n.*?```", put, document, flags=re.DOTALL)


def snippets(files: Mapping[str, str]) -> dict[str, str]:
    """Sources by name: a file whole (``user_figures.sql``), or one exported function of it (``kysely.mjs#userFigures``)."""
    found = dict(files)
    for name, text in files.items():
        for part in re.finditer(r"^(?:/\*\*.*?\*/\n)?export function (\w+).*?^\}$", text, re.DOTALL | re.MULTILINE):
            found[f"{name}#{part[1]}"] = part[0]
    return found
