"""What the equation starts from: the server, and what its applications ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from ..errors import PgkeelError

Disk = Literal["hdd", "ssd", "nvme"]
DISKS: tuple[Disk, ...] = ("hdd", "ssd", "nvme")


@dataclass(frozen=True)
class Machine:
    """The server as PostgreSQL may use it."""

    cores: int
    memory_mb: int
    """MiB."""
    disk: Disk = "ssd"


@dataclass(frozen=True)
class Application:
    """One ORM, or another client with a connection pool of its own."""

    name: str
    pool: int
    """Connections that one process opens at most."""
    processes: int = 1


@dataclass(frozen=True)
class Demand:
    """What is asked of the server."""

    applications: Sequence[Application]
    burst_clients: int = 200
    """Clients that arrive at once, such as a class that starts."""
    transaction_ms: float = 20.0
    """Mean time that a transaction holds its server connection; pgbouncer's SHOW STATS calls it avg_xact_time."""
    databases: int = 1
    """Databases reached through pgbouncer."""
    direct_connections: int = 20
    """Connections that bypass pgbouncer: backup, monitoring, migrations, people."""
    connect_timeout_s: int = 5
    statement_timeout_s: int = 60
    idle_timeout_s: int = 30

    @property
    def clients(self) -> int:
        """Connections of all applications together, every process at its limit."""
        return sum(application.pool * application.processes for application in self.applications)


@dataclass(frozen=True)
class Given:
    """What an operator has decided already; None leaves it to the equation."""

    max_connections: int | None = None
    pool_size: int | None = None
    reserve_size: int | None = None
    max_clients: int | None = None
    db_connections: int | None = None
    """Of pgbouncer to one database, all roles together."""
    processes: int = 1
    """Of pgbouncer; the sizes are those of all of them together."""
    work_mem: str | None = None
    """As a configuration file takes it; without a unit in kB."""
    shared_buffers: str | None = None
    """As a configuration file takes it; without a unit in 8 kB."""
    role_limits: Mapping[str, int] = field(default_factory=dict)
    """Connections that a role may have, -1 for any number, of the roles that come through pgbouncer."""


def check_demand(machine: Machine, demand: Demand, given: Given) -> None:
    """Refuse what cannot be reckoned with. Raises PgkeelError with the first reason."""
    least = {
        "The number of cores": (machine.cores, 1),
        "The memory in MiB": (machine.memory_mb, 1),
        "burst_clients": (demand.burst_clients, 1),
        "transaction_ms": (demand.transaction_ms, 0.001),
        "databases": (demand.databases, 1),
        "direct_connections": (demand.direct_connections, 1),
        "connect_timeout": (demand.connect_timeout_s, 1),
        "statement_timeout": (demand.statement_timeout_s, 1),
        "idle_timeout": (demand.idle_timeout_s, 1),
        "max_connections": (given.max_connections, 1),
        "The pool of pgbouncer": (given.pool_size, 1),
        "The reserve pool of pgbouncer": (given.reserve_size, 0),
        "max_client_conn": (given.max_clients, 1),
        # pgbouncer takes 0 for no limit, and then nothing below is asserted of anything.
        "max_db_connections": (given.db_connections, 1),
        **{f"The connection_limit of the role {name}": (limit, -1) for name, limit in given.role_limits.items()},
    }
    for name, (value, minimum) in least.items():
        # Written so that it holds for what is no number as well: YAML has .nan and .inf.
        if value is not None and not minimum <= value < inf:
            raise PgkeelError(f"{name} is {value}, and the least is {minimum:g}", "Correct the value; nothing was changed")
    if machine.disk not in DISKS:
        raise PgkeelError(f"The disk is {machine.disk!r}", f"Name one of {', '.join(DISKS)}; nothing was changed")
    if not demand.applications:
        raise PgkeelError("No application with a pool is declared", "Declare at least one; nothing was changed")
    for application in demand.applications:
        if application.pool < 1 or application.processes < 1:
            raise PgkeelError(
                f"The application {application.name!r} has a pool of {application.pool} in {application.processes} processes",
                "Give both as 1 or more; nothing was changed",
            )
    if demand.connect_timeout_s >= demand.statement_timeout_s:
        raise PgkeelError(
            f"The connect timeout of {demand.connect_timeout_s} s is not below the statement timeout of "
            f"{demand.statement_timeout_s} s",
            "Correct the timeouts; nothing was changed",
        )
