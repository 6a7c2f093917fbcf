#!/usr/bin/python
"""Declare server settings in files of their own, and say what a reload and what a restart would change."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_settings
short_description: Declare PostgreSQL's settings, and tell what needs a reload or a restart
description:
  - Writes the declared settings into two files that PostgreSQL includes, one for those that need a restart, one for the others.
  - Compares them, units normalised, with what the server runs with. It reloads and restarts nothing.
  - Before it writes what needs a restart, or a setting of TLS, it starts a throwaway cluster with the new settings, so that no
    restart, of today or of the next power cut, meets a configuration that PostgreSQL refuses.
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
  restart:
    description: Whether a restart may follow; C(window) admits it within O(restart_windows). Decides RV(restart_now) only.
    type: str
    choices: [never, window, allowed]
    default: allowed
  restart_windows:
    description: Times of the server's clock, such as C(Sun 03:00-05:00), or C(23:00-01:00) for every day.
    type: list
    elements: str
    default: []
  proof_dir:
    description: Folder for the throwaway cluster, made where it is missing.
    type: path
    default: /var/lib/postgresql/pgkeel-preflight
  bin_dir:
    description: Where PostgreSQL's programs are.
    type: path
    default: /usr/lib/postgresql/17/bin
  libraries_later:
    description: In check mode, say nothing of declared libraries that are not installed, for their packages come before.
    type: bool
    default: false
  new_server:
    description:
      - In check mode, for a server without PostgreSQL, what a new cluster says of itself (C(settings) and C(entries)).
        The module then asks no server and can run anywhere.
    type: dict
    default: {}
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Predicts from the catalog and writes nothing; the throwaway cluster is left out.
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
restart_now:
  description: Whether something waits for a restart and the policy admits it now.
  returned: success
  type: bool
proved:
  description: Whether a throwaway cluster was started with the settings.
  returned: success
  type: bool
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

import re
from datetime import datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.restart_policy import may_restart
    from ansible.module_utils.pgkeel.postgres.settings_files import apply, printable, quote, read, render
    from ansible.module_utils.pgkeel.postgres.settings_plan import effective, make_plan
    from ansible.module_utils.pgkeel.postgres.settings_server import read_server, server_from_document, waiting
    from ansible.module_utils.pgkeel.postgres.startup_proof import prove_startup, read_memory, refuse_too_much_memory

    MISSING = None
except ImportError as error:
    MISSING = error

SECRETS = re.compile(r"(conninfo|passphrase_command|password|secret|token)$", re.IGNORECASE)
SHORTEST_SECRET = 6


def main() -> None:
    """Run the module."""
    arguments = {
        **CONNECTION_ARGUMENTS,
        "settings": {"type": "dict", "default": {}},
        "preload": {"type": "list", "elements": "str", "default": []},
        "conf_dir": {"type": "path", "required": True},
        "restart_file": {"type": "str", "default": "10-pgkeel-restart.conf"},
        "reload_file": {"type": "str", "default": "20-pgkeel-reload.conf"},
        "restart": {"type": "str", "choices": ["never", "window", "allowed"], "default": "allowed"},
        "restart_windows": {"type": "list", "elements": "str", "default": []},
        "proof_dir": {"type": "path", "default": "/var/lib/postgresql/pgkeel-preflight"},
        "bin_dir": {"type": "path", "default": "/usr/lib/postgresql/17/bin"},
        "libraries_later": {"type": "bool", "default": False},
        "new_server": {"type": "dict", "default": {}},
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    hide(module, module.params["settings"])
    try:
        module.exit_json(**run(module))
    except PgkeelError as error:
        module.fail_json(msg=str(error))


def hide(module: AnsibleModule, settings: dict[str, object]) -> None:
    """Keep the values of settings that hold a password out of all output: arguments, diff, changes, warnings."""
    for name, value in settings.items():
        # Switches and small numbers are no secrets, and to hide them would blank out every word that they occur in.
        if SECRETS.search(name) and len(str(value)) >= SHORTEST_SECRET:
            module.no_log_values |= {str(value), quote(str(value))[1:-1]}


def run(module: AnsibleModule) -> dict[str, object]:
    """Plan, prove, write unless checking, and report."""
    given = module.params
    if given["new_server"]:
        if not module.check_mode:
            module.fail_json(msg="new_server is for check mode: a real run asks the server. Leave it out.")
        return predict_new(module)
    files = [Path(given["conf_dir"], given[name]) for name in ("restart_file", "reload_file")]
    may = may_restart(given["restart"], given["restart_windows"], datetime.now().astimezone())
    with connect(Login.from_arguments(given)) as connection:
        server = read_server(connection)
        hide(module, {name: setting.value for name, setting in server.settings.items()})
        for entry in server.entries:
            hide(module, {entry.name: entry.value})
        later = module.check_mode and given["libraries_later"]
        plan = make_plan(server, given["settings"], given["preload"], *files, libraries_later=later)
        texts = rendered(plan, files)
        before = {path: read(path) for path in texts}
        changed = before != texts
        proved = False
        if plan.to_be_proved():
            settings = effective(server, plan, *files)
            refuse_too_much_memory(server, settings, read_memory())
            if not module.check_mode:
                folders = (Path(given["proof_dir"]), Path(given["bin_dir"]))
                prove_startup(server, settings, *folders, declared=plan.restart_file)
                proved = True
        if changed and not module.check_mode:
            apply(connection, texts, keep_first=not waiting(server, files))
    for entry in plan.shadowed:
        module.warn(
            f"{entry['file']} sets {entry['name']} to {entry['effective']}, which overrides the declared {entry['wanted']}."
        )
    return {**report(plan, before, texts), "restart_now": may and bool(plan.needing("restart")), "proved": proved} | {
        "server_version": server.settings["server_version"].value.split()[0]
    }


def predict_new(module: AnsibleModule) -> dict[str, object]:
    """What a run makes of a server that is not there yet."""
    given = module.params
    files = [Path(given["conf_dir"], given[name]) for name in ("restart_file", "reload_file")]
    may = may_restart(given["restart"], given["restart_windows"], datetime.now().astimezone())
    server = server_from_document(given["new_server"])
    plan = make_plan(server, given["settings"], given["preload"], *files)
    return report(plan, dict.fromkeys(files, ""), rendered(plan, files)) | {
        "restart_now": may and bool(plan.needing("restart")),
        "proved": False,
        "server_version": "",
    }


def rendered(plan: object, files: list[Path]) -> dict[Path, str]:
    """The texts of both files."""
    return {
        files[0]: render(plan.restart_file, "These need a restart, or belong to libraries that are preloaded."),
        files[1]: render(plan.reload_file, "These need a reload."),
    }


def report(plan: object, before: dict[Path, str], texts: dict[Path, str]) -> dict[str, object]:
    """What a plan comes to."""
    return {
        "changed": before != texts,
        "changes": [change.as_dict() for change in plan.changes],
        "restart_settings": plan.needing("restart"),
        "reload_settings": plan.needing("reload"),
        "pending_restart": list(plan.pending_restart),
        "shadowed": list(plan.shadowed),
        "preloaded": list(plan.preloaded),
        "diff": [
            {"before_header": str(path), "after_header": str(path), "before": printable(before[path]), "after": texts[path]}
            for path in texts
        ],
    }


if __name__ == "__main__":
    main()
