"""Which backups are kept, and why: a pure function of what there is, what was proved, and the time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Policy:
    """How long backups are kept."""

    days: int = 30
    weekly: int = 0
    """The newest of each of the last so many weeks (ISO, UTC) that have one."""
    monthly: int = 0
    floor: int = 3
    """So many of the newest are kept whatever their age."""
    most_removed: int = 10
    """In one run: an error in a clock or an inventory must not empty the store at once."""


@dataclass(frozen=True)
class Kept:
    """A committed backup, and when a drill last proved it."""

    run_id: str
    snapshot_time: datetime
    proved: datetime | None


@dataclass(frozen=True)
class Decision:
    """What becomes of one backup."""

    backup: Kept
    reasons: tuple[str, ...]
    """Why it is kept; empty when it is to be removed."""


def decide(backups: Iterable[Kept], now: datetime, policy: Policy) -> list[Decision]:
    """A decision a backup, newest first.

    Never removed are the newest, the newest that a drill has proved, the newest ``floor``, and any younger than ``days``.
    Of what may go, the oldest ``most_removed`` go now.
    """
    found = sorted(backups, key=lambda backup: (backup.snapshot_time, backup.run_id), reverse=True)
    reasons: dict[str, list[str]] = {backup.run_id: [] for backup in found}
    for backup in found[:1]:
        reasons[backup.run_id].append("the newest")
    for backup in [backup for backup in found if backup.proved is not None][:1]:
        reasons[backup.run_id].append("the newest that a drill has proved")
    for backup in found:
        if now - backup.snapshot_time <= timedelta(days=policy.days):
            reasons[backup.run_id].append(f"younger than {policy.days} days")
    for backup in found[: policy.floor]:
        reasons[backup.run_id].append(f"one of the newest {policy.floor}")
    for what, count, form in (("week", policy.weekly, "%G-W%V"), ("month", policy.monthly, "%Y-%m")):
        newest: dict[str, Kept] = {}
        for backup in found:
            newest.setdefault(f"{backup.snapshot_time:{form}}", backup)
        for period, backup in list(newest.items())[:count]:
            reasons[backup.run_id].append(f"the newest of {what} {period}")
    removable = [backup for backup in found if not reasons[backup.run_id]]
    for backup in removable[: max(0, len(removable) - policy.most_removed)]:
        reasons[backup.run_id].append(f"a later run removes it: {policy.most_removed} at a time")
    return [Decision(backup, tuple(reasons[backup.run_id])) for backup in found]
