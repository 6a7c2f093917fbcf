#!/usr/bin/python
"""Compare an application's Prisma, Drizzle and Kysely schemas with one another and with the live database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_schema_audit
short_description: Compare Prisma, Drizzle, Kysely and the live database
description:
  - Loads the SQL that each ORM's own tool gives into a throwaway cluster on a private socket, a database a side, and compares
    what PostgreSQL made of it. The cluster is removed afterwards, whatever happens.
  - Prisma is the truth; every difference is one finding, with what fails at run time and the line to change.
  - The live database is only read.
version_added: 0.1.0
author: pgkeel
options:
  declarations:
    description: What M(orm_schema) returned.
    type: dict
    required: true
  live:
    description: Whether to compare with the database O(login_db) as well.
    type: bool
    default: true
  index_tables:
    description: Tables whose index coverage the checklist reports.
    type: list
    elements: str
    default: [BehaviorLog]
  declared_indexes:
    description:
      - Indexes that the inventory declares for this database, as M(pg_index) takes them. Those that are there are listed as
        ours, with the migration file that makes them or the one that is to be written.
    type: list
    elements: dict
    default: []
  declared_extensions:
    description: Extensions that the inventory declares for this database.
    type: list
    elements: str
    default: []
  ground_dir:
    description:
      - Directory for throwaway clusters, owned by the OS user that runs this and used by nothing else but restore drills.
    type: path
    default: /var/lib/postgresql/pgkeel-proving-ground
  bin_dir:
    description: Folder of PostgreSQL's programs.
    type: path
    default: /usr/lib/postgresql/17/bin
extends_documentation_fragment:
  - pgkeel_connection
attributes:
  check_mode:
    description: The module never changes anything, so check mode is the same as a normal run.
    support: full
  diff_mode:
    description: There is nothing to differ.
    support: none
"""

EXAMPLES = r"""
- name: Compare all four
  pg_schema_audit:
    declarations: "{{ application.declarations }}"
    login_db: edtech
  become: true
  become_user: postgres
  register: schema_audit
"""

RETURN = r"""
verdict:
  description: C(consistent), C(inconsistent) or C(could not verify).
  type: str
  returned: success
  sample: inconsistent
type_safety_percent:
  description: Columns that agree, of all columns compared, rounded down to a tenth; null when a side could not be read.
  type: float
  returned: success
  sample: 97.4
pairs:
  description: Each two sides, with C(pair), C(verdict), the number of C(differences) and what is C(unverified).
  type: list
  elements: dict
  returned: success
findings:
  description:
    - One entry a fact, with C(pair), C(kind), C(table), C(column), C(expected), C(actual), C(wrong_side), C(impact), C(fix),
      C(patch), and what every finding has.
  type: list
  elements: dict
  returned: success
checklist:
  description: The compliance checklist, with C(criterion), C(status), C(evidence) and the C(objects) that it speaks of.
  type: list
  elements: dict
  returned: success
could_not_verify:
  description: What could not be compared, and why.
  type: list
  elements: str
  returned: success
unmigrated:
  description:
    - Objects of the live database that no migration made, and the declared indexes whichever made them, with C(object),
      C(ours), C(owner), C(migration) (its file), C(migrated) (whether that file exists) and C(definition).
    - Null when that could not be found out.
  type: list
  elements: dict
  returned: success
own_migration:
  description: The Prisma migration that our indexes lack, with C(file) and C(sql); null when they lack none.
  type: dict
  returned: success
patch:
  description: One unified diff that mends the Drizzle files as far as that can be derived.
  type: str
  returned: success
summary:
  description: The result in a few lines.
  type: str
  returned: success
markdown:
  description: The result as a document.
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login
    from ansible.module_utils.pgkeel.schema.declared import Declarations
    from ansible.module_utils.pgkeel.schema.load import Bench
    from ansible.module_utils.pgkeel.schema.own_indexes import own_indexes
    from ansible.module_utils.pgkeel.schema.run import run
    from ansible.module_utils.pgkeel.schema.sides import Request
    from ansible.module_utils.pgkeel.schema.summary import markdown, summarize
    from ansible.module_utils.pgkeel.schema.unmigrated import Declared

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_ARGUMENTS,
            "declarations": {"type": "dict", "required": True},
            "live": {"type": "bool", "default": True},
            "index_tables": {"type": "list", "elements": "str", "default": ["BehaviorLog"]},
            "declared_indexes": {"type": "list", "elements": "dict", "default": []},
            "declared_extensions": {"type": "list", "elements": "str", "default": []},
            "ground_dir": {"type": "path", "default": "/var/lib/postgresql/pgkeel-proving-ground"},
            "bin_dir": {"type": "path", "default": "/usr/lib/postgresql/17/bin"},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"), exception=str(MISSING))
    arguments = module.params
    try:
        result = run(
            Request(
                declarations=Declarations.from_mapping(arguments["declarations"]),
                bench=Bench(Path(arguments["ground_dir"]), Path(arguments["bin_dir"])),
                live=Login.from_arguments(arguments) if arguments["live"] else None,
                migrations=arguments["declarations"].get("migrations") or None,
                index_tables=tuple(arguments["index_tables"]),
                declared=Declared(tuple(own_indexes(arguments["declared_indexes"])), tuple(arguments["declared_extensions"])),
            )
        )
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result.as_dict(), summary=summarize(result), markdown=markdown(result))


if __name__ == "__main__":
    main()
