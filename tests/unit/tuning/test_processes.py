"""Several pgbouncer processes share what one would have, and never have more together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.tuning.demand import Application, Demand, Given, Machine
from pgkeel.tuning.equation import tune
from pgkeel.tuning.processes import divide, most_at_one

SERVER = Machine(cores=8, memory_mb=16384)
DEMAND = Demand((Application("Drizzle", 20), Application("Kysely", 10), Application("Prisma", 5)))


def test_one_process_has_all_of_it():
    (only,) = tune(SERVER, DEMAND).pools.shares
    pools = tune(SERVER, DEMAND).pools
    assert (only.pool, only.reserve, only.max_clients) == (pools.pool, pools.reserve, pools.max_clients)


@given(st.integers(1, 200), st.integers(0, 100), st.integers(1, 5000), st.integers(1, 64))
def test_shares_add_up_and_are_even(pool, reserve, clients, processes):
    if processes > pool:
        return
    shares = divide(pool, reserve, clients, processes)
    assert len(shares) == processes
    assert sum(share.pool for share in shares) == pool
    assert sum(share.per_database for share in shares) == pool + reserve
    assert sum(share.max_clients for share in shares) == clients
    assert min(share.pool for share in shares) >= 1
    for sizes in ([s.pool for s in shares], [s.reserve for s in shares], [s.max_clients for s in shares]):
        assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 200), st.integers(0, 300), st.integers(1, 64))
def test_a_given_limit_is_divided_and_holds_each_pool(pool, more, processes):
    if processes > pool:
        return
    shares = divide(pool, 0, 100, processes, pool + more)
    assert sum(share.per_database for share in shares) == pool + more
    assert all(share.per_database >= share.pool for share in shares)


def test_who_gets_less_of_the_pool_gets_more_of_the_reserve():
    assert [(share.pool, share.reserve) for share in divide(11, 5, 500, 2)] == [(6, 2), (5, 3)]


def test_each_process_looks_logins_up_over_connections_of_its_own():
    assert tune(SERVER, DEMAND, Given(max_connections=200, pool_size=10, processes=4)).pools.max_connections == 200
    with pytest.raises(PgkeelError, match=r"max_connections is 45, but 46 are needed.* 8 lookups"):
        tune(SERVER, DEMAND, Given(max_connections=45, pool_size=10, processes=4))


def test_the_client_limit_allows_for_an_uneven_spread():
    # 235 clients: 118 at each of two on average, 149 where it is unlucky (118 + 4 x 7.7), so twice that for both.
    assert most_at_one(235, 2) == 149
    assert tune(SERVER, DEMAND, Given(max_clients=298, processes=2)).pools.max_clients == 298
    with pytest.raises(PgkeelError, match=r"max_client_conn is 297, but 298 are needed.* unevenly spread over 2 processes"):
        tune(SERVER, DEMAND, Given(max_clients=297, processes=2))


def test_a_burst_drains_through_the_share_of_the_unluckiest():
    together = tune(SERVER, replace(DEMAND, transaction_ms=400), Given(pool_size=20)).pools.drain_s
    apart = tune(SERVER, replace(DEMAND, transaction_ms=400), Given(pool_size=20, processes=2)).pools.drain_s
    assert (round(together, 2), round(apart, 2)) == (4.0, 5.16)


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        (Given(processes=0), "pgbouncer_processes is 0"),
        (Given(processes=-1), "pgbouncer_processes is -1"),
        (Given(processes=65), "pgbouncer_processes is 65, and 1 to 64 are possible"),
        (Given(pool_size=3, processes=4), "pgbouncer_processes is 4, but the pool has 3 server connections"),
    ],
)
def test_what_cannot_be_divided_is_refused(chosen, reason):
    with pytest.raises(PgkeelError, match=reason) as caught:
        tune(SERVER, DEMAND, chosen)
    assert str(caught.value).endswith("nothing was changed.")


def test_what_the_processes_have_together_is_said():
    fits = tune(SERVER, DEMAND, Given(pool_size=11, reserve_size=5, processes=2)).fits
    assert "processes: 8 + 8 server connections = 16, 250 + 250 clients = 500" in fits
    assert not [line for line in tune(SERVER, DEMAND).fits if line.startswith("processes")]
