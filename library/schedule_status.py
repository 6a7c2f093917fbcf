#!/usr/bin/python
"""How the scheduled jobs stand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule_status
short_description: Say how pgkeel's scheduled jobs stand on a server
description:
  - Reads the units' state from systemd, the records of past runs, and the newest saved results. Changes nothing.
options:
  jobs:
    description: The jobs, as given to M(schedule_units).
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name., type: str, required: true}
      playbook: {description: Playbook., type: str, required: true}
      calendar: {description: When., type: str, required: true}
      enabled: {description: Whether it has a timer., type: bool, default: true}
      timeout: {description: Seconds after which it is ended., type: int, default: 21600}
      exclusive: {description: Whether it waits for other exclusive jobs., type: bool, default: true}
  state_dir:
    description: Folder of run records and reports.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
author: pgkeel
"""

EXAMPLES = r"""
- name: Ask how the jobs stand
  schedule_status:
    jobs: [{name: backup, playbook: playbooks/backup.yml, calendar: "*-*-* 03:00:00"}]
    state_dir: /var/lib/pgkeel
"""

RETURN = r"""
jobs:
  description: One entry a job with C(name), C(state), C(last_run), C(result), C(exit_status), C(seconds), C(next_run)
    and C(problem).
  returned: success
  type: list
  sample: [{name: backup, state: succeeded, last_run: '2026-01-02T03:00:41.120+00:00', result: success, exit_status: '0',
            seconds: 48.2, next_run: '2026-01-03T03:00:12+00:00', problem: ''}]
reports:
  description: The newest saved backup, drill and audit with C(name), C(saved), C(text), C(problem).
  returned: success
  type: list
problems:
  description: One sentence a problem; empty when all is well.
  returned: success
  type: list
table:
  description: All of it for a person to read.
  returned: success
  type: str
"""

from dataclasses import asdict
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.schedule.jobs import JOB_OPTIONS, parse_jobs
from ansible.module_utils.pgkeel.schedule.status import problems, read_reports, read_status, render_status
from ansible.module_utils.pgkeel.schedule.units import Places


def main() -> None:
    """Read and report."""
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "dict", "required": True, "options": JOB_OPTIONS},
            "state_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    places = Places(state=module.params["state_dir"])
    try:
        statuses = read_status(parse_jobs(module.params["jobs"], ""), Path(places.runs))
        reports = read_reports(Path(places.reports))
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        jobs=[asdict(status) for status in statuses],
        reports=[asdict(report) for report in reports],
        problems=list(problems(statuses, reports)),
        table=render_status(statuses, reports),
    )


if __name__ == "__main__":
    main()
