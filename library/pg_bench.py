#!/usr/bin/python
"""Measure the application's hot paths before and after, with its own clients."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_bench
short_description: Measure the application's hot paths before and after
version_added: 0.2.0
description:
  - Lets Drizzle, Kysely, node-postgres, Prisma, psycopg and pgbench do what the application does, through pgbouncer, as it did
    it before and as it should, on the EdTech reference data, and compares the answers row by row.
  - Indexes of the group are dropped for the time before and built for the time after. At the end they are as they were; what a
    killed run has left, the next one puts back.
  - Logs that it writes are deleted again. A database that playbooks/edtech.yml did not load is refused.
  - When whoever reads its output is gone, it stops and puts everything back.
options:
  group:
    description:
      - Which measurements.
      - One of V(recent_logs), V(weekly_scan), V(jsonb_users), V(logs), V(analytics_now) and V(analytics_literal).
    type: str
    required: true
  clients_dir:
    description: C(files/bench) with its packages, on the server.
    type: path
    required: true
  clients_host:
    description: Where the clients connect to.
    type: str
    default: 127.0.0.1
  clients_port:
    description: pgbouncer's port.
    type: int
    default: 6432
  clients_user:
    description: The application's role.
    type: str
    required: true
  clients_password:
    description: Its password.
    type: str
    required: true
  seconds:
    description: For each client and side; the calls that a figure needs at least are made all the same.
    type: float
    default: 8
  least:
    description: Calls that are made all the same, where a figure does not ask for fewer.
    type: int
    default: 1000
  first_only:
    description: One client a metric.
    type: bool
    default: false
  inserted:
    description: Logs in one batch.
    type: int
    default: 10000
  seed:
    description: Chooses users.
    type: int
    default: 1
  keep_file:
    description:
      - File on the server to which each row is added as soon as it is measured, with its samples and the database.
      - A line of JSON each; empty for none.
    type: path
    default: ''
  bin_dir:
    description: Folder of PostgreSQL's programs.
    type: path
    default: /usr/lib/postgresql/17/bin
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Says which indexes it would drop and build, and measures nothing.
author: pgkeel
"""

EXAMPLES = r"""
- name: Measure containment
  pg_bench:
    login_db: bench
    group: jsonb_users
    clients_dir: /var/lib/postgresql/pgkeel-bench
    clients_user: app
    clients_password: "{{ vault_app_password }}"
  become: true
  become_user: postgres
"""

RETURN = r"""
rows:
  description: A row a metric and client, as in C(build/bench/results.json).
  returned: when it ran
  type: list
  elements: dict
raw:
  description: Every sample, in milliseconds.
  returned: when it ran
  type: list
  elements: dict
indexes:
  description: What each index cost; bytes, WAL, seconds, and an insert with and without it.
  returned: when it ran
  type: list
  elements: dict
data:
  description: Size, logs, users and the end of the data.
  returned: success
  type: dict
machine:
  description: What it was measured on.
  returned: when it ran
  type: dict
would_change:
  description: Names of the indexes that are dropped and built.
  returned: success
  type: list
  elements: str
"""

import json
from contextlib import ExitStack
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS, DEFAULT_BIN_DIR

try:
    import psycopg
    from ansible.module_utils.pgkeel.benchmark.cases import group_named
    from ansible.module_utils.pgkeel.benchmark.clients import Clients
    from ansible.module_utils.pgkeel.benchmark.hangup import ended_with_reader
    from ansible.module_utils.pgkeel.benchmark.machine import describe
    from ansible.module_utils.pgkeel.benchmark.metrics_run import Bench, Effort, measure_group
    from ansible.module_utils.pgkeel.benchmark.stage import read_stage
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect
    from ansible.module_utils.pgkeel.postgres.interruption import interruptible

    MISSING = None
except ImportError as error:
    MISSING = error

BOUNDS = {"seconds": (0.1, 120), "inserted": (10, 100_000), "least": (1, 1000)}


def run(module: AnsibleModule) -> dict:
    """What the module returns."""
    asked = module.params
    group = group_named(asked["group"])
    kept = Path(asked["keep_file"]) if asked["keep_file"] else None
    rows: list = []
    raw: list = []

    def keep(row: dict, samples: dict) -> None:
        rows.append(row)
        raw.append(samples)
        if kept:
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"database": asked["login_db"], "row": row, "raw": samples}) + "\n")

    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(ended_with_reader())
        connection = stack.enter_context(connect(Login.from_arguments(asked), application_name="pgkeel bench"))
        connection.execute("SET statement_timeout = 0")
        stage = read_stage(connection, seed=asked["seed"], inserted=asked["inserted"])
        data = {"size": stage.size, "logs": stage.logs, "users": stage.users, "reference": stage.reference.date().isoformat()}
        result = {"data": data, "would_change": [index.name for index in group.indexes]}
        if module.check_mode:
            return result
        clients = Clients(
            Login(
                host=asked["clients_host"],
                port=asked["clients_port"],
                user=asked["clients_user"],
                password=asked["clients_password"],
                database=asked["login_db"],
            ),
            Path(asked["clients_dir"]),
            Path(asked["bin_dir"]),
        )
        effort = Effort(asked["seconds"], least=asked["least"], first_only=asked["first_only"])
        try:
            found = measure_group(Bench(connection, stage, clients, effort), group, keep)
        except (PgkeelError, psycopg.Error) as error:
            told = str(error).strip().splitlines()[0]
            module.fail_json(
                msg=f"{told} Measured until then: {len(rows)} of {len(group.cases)} figures.", rows=rows, raw=raw, **result
            )
        return {**result, **found, "machine": describe(connection)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "group": {"type": "str", "required": True},
            "clients_dir": {"type": "path", "required": True},
            "clients_host": {"type": "str", "default": "127.0.0.1"},
            "clients_port": {"type": "int", "default": 6432},
            "clients_user": {"type": "str", "required": True},
            "clients_password": {"type": "str", "required": True, "no_log": True},
            "seconds": {"type": "float", "default": 8.0},
            "inserted": {"type": "int", "default": 10_000},
            "least": {"type": "int", "default": 1000},
            "first_only": {"type": "bool", "default": False},
            "seed": {"type": "int", "default": 1},
            "keep_file": {"type": "path", "default": ""},
            "bin_dir": {"type": "path", "default": DEFAULT_BIN_DIR},
            **CONNECTION_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    for name, (low, high) in BOUNDS.items():
        if not low <= module.params[name] <= high:
            module.fail_json(msg=f"{name} is {module.params[name]}. Give a number from {low} to {high}.")
    try:
        result = run(module)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
