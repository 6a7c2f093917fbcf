#!/usr/bin/python
"""Reckon the settings of PostgreSQL and pgbouncer from one set of facts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_tuning
short_description: Reckon PostgreSQL's settings and pgbouncer's pools together
description:
  - Takes a server's cores and memory and its applications' pools, and returns settings that fit together, each with its reason.
  - Refuses values that do not fit, such as a pool larger than the connections. Connects to nothing and changes nothing.
options:
  cores:
    description: Processor cores that PostgreSQL may use.
    type: int
    required: true
  memory_mb:
    description: Memory that PostgreSQL may use, in MiB.
    type: int
    required: true
  disk:
    description: What the data lies on.
    type: str
    choices: [hdd, ssd, nvme]
    default: ssd
  applications:
    description: The applications' own connection pools.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is called in explanations.
        type: str
        required: true
      pool:
        description: Connections that one process opens at most.
        type: int
        required: true
      processes:
        description: Processes of it.
        type: int
        default: 1
  burst_clients:
    description: Clients that arrive at once.
    type: int
    default: 200
  transaction_ms:
    description: Milliseconds that a transaction holds its server connection on average.
    type: float
    default: 20
  databases:
    description: Databases reached through pgbouncer.
    type: int
    default: 1
  direct_connections:
    description: Connections that bypass pgbouncer.
    type: int
    default: 20
  connect_timeout:
    description: Seconds that an application waits for a connection.
    type: int
    default: 5
  statement_timeout:
    description: Seconds that a statement may take.
    type: int
    default: 60
  idle_timeout:
    description: Seconds after which an application closes an unused connection.
    type: int
    default: 30
  max_connections:
    description: The operator's own choice; the equation's where not given.
    type: int
  work_mem:
    description: The operator's own choice, as a configuration file takes it.
    type: str
  shared_buffers:
    description: The operator's own choice, as a configuration file takes it.
    type: str
  role_limits:
    description: Connections that a role may have, by its name, -1 for any number, of the roles that come through pgbouncer.
    type: dict
    default: {}
  pool_size:
    description: The operator's own choice of pgbouncer's pool.
    type: int
  reserve_size:
    description: The operator's own choice of pgbouncer's reserve pool.
    type: int
  max_clients:
    description: The operator's own choice of pgbouncer's client limit.
    type: int
  db_connections:
    description: The operator's own choice of pgbouncer's connections to one database, all roles together.
    type: int
  processes:
    description: Processes of pgbouncer, which share the pool, the reserve and the client limit.
    type: int
    default: 1
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
- name: Reckon the settings
  pg_tuning:
    cores: 4
    memory_mb: 8192
    applications: [{name: Drizzle, pool: 20, processes: 2}]
"""

RETURN = r"""
settings:
  description: PostgreSQL's settings by name.
  returned: success
  type: dict
  sample: {shared_buffers: 2048MB, work_mem: 15MB}
pgbouncer:
  description: pgbouncer's settings by name, times in seconds.
  returned: success
  type: dict
  sample: {default_pool_size: "18", query_wait_timeout: "15"}
pgbouncer_processes:
  description: For each process of pgbouncer its share; one process has all of it.
  returned: success
  type: list
  elements: dict
  sample: [{default_pool_size: "18", reserve_pool_size: "9", max_db_connections: "27", max_client_conn: "500"}]
explanation:
  description: One line for each value, for what was left alone, and for what holds between them.
  returned: success
  type: dict
  sample: {postgresql: ["work_mem = 15MB: what is left ..."], pgbouncer: [], left_alone: [], fits: []}
"""

from ansible.module_utils.basic import AnsibleModule

# Nothing below the equation needs a third-party library, so that it runs before there is an environment with one.
from ansible.module_utils.pgkeel.errors import PgkeelError
from ansible.module_utils.pgkeel.tuning.demand import DISKS, Application, Demand, Given, Machine
from ansible.module_utils.pgkeel.tuning.equation import tune

GIVEN = ("max_connections", "pool_size", "reserve_size", "max_clients", "db_connections")
GIVEN_SIZES = ("work_mem", "shared_buffers")


def main() -> None:
    """Run the module."""
    application = {
        "name": {"type": "str", "required": True},
        "pool": {"type": "int", "required": True},
        "processes": {"type": "int", "default": 1},
    }
    module = AnsibleModule(
        argument_spec={
            "cores": {"type": "int", "required": True},
            "memory_mb": {"type": "int", "required": True},
            "disk": {"type": "str", "choices": list(DISKS), "default": "ssd"},
            "applications": {"type": "list", "elements": "dict", "required": True, "options": application},
            "burst_clients": {"type": "int", "default": 200},
            "transaction_ms": {"type": "float", "default": 20.0},
            "databases": {"type": "int", "default": 1},
            "direct_connections": {"type": "int", "default": 20},
            "connect_timeout": {"type": "int", "default": 5},
            "statement_timeout": {"type": "int", "default": 60},
            "idle_timeout": {"type": "int", "default": 30},
            **{name: {"type": "int"} for name in GIVEN},
            **{name: {"type": "str"} for name in GIVEN_SIZES},
            "processes": {"type": "int", "default": 1},
            "role_limits": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    asked = module.params
    machine = Machine(asked["cores"], asked["memory_mb"], asked["disk"])
    demand = Demand(
        applications=[Application(**item) for item in asked["applications"]],
        burst_clients=asked["burst_clients"],
        transaction_ms=asked["transaction_ms"],
        databases=asked["databases"],
        direct_connections=asked["direct_connections"],
        connect_timeout_s=asked["connect_timeout"],
        statement_timeout_s=asked["statement_timeout"],
        idle_timeout_s=asked["idle_timeout"],
    )
    given = Given(
        processes=asked["processes"],
        role_limits={name: int(limit) for name, limit in asked["role_limits"].items()},
        **{name: asked[name] for name in (*GIVEN, *GIVEN_SIZES)},
    )
    try:
        tuning = tune(machine, demand, given)
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    for warning in tuning.warnings:
        module.warn(warning)
    module.exit_json(
        changed=False,
        settings={choice.name: choice.value for choice in tuning.settings},
        pgbouncer={choice.name: choice.value for choice in tuning.pgbouncer},
        pgbouncer_processes=[share.settings() for share in tuning.pools.shares],
        explanation={
            "postgresql": [choice.explain() for choice in tuning.settings],
            "pgbouncer": [choice.explain() for choice in tuning.pgbouncer],
            "left_alone": [choice.explain() for choice in tuning.left_alone],
            "fits": list(tuning.fits),
        },
    )


if __name__ == "__main__":
    main()
