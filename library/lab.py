#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The lab's ground: network, base system, keys and object store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab
short_description: Bring up or take down what all lab servers share
description:
  - The lab of a checkout is a bridge with a masquerade rule, a bootstrapped Debian system that the servers are overlays of, an
    ssh key, and a SeaweedFS object store over TLS. Names and addresses follow from the checkout's path.
  - What a killed run left behind is used where it is sound and cleared away where it is not. Labs of this machine whose checkout
    no longer exists are taken down.
  - Runs on the machine itself, as root.
options:
  checkout:
    description: The repository's folder.
    type: path
    required: true
  state:
    description:
      - V(checked) refuses a machine that cannot carry the lab, changing nothing, and returns the programs that are missing.
      - V(present) brings everything up.
      - V(absent) takes everything down, servers included, with their data.
    type: str
    choices: [checked, present, absent]
    default: present
  subnet:
    description: An IPv4 /24 for the servers; empty derives one from the checkout.
    type: str
    default: ''
  suite:
    description: The Debian release of the servers.
    type: str
    default: trixie
  mirror_url:
    description: The Debian mirror; empty takes the machine's own.
    type: str
    default: ''
  pip_index_url:
    description: The index that pip asks on the servers; empty for pip's default.
    type: str
    default: ''
  buckets:
    description: Buckets that the store must have.
    type: list
    elements: str
    default: []
  weed:
    description: Path of SeaweedFS's program.
    type: path
    default: weed
attributes:
  check_mode:
    support: full
    description: Predicts whether anything is missing.
author:
  - pgkeel
"""

EXAMPLES = r"""
- name: Bring up the lab's ground
  lab:
    checkout: "{{ playbook_dir }}/.."
    buckets: [pgkeel]
"""

RETURN = r"""
missing_programs:
  description: Programs that the lab needs and that are not on the PATH.
  returned: always
  type: list
  elements: str
  sample: [debootstrap]
id:
  description: The lab's id.
  returned: always
  type: str
  sample: 3fa90c
state_dir:
  description: The lab's folder.
  returned: always
  type: str
  sample: /var/lib/pgkeel-lab/3fa90c
base:
  description: The base system's folder.
  returned: when present
  type: str
endpoint:
  description: The object store's URL.
  returned: always
  type: str
  sample: https://10.77.5.1:8333
orphans:
  description: Checkouts, gone meanwhile, whose labs were taken down.
  returned: when present or absent
  type: list
  elements: str
"""

import shutil

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.lab.base import ensure_base
    from ansible.module_utils.pgkeel.lab.credentials import ensure_ssh_key
    from ansible.module_utils.pgkeel.lab.identity import describe_lab
    from ansible.module_utils.pgkeel.lab.network import ensure_network
    from ansible.module_utils.pgkeel.lab.registry import (
        check_machine,
        check_network,
        lab_is_up,
        locked,
        remove_lab,
        remove_orphans,
    )
    from ansible.module_utils.pgkeel.lab.store import ensure_store

    MISSING = None
except ImportError as error:  # boto3 or cryptography
    MISSING = error

PROGRAMS = ("debootstrap", "systemd-nspawn", "ip", "nft", "ssh", "chroot", "mount")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "checkout": {"type": "path", "required": True},
            "state": {"type": "str", "default": "present", "choices": ["checked", "present", "absent"]},
            "subnet": {"type": "str", "default": ""},
            "suite": {"type": "str", "default": "trixie"},
            "mirror_url": {"type": "str", "default": ""},
            "pip_index_url": {"type": "str", "default": ""},
            "buckets": {"type": "list", "elements": "str", "default": []},
            "weed": {"type": "path", "default": "weed"},
        },
        supports_check_mode=True,
    )
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or "boto3"), exception=str(MISSING))
    asked = module.params
    try:
        lab = describe_lab(asked["checkout"], asked["subnet"])
        result = {
            "changed": False,
            "id": lab.id,
            "state_dir": str(lab.state),
            "endpoint": lab.endpoint,
            "missing_programs": [name for name in PROGRAMS if not shutil.which(name)],
        }
        if asked["state"] != "absent":
            check_machine(lab)
            if "ip" not in result["missing_programs"]:
                check_network(lab)
        if asked["state"] != "checked" and module.check_mode:
            result["changed"] = lab.state.exists() if asked["state"] == "absent" else not lab_is_up(lab)
        elif asked["state"] == "present":
            with locked(lab):
                result["orphans"] = remove_orphans(lab)
                base = ensure_base(lab.cache, asked["suite"], asked["mirror_url"], asked["pip_index_url"])
                done = [
                    base.built,
                    ensure_ssh_key(lab),
                    ensure_network(lab),
                    ensure_store(lab, asked["weed"], asked["buckets"]),
                ]
                result.update(changed=any(done) or bool(result["orphans"]), base=str(base.path))
        elif asked["state"] == "absent":
            with locked(lab):
                result["orphans"] = remove_orphans(lab)
                result["changed"] = remove_lab(lab) or bool(result["orphans"])
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
