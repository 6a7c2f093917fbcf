#!/usr/bin/python
"""Load the EdTech reference database."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: edtech_load
short_description: Load the EdTech reference database
version_added: 0.1.0
description:
  - Creates the tables of an EdTech application in the conventions of Prisma, fills them with deterministic data by COPY,
    builds indexes and foreign keys, and analyses, all in one transaction. A load is there whole or not at all.
  - The same size, seed and reference date give the same bytes.
  - A complete load is recognised by the row in C(pgkeel.edtech_load), written last, and is not repeated.
  - While it runs, C(pg_stat_progress_copy) and C(pg_stat_progress_create_index) on the server tell how far it is.
options:
  size:
    description:
      - How much. V(tiny) has 50 users and 2,000 logs, V(small) 1,000 and 100,000, V(demo) 2,000 and 500,000,
        V(million) 5,000 and 1 million.
      - V(medium) has 10,000 and 2.5 million, about 2 GB, and V(bench) 50,000 and 10 million.
      - What the disk does not hold is refused.
    type: str
    choices: [tiny, small, demo, million, medium, bench]
    default: demo
  seed:
    description: Chooses one of many databases of that size.
    type: int
    default: 1
  reference_date:
    description:
      - The data ends at midnight UTC of this day, C(YYYY-MM-DD); the logs cover the 90 days before.
      - Empty means today for a new load, and whatever it was for a present one.
    type: str
    default: ''
  owner:
    description: Role that owns the tables and types; it must exist.
    type: str
    required: true
  tables_sql:
    description: Content of C(files/edtech/tables.sql).
    type: str
    required: true
  constraints_sql:
    description: Content of C(files/edtech/constraints.sql).
    type: str
    required: true
  migrations_sql:
    description: Content of C(files/edtech/prisma_migrations.sql).
    type: str
    required: true
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Everything is checked, nothing is changed; C(rows) is what would be loaded.
  diff_mode:
    support: full
    description: Rows by table before and after.
author: pgkeel
"""

EXAMPLES = r"""
- name: Load two thousand users and half a million logs
  edtech_load:
    login_db: edtech
    owner: app
    size: demo
    tables_sql: "{{ lookup('ansible.builtin.file', 'files/edtech/tables.sql') }}"
    constraints_sql: "{{ lookup('ansible.builtin.file', 'files/edtech/constraints.sql') }}"
    migrations_sql: "{{ lookup('ansible.builtin.file', 'files/edtech/prisma_migrations.sql') }}"
  become: true
  become_user: postgres
"""

RETURN = r"""
size:
  description: The size that is loaded.
  returned: success
  type: str
  sample: demo
seed:
  description: The seed of that load.
  returned: success
  type: int
  sample: 1
reference_date:
  description: The day at whose midnight the data ends.
  returned: success
  type: str
  sample: "2026-03-02"
rows:
  description: Rows loaded by table. The application may have added some since.
  returned: success
  type: dict
  sample: {"User": 2000, "BehaviorLog": 500000}
seconds:
  description: How long the load took, indexes and ANALYZE included; 0 in check mode.
  returned: success
  type: float
  sample: 11.2
rows_per_second:
  description: All rows over that time; 0 in check mode.
  returned: success
  type: int
  sample: 56000
"""

from datetime import UTC, date, datetime

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.edtech.load import Loaded, Schema, check_target, load, loaded, require_room, require_same
    from ansible.module_utils.pgkeel.edtech.sizes import size_named
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect

    MISSING = None
except ImportError as error:  # a third-party library below is not installed
    MISSING = error


def reference_date(text: str) -> date | None:
    """The date that was asked for, or None for an empty text."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PgkeelError(f"reference_date is {text!r}, which is no date", "Write it as YYYY-MM-DD, or leave it empty") from error


def run(module: AnsibleModule) -> tuple[bool, Loaded]:
    """Whether something changed or would, and what is loaded or would be."""
    arguments = module.params
    size, seed = size_named(arguments["size"]), arguments["seed"]
    wanted = reference_date(arguments["reference_date"])
    schema = Schema(arguments["tables_sql"], arguments["constraints_sql"], arguments["migrations_sql"])
    login = Login.from_arguments(arguments)
    with connect(login, application_name="pgkeel edtech_load") as connection:
        check_target(connection, arguments["owner"])
        present = loaded(connection, schema)
        if present is not None:
            require_same(present, size, seed, wanted)
            return False, present
        if login.host == "" or login.host.startswith("/"):
            require_room(connection, size)
        today = wanted or datetime.now(UTC).date()
        if module.check_mode:
            return True, Loaded(size.name, seed, today, size.rows(), 0.0)
        return load(connection, size, seed=seed, reference=today, schema=schema, owner=arguments["owner"])


def main() -> None:
    """Run the module."""
    own = {
        "size": {"type": "str", "choices": ["tiny", "small", "demo", "million", "medium", "bench"], "default": "demo"},
        "seed": {"type": "int", "default": 1},
        "reference_date": {"type": "str", "default": ""},
        "owner": {"type": "str", "required": True},
        **{name: {"type": "str", "required": True} for name in ("tables_sql", "constraints_sql", "migrations_sql")},
    }
    module = AnsibleModule(argument_spec={**own, **CONNECTION_ARGUMENTS}, supports_check_mode=True)
    if MISSING:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    try:
        changed, result = run(module)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    after = {"size": result.size, "seed": result.seed, "rows": result.rows}
    module.exit_json(
        changed=changed,
        **after,
        reference_date=result.reference.isoformat(),
        seconds=result.seconds,
        rows_per_second=result.rows_per_second,
        diff={"before": {} if changed else after, "after": after},
    )


if __name__ == "__main__":
    main()
