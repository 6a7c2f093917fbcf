#!/usr/bin/python
"""Put the settings back that PostgreSQL was last started with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settings_revert
short_description: Put the settings back that PostgreSQL was last started with
description:
  - For the moment after a restart that failed. Asks no server, for there is none to ask; restarts nothing.
  - M(pg_settings) keeps each of its files as the server was last started with it, beside it and under the ending
    C(.last-started).
options:
  conf_dir:
    description: Folder of the files.
    type: path
    required: true
  files:
    description: Their names.
    type: list
    elements: str
    default: [10-pgkeel-restart.conf, 20-pgkeel-reload.conf]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author: pgkeel
"""

EXAMPLES = r"""
- name: Go back to the settings that worked
  pg_settings_revert:
    conf_dir: /etc/postgresql/17/main/conf.d
  become: true
  become_user: postgres
"""

RETURN = r"""
files:
  description: Paths of the files that differ now.
  returned: success
  type: list
  elements: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.settings_files import put_back

    MISSING = None
except ImportError as error:
    MISSING = error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "conf_dir": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "str", "default": ["10-pgkeel-restart.conf", "20-pgkeel-reload.conf"]},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    paths = [Path(module.params["conf_dir"], name) for name in module.params["files"]]
    try:
        changed = put_back(paths, check=module.check_mode)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changed), files=[str(path) for path in changed])


if __name__ == "__main__":
    main()
