#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""One server of the lab."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_server
short_description: Start, stop or remove a server of the lab
description:
  - A lab server is a Debian system of its own, with its own systemd and network address, reached over ssh like any other.
  - Its data survive a stop, a killed run and a reboot of the machine; V(fresh) and V(absent) forget them.
  - Runs on the machine itself, as root, after M(lab).
options:
  checkout:
    description: The repository's folder.
    type: path
    required: true
  name:
    description: The server's name.
    type: str
    required: true
  state:
    description:
      - V(started) has it running, with what it held before.
      - V(fresh) replaces it by a new, bare machine; never idempotent.
      - V(stopped) shuts it down in order and keeps its disk.
      - V(absent) ends it and deletes its disk.
    type: str
    choices: [started, fresh, stopped, absent]
    default: started
  subnet:
    description: As for M(lab).
    type: str
    default: ''
  base:
    description: The base system's folder, as M(lab) returned it; needed to start.
    type: path
    default: ''
attributes:
  check_mode:
    support: full
    description: Predicts whether the server would be started, stopped or removed.
author:
  - pgkeel
"""

EXAMPLES = r"""
- name: Start a server
  lab_server:
    checkout: "{{ playbook_dir }}/.."
    name: demo
    base: "{{ lab_ground.base }}"
"""

RETURN = r"""
address:
  description: The server's address.
  returned: when started
  type: str
  sample: 10.77.5.11
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from pathlib import Path

    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.lab.identity import describe_lab
    from ansible.module_utils.pgkeel.lab.registry import locked
    from ansible.module_utils.pgkeel.lab.server import ensure_server, remove_server, server_is_up, server_names, stop_server

    MISSING = None
except ImportError as error:  # boto3 or cryptography
    MISSING = error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "checkout": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "default": "started", "choices": ["started", "fresh", "stopped", "absent"]},
            "subnet": {"type": "str", "default": ""},
            "base": {"type": "path", "default": ""},
        },
        required_if=[("state", "started", ["base"]), ("state", "fresh", ["base"])],
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or "boto3"), exception=str(MISSING))
    name, state = module.params["name"], module.params["state"]
    result = {"changed": False}
    try:
        lab = describe_lab(module.params["checkout"], module.params["subnet"])
        if module.check_mode:
            up = server_is_up(lab, name)
            predicted = {"started": not up, "fresh": True, "stopped": up, "absent": name in server_names(lab)}
            result["changed"] = predicted[state]
        else:
            with locked(lab):
                if state in {"started", "fresh"}:
                    server = ensure_server(lab, name, Path(module.params["base"]), reset=state == "fresh")
                    result.update(changed=server.changed, address=server.address)
                else:
                    result["changed"] = stop_server(lab, name) if state == "stopped" else remove_server(lab, name)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
