"""The registry: identities, selection, and what a check needs."""

from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest
from pgkeel.audit.checks import ALL
from pgkeel.audit.context import Server
from pgkeel.audit.outcome import CouldNotVerify, NotApplicable
from pgkeel.audit.registry import AREAS, Need, Scope, check, collect
from pgkeel.audit.run import Options, select
from pgkeel.errors import PgkeelError
from pgkeel.report.finding import Finding, Priority

SERVER = Server(
    version="17.0",
    version_number=170000,
    uptime_seconds=1,
    in_recovery=False,
    user="auditor",
    superuser=True,
    reads_all_statistics=True,
    reads_all_settings=True,
    settings={"pg_stat_statements.max": "5000"},
)


def made(identity="H99", needs=()):
    @check(identity, "title", why="why", priority=Priority.P2, needs=needs)
    def one(context):  # noqa: ARG001
        yield Finding(id=identity, priority=Priority.P2, subject="s", summary="s")

    return one


def context(server=SERVER, schema="public"):
    return SimpleNamespace(server=server, statements_schema=schema)


def test_at_least_twenty_checks_in_order_and_every_area():
    assert len(ALL) >= 20
    assert [one.id for one in ALL] == sorted((one.id for one in ALL), key=lambda name: ("HICQS".index(name[0]), name))
    assert {one.area for one in ALL} == set(AREAS.values())


@pytest.mark.parametrize("one", ALL, ids=[one.id for one in ALL])
def test_every_check_says_what_and_why(one):
    assert one.title
    assert not one.title.endswith(".")
    assert one.why.endswith(".")
    assert one.find.__doc__


@pytest.mark.parametrize("identity", ["X01", "H1", "H001", "h01", ""])
def test_a_malformed_id_is_refused(identity):
    with pytest.raises(ValueError, match="is no check id"):
        made(identity)


def test_two_checks_with_one_id_are_refused():
    one, two = ModuleType("one"), ModuleType("two")
    one.first, two.second = made(), made()
    with pytest.raises(ValueError, match="two checks have the id H99"):
        collect(one, two)
    two.second = one.first
    assert collect(one, two) == (one.first,)


@pytest.mark.parametrize(
    ("need", "server", "schema", "outcome", "words"),
    [
        (Need.PRIMARY, replace(SERVER, in_recovery=True), "public", NotApplicable, "standby"),
        (Need.STATEMENTS, SERVER, "", CouldNotVerify, "no audited database has the extension"),
        (Need.STATEMENTS, replace(SERVER, settings={}), "public", CouldNotVerify, "not preloaded"),
        (Need.STATEMENTS, replace(SERVER, reads_all_statistics=False), "public", CouldNotVerify, "role auditor lacks"),
        (Need.ALL_STATISTICS, replace(SERVER, reads_all_statistics=False), "public", CouldNotVerify, "pg_read_all_stats"),
        (Need.ALL_SETTINGS, replace(SERVER, reads_all_settings=False), "public", CouldNotVerify, "pg_read_all_settings"),
        (Need.SUPERUSER, replace(SERVER, superuser=False), "public", CouldNotVerify, "superuser"),
    ],
)
def test_a_need_that_is_not_met_is_never_ok(need, server, schema, outcome, words):
    one = made(needs=(need,))
    assert len(list(one.run(context()))) == 1
    with pytest.raises(outcome, match=words):
        list(one.run(context(server, schema)))


def test_every_need_is_covered_above():
    parameters = test_a_need_that_is_not_met_is_never_ok.pytestmark[0].args[1]
    assert {row[0] for row in parameters} == set(Need)


def test_selection():
    assert select(Options()) == ALL
    assert {one.area for one in select(Options(areas=("security",)))} == {"security"}
    assert [one.id for one in select(Options(checks=("S01", "H01")))] == ["H01", "S01"]
    assert select(Options(areas=("health",), checks=("S01",))) == ()
    with pytest.raises(PgkeelError, match="Unknown audit check 'H9'"):
        select(Options(checks=("H9",)))
    with pytest.raises(PgkeelError, match="Unknown audit area 'Health'"):
        select(Options(areas=("Health",)))


def test_cluster_is_the_default_scope():
    assert made().scope is Scope.CLUSTER
