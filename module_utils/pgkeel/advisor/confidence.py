"""How sure a recommendation is: a pure function of what was measured, never of what the planner promised.

Source of the figures: replays on a public analytic benchmark. With at least 20 % fewer buffers the statements were
faster 19 times of 19; of those with 50 to 80 % predicted gain only half became 10 % faster, and 17 % became slower.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import Measured

ESTIMATE_CAP = 30.0
"""Without a measurement, whatever the planner says."""
FASTER = 95.2
"""(19 + 1) / (19 + 2): Laplace's rule of succession over 19 of 19."""
SLOWER_LIMIT = 1.15
FEWER_BUFFERS = 0.8
FASTER_TIME = 0.9
ROUNDS = 3
"""Of each statement, with and without in turn, before the median is trusted."""
UNCERTAIN_VALUES_CAP = 80.0
"""Where a value had to be made up that decides about the plan."""
POLICY_CAP = 60.0
"""Where row security adds conditions to a served statement that the replay, as superuser, ran without."""
UNREPLAYED_CAP = 60.0
"""Where a good part of the served time could not be replayed."""
TIME_ONLY_CAP = 70.0
"""Faster, but not by reading less: caches and luck look like that."""
WRITE_SHARE = 0.5
WRITE_CAP = 75.0
"""Where keeping it up to date costs writers more than that share of what readers save, or nobody knows what it costs them."""


@dataclass(frozen=True)
class Evidence:
    """What the confidence rests on."""

    measured: Measured | None = None
    estimated_gain: float = 0.0
    replayed_share: float = 1.0
    """Of the served statements' time, what was replayed."""
    guessed: bool = False
    """A value was made up."""
    write_share: float = 0.0
    """Milliseconds that writers lose in the window, for each that readers save."""
    write_known: bool = True
    """What writers lose could be measured, or nobody writes the table."""
    policies: bool = False
    """Row security binds a role that runs a served statement."""
    outside_spread: bool = True
    """The medians differ by more than the runs among themselves."""


def confidence(evidence: Evidence) -> float:
    """0 to 100."""
    measured = evidence.measured
    if measured is None:
        return round(min(ESTIMATE_CAP, max(0.0, evidence.estimated_gain) * ESTIMATE_CAP), 1)
    if measured.worst_query_ratio > SLOWER_LIMIT or measured.time_ratio >= 1 or evidence.write_share >= 1:
        return 0.0
    sure = FASTER
    if measured.buffers_ratio > FEWER_BUFFERS:
        sure = TIME_ONLY_CAP
    if measured.time_ratio > FASTER_TIME or not evidence.outside_spread:
        sure = min(sure, 50.0)
    if evidence.write_share > WRITE_SHARE or not evidence.write_known:
        sure = min(sure, WRITE_CAP)
    if evidence.guessed:
        sure = min(sure, UNCERTAIN_VALUES_CAP)
    if evidence.policies:
        sure = min(sure, POLICY_CAP)
    if evidence.replayed_share < FEWER_BUFFERS:
        sure = min(sure, UNREPLAYED_CAP)
    return round(sure * min(1.0, measured.rounds / ROUNDS), 1)
