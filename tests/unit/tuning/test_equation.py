"""The equation: what it gives, what holds for any server, and what it refuses."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.settings import number
from pgkeel.tuning.choice import megabytes
from pgkeel.tuning.demand import DISKS, Application, Demand, Given, Machine
from pgkeel.tuning.equation import tune

VPS = Machine(cores=2, memory_mb=4096)
ORMS = (Application("Drizzle", 20), Application("Kysely", 10), Application("Prisma", 5))
DEMAND = Demand(ORMS)


def values(tuning):
    return {choice.name: choice.value for choice in (*tuning.settings, *tuning.pgbouncer)}


def test_a_small_server_for_the_three_orms():
    found = values(tune(VPS, DEMAND))
    # Reckoned by hand: 2 x 2 + 1 = 5 busy, doubled; half as many again; 15 + 2 + 20 + 3 = 40 needed, and 100 are customary.
    assert found["default_pool_size"] == "10"
    assert found["reserve_pool_size"] == "5"
    assert found["max_db_connections"] == "15"
    assert found["max_connections"] == "100"
    assert found["max_client_conn"] == "500"
    assert found["query_wait_timeout"] == "15"
    assert found["shared_buffers"] == "1024MB"
    assert found["effective_cache_size"] == "3072MB"
    assert found["maintenance_work_mem"] == "256MB"
    # 4096 - 409 - 1024 - 256 - 3 x 64 - 100 x 4 = 1815, for (100 + 2) x 2.
    assert found["work_mem"] == "8MB"


def test_more_cores_get_a_larger_pool_but_never_more_than_there_are_clients():
    assert values(tune(Machine(4, 8192), DEMAND))["default_pool_size"] == "18"
    assert values(tune(Machine(64, 65536), DEMAND))["default_pool_size"] == "35"


def test_long_transactions_need_a_larger_pool():
    # Little: 200 a second at 150 ms hold 30 connections.
    assert values(tune(VPS, replace(DEMAND, transaction_ms=150)))["default_pool_size"] == "30"


def test_a_disk_that_seeks_is_spared():
    disk = values(tune(replace(VPS, disk="hdd"), DEMAND))
    assert (disk["random_page_cost"], disk["effective_io_concurrency"], disk["autovacuum_vacuum_cost_limit"]) == ("4", "2", "200")
    assert values(tune(replace(VPS, disk="nvme"), DEMAND))["io_combine_limit"] == "256kB"


def test_what_the_operator_gave_is_kept_and_the_rest_follows():
    found = values(tune(VPS, DEMAND, Given(max_connections=300, pool_size=20, reserve_size=0, max_clients=2000)))
    assert found["max_connections"] == "300"
    assert found["max_db_connections"] == "20"
    assert found["max_client_conn"] == "2000"
    assert found["work_mem"] == "1536kB"


@pytest.mark.parametrize(
    ("machine", "demand", "chosen", "reason"),
    [
        (VPS, DEMAND, Given(max_connections=39), "max_connections is 39, but 40 are needed"),
        (VPS, DEMAND, Given(pool_size=80), "max_connections"),
        (VPS, DEMAND, Given(max_connections=60, pool_size=50), "Raise max_connections or shrink the pool"),
        (VPS, DEMAND, Given(max_clients=234), "max_client_conn is 234, but 235 are needed"),
        (VPS, DEMAND, Given(db_connections=9), "max_db_connections is 9, but the pool of one role alone has 10"),
        (VPS, DEMAND, Given(db_connections=0), "max_db_connections is 0"),
        (VPS, DEMAND, Given(max_connections=100, db_connections=76), "101 are needed: pgbouncer's max_db_connections of 76"),
        (VPS, DEMAND, Given(pool_size=0), "The pool of pgbouncer is 0"),
        (replace(VPS, memory_mb=512), DEMAND, Given(), "Use a server with at least"),
        (VPS, DEMAND, Given(max_connections=1000), "are too few for 1000 connections"),
        (VPS, DEMAND, Given(work_mem="8mb"), "work_mem is '8mb': the units are"),
        (VPS, DEMAND, Given(work_mem="-1"), "work_mem is '-1': the least is 64kB"),
        (VPS, DEMAND, Given(shared_buffers="1e999"), "shared_buffers is '1e999': the least is 128kB"),
        (replace(VPS, memory_mb=0), DEMAND, Given(), "The memory in MiB is 0"),
        (replace(VPS, cores=0), DEMAND, Given(), "The number of cores is 0"),
        (replace(VPS, disk="tape"), DEMAND, Given(), "'tape'"),
        (VPS, Demand(()), Given(), "No application"),
        (VPS, Demand((Application("x", 0),)), Given(), "'x' has a pool of 0"),
        (VPS, replace(DEMAND, statement_timeout_s=-1), Given(), "statement_timeout is -1"),
        (VPS, replace(DEMAND, connect_timeout_s=60), Given(), "not below the statement timeout"),
        (VPS, replace(DEMAND, transaction_ms=float("nan")), Given(), "transaction_ms is nan"),
        (VPS, replace(DEMAND, transaction_ms=float("inf")), Given(), "transaction_ms is inf"),
        (VPS, replace(DEMAND, transaction_ms=5000), Given(), "longer than the 15 s that a client waits"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(machine, demand, chosen, reason):
    if chosen == Given(pool_size=80):
        # A pool above what is customary raises the connections instead; only an own limit makes it a contradiction.
        assert int(values(tune(machine, demand, chosen))["max_connections"]) >= 120
        chosen = Given(pool_size=80, max_connections=100)
    with pytest.raises(PgkeelError, match=reason) as caught:
        tune(machine, demand, chosen)
    assert str(caught.value).endswith(".")


def test_the_memory_that_a_refusal_names_is_enough():
    with pytest.raises(PgkeelError) as caught:
        tune(Machine(2, 512), DEMAND)
    least = int(caught.value.cure.split("at least ")[1].split()[0])
    assert 512 < least <= 1024
    # The demand, not the customary hundred, is what the refusal was about.
    tune(Machine(2, least), DEMAND, Given(max_connections=40))


@given(
    st.integers(1, 128),
    st.integers(1024, 1 << 20),
    st.sampled_from(DISKS),
    st.lists(st.builds(Application, st.just("x"), st.integers(1, 40), st.integers(1, 8)), min_size=1, max_size=5),
    st.integers(1, 500),
)
def test_whatever_it_gives_fits_together(cores, memory, disk, applications, burst):
    demand = Demand(applications, burst_clients=burst)
    try:
        tuning = tune(Machine(cores, memory, disk), demand)
    except PgkeelError:
        return
    found = values(tuning)
    mib = {name: number(found[name], "MB") for name in found if found[name].endswith(("kB", "MB"))}
    connections = int(found["max_connections"])
    sorting = connections + int(found["max_parallel_workers"])
    worst = (
        mib["shared_buffers"]
        + mib["maintenance_work_mem"]
        + int(found["autovacuum_max_workers"]) * mib["autovacuum_work_mem"]
        + 4 * connections
        + sorting * 2 * mib["work_mem"]
    )
    assert worst < memory * 0.91
    assert int(found["default_pool_size"]) + int(found["reserve_pool_size"]) == int(found["max_db_connections"]) < connections
    assert int(found["max_client_conn"]) >= demand.clients + burst
    assert int(found["max_parallel_workers"]) <= int(found["max_worker_processes"])
    assert mib["min_wal_size"] < mib["max_wal_size"]
    assert int(found["listen_backlog"]) >= burst


@given(
    st.integers(1, 128),
    st.integers(1024, 1 << 18),
    st.none() | st.integers(64, 1 << 20),
    st.none() | st.integers(16, 1 << 24),
)
def test_whatever_the_operator_gives_is_taken_and_fits_or_is_warned_of(cores, memory, work_kb, buffers):
    chosen = Given(work_mem=work_kb and f"{work_kb}kB", shared_buffers=buffers and str(buffers))
    try:
        tuning = tune(Machine(cores, memory), DEMAND, chosen)
    except PgkeelError:
        # The server is too small whatever one gives.
        assert work_kb is buffers is None
        return
    found = values(tuning)
    shared = buffers / 128 if buffers else number(found["shared_buffers"], "MB")
    assert work_kb is None or found["work_mem"] == f"{work_kb}kB"
    assert buffers is None or found["shared_buffers"] == str(buffers)
    maintenance = number(found["maintenance_work_mem"], "MB") + 3 * number(found["autovacuum_work_mem"], "MB")
    connections = int(found["max_connections"])
    worst = shared + maintenance + 4 * connections + (connections + cores) * 2 * number(found["work_mem"], "kB") / 1024
    assert tuning.memory.worst == pytest.approx(worst, abs=2)
    fits = any(line.startswith("memory:") for line in tuning.fits)
    assert fits == (not tuning.warnings) == (tuning.memory.worst + tuning.memory.system <= memory)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (
            Given(work_mem="9MB"),
            "work_mem 9MB, .* 204 sorts or hashes may take 1836 MiB at once, and 1815 of 4096 .* of 9110kB would",
        ),
        (Given(shared_buffers="3GB"), "shared_buffers 3GB, .* may take 204 MiB at once, and 0 of 4096 .* No work_mem would fit"),
        (Given(work_mem="32MB", shared_buffers="2GB"), "work_mem 32MB and shared_buffers 2GB, .* work_mem of 3970kB would fit"),
    ],
)
def test_what_the_memory_does_not_hold_is_warned_of_with_what_it_would(chosen, reason):
    (warning,) = tune(VPS, DEMAND, chosen).warnings
    assert re.search(reason, warning), warning


def test_what_a_warning_names_fits():
    for chosen in (Given(work_mem="9110kB"), Given(work_mem="3970kB", shared_buffers="2GB"), Given()):
        assert tune(VPS, DEMAND, chosen).warnings == ()


@pytest.mark.parametrize("chosen", [Given(), Given(db_connections=40), Given(processes=2), Given(db_connections=15)])
def test_a_role_that_may_have_what_pgbouncer_opens_is_taken(chosen):
    tuning = tune(VPS, DEMAND, replace(chosen, pool_size=10, reserve_size=5, role_limits={"app": 15, "other": -1}))
    assert [line for line in tuning.fits if line.startswith("role")] == ["role app: 15 through pgbouncer <= 15"]


def test_less_for_one_leaves_more_for_the_other():
    assert values(tune(VPS, DEMAND, Given(shared_buffers="12288")))["work_mem"] == "13MB"  # 12288 x 8 kB = 96 MB: 2743 / 204
    assert values(tune(VPS, DEMAND, Given(shared_buffers="96MB")))["shared_buffers"] == "96MB"


@pytest.mark.parametrize(("connect", "reserve"), [(5, "3"), (4, "3"), (3, "2"), (2, "1"), (1, "1")])
def test_the_reserve_helps_before_the_client_gives_up(connect, reserve):
    assert values(tune(VPS, replace(DEMAND, connect_timeout_s=connect)))["reserve_pool_timeout"] == reserve


def test_what_the_operator_gave_is_not_explained_as_reckoned():
    chosen = Given(
        max_connections=300,
        pool_size=20,
        reserve_size=0,
        max_clients=2000,
        db_connections=20,
        work_mem="1MB",
        shared_buffers="512MB",
    )
    tuning = tune(VPS, DEMAND, chosen)
    reasons = {choice.name: choice.because for choice in (*tuning.settings, *tuning.pgbouncer)}
    given_ones = ("max_connections", "default_pool_size", "reserve_pool_size", "max_client_conn", "max_db_connections")
    given_ones += ("work_mem", "shared_buffers")
    assert {name: reasons[name] for name in given_ones} == dict.fromkeys(given_ones, "given by the operator")


def test_every_value_has_its_reason_in_one_line():
    tuning = tune(VPS, DEMAND)
    choices = (*tuning.settings, *tuning.pgbouncer, *tuning.left_alone)
    assert len({choice.name for choice in choices}) == len(choices)
    for choice in choices:
        assert len(choice.because) > 10
        assert "\n" not in choice.explain()
    assert {"io_combine_limit", "transaction_timeout", "summarize_wal", "pg_stat_checkpointer", "data_checksums"} <= {
        choice.name for choice in choices
    }


@pytest.mark.parametrize(("amount", "text"), [(4, "4MB"), (1.5, "1536kB"), (8.9, "8MB"), (1, "1024kB")])
def test_sizes_are_written_in_units_that_lose_nothing(amount, text):
    assert megabytes(amount) == text
