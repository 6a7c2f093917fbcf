"""How many connections there are at each stage: application, pgbouncer, PostgreSQL.

Sources: PostgreSQL wiki, "Number Of Database Connections" (twice the cores plus the spindles); J. D. C. Little, "A Proof for the
Queuing Formula L = λW", 1961; the documentation of pgbouncer 1.24, "config".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ..errors import PgkeelError
from .choice import Choice, clamp
from .demand import Demand, Given, Machine
from .processes import Share, check_processes, divide, most_at_one

IDLE_SHARE = 0.5
"""Share of a transaction in which the server waits for the next statement: an ORM's transactions take round trips."""
SUPERUSER_RESERVED = 3
"""PostgreSQL's own default of superuser_reserved_connections."""
LOOKUPS = 2
"""Connections of a pgbouncer process's own, for auth_query; its configuration gives them a pool of that size."""
CUSTOMARY_CONNECTIONS = 100
"""PostgreSQL's default: an application that still comes directly does not lose room when pgkeel arrives."""
MEMORY_PER_CUSTOMARY_MB = 20
"""MiB of memory for each of them, so that a small server does not get all hundred."""


@dataclass(frozen=True)
class Pools:
    """The sizes, in connections unless said otherwise."""

    pool: int
    """For each pair of role and database."""
    reserve: int
    per_database: int
    max_clients: int
    max_connections: int
    wait_timeout_s: int
    backlog: int
    drain_s: float
    """Seconds until the last client of a burst is served."""
    shares: tuple[Share, ...]
    """Of each pgbouncer process; together they are the sizes above."""


def reckon_pools(machine: Machine, demand: Demand, given: Given) -> Pools:
    """Size every stage. Raises PgkeelError when what an operator gave does not fit together."""
    busy = 2 * machine.cores + 1
    arriving = ceil(demand.burst_clients * demand.transaction_ms / 1000)
    pool = given.pool_size or min(max(ceil(busy / (1 - IDLE_SHARE)), arriving), demand.clients)
    reserve = ceil(pool / 2) if given.reserve_size is None else given.reserve_size
    per_database = given.db_connections or pool + reserve
    if per_database < pool:
        raise PgkeelError(
            f"max_db_connections is {per_database}, but the pool of one role alone has {pool}",
            "Raise max_db_connections or shrink the pool; nothing was changed",
        )
    check_processes(given.processes, pool)
    lookups = LOOKUPS * given.processes
    needed = demand.databases * per_database + lookups + demand.direct_connections + SUPERUSER_RESERVED
    max_connections = given.max_connections or max(
        needed, min(CUSTOMARY_CONNECTIONS, machine.memory_mb // MEMORY_PER_CUSTOMARY_MB)
    )
    if max_connections < needed:
        raise PgkeelError(
            f"max_connections is {max_connections}, but {needed} are needed: {_what_a_database_takes(pool, reserve, given)} "
            f"for {demand.databases} database(s), {lookups} lookups, {demand.direct_connections} direct connections and "
            f"{SUPERUSER_RESERVED} for superusers",
            "Raise max_connections or shrink the pool; nothing was changed",
        )
    _refuse_narrow_roles(pool, reserve, per_database, given)
    max_clients = _client_limit(demand, given)
    shares = divide(pool, reserve, max_clients, given.processes, given.db_connections)
    wait_timeout_s = max(demand.connect_timeout_s, demand.statement_timeout_s // 4)
    # The process that gets most of the burst has an even share of the pool.
    crowd = most_at_one(demand.burst_clients, given.processes)
    drain_s = crowd * demand.transaction_ms / 1000 / min(share.pool for share in shares)
    if drain_s > wait_timeout_s:
        raise PgkeelError(
            f"A burst of {demand.burst_clients} clients at {demand.transaction_ms:g} ms takes {drain_s:.1f} s through a pool of "
            f"{pool}, longer than the {wait_timeout_s} s that a client waits",
            "Make the transactions shorter or the pool larger; nothing was changed",
        )
    return Pools(
        pool=pool,
        reserve=reserve,
        per_database=per_database,
        max_clients=max_clients,
        max_connections=max_connections,
        wait_timeout_s=wait_timeout_s,
        backlog=max(1024, 4 * demand.burst_clients),
        drain_s=drain_s,
        shares=shares,
    )


def _refuse_narrow_roles(pool: int, reserve: int, per_database: int, given: Given) -> None:
    """Raise PgkeelError where PostgreSQL would refuse a role what pgbouncer opens for it in one database."""
    opened = min(pool + reserve, per_database)
    for name, limit in given.role_limits.items():
        if 0 <= limit < opened:
            raise PgkeelError(
                f"The role {name} has a connection_limit of {limit}, but pgbouncer opens up to {opened} for it: a pool of {pool} "
                f"and a reserve of {reserve}" + (f", at most {per_database} a database" if opened < pool + reserve else ""),
                f"Raise its limit to at least {opened}, or shrink the pool; nothing was changed",
            )


def _what_a_database_takes(pool: int, reserve: int, given: Given) -> str:
    if given.db_connections:
        return f"pgbouncer's max_db_connections of {given.db_connections}"
    return f"pgbouncer's pool of {pool} and reserve of {reserve}"


def _client_limit(demand: Demand, given: Given) -> int:
    """Clients of all processes together. Raises PgkeelError when the operator's number is too small."""
    least = demand.clients + demand.burst_clients
    if given.processes > 1:
        # Each has an even share of the limit, and must stand an uneven one of the clients.
        least = given.processes * most_at_one(least, given.processes)
    # Twice, because while a new release is rolled out the old processes still hold theirs.
    expected = max(2 * (demand.clients + demand.burst_clients), least)
    max_clients = given.max_clients or max(500, ceil(expected / 100) * 100)
    if max_clients < least:
        uneven = f", unevenly spread over {given.processes} processes" if given.processes > 1 else ""
        raise PgkeelError(
            f"max_client_conn is {max_clients}, but {least} are needed: the applications hold {demand.clients} connections and a "
            f"burst brings {demand.burst_clients} more{uneven}",
            "Raise it; nothing was changed",
        )
    return max_clients


def explain_pools(pools: Pools, machine: Machine, demand: Demand, given: Given) -> tuple[Choice, ...]:
    """The settings of pgbouncer, named as in pgbouncer.ini; times in seconds."""
    parts = ", ".join(f"{item.name} {item.pool} x {item.processes}" for item in demand.applications)
    mean = f"{demand.transaction_ms:g} ms"
    return (
        Choice(
            "default_pool_size",
            str(pools.pool),
            "given by the operator"
            if given.pool_size
            else f"2 x {machine.cores} cores + 1 disk keep the server busy (PostgreSQL wiki), doubled because half of an ORM's "
            f"transaction is round trips; a burst of {demand.burst_clients}/s x {mean} needs "
            f"{ceil(demand.burst_clients * demand.transaction_ms / 1000)} (Little); never more than the {demand.clients} clients",
        ),
        Choice(
            "reserve_pool_size",
            str(pools.reserve),
            "half as many again, for clients that have waited reserve_pool_timeout"
            if given.reserve_size is None
            else "given by the operator",
        ),
        Choice(
            "reserve_pool_timeout",
            str(clamp(demand.connect_timeout_s - 1, 1, 3)),
            f"seconds that say it is no passing peak; 3, or before the connect timeout of {demand.connect_timeout_s} s",
        ),
        Choice(
            "max_db_connections",
            str(pools.per_database),
            "given by the operator"
            if given.db_connections
            else f"pool {pools.pool} + reserve {pools.reserve}: all roles share them",
        ),
        Choice(
            "max_client_conn",
            str(pools.max_clients),
            "given by the operator"
            if given.max_clients
            else f"twice ({demand.clients} of the applications ({parts}) + a burst of {demand.burst_clients}), because a release "
            "doubles the processes for a while; in hundreds, at least 500",
        ),
        Choice(
            "query_wait_timeout",
            str(pools.wait_timeout_s),
            f"a quarter of the statement timeout of {demand.statement_timeout_s} s: an error while somebody still waits for the "
            f"answer; a burst drains in {pools.drain_s:.1f} s",
        ),
        Choice(
            "listen_backlog", str(pools.backlog), f"four bursts of {demand.burst_clients} may wait to be accepted; at least 1024"
        ),
        Choice(
            "server_connect_timeout",
            str(demand.connect_timeout_s),
            "as long as the application itself waits for a connection",
        ),
        Choice(
            "server_idle_timeout",
            str(20 * demand.idle_timeout_s),
            f"20 x the applications' idle timeout of {demand.idle_timeout_s} s: between two lessons the pool stays warm",
        ),
    )
