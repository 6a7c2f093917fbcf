#!/usr/bin/python
"""Packing the product for a server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgkeel_release
short_description: Pack pgkeel itself into an archive that a server can run
description:
  - Packs ansible.cfg, playbooks, roles, library, module_utils, files and plugins of a checkout. Inventories, tests and
    build results stay behind.
  - The same content gives the same name and the same bytes; an archive that is there already is left alone.
  - Runs on the controller.
options:
  root:
    description: Root of the checkout.
    type: path
    required: true
  dest:
    description: Folder for the archives; made when it is missing.
    type: path
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author: pgkeel
"""

EXAMPLES = r"""
- name: Pack this checkout
  pgkeel_release:
    root: "{{ playbook_dir }}/.."
    dest: "{{ playbook_dir }}/../build/release"
  delegate_to: localhost
"""

RETURN = r"""
name:
  description: Version and content hash.
  returned: success
  type: str
  sample: 0.1.0-3f9d1c77aa02
path:
  description: The archive.
  returned: success
  type: str
  sample: /srv/pgkeel/build/release/pgkeel-0.1.0-3f9d1c77aa02.tar.gz
files:
  description: How many files it holds, VERSION not counted.
  returned: success
  type: int
  sample: 214
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.release import build_release


def main() -> None:
    """Parse, pack, report."""
    module = AnsibleModule(
        argument_spec={"root": {"type": "path", "required": True}, "dest": {"type": "path", "required": True}},
        supports_check_mode=True,
    )
    try:
        release = build_release(Path(module.params["root"]).resolve(), Path(module.params["dest"]), check=module.check_mode)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The release cannot be packed: {error}. Make the folder of dest writable and run again.")
    module.exit_json(changed=release.changed, name=release.name, path=str(release.path), files=release.files)


if __name__ == "__main__":
    main()
