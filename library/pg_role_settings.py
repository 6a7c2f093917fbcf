#!/usr/bin/python
"""Refuse names of settings that no role can have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_role_settings
short_description: Refuse names of settings that no role can have
description:
  - Fails for a name that C(ALTER ROLE ... SET) would refuse, with the nearest one that it takes.
  - Names with a dot are a library's or an application's own, and pass. Connects to nothing and changes nothing.
options:
  names:
    description: The names.
    type: list
    elements: str
    required: true
  known:
    description: PostgreSQL's own settings and the context of each, as pg_settings has them.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: There is nothing to change.
  diff_mode:
    support: none
    description: There is nothing to change.
author: pgkeel
"""

EXAMPLES = r"""
- name: Refuse misspelt settings
  pg_role_settings:
    names: [statement_timeout, app.tenant]
    known: {statement_timeout: user, shared_buffers: postmaster}
"""

RETURN = r"""#"""

from ansible.module_utils.basic import AnsibleModule

# It runs before there is an environment with a third-party library.
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.postgres.role_settings import refuse_bad_names


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "known": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        refuse_bad_names(module.params["names"], module.params["known"])
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
