#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The inventory of the lab's running servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_inventory
short_description: Write the inventory of the lab's running servers
description:
  - Writes an Ansible inventory with the running servers in group C(postgresql), how to log in on them, and the object store's
    address and keys; and the servers' ssh host keys into the lab's own known_hosts.
  - The file holds the lab's throwaway secrets, therefore mode 0600.
options:
  checkout:
    description: The repository's folder.
    type: path
    required: true
  subnet:
    description: As for M(lab).
    type: str
    default: ''
  dest:
    description: The inventory file.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Predicts whether the file would change.
author:
  - pgkeel
"""

EXAMPLES = r"""
- name: Write the inventory
  lab_inventory:
    checkout: "{{ playbook_dir }}/.."
    dest: inventories/lab/hosts.yml
"""

RETURN = r"""
servers:
  description: Addresses by name.
  returned: always
  type: dict
  sample: {demo: 10.77.5.11}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import yaml
    from ansible.module_utils.pgkeel.atomic_file import PRIVATE, replace_file
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.lab.identity import describe_lab
    from ansible.module_utils.pgkeel.lab.inventory import describe_inventory, describe_known_hosts

    MISSING = None
except ImportError as error:  # yaml, boto3 or cryptography
    MISSING = error

HEADER = "# Written by the lab; describes the servers that run now.\n---\n"


def write_private(path: Path, text: str) -> bool:
    """Write a file that only its owner reads, whole or not at all; True if it changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    replace_file(path, text, PRIVATE)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "checkout": {"type": "path", "required": True},
            "subnet": {"type": "str", "default": ""},
            "dest": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or "yaml"), exception=str(MISSING))
    dest = Path(module.params["dest"])
    try:
        lab = describe_lab(module.params["checkout"], module.params["subnet"])
        inventory = describe_inventory(lab)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    text = HEADER + yaml.safe_dump(inventory, sort_keys=False, width=1000)
    if module.check_mode:
        changed = not dest.exists() or dest.read_text(encoding="utf-8") != text
    else:
        changed = write_private(dest, text)
        if (lab.state / "ssh").is_dir():
            changed |= write_private(lab.state / "ssh" / "known_hosts", describe_known_hosts(lab))
    servers = {name: host["ansible_host"] for name, host in inventory["postgresql"]["hosts"].items()}
    module.exit_json(changed=changed, servers=servers)


if __name__ == "__main__":
    main()
