#!/usr/bin/python
"""Let a class log in at once, and measure what each student sees."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_storm
short_description: Let many clients log in at once, directly and through pgbouncer
description:
  - Measures connects, transactions and errors of a burst, of a Poisson stream and of a burst on a cold pool.
  - The direct paths use throwaway clusters, the pooled one a throwaway role and database behind the real pgbouncer.
  - All of it is removed at the end; what a killed run left, by the next one.
  - Runs on the database server as the system user postgres, and loads it for about a minute.
options:
  clients:
    description: How many log in.
    type: int
    default: 200
  transactions:
    description: Transactions of each, one after the other.
    type: int
    default: 5
  seconds:
    description: Over which the Poisson stream arrives.
    type: float
    default: 10
  stay:
    description: Seconds that a client stays connected after its last transaction, as an application's pool does.
    type: float
    default: 1
  rounds:
    description: How often each scenario is run; the figures are of all rounds together.
    type: int
    default: 1
  seed:
    description: Chooses the arrivals of the Poisson stream.
    type: int
    default: 1
  paths:
    description: Which paths to take.
    type: list
    elements: str
    choices: [direct_default, direct_tuned, pgbouncer]
    default: [direct_default, direct_tuned, pgbouncer]
  arrivals:
    description: How to arrive.
    type: list
    elements: str
    choices: [burst, poisson, cold]
    default: [burst, poisson, cold]
  tuned_settings:
    description: Settings of the cluster for C(direct_tuned), beside a C(max_connections) that admits everybody.
    type: dict
    default: {}
  pgbouncer_sockets:
    description: Folders of pgbouncer's Unix sockets, one for each of its processes; the clients take turns.
    type: list
    elements: str
    default: [/var/run/postgresql]
  pgbouncer_port:
    description: Port of pgbouncer.
    type: int
    default: 6432
  ground_dir:
    description: Folder for the throwaway clusters.
    type: path
    default: /var/lib/postgresql/pgkeel-storm
extends_documentation_fragment: [pgkeel_connection]
attributes:
  check_mode:
    support: full
    description: Connects to PostgreSQL and to pgbouncer's console and runs nothing.
  diff_mode:
    support: none
    description: Nothing of it stays.
author: pgkeel
"""

EXAMPLES = r"""
- name: Two hundred students log in through pgbouncer
  pg_storm:
    paths: [pgbouncer]
    arrivals: [burst]
  become: true
  become_user: postgres
"""

RETURN = r"""
storms:
  description: One for each path and arrival; times are milliseconds where their name says so, otherwise seconds.
  returned: when it ran
  type: list
  elements: dict
  sample:
    - {path: pgbouncer, arrival: burst, clients: 200, success_rate: 1.0, errors: {}, drain_s: 2.1, peak_waiting: 180}
problems:
  description: What should have been and was not, such as a client that failed through pgbouncer.
  returned: when it ran
  type: list
  elements: str
"""

from dataclasses import replace
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

try:
    from ansible.module_utils.pgkeel.benchmark.storm import ARRIVALS, judge
    from ansible.module_utils.pgkeel.benchmark.storm_run import PATHS, Plan, run_storms
    from ansible.module_utils.pgkeel.errors import PgkeelError
    from ansible.module_utils.pgkeel.postgres.connect import Login, connect

    MISSING = None
except ImportError as error:
    MISSING = error


def main() -> None:
    """Run the module."""
    arguments = {
        "clients": {"type": "int", "default": 200},
        "transactions": {"type": "int", "default": 5},
        "seconds": {"type": "float", "default": 10.0},
        "stay": {"type": "float", "default": 1.0},
        "rounds": {"type": "int", "default": 1},
        "seed": {"type": "int", "default": 1},
        "tuned_settings": {"type": "dict", "default": {}},
        "pgbouncer_sockets": {"type": "list", "elements": "str", "default": ["/var/run/postgresql"]},
        "pgbouncer_port": {"type": "int", "default": 6432},
        "ground_dir": {"type": "path", "default": "/var/lib/postgresql/pgkeel-storm"},
        **CONNECTION_ARGUMENTS,
    }
    if MISSING is None:
        for name, choices in {"paths": list(PATHS), "arrivals": list(ARRIVALS)}.items():
            arguments[name] = {"type": "list", "elements": "str", "choices": choices, "default": choices}
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib(MISSING.name or "psycopg"))
    asked = module.params
    server = Login.from_arguments(asked)
    pgbouncer = [Login(host=folder, port=asked["pgbouncer_port"], user="pgbouncer") for folder in asked["pgbouncer_sockets"]]
    plan = Plan(
        **{name: asked[name] for name in ("clients", "transactions", "seconds", "stay", "rounds", "seed", "paths", "arrivals")}
    )
    try:
        if module.check_mode:
            connect(server).close()
            for process in pgbouncer:
                connect(replace(process, database="pgbouncer")).close()
            module.exit_json(changed=False)
        storms = run_storms(
            plan,
            server=server,
            pgbouncer=pgbouncer,
            base_dir=Path(asked["ground_dir"]),
            tuned_settings={name: str(value) for name, value in asked["tuned_settings"].items()},
        )
    except PgkeelError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, storms=storms, problems=judge(storms))


if __name__ == "__main__":
    main()
