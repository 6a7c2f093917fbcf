#!/usr/bin/python
"""Give the indexes that pgkeel built a Prisma migration file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prisma_migration
short_description: Write the Prisma migration of indexes that pgkeel built
description:
  - An index that no migration makes is drift for C(prisma migrate dev). This writes one more folder with a C(migration.sql)
    into an application's folder of migrations, for those indexes that no migration there makes yet.
  - The folder's name has no time in it and sorts last; the same indexes give the same file. A migration that was written is
    never changed, because Prisma compares checksums; what is declared later goes to a further one.
  - Its statements do nothing where the index exists, so C(prisma migrate deploy) is safe on the server that has it.
version_added: 0.1.0
author: pgkeel
options:
  directory:
    description: Prisma's folder of migrations, usually C(prisma/migrations). It must exist.
    type: path
    required: true
  indexes:
    description: What M(pg_index) returned in C(migrations).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Says what would be written, and writes nothing.
  diff_mode:
    support: full
    description: Shows the file.
"""

EXAMPLES = r"""
- name: Give the declared indexes a migration
  prisma_migration:
    directory: /srv/app/prisma/migrations
    indexes: "{{ indexed.migrations }}"
  delegate_to: localhost
"""

RETURN = r"""
file:
  description: Path of the migration that was, or in check mode would be, written; empty when none is missing.
  type: str
  returned: success
  sample: /srv/app/prisma/migrations/99999999999999_pgkeel_indexes_001/migration.sql
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.schema.application import migrations_in
from ansible.module_utils.pgkeel.schema.index_migration import FILE, OwnIndex, next_migration


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "indexes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "table": {"type": "str", "required": True},
                    "statement": {"type": "str", "required": True},
                    "present": {"type": "bool", "default": True},
                    "prisma": {"type": "str", "default": ""},
                },
            },
        },
        supports_check_mode=True,
    )
    folder = Path(module.params["directory"])
    try:
        migration = next_migration(migrations_in(folder), [OwnIndex(**index) for index in module.params["indexes"]])
        if migration is None:
            module.exit_json(changed=False, file="")
        target = folder / migration.name / FILE
        if not module.check_mode:
            target.parent.mkdir(mode=0o755)
            target.write_text(migration.text, encoding="utf-8")
    except (PgkeelError, OSError) as error:
        module.fail_json(msg=str(error))
    diff = {"before": "", "after": migration.text, "after_header": str(target)}
    module.exit_json(changed=True, file=str(target), diff=diff)


if __name__ == "__main__":
    main()
