"""How old a proof may be before it proves nothing any more. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ..errors import PgkeelError


@dataclass(frozen=True)
class Thresholds:
    """The greatest age of each proof: a little more than the time between two runs of the schedule."""

    snapshot: timedelta = timedelta(hours=26)
    """Of the newest backup's snapshot; a backup is taken every day."""
    drill: timedelta = timedelta(days=8)
    """Of the restore drill, which runs every week."""
    audit: timedelta = timedelta(days=2)
    """Of the audit, which runs every day."""
    schemas: timedelta = timedelta(days=8)
    """Of the schema audit: an application is released every week or so, and its audit runs with it."""
    clock_skew: timedelta = timedelta(minutes=5)
    """How far the clocks of controller and server may differ: what lies further in the future has no known age."""


THRESHOLDS = Thresholds()


class Age(StrEnum):
    """What can be said of an age."""

    FRESH = "fresh"
    OLD = "old"
    UNKNOWN = "unknown"


def age(moment: datetime | None, limit: timedelta, now: datetime, skew: timedelta = THRESHOLDS.clock_skew) -> Age:
    """Whether ``moment`` is at most ``limit`` before ``now``; a moment that is absent or lies in the future tells nothing."""
    if moment is None or moment - now > skew:
        return Age.UNKNOWN
    return Age.OLD if now - moment > limit else Age.FRESH


def moment(document: Mapping[str, object], key: str, where: str) -> datetime | None:
    """The time at ``key`` in ISO 8601, in UTC; None when absent. ``where`` names the document in the error.

    Raises PgkeelError for anything else, a time without its zone included.
    """
    value = document.get(key)
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value) if isinstance(value, str) else None
        if parsed is not None and parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise PgkeelError(f"{where}: {key} is {value!r}, not a time with its zone", "Run the playbook that writes it again")


def in_words(limit: timedelta) -> str:
    """A threshold for people: ``26 hours``, ``8 days``."""
    hours = int(limit.total_seconds() // 3600)
    return f"{hours} hours" if hours % 24 or hours < 48 else f"{hours // 24} days"  # noqa: PLR2004 - two days are days
