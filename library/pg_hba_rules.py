#!/usr/bin/python
"""Put pg_hba.conf and pg_ident.conf in place as a whole, after PostgreSQL itself has checked them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_hba_rules
short_description: Put PostgreSQL's access rules in place as a whole
description:
  - Writes pg_hba.conf and pg_ident.conf and lets PostgreSQL check them; after a fault the old ones are back.
  - A file that pgkeel did not write is kept once, as C(pg_hba.conf.before-pgkeel).
  - Loads nothing; RV(reload_needed) says whether a reload is due, also after an interrupted run.
  - Runs on the database server, as the system user that owns the files.
options:
  rules:
    description: The text of pg_hba.conf, without a header.
    type: str
    required: true
  mappings:
    description: The text of pg_ident.conf, without a header.
    type: str
    default: ''
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Compares and writes nothing; PostgreSQL can check only what is written.
  diff_mode:
    support: full
author: pgkeel
"""

EXAMPLES = r"""
- name: Let the local superuser in, and everybody from one network with a password
  pg_hba_rules:
    rules: |
      local all postgres peer
      host all all 192.0.2.0/24 scram-sha-256
  become: true
  become_user: postgres
"""

RETURN = r"""
reload_needed:
  description: Whether the files are newer than what the server has loaded.
  returned: success
  type: bool
files:
  description: Paths of the two files.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.access_rules import HEADER, install, locate
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.settings_files import printable, read

    MISSING = None
except ImportError as error:
    MISSING = error


def main() -> None:
    """Run the module."""
    arguments = {"rules": {"type": "str", "required": True}, "mappings": {"type": "str", "default": ""}}
    arguments |= CONNECTION_ARGUMENTS
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    try:
        module.exit_json(**run(module))
    except PgkeelError as error:
        module.fail_json(msg=str(error))


def run(module: AnsibleModule) -> dict[str, object]:
    """Compare, write unless checking, and report."""
    with connect(Login.from_arguments(module.params)) as connection:
        files = locate(connection)
        texts = {
            files.rules: f"{HEADER}.\n{module.params['rules'].strip()}\n",
            files.mappings: f"{HEADER}.\n{module.params['mappings'].strip()}\n",
        }
        before = {path: read(path) for path in texts}
        changed = before != texts
        if changed and not module.check_mode:
            install(connection, texts)
    return {
        "changed": changed,
        "reload_needed": changed or files.stale(),
        "files": [str(path) for path in texts],
        "diff": [
            {"before_header": str(path), "after_header": str(path), "before": printable(before[path]), "after": text}
            for path, text in texts.items()
        ],
    }


if __name__ == "__main__":
    main()
