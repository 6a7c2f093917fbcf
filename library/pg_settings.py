#!/usr/bin/python
"""Declare server settings in files of their own, and say what a reload and what a restart would change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settings
short_description: Declare PostgreSQL's settings, and tell what needs a reload or a restart
description:
  - Writes the declared settings into two files that PostgreSQL includes, one for those that need a restart, one for the others.
  - Compares them, units normalised, with what the server runs with. It reloads and restarts nothing.
  - Unknown names, values that the server would refuse and libraries that are not installed fail before anything is written.
  - Runs on the database server, as the system user that owns the files.
options:
  settings:
    description: Settings by name. The files are written as a whole; a setting left out goes back to what other files say.
    type: dict
    default: {}
  preload:
    description: Libraries to preload. They are merged with those that other files name; nobody's library is dropped.
    type: list
    elements: str
    default: []
  conf_dir:
    description: Folder that postgresql.conf includes.
    type: path
    required: true
  restart_file:
    description: Name of the file for settings that need a restart, and for those of preloaded libraries.
    type: str
    default: 10-pgkeel-restart.conf
  reload_file:
    description: Name of the file for all others.
    type: str
    default: 20-pgkeel-reload.conf
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Predicts from the catalog and writes nothing.
  diff_mode:
    support: full
author: pgkeel
"""

EXAMPLES = r"""
- name: Declare settings
  pg_settings:
    conf_dir: /etc/postgresql/17/main/conf.d
    preload: [pg_stat_statements]
    settings:
      shared_buffers: 1GB
      pg_stat_statements.track: all
  become: true
  become_user: postgres
"""

RETURN = r"""
changes:
  description: Settings whose running value is not the declared one, after the files are written as well as predicted.
  returned: success
  type: list
  elements: dict
  sample: [{name: work_mem, old: 4MB, new: 16MB, needs: reload}]
restart_settings:
  description: Names of those that wait for a restart.
  returned: success
  type: list
  elements: str
reload_settings:
  description: Names of those that wait for a reload.
  returned: success
  type: list
  elements: str
pending_restart:
  description: Names of settings, declared here or not, that PostgreSQL says wait for a restart.
  returned: success
  type: list
  elements: str
shadowed:
  description: Declared settings that a later file overrides, such as postgresql.auto.conf.
  returned: success
  type: list
  elements: dict
  sample: [{name: work_mem, wanted: 16MB, effective: 4MB, file: /var/lib/postgresql/17/main/postgresql.auto.conf}]
preloaded:
  description: Libraries that are preloaded after the next restart.
  returned: success
  type: list
  elements: str
server_version:
  description: The running server's version.
  returned: success
  type: str
  sample: "17.11"
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.settings_files import apply, read, render
    from ansible.module_utils.pgkeel.postgres.settings_plan import make_plan, read_server

    MISSING = None
except ImportError as error:
    MISSING = error


def main() -> None:
    """Run the module."""
    arguments = {
        "settings": {"type": "dict", "default": {}},
        "preload": {"type": "list", "elements": "str", "default": []},
        "conf_dir": {"type": "path", "required": True},
        "restart_file": {"type": "str", "default": "10-pgkeel-restart.conf"},
        "reload_file": {"type": "str", "default": "20-pgkeel-reload.conf"},
    }
    arguments |= CONNECTION_ARGUMENTS
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    try:
        module.exit_json(**run(module))
    except PgkeelError as error:
        module.fail_json(msg=str(error))


def run(module: AnsibleModule) -> dict[str, object]:
    """Plan, write unless checking, and report."""
    folder = Path(module.params["conf_dir"])
    restart_file, reload_file = folder / module.params["restart_file"], folder / module.params["reload_file"]
    with connect(Login.from_arguments(module.params)) as connection:
        server = read_server(connection)
        plan = make_plan(server, module.params["settings"], module.params["preload"], restart_file, reload_file)
        texts = {
            restart_file: render(plan.restart_file, "These need a restart, or belong to libraries that are preloaded."),
            reload_file: render(plan.reload_file, "These need a reload."),
        }
        before = {path: read(path) for path in texts}
        changed = before != texts
        if changed and not module.check_mode:
            apply(connection, texts)
    for entry in plan.shadowed:
        module.warn(
            f"{entry['file']} sets {entry['name']} to {entry['effective']}, which overrides the declared {entry['wanted']}."
        )
    return {
        "changed": changed,
        "changes": [change.as_dict() for change in plan.changes],
        "restart_settings": plan.needing("restart"),
        "reload_settings": plan.needing("reload"),
        "pending_restart": list(plan.pending_restart),
        "shadowed": list(plan.shadowed),
        "preloaded": list(plan.preloaded),
        "server_version": server.settings["server_version"].value.split()[0],
        "diff": [
            {"before_header": str(path), "after_header": str(path), "before": before[path], "after": texts[path]}
            for path in texts
        ],
    }


if __name__ == "__main__":
    main()
