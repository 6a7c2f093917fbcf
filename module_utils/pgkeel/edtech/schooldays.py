"""When students are active: term weeks, class hours, evenings."""

from __future__ import annotations

from datetime import date
from itertools import accumulate

DAYS = 90
"""Days of logs before the reference date."""
CLASS_HOURS = (8, 9, 10, 11, 13, 14)
BURST_MINUTES = 10
"""A class logs in within its first minutes."""
MINUTES_IN_DAY = 1440
LAST_START = 22 * 60 + 45
"""No session starts later (minute of the day), so that none crosses midnight."""
SATURDAY = 5

# Monday to Sunday, relative.
_DAY_WEIGHTS = (100, 104, 102, 98, 84, 22, 34)
# Relative activity by hour outside the bursts: nothing at night, homework in the evening.
_HOUR_WEIGHTS = (0, 0, 0, 0, 0, 0, 1, 3, 6, 6, 6, 6, 4, 6, 6, 5, 5, 6, 7, 9, 9, 6, 3, 0)
_BURST_WEIGHT = 60


def daily_quotas(logs: int, reference: date) -> list[int]:
    """How many logs each of the 90 days before the reference date has, the oldest first; they add up to ``logs``."""
    start = reference.toordinal() - DAYS
    weights = [_DAY_WEIGHTS[date.fromordinal(start + day).weekday()] for day in range(DAYS)]
    reached = [logs * total // sum(weights) for total in accumulate(weights)]
    return [after - before for before, after in zip([0, *reached[:-1]], reached, strict=True)]


def start_weights(weekday: int) -> list[int]:
    """Cumulative weights of the 1,440 minutes of a day (Monday is 0) for the start of a session."""
    weights = [_HOUR_WEIGHTS[minute // 60] if minute <= LAST_START else 0 for minute in range(MINUTES_IN_DAY)]
    if weekday < SATURDAY:
        for hour in CLASS_HOURS:
            for minute in range(BURST_MINUTES):
                weights[hour * 60 + minute] += _BURST_WEIGHT
    return list(accumulate(weights))
