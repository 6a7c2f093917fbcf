"""When a restart may happen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import PgkeelError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_WINDOW = re.compile(r"(?:(?P<days>[A-Za-z,]+) )?(?P<start>[0-2]\d:[0-5]\d)-(?P<end>[0-2]\d:[0-5]\d)")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Window:
    """A time of the week, by the server's own clock."""

    days: frozenset[int]
    """On which it begins; Monday is 0."""
    start: int
    """Minutes after midnight."""
    end: int
    """Minutes after midnight; not later than ``start`` means on the next day."""

    def holds(self, now: datetime) -> bool:
        """Whether a moment lies within; the end does not."""
        minute = now.hour * 60 + now.minute
        if self.start < self.end:
            return now.weekday() in self.days and self.start <= minute < self.end
        yesterday = (now.weekday() - 1) % len(DAYS)
        return (now.weekday() in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def parse_window(text: str) -> Window:
    """Read ``Sun 03:00-05:00``, ``Mon,Wed 23:00-01:00`` or, for every day, ``03:00-05:00``.

    Raises PgkeelError for anything else.
    """
    match = _WINDOW.fullmatch(text.strip())
    days = (match["days"] or ",".join(DAYS)).split(",") if match else []
    times = [int(time[:2]) * 60 + int(time[3:]) for time in (match["start"], match["end"])] if match else []
    if not match or not set(days) <= set(DAYS) or max(times) >= _DAY_MINUTES or times[0] == times[1]:
        raise PgkeelError(
            f"{text!r} is not a window for restarts",
            "Write it as 'Sun 03:00-05:00', 'Mon,Wed 23:00-01:00' or, for every day, '03:00-05:00'",
        )
    return Window(frozenset(DAYS.index(day) for day in days), *times)


def may_restart(policy: str, windows: Sequence[str], now: datetime) -> bool:
    """Whether the policy admits a restart at this moment of the server's clock.

    Raises PgkeelError for a window that cannot be read, and for the policy ``window`` without one.
    """
    parsed = [parse_window(window) for window in windows]
    if policy == "window" and not parsed:
        raise PgkeelError(
            "Restarts are to wait for a window, and no window is given",
            "Give one, such as 'Sun 03:00-05:00'; nothing was changed",
        )
    return policy == "allowed" or (policy == "window" and any(window.holds(now) for window in parsed))
