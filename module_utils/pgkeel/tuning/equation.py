"""The equation: settings of PostgreSQL and pgbouncer from one set of facts, each with its reason, and what holds between them.

Sources beside those of ``pools`` and ``memory``: PostgreSQL 17 documentation, 19.5 (WAL), 19.7 (planner), 19.10 (autovacuum);
PgTune's profile "mixed" for disks and parallel workers.
"""

from __future__ import annotations

from dataclasses import dataclass

from .choice import Choice, clamp, megabytes
from .demand import Demand, Disk, Given, Machine, check_demand
from .memory import AUTOVACUUM_WORKERS, WORK_PER_BACKEND, Memory, overcommitted, share_out
from .pools import Pools, explain_pools, reckon_pools

GIVEN = "given by the operator"


@dataclass(frozen=True)
class Tuning:
    """What the equation says."""

    settings: tuple[Choice, ...]
    """PostgreSQL's."""
    pgbouncer: tuple[Choice, ...]
    left_alone: tuple[Choice, ...]
    """Settings that were considered and stay as PostgreSQL 17 has them."""
    fits: tuple[str, ...]
    """What holds between the values, in words with figures."""
    warnings: tuple[str, ...]
    """What does not, by the operator's own choice."""
    pools: Pools
    memory: Memory


def tune(machine: Machine, demand: Demand, given: Given | None = None) -> Tuning:
    """Solve it. Raises PgkeelError, before anything is changed, for values that do not fit together."""
    given = given or Given()
    check_demand(machine, demand, given)
    pools = reckon_pools(machine, demand, given)
    parallel = machine.cores
    memory = share_out(machine.memory_mb, pools.max_connections, parallel, given)
    return Tuning(
        settings=(
            *_connections(pools, demand, given),
            *_memory(memory, given),
            *_wal(machine.memory_mb),
            *_disk(machine.disk),
            *_parallel(machine.cores),
            *_autovacuum(machine.disk),
        ),
        pgbouncer=explain_pools(pools, machine, demand, given),
        left_alone=_left_alone(),
        fits=(
            *_fitting(memory),
            f"connections: {demand.databases} x {pools.per_database} through pgbouncer + {demand.direct_connections} direct "
            f"<= {pools.max_connections}",
            f"clients: {demand.clients} of the applications + a burst of {demand.burst_clients} <= {pools.max_clients}",
            f"waiting: a burst drains in {pools.drain_s:.1f} s <= query_wait_timeout of {pools.wait_timeout_s} s",
            *_processes(pools),
            *_roles(pools, given),
        ),
        warnings=tuple(filter(None, [overcommitted(memory, given)])),
        pools=pools,
        memory=memory,
    )


def _fitting(memory: Memory) -> tuple[str, ...]:
    if memory.worst + memory.system > memory.total:
        return ()
    return (f"memory: {memory.worst:.0f} MiB at worst + {memory.system} MiB for the system <= {memory.total} MiB",)


def _connections(pools: Pools, demand: Demand, given: Given) -> tuple[Choice, ...]:
    why = (
        GIVEN
        if given.max_connections
        else f"{demand.databases} x {pools.per_database} of pgbouncer, {demand.direct_connections} direct ones, lookups and "
        "superusers; not below PostgreSQL's own 100 where there are 20 MiB of memory for each"
    )
    return (Choice("max_connections", str(pools.max_connections), why),)


def _processes(pools: Pools) -> tuple[str, ...]:
    if len(pools.shares) == 1:
        return ()
    connections = " + ".join(str(share.per_database) for share in pools.shares)
    clients = " + ".join(str(share.max_clients) for share in pools.shares)
    return (f"processes: {connections} server connections = {pools.per_database}, {clients} clients = {pools.max_clients}",)


def _roles(pools: Pools, given: Given) -> tuple[str, ...]:
    opened = min(pools.pool + pools.reserve, pools.per_database)
    return tuple(f"role {name}: {opened} through pgbouncer <= {limit}" for name, limit in given.role_limits.items() if limit >= 0)


def _memory(memory: Memory, given: Given) -> tuple[Choice, ...]:
    total = memory.total
    return (
        Choice("shared_buffers", given.shared_buffers, GIVEN)
        if given.shared_buffers
        else Choice(
            "shared_buffers", megabytes(memory.shared_buffers), f"a quarter of {total} MiB, at most 16 GiB (documentation 19.4)"
        ),
        Choice(
            "effective_cache_size",
            megabytes(memory.effective_cache_size),
            f"three quarters of {total} MiB: with the system's page cache (PgTune); reserves nothing",
        ),
        Choice(
            "maintenance_work_mem",
            megabytes(memory.maintenance_work_mem),
            f"a sixteenth of {total} MiB for one index build (PgTune), 32 MiB to 2 GiB",
        ),
        Choice(
            "autovacuum_work_mem",
            megabytes(memory.autovacuum_work_mem),
            f"a quarter of maintenance_work_mem, because {AUTOVACUUM_WORKERS} workers take it at once; "
            "PostgreSQL 17 keeps dead rows in a radix tree and needs little",
        ),
        Choice("work_mem", given.work_mem, GIVEN)
        if given.work_mem
        else Choice(
            "work_mem",
            megabytes(memory.work_mem),
            f"what is left, for {WORK_PER_BACKEND} x {memory.workers} sorts or hashes at worst (connections, parallel workers), "
            "1 to 64 MiB; raise it for one analytics role rather than for all",
        ),
    )


def _wal(memory_mb: int) -> tuple[Choice, ...]:
    most = clamp(2 * memory_mb, 2048, 16384)
    return (
        Choice(
            "checkpoint_timeout", "15min", "fewer checkpoints write fewer full pages (documentation 28.5); recovery stays minutes"
        ),
        Choice("max_wal_size", megabytes(most), "twice the memory, 2 to 16 GiB, so that time and not size starts a checkpoint"),
        Choice("min_wal_size", megabytes(most // 8), "an eighth of max_wal_size is kept for reuse"),
        Choice("wal_compression", "lz4", "full pages take less room for little CPU"),
    )


def _disk(disk: Disk) -> tuple[Choice, ...]:
    cost = "4" if disk == "hdd" else "1.1"
    depth = {"hdd": 2, "ssd": 200, "nvme": 500}[disk]
    maintenance = {"hdd": 2, "ssd": 100, "nvme": 200}[disk]
    return (
        Choice(
            "random_page_cost",
            cost,
            f"{disk}: {'seeks cost' if disk == 'hdd' else 'a random read costs what a sequential one does'}",
        ),
        Choice("effective_io_concurrency", str(depth), f"reads that the disk ({disk}) takes at once (PgTune for hdd and ssd)"),
        Choice("maintenance_io_concurrency", str(maintenance), f"the same for vacuum and analyze, which need not hurry ({disk})"),
        Choice(
            "io_combine_limit",
            "256kB" if disk == "nvme" else "128kB",
            "new in 17: pages read in one call; its maximum on NVMe, its default elsewhere",
        ),
    )


def _parallel(cores: int) -> tuple[Choice, ...]:
    per_query = clamp(cores // 2, 1, 4)
    return (
        Choice(
            "max_worker_processes",
            str(max(8, cores + 4)),
            f"{cores} parallel workers and 4 for extensions and replication, at least 8",
        ),
        Choice("max_parallel_workers", str(cores), "one a core; more only take turns"),
        Choice("max_parallel_workers_per_gather", str(per_query), "half the cores, 1 to 4: a report leaves room for logins"),
        Choice("max_parallel_maintenance_workers", str(per_query), "the same for index builds"),
    )


def _autovacuum(disk: Disk) -> tuple[Choice, ...]:
    return (
        Choice(
            "autovacuum_max_workers",
            str(AUTOVACUUM_WORKERS),
            "PostgreSQL's default; they share one cost limit, so more are not faster",
        ),
        Choice(
            "autovacuum_vacuum_scale_factor", "0.05", "vacuum after a twentieth has changed: a fifth of a large log is too late"
        ),
        Choice("autovacuum_vacuum_insert_scale_factor", "0.05", "the same for tables that only grow, as logs do"),
        Choice("autovacuum_analyze_scale_factor", "0.02", "fresh statistics keep «the last 30 days» from being misjudged"),
        Choice(
            "autovacuum_vacuum_cost_limit",
            "200" if disk == "hdd" else "1000",
            f"{disk}: {'the default' if disk == 'hdd' else 'five times the default, which is meant for disks that seek'}",
        ),
    )


def _left_alone() -> tuple[Choice, ...]:
    return (
        Choice(
            "transaction_timeout",
            "0",
            "new in 17; for the server it would end backups and index builds, so it is set on the roles",
        ),
        Choice("summarize_wal", "off", "new in 17; serves incremental base backups, and these backups are dumps"),
        Choice("wal_buffers", "-1", "PostgreSQL takes a 32nd of shared_buffers, at most 16 MiB"),
        Choice("checkpoint_completion_target", "0.9", "the default since 14"),
        Choice(
            "huge_pages", "try", "the default uses them where the system has set them aside, and starts without them otherwise"
        ),
        Choice("data_checksums", "on", "set when the cluster is created; the audit reports a cluster without them"),
        Choice(
            "pg_stat_checkpointer",
            "view",
            "not a setting: 17 moved the checkpoint counters there, and the audit reads them there",
        ),
    )
