"""The page of the success metrics: self-contained, in the report's style, red where a target is missed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template, select_autoescape
from markupsafe import Markup

from ..report.humanize import duration, size
from ..report.page_style import STYLE
from ..report.page_template import TEMPLATE
from .bench_plots import comparison, count_of, growth_panels, mood
from .bench_template import EXTRA_STYLE, PAGE
from .results import raw_name
from .words import milliseconds, times, words_for

Row = dict[str, Any]
_MARK = "<!DOCTYPE html>"
LITTLE_GAIN = 2.0
"""A ratio below which an index does not help."""


def headline(rows: Sequence[Row], costs: Sequence[Row] = ()) -> tuple[str, str]:
    """Mood and sentence of the whole."""
    judged = [met for one in (*rows, *costs) for met in (one["met"] if "lines" in one else [one["met"]]) if met is not None]
    met = sum(judged)
    unmeasured = sum(1 for row in rows if row["reason"])
    sentence = f"{met} of {len(judged)} targets met"
    if unmeasured:
        sentence += f"; {unmeasured} {'figure' if unmeasured == 1 else 'figures'} not measured"
    if met < len(judged):
        return "bad", sentence
    return ("unknown" if unmeasured or not judged else "good"), sentence


def verdict(row: Row) -> str:
    """The verdict of a row in a word or two."""
    if row["reason"]:
        return "not measured"
    if row["difference"]:
        return "DIFFERENT"
    return {True: "met", False: "MISSED", None: "no target"}[row["met"]]


def little_help(rows: Sequence[Row]) -> list[Row]:
    """Containment that the index makes hardly faster."""
    return [row for row in rows if row["metric"].startswith("jsonb") and row["ratio"] is not None and row["ratio"] < LITTLE_GAIN]


def render_bench(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """The page as HTML, from results.json and run.json; the same files give the same text."""
    style = STYLE + EXTRA_STYLE
    costs = about.get("costs") or []
    mood_of_all, sentence = headline(rows, costs)
    return _template().render(
        rows=rows,
        about=about,
        style=Markup(style),  # noqa: S704 - our own constant
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        mood_of_all=mood_of_all,
        sentence=sentence,
        plot=comparison(rows),
        panels=growth_panels(about["growth"]),
        little=little_help(rows),
        indexes=[(one, index) for one in about["growth"] for index in one["indexes"]],
        costs=costs,
    )


@cache
def _template() -> Template:
    macros = TEMPLATE[: TEMPLATE.index(_MARK)]
    environment = Environment(
        loader=DictLoader({"bench": macros + PAGE}),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters.update(
        milliseconds=milliseconds,
        times=times,
        words=words_for,
        mood_of=mood,
        verdict=verdict,
        raw_name=lambda row: raw_name(row["metric"], row["client"]),
        logs=count_of,
        size=size,
        duration=duration,
    )
    return environment.get_template("bench")
