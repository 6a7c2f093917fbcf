#!/usr/bin/python
"""systemd units of scheduled jobs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule_units
short_description: Install the systemd services and timers of pgkeel's scheduled jobs
description:
  - Writes a service and a timer a job, removes those of jobs that are no longer declared, and reloads systemd once.
  - Every job is checked before the first file changes, its calendar by systemd itself.
  - Only units that carry pgkeel's mark in their first line are replaced or removed.
  - A job that runs meanwhile is not disturbed.
options:
  jobs:
    description: The jobs that there are to be.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name; the units are called C(pgkeel-NAME).
        type: str
        required: true
      playbook:
        description: Playbook, absolute or relative to the release.
        type: str
        required: true
      calendar:
        description: When, as in systemd.time(7), without a time zone.
        type: str
        required: true
      enabled:
        description: Whether it has a timer. Without one it can still be started by hand.
        type: bool
        default: true
      timeout:
        description: Seconds after which it is ended, waiting for other jobs included.
        type: int
        default: 21600
      exclusive:
        description: Whether it waits until no other exclusive job runs.
        type: bool
        default: true
  timezone:
    description: Time zone of all calendars.
    type: str
    default: UTC
  random_delay:
    description: Seconds by which a start may be delayed at random.
    type: int
    default: 60
  release:
    description: Folder of the unpacked release, in which playbooks are looked for before anything changes.
    type: path
    required: true
  current:
    description: Link to the release in use, from which jobs run.
    type: path
    required: true
  venv:
    description: Virtual environment with ansible-core.
    type: path
    required: true
  inventory:
    description: Inventory folder on the server.
    type: path
    required: true
  state_dir:
    description: Folder for run records and reports.
    type: path
    required: true
  unit_dir:
    description: Where unit files live.
    type: path
    default: /etc/systemd/system
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: pgkeel
"""

EXAMPLES = r"""
- name: Schedule the backup
  schedule_units:
    jobs: [{name: backup, playbook: playbooks/backup.yml, calendar: "*-*-* 03:00:00"}]
    release: /opt/pgkeel/releases/0.1.0-3f9d1c77aa02
    current: /opt/pgkeel/current
    venv: /opt/pgkeel/venv
    inventory: /etc/pgkeel/inventory
    state_dir: /var/lib/pgkeel
"""

RETURN = r"""
written:
  description: Unit files that were written, or would be.
  returned: success
  type: list
  sample: [pgkeel-backup.service, pgkeel-backup.timer]
removed:
  description: Unit files that were removed, or would be.
  returned: success
  type: list
started:
  description: Timers that were enabled and started, or would be.
  returned: success
  type: list
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.schedule.jobs import JOB_OPTIONS, check_playbook, parse_jobs
from ansible.module_utils.pgkeel.schedule.systemd import check_calendar
from ansible.module_utils.pgkeel.schedule.unit_files import apply_units, plan_units
from ansible.module_utils.pgkeel.schedule.units import Places, render_units


def main() -> None:
    """Parse, check, plan, apply."""
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "dict", "required": True, "options": JOB_OPTIONS},
            "timezone": {"type": "str", "default": "UTC"},
            "random_delay": {"type": "int", "default": 60},
            **{name: {"type": "path", "required": True} for name in ("release", "current", "venv", "inventory", "state_dir")},
            "unit_dir": {"type": "path", "default": "/etc/systemd/system"},
        },
        supports_check_mode=True,
    )
    given = module.params
    folder, release = Path(given["unit_dir"]), Path(given["release"])
    if given["random_delay"] < 0:
        module.fail_json(msg="random_delay is negative. Give seconds, or 0 for none.")
    places = Places(current=given["current"], venv=given["venv"], inventory=given["inventory"], state=given["state_dir"])
    try:
        jobs = parse_jobs(given["jobs"], given["timezone"])
        for job in jobs:
            check_calendar(job.name, job.calendar)
            check_playbook(job, release)
        changes = plan_units(folder, render_units(jobs, places, random_delay_seconds=given["random_delay"]))
        if not module.check_mode:
            apply_units(folder, changes)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The units cannot be written: {error}. Run as root, free some space, and run again.")
    module.exit_json(
        changed=changes.any,
        written=list(changes.write),
        removed=list(changes.remove),
        started=list(changes.start),
        diff=[
            {"before_header": name, "after_header": name, "before": text, "after": changes.write.get(name, "")}
            for name, text in changes.before.items()
        ],
    )


if __name__ == "__main__":
    main()
