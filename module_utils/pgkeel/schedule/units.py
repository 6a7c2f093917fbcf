"""The systemd units of a schedule, as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .jobs import Job

MARK = "# Managed by pgkeel (role schedule): changes made here are overwritten."
"""First line of every unit that is ours to replace or remove."""

DRILL = re.compile(r"(^|/)restore_drill\.ya?ml$")
FAILURE_UNIT = "pgkeel-failure@.service"


@dataclass(frozen=True)
class Places:
    """Where things are on the server; absolute paths."""

    current: str = "/opt/pgkeel/current"
    venv: str = "/opt/pgkeel/venv"
    inventory: str = "/etc/pgkeel/inventory"
    state: str = "/var/lib/pgkeel"

    @property
    def runs(self) -> str:
        """A small JSON file a job, about its last runs."""
        return f"{self.state}/runs"

    @property
    def reports(self) -> str:
        """What the playbooks themselves save."""
        return f"{self.state}/reports"


def render_units(jobs: Iterable[Job], places: Places, *, random_delay_seconds: int) -> dict[str, str]:
    """All unit files of the schedule: file name to text."""
    units = {FAILURE_UNIT: _failure()}
    for job in jobs:
        units[job.service] = _service(job, places)
        if job.enabled:
            units[job.timer] = _timer(job, random_delay_seconds)
    return units


def _service(job: Job, places: Places) -> str:
    # The record is kept by a program of its own, before and after: it is right even when the job is killed.
    record = f"/usr/bin/env PYTHONPATH={places.current}/module_utils {places.venv}/bin/python -m pgkeel.schedule.runs"
    queue = f"/usr/bin/flock {places.state}/jobs.lock " if job.exclusive else ""
    return f"""{MARK}
[Unit]
Description=pgkeel {job.name} ({job.playbook})
Wants=network-online.target
After=network-online.target postgresql.service
OnFailure=pgkeel-failure@{job.name}.service

[Service]
Type=oneshot
WorkingDirectory={places.current}
Environment=LC_ALL=C.UTF-8 HOME=/root ANSIBLE_NOCOLOR=1 PGKEEL_SCHEDULED=1
ExecStartPre={record} start {places.runs} {job.name}
ExecStart={queue}{places.venv}/bin/ansible-playbook --connection local -i {places.inventory} {job.playbook} \
-e pgkeel_report_dir={places.reports}
ExecStopPost={record} end {places.runs} {job.name}
TimeoutStartSec={job.timeout_seconds}
TimeoutStopSec=120
Nice=10
CPUWeight=10
IOSchedulingClass=idle
NoNewPrivileges=true
{_slice(job)}"""


def _slice(job: Job) -> str:
    """A drill is capped as a whole, by a slice that the role backup installs."""
    return "Slice=pgkeel-drill.slice\n" if DRILL.search(job.playbook) else ""


def _timer(job: Job, random_delay_seconds: int) -> str:
    return f"""{MARK}
[Unit]
Description=Starts pgkeel {job.name} at its time

[Timer]
OnCalendar={job.calendar}
RandomizedDelaySec={random_delay_seconds}
Persistent=true

[Install]
WantedBy=timers.target
"""


def _failure() -> str:
    return f"""{MARK}
[Unit]
Description=Says in the journal that pgkeel %i failed

[Service]
Type=oneshot
ExecStart=/usr/bin/logger --tag pgkeel --priority daemon.err \
"Job %i failed (${{MONITOR_SERVICE_RESULT}}, status ${{MONITOR_EXIT_STATUS}}). Its output: journalctl -u pgkeel-%i.service -n 200"
"""
