r"""Values as COPY's text format wants them: tabs between columns, ``\N`` for NULL, UTC, milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

NULL = r"\N"

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Milliseconds, as are all times in this package; they count from 1970-01-01 UTC."""

_EPOCH = date(1970, 1, 1).toordinal()

# Looking texts up is several times as fast as formatting them: the largest size writes some fifteen million times.
SECOND_TEXT = tuple(f"{second:02d}.{millisecond:03d}" for second in range(60) for millisecond in range(1000))
MINUTE_TEXT = tuple(f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60))


@cache
def day_text(day: int) -> str:
    """The date of a day counted from 1970-01-01, as ``YYYY-MM-DD``."""
    return date.fromordinal(_EPOCH + day).isoformat()


def stamp(moment: int) -> str:
    """A time as ``YYYY-MM-DD HH:MM:SS.mmm``."""
    day, rest = divmod(moment, DAY)
    return f"{day_text(day)} {MINUTE_TEXT[rest // MINUTE]}{SECOND_TEXT[rest % MINUTE]}"


def escape(text: str) -> str:
    """Free text, with what COPY would take for its own made harmless."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def jsonb(value: Mapping[str, Any] | list[Any]) -> str:
    """A value for a jsonb column."""
    return escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def milliseconds(day: date) -> int:
    """Midnight UTC of a date."""
    return (day.toordinal() - _EPOCH) * DAY
