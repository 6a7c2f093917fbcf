"""Scheduled jobs as an operator declares them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PgkeelError

JOB_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "playbook": {"type": "str", "required": True},
    "calendar": {"type": "str", "required": True},
    "enabled": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 21600},
    "exclusive": {"type": "bool", "default": True},
}
"""One job in a module's argument spec."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PATH = re.compile(r"[A-Za-z0-9_./+-]+")


@dataclass(frozen=True)
class Job:
    """One playbook and when it runs."""

    name: str
    playbook: str
    """Absolute, or relative to the release."""
    calendar: str
    """systemd calendar expression with its time zone: ``Sun *-*-* 04:00:00 UTC``."""
    enabled: bool = True
    """Whether it has a timer; without one it can still be started by hand."""
    timeout_seconds: int = 21600
    exclusive: bool = True
    """Whether it waits until no other exclusive job runs."""

    @property
    def service(self) -> str:
        """The unit that runs it."""
        return f"pgkeel-{self.name}.service"

    @property
    def timer(self) -> str:
        """The unit that starts it."""
        return f"pgkeel-{self.name}.timer"


def parse_jobs(raw: Sequence[Mapping[str, Any]], timezone: str) -> tuple[Job, ...]:
    """Turn the declared jobs into values; ``timezone`` is appended to every calendar.

    Whether calendar and time zone mean anything is systemd's to say (``systemd.check_calendar``).

    Raises PgkeelError at the first bad job.
    """
    jobs = tuple(_parse(item, timezone) for item in raw)
    for name, times in Counter(job.name for job in jobs).items():
        if times > 1:
            raise PgkeelError(f"Job {name} is declared {times} times", "Give every job its own name")
    return jobs


def _parse(raw: Mapping[str, Any], timezone: str) -> Job:
    name, playbook, calendar = (str(raw.get(key) or "").strip() for key in ("name", "playbook", "calendar"))
    if not _NAME.fullmatch(name):
        raise PgkeelError(f"{name!r} is no name for a job", "Use lower-case letters, digits and hyphens, at most 40")
    if not _PATH.fullmatch(playbook) or ".." in playbook.split("/"):
        raise PgkeelError(f"Job {name} has the playbook {playbook!r}", "Give a path like playbooks/backup.yml, without spaces")
    if not calendar or "\n" in calendar or "%" in calendar:
        raise PgkeelError(f"Job {name} has the calendar {calendar!r}", "Write a systemd calendar, as Sun *-*-* 04:00:00")
    timeout = int(raw.get("timeout") or Job.timeout_seconds)
    if timeout <= 0:
        raise PgkeelError(f"Job {name} has a timeout of {timeout} seconds", "Give a number above zero")
    return Job(
        name=name,
        playbook=playbook,
        calendar=f"{calendar} {timezone}".strip(),
        enabled=bool(raw.get("enabled", True)),
        timeout_seconds=timeout,
        exclusive=bool(raw.get("exclusive", True)),
    )


def check_playbook(job: Job, release: Path) -> None:
    """Raise PgkeelError unless the job's playbook is there; a release that is not unpacked yet (check mode) says nothing."""
    if release.is_dir() and not (release / job.playbook).is_file():
        raise PgkeelError(
            f"Job {job.name} runs {job.playbook}, which is neither in this release nor on the server",
            "Correct the job's playbook",
        )
