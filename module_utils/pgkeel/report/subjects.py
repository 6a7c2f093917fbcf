"""What each document says, as labelled figures: the page, the Markdown and the table show the same ones. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .documents import Document, Documents, failure, number, phases, rows
from .humanize import UNKNOWN, Figure, count, duration, exact, figure, percent, plain, plural, rate, size

# A setting whose name ends like this holds a secret or may carry one: only that it is set is told.
_SECRET = re.compile(r"(password|passwd|secret|token|conninfo|access_key|secret_key)$|passphrase", re.IGNORECASE)
_HIDDEN = "(hidden)"


@dataclass(frozen=True)
class Bar:
    """One phase in a waterfall."""

    name: str
    seconds: Figure
    status: str
    mood: str
    """How the status is drawn: good, bad or unknown."""
    start: float
    """Percent of the whole."""
    width: float
    """Percent of the whole; never so small that it cannot be seen."""


@dataclass(frozen=True)
class Operation:
    """One kind of operation of the workload."""

    kind: str
    count: Figure
    p50: Figure
    p95: Figure
    errors: Figure
    failed: bool
    first_error: str


@dataclass(frozen=True)
class Loaded:
    """The reference data."""

    tables: tuple[Figure, ...]
    total: Figure
    seconds: Figure


@dataclass(frozen=True)
class Listing:
    """Names under one label."""

    label: str
    entries: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """Names and values under one label."""

    label: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Configured:
    """What site.yml made of the server."""

    facts: tuple[Figure, ...]
    lists: tuple[Listing, ...]
    tables: tuple[Settings, ...]


def known(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
    """Without those that nobody measured."""
    return tuple(one for one in figures if one.text != UNKNOWN)


@dataclass(frozen=True)
class _Unit:
    """How the figures of one unit are shown."""

    show: Callable[[float | None], str]
    name: str = ""
    factor: float = 1
    """From the document's unit to the one that `show` takes."""


_BYTES, _SPEED, _COUNT = _Unit(size, "bytes"), _Unit(rate, "bytes/s"), _Unit(count)
_SECONDS, _MILLISECONDS = _Unit(duration, "seconds"), _Unit(duration, "ms", 1e-3)


def measured(document: Document, key: str, label: str, unit: _Unit, where: str) -> Figure:
    """The number at `key`; the exact value keeps the document's own unit."""
    value = number(document, key, where)
    if value is None:
        return Figure(label, UNKNOWN, "not measured")
    return Figure(label, unit.show(value * unit.factor), f"{exact(value)} {unit.name}".rstrip())


def total(documents: Sequence[Document], key: str, where: str) -> float | None:
    """The sum over all documents; None when one of them lacks the figure: part of a sum is not the sum."""
    values = [number(document, key, where) for document in documents]
    present = [value for value in values if value is not None]
    return sum(present) if present and len(present) == len(values) else None


def largest(documents: Sequence[Document], key: str, where: str) -> float | None:
    """The largest figure; None when one of the documents lacks it."""
    values = [number(document, key, where) for document in documents]
    present = [value for value in values if value is not None]
    return max(present) if present and len(present) == len(values) else None


def backup_figures(backup: Document) -> tuple[Figure, ...]:
    """One backup."""
    stored, data = number(backup, "bytes", "backup"), number(backup, "database_bytes", "backup")
    ratio = (Figure("of the database", percent(stored / data), exact(stored / data)),) if stored and data else ()
    texts = {key: Figure(label, plain(backup.get(key))) for key, label in (("database", "database"), ("backup_id", "backup"))}
    return known(
        (
            texts["database"],
            measured(backup, "bytes", "stored", _BYTES, "backup"),
            measured(backup, "database_bytes", "database size", _BYTES, "backup"),
            *ratio,
            measured(backup, "seconds", "took", _SECONDS, "backup"),
            measured(backup, "bytes_per_second", "speed", _SPEED, "backup"),
            measured(backup, "tables", "tables", _COUNT, "backup"),
            measured(backup, "rows", "rows", _COUNT, "backup"),
            texts["backup_id"],
            Figure("snapshot", plain(backup.get("snapshot_time"))),
            Figure("manifest", plain(backup.get("manifest_key"))),
        )
    )


def drill_figures(drill: Document) -> tuple[Figure, ...]:
    """One restore drill."""
    return known(
        (
            measured(drill, "rto_seconds", "time to recover", _SECONDS, "drill"),
            measured(drill, "rpo_seconds", "data at risk", _SECONDS, "drill"),
            measured(drill, "tables_compared", "tables compared", _COUNT, "drill"),
            measured(drill, "rows_compared", "rows compared", _COUNT, "drill"),
            Figure("negative control", plain(drill.get("negative_control"))),
            Figure("restored into", _PLACES.get(str(drill.get("target")), UNKNOWN)),
            Figure("database", plain(drill.get("database"))),
            Figure("backup", plain(drill.get("backup_id"))),
        )
    )


_PLACES = {"cluster": "a throwaway cluster", "database": "a throwaway database of the running server"}


def drill_gaps(drill: Document) -> tuple[tuple[str, str], ...]:
    """What the drill could not tell by its nature, each with the reason."""
    return tuple((plain(gap.get("name")), plain(gap.get("reason"))) for gap in rows(drill, "not_verified", "drill"))


def drill_reason(drill: Document) -> str:
    """Why the drill did not pass; empty when there is nothing to say."""
    return plain(drill.get("reason") or failure(drill))


def drill_checks(drill: Document) -> tuple[Document, ...]:
    """Name, evidence and verdict of everything that a drill compared."""
    return tuple(
        {"name": plain(check.get("name")), "evidence": check.get("evidence"), "verdict": plain(check.get("verdict"))}
        for check in rows(drill, "checks", "drill")
    )


def bars(document: Document, where: str) -> tuple[Bar, ...]:
    """The phases of a drill or a run, one after the other."""
    steps = phases(document, where)
    whole = sum(seconds for _, seconds, _ in steps) or 1.0
    made, start = [], 0.0
    for name, seconds, status in steps:
        share = 100 * seconds / whole
        width = max(share, 0.6)
        shown = Figure(name, duration(seconds), f"{exact(seconds)} seconds")
        made.append(
            Bar(
                name,
                shown,
                status,
                {"ok": "good", "": "unknown"}.get(status, "bad"),
                round(min(start, 100 - width), 2),
                round(width, 2),
            )
        )
        start += share
    return tuple(made)


def together(document: Document, where: str) -> Figure:
    """The time of all phases."""
    seconds = sum(seconds for _, seconds, _ in phases(document, where))
    return Figure("together", duration(seconds), f"{exact(round(seconds, 6))} seconds")


def changed_again(run: Document) -> str:
    """What the second run of site.yml changed, in words; empty when there was none."""
    changed = number(run, "reconverge_changed", "run")
    return "" if changed is None else plural(int(changed), "task") if changed else "nothing"


@dataclass(frozen=True)
class Declared:
    """One index that the inventory declares."""

    name: str
    table: str
    state: str
    mood: str
    """How the state is drawn: good, bad or unknown."""
    scans: Figure
    size: Figure


def declared_indexes(documents: Documents) -> tuple[Declared, ...]:
    """The declared indexes, in the order of the inventory."""
    return tuple(_declared(row) for row in (documents.audit.declared_indexes if documents.audit else ()))


def _declared(row: Document) -> Declared:
    state, mood = "present, valid", "good"
    if not row.get("present"):
        state, mood = "missing", "bad"
    elif not row.get("valid"):
        state, mood = "INVALID", "bad"
    elif row.get("drift"):
        state, mood = f"differs: {plain(row['drift'])}", "bad"
    if row.get("unverified") and (mood == "good" or not row.get("present")):
        state, mood = f"not compared: {plain(row['unverified'])}", "unknown"
    there = row if row.get("present") else {}
    return Declared(
        plain(row.get("name")),
        plain(row.get("table")),
        state,
        mood,
        measured(there, "scans", "scans", _COUNT, "audit"),
        measured(there, "size_bytes", "size", _BYTES, "audit"),
    )


def waived(documents: Documents) -> tuple[tuple[str, str, str, str], ...]:
    """Id, subject, last day and reason of each waived finding."""
    keys = ("id", "subject", "waived_until", "waived_because")
    found = documents.audit.waived if documents.audit else ()
    return tuple(
        (plain(row.get(keys[0])), plain(row.get(keys[1])), plain(row.get(keys[2])), plain(row.get(keys[3]))) for row in found
    )


def operations(documents: Documents) -> tuple[Operation, ...]:
    """The workload by kind of operation."""
    return tuple(
        Operation(
            plain(row.get("kind")).replace("_", " "),
            measured(row, "count", "count", _COUNT, "workload"),
            measured(row, "p50_ms", "p50", _MILLISECONDS, "workload"),
            measured(row, "p95_ms", "p95", _MILLISECONDS, "workload"),
            measured(row, "errors", "errors", _COUNT, "workload"),
            bool(number(row, "errors", "workload")),
            plain(row.get("first_error") or ""),
        )
        for row in rows(documents.workload, "operations", "workload")
    )


def loaded(load: Document) -> Loaded:
    """Rows by table, largest first; `rows` is a mapping of table to rows, or a total."""
    given = load.get("rows")
    by_table = {str(name): number(given, name, "load.rows") or 0 for name in given} if isinstance(given, Mapping) else {}
    every = sum(by_table.values()) if isinstance(given, Mapping) else number(load, "rows", "load")
    ordered = sorted(by_table.items(), key=lambda item: (-item[1], item[0]))
    return Loaded(
        tuple(Figure(name, count(value), exact(value)) for name, value in ordered),
        Figure("rows", count(every), "" if every is not None else "not measured"),
        measured(load, "seconds", "took", _SECONDS, "load"),
    )


def configured(site: Document) -> Configured:
    """Whatever site.yml recorded, in its order: single values, lists of names, mappings. Of a list of mappings only the names."""
    facts: list[Figure] = []
    lists: list[Listing] = []
    tables: list[Settings] = []
    for key, value in site.items():
        if key == "plan":  # plan.json tells it; the settings that came of it are here
            continue
        label = _LABELS.get(key, key.replace("_", " "))
        if isinstance(value, Mapping):
            tables.append(Settings(label, tuple((str(name), _setting(str(name), item)) for name, item in value.items())))
        elif isinstance(value, list | tuple):
            lists.append(Listing(label, tuple(_name(item) for item in value)))
        elif value is not None and key != "host":
            facts.append(Figure(label, _HIDDEN) if _SECRET.search(key) else Figure(label, figure(key, value).text))
    return Configured(tuple(facts), tuple(lists), tuple(tables))


_LABELS = {
    "postgresql_version": "PostgreSQL",
    "port": "port",
    "indexes": "declared indexes",
    "changed_by_the_last_run": "changed by this run",
    "overridden_by_other_files": "overridden elsewhere",
    "shared_preload_libraries": "preloaded libraries",
}


def _name(item: object) -> str:
    return plain(item.get("name")) if isinstance(item, Mapping) else plain(item)


def _setting(name: str, value: object) -> str:
    return _HIDDEN if _SECRET.search(name) and value not in (None, "") else plain(value)
