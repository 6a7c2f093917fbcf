#!/usr/bin/python
"""Pack the controller's PostgreSQL driver into one file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: psycopg_archive
short_description: Pack the controller's PostgreSQL driver into one file
description:
  - Makes an archive of psycopg in pure Python from which Python imports directly. Runs on the controller.
  - For checks of servers that do not have pgkeel's Python environment yet. The archive is a cache on the controller, so it is
    written in check mode as well, and never reported as a change.
options:
  folder:
    description: Where the archive goes; made where it is missing.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Writes the cache on the controller; touches nothing else.
  diff_mode:
    support: none
author: pgkeel
"""

EXAMPLES = r"""
- name: Pack the driver
  psycopg_archive:
    folder: "{{ playbook_dir }}/../build/driver"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The archive; its name tells its contents.
  returned: success
  type: str
  sample: /srv/pgkeel/build/driver/psycopg-3.3.9-0c1d2e3f4a5b.zip
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.plan.driver import pack_driver


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={"folder": {"type": "path", "required": True}}, supports_check_mode=True)
    try:
        path = pack_driver(Path(module.params["folder"]))
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, path=str(path))


if __name__ == "__main__":
    main()
