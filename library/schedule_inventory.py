#!/usr/bin/python
"""The inventory of a server for itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule_inventory
short_description: Write the inventory with which a server runs playbooks on itself
description:
  - Writes one host with its variables as they stand, secrets included, into a folder that only root may enter.
  - Values that look like templates are marked so that they stay what they are.
  - Neither values nor differences are ever shown.
options:
  path:
    description: The inventory file; its folder is made when it is missing, and closed to all but its owner.
    type: path
    required: true
  host:
    description: Name of the host.
    type: str
    required: true
  python:
    description: Interpreter for modules.
    type: path
    required: true
  variables:
    description: The host's variables.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    description: A difference would show secrets.
requirements:
  - PyYAML
author: pgkeel
"""

EXAMPLES = r"""
- name: Let the server know its own variables
  schedule_inventory:
    path: /etc/pgkeel/inventory/hosts.yml
    host: db1
    python: /opt/pgkeel/venv/bin/python
    variables: {backup_s3_bucket: backups}
"""

RETURN = r"""
variables_count:
  description: How many variables the host has there.
  returned: success
  type: int
  sample: 31
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible.module_utils.pgkeel.atomic_file import PRIVATE, replace_file
    from ansible.module_utils.pgkeel.schedule.inventory import render_inventory

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def main() -> None:
    """Render, compare, write."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
            "python": {"type": "path", "required": True},
            "variables": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or str(MISSING)), exception=str(MISSING))
    given = module.params
    path = Path(given["path"])
    text = render_inventory(given["host"], given["python"], given["variables"])
    try:
        changed = not is_as_wanted(path, text)
        if changed and not module.check_mode:
            write(path, text)
    except OSError as error:
        module.fail_json(msg=f"The inventory cannot be written: {error}. Run as root, free some space, and run again.")
    module.exit_json(changed=changed, variables_count=len(given["variables"]))


def is_as_wanted(path: Path, text: str) -> bool:
    """Whether content, owner and modes are right already."""
    if not path.is_file():
        return False
    modes = [(part.stat().st_mode & 0o777, part.stat().st_uid) for part in (path.parent, path)]
    return modes == [(0o700, os.geteuid()), (0o600, os.geteuid())] and path.read_text(encoding="utf-8") == text


def write(path: Path, text: str) -> None:
    """Replace the file whole; nobody else can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.chown(path.parent, os.geteuid(), os.getegid())
    path.parent.chmod(0o700)
    replace_file(path, text, PRIVATE)


if __name__ == "__main__":
    main()
