#!/usr/bin/python
"""Read an application's Prisma, Drizzle and Kysely files with the ORMs' own tools."""

from __future__ import annotations

DOCUMENTATION = r"""
module: orm_schema
short_description: Read an application's Prisma, Drizzle and Kysely schemas
description:
  - Asks Prisma's schema engine, drizzle-kit, prisma-kysely and the TypeScript compiler what the application's files mean.
  - Installs them from the lock file of O(package) into O(cache) the first time. Nothing in the application's folders changes.
  - The application's Drizzle files are loaded, and so run, without network credentials or environment variables.
  - What M(pg_schema_audit) compares. Needs Node 20 or newer with npm, and runs where the application's files are.
version_added: 0.1.0
author: pgkeel
options:
  prisma:
    description: The file C(schema.prisma), or a folder of C(*.prisma) files; empty to leave Prisma out.
    type: path
    default: ''
  drizzle:
    description: The Drizzle schema, a TypeScript file or a folder of them; empty to leave Drizzle out.
    type: path
    default: ''
  kysely:
    description: The file or folder with Kysely's types; empty to leave Kysely out.
    type: path
    default: ''
  migrations:
    description: Prisma's folder of migrations; empty to look beside O(prisma).
    type: path
    default: ''
  drizzle_casing:
    description: The casing that C(drizzle.config.ts) sets; V(none) for names as they are written.
    type: str
    choices: [none, snake_case, camelCase]
    default: none
  kysely_type:
    description: Name of the exported type of the whole database; empty to find C(DB) or C(Database).
    type: str
    default: ''
  package:
    description: The Node package with the readers.
    type: path
    required: true
  cache:
    description: Folder for the installed packages.
    type: path
    required: true
attributes:
  check_mode:
    description: Files are only read, so check mode is the same as a normal run; the cache may be filled.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
"""

EXAMPLES = r"""
- name: Read the application's schemas
  orm_schema:
    prisma: /srv/app/prisma/schema.prisma
    drizzle: /srv/app/src/db/schema.ts
    kysely: /srv/app/src/db/types.ts
    package: "{{ playbook_dir }}/../files/orm"
    cache: "{{ playbook_dir }}/../build/orm"
  delegate_to: localhost
"""

RETURN = r"""
declarations:
  description: What each side means, with C(problem) where it could not be read, and C(migrations).
  type: dict
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.schema.application import Application, read_application


def main() -> None:
    """Run the module."""
    path = {"type": "path", "default": ""}
    module = AnsibleModule(
        argument_spec={
            "prisma": path,
            "drizzle": path,
            "kysely": path,
            "migrations": path,
            "drizzle_casing": {"type": "str", "choices": ["none", "snake_case", "camelCase"], "default": "none"},
            "kysely_type": {"type": "str", "default": ""},
            "package": {"type": "path", "required": True},
            "cache": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    arguments = module.params
    paths = {name: Path(arguments[name]) if arguments[name] else None for name in ("prisma", "drizzle", "kysely", "migrations")}
    casing = arguments["drizzle_casing"]
    application = Application(**paths, drizzle_casing="" if casing == "none" else casing, kysely_type=arguments["kysely_type"])
    try:
        declarations = read_application(application, Path(arguments["package"]), Path(arguments["cache"]))
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, declarations=declarations)


if __name__ == "__main__":
    main()
