"""From what the parts of a run left to the files that stay: results.json, run.json, the raw samples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_file import replace_file
from .cases import GROUPS, Group
from .timing import row

Row = dict[str, Any]
COLUMNS = ("metric", "client", "before_ms", "after_ms", "ratio", "rows", "target", "met", "plan_before", "plan_after")
"""Of results.json, by contract; others may follow."""


def read_parts(folder: Path, database: str) -> dict[str, dict[str, Any]]:
    """What playbooks/benchmark.yml saved of that database, by group; a file that is cut off counts as none."""
    parts = {}
    for group in GROUPS:
        try:
            parts[group.name] = json.loads((folder / f"bench-{database}-{group.name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return parts


def all_rows(parts: Mapping[str, Mapping[str, Any]], why_missing: str, groups: Sequence[Group] = GROUPS) -> list[Row]:
    """Every case's row, in the order of the cases; one that was not measured has a row that says why."""
    rows = []
    for group in groups:
        part = parts.get(group.name, {})
        known = {(one["metric"], one["client"]): one for one in part.get("rows", [])}
        # The part of a failed group has the sentence in msg.
        why = part.get("msg") or why_missing
        for case in group.cases:
            described = {"metric": case.metric, "client": case.client, "target": case.target, "note": case.note}
            rows.append(known.get((case.metric, case.client)) or row(described, [], [], None, {}, reason=f"not measured: {why}"))
    return rows


def growth(parts_by_size: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> list[dict[str, Any]]:
    """A row a size, ascending: ``size``, ``logs``, ``users``, ``indexes``, and ``rows`` with the medians of the first clients."""
    sizes = []
    for _, parts in parts_by_size:
        data = next((part["data"] for part in parts.values() if part.get("data")), None)
        if data is None:
            continue
        slim: dict[str, Row] = {}
        for group in GROUPS:
            for one in parts.get(group.name, {}).get("rows", []):
                kept = ("metric", "client", "before_ms", "after_ms", "ratio")
                if one["before_ms"] or one["after_ms"]:
                    slim.setdefault(one["metric"], {key: one[key] for key in kept})
        indexes = [index for part in parts.values() for index in part.get("indexes", [])]
        sizes.append({**data, "rows": list(slim.values()), "indexes": indexes})
    return sorted(sizes, key=lambda one: int(one["logs"]))


def raw_name(metric: str, client: str) -> str:
    """A file's name for a metric and a client."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{metric}-{client}").strip("-").lower() + ".json"


def write_raw(folder: Path, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Every sample, a file a metric and client: ``before_ms`` and ``after_ms``, in the order in which they were taken."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts.values():
        for one in part.get("raw", []):
            replace_file(folder / raw_name(one["metric"], one["client"]), json.dumps(one) + "\n", durable=False)


def write_json(path: Path, value: object) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n", durable=False)


def missed(rows: Iterable[Row], costs: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """A sentence for each row that failed, fell short or was not measured, and each cost beyond its cap."""
    found = [
        f"{block['title']}, {line[0]}: {line[1]}"
        for block in costs
        for line, well in zip(block["lines"], block.get("met", []), strict=False)
        if well is False
    ]
    for one in rows:
        name = f"{one['metric']}, {one['client']}"
        if one["reason"]:
            found.append(f"{name}: {one['reason']}")
        elif one["difference"]:
            found.append(f"{name}: faster or not, the answer differs: {one['difference']}")
        elif one["met"] is False:
            found.append(f"{name}: " + (f"ratio {one['ratio']}, wanted {one['target']}" if one["target"] else one["note"]))
    return found
