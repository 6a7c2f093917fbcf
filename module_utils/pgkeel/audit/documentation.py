"""The tables of docs/audit.md, from the registry itself."""

from __future__ import annotations

from dataclasses import fields

from .checks import ALL
from .registry import AREAS
from .thresholds import Thresholds


def checks_tables() -> str:
    """Markdown: a table of checks an area."""
    parts = []
    for area in AREAS.values():
        asked = [check for check in ALL if check.area == area]
        rows = [f"| {one.id} | {one.title} | {one.why} | {one.priority} | {one.scope} |" for one in asked]
        head = [f"### {area.capitalize()}", "", "| id | what | why | up to | asked once a |", "|---|---|---|---|---|"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts)


def thresholds_table() -> str:
    """Markdown: a row a threshold, with default and range."""
    rows = [
        f"| `{item.name}` | {item.default:,} | {item.metadata['low']:,} to {item.metadata['high']:,} "
        f"| {item.metadata['meaning']} |"
        for item in fields(Thresholds)
    ]
    return "\n".join(["| name | default | range | what |", "|---|---|---|---|", *rows])
