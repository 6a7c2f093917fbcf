"""What the roles refuse of an inventory, and the limits they derive from it, with Ansible's own templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from pgkeel.errors import PgkeelError
from pgkeel.postgres.role_settings import refuse_bad_names

ROLES = Path(__file__).parents[3] / "roles"


def trusted(value: Any) -> Any:
    return trust_as_template(value) if isinstance(value, str) else value


def filled(text: str, **variables: Any) -> Any:
    known = {name: trusted(value) for name, value in variables.items()}
    return Templar(DataLoader(), variables=known).template(trust_as_template(text))


def refused(file: str, task: str, found: str, **given: Any) -> Any:
    """What the variable ``found`` of a task lists."""
    tasks = {one["name"]: one for one in yaml.safe_load((ROLES / file).read_text())}
    return filled("{{ " + found + " }}", **tasks[task]["vars"], **given)


@pytest.mark.parametrize(
    ("window", "bad"),
    [("Sun 03:00-05:00", False), ("23:00-03:00", False), ("Sun 03:00-03:00", True), ("00:00-00:00", True), ("soon", True)],
)
def test_a_window_has_two_ends(window, bad):
    name = "validate | Refuse windows for restarts that cannot be read"
    found = refused("postgresql/tasks/validate.yml", name, "__postgresql_unread", postgresql_restart_windows=[window])
    assert found == ([window] if bad else [])


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ("host all all 0.0.0.0/0 trust", True),
        ("hostssl all all 192.0.2.0 255.255.255.0 trust", True),
        ("host a, b all ::/0 md5", True),
        ("hostnossl all all samenet  md5  # for now", True),
        ("local all old md5", True),
        ("local all app trust", False),
        ("host trust md5 192.0.2.0/24 scram-sha-256", False),
        ("hostssl all all 192.0.2.0/24 cert map=md5", False),
        ("local md5 all peer map=trust", False),
        ("# host all all 0.0.0.0/0 trust", False),
    ],
)
def test_nobody_is_trusted_over_tcp_and_md5_is_gone(line, bad):
    name = "validate | Refuse access rules that trust the network or take md5"
    found = refused("postgresql/tasks/validate.yml", name, "__postgresql_weak", postgresql_hba_extra=[line])
    assert found == ([line] if bad else [])


GOOD_NETWORKS = (
    "192.0.2.0/24", "0.0.0.0/0", "192.0.2.7/32", "192.0.2.0 255.255.255.0", "samenet", "samehost", "all", "db.example.com",
    ".example.com", "2001:db8::/32", "::/0", "::1/128", "fe80::1%eth0/64", "2001:db8:0:1:2:3:4:5/128", "1:2:3:4:5:6:7::/112",
    "::ffff:192.0.2.0/120", "2001:db8:: ffff:ffff::",
)  # fmt: skip
BAD_NETWORKS = (
    "192.0.2.0/99", "192.0.2.0/33", "192.0.2.0", "192.0.2.0/", "192.0.2.256/24", "192.0.2/24", "192.0.2.0/255.255.255.0",
    "2001:db8::", "2001:db8::/129", "2001:db8:::/32", "1::2::3/64", "1:2:3/64", "1:2:3:4:5:6:7:8::/64",
    "1:2:3:4:5:6:7:8:9/64", "12345::/16", "g::/16", "db.example.com/24", "samenet/24", "192.0.2.0/24 # office", "",
    "192.0.2.0/24, 198.51.100.0/24",
)  # fmt: skip


@pytest.mark.parametrize(("network", "bad"), [(one, False) for one in GOOD_NETWORKS] + [(one, True) for one in BAD_NETWORKS])
@pytest.mark.parametrize("mapping", [False, True])
def test_a_network_is_one(network, bad, mapping):
    given = [{"network": network, "tls": False} if mapping else network]
    name = "validate | Refuse networks that are none"
    found = refused("postgresql/tasks/validate.yml", name, "__postgresql_no_network", postgresql_hba_networks=given)
    assert found == ([network] if bad else [])


def test_a_mapping_names_its_network():
    name = "validate | Refuse networks that are none"
    given = [{"databases": ["edtech"]}, {"network": 10}, 10]
    found = refused("postgresql/tasks/validate.yml", name, "__postgresql_no_network", postgresql_hba_networks=given)
    assert found == ["(none)", "10", "(none)"]


@pytest.mark.parametrize(
    ("days", "own", "bad"),
    [(31, True, False), (3650, True, False), (30, True, True), ("0", True, True), (-1, True, True), (20, False, False)],
)
def test_a_certificate_lasts_until_the_next_run(days, own, bad):
    name = "validate | Refuse days that would be over at the next run"
    given = {"certificate_days": days, "certificate_own": own}
    assert refused("certificate/tasks/validate.yml", name, "__certificate_too_short", **given) is bad


def test_what_is_refused_before_any_change_is_refused_before_the_first_role():
    play = yaml.safe_load((ROLES.parent / "playbooks/site.yml").read_text())[0]
    asked = {task["ansible.builtin.import_role"]["name"] for task in play["pre_tasks"] if "ansible.builtin.import_role" in task}
    assert {place.parts[-3] for place in ROLES.glob("*/tasks/validate.yml")} <= asked


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"port": 5433}, ["port"]),
        ({"Port": "5432", "work_mem": "8MB"}, []),
        ({"unix_socket_directories": "/tmp"}, ["unix_socket_directories"]),
        ({"unix_socket_directories": "/tmp, /run/postgresql"}, []),
        ({}, []),
    ],
)
def test_the_server_stays_where_pgkeel_looks_for_it(settings, names):
    name = "validate | Refuse settings that would move the server away from under pgkeel"
    given = {"postgresql_settings": settings, "postgresql_port": 5432}
    assert refused("postgresql/tasks/validate.yml", name, "__postgresql_moved", **given) == names


@pytest.mark.parametrize(
    ("value", "bad"), [("60s", False), (0, False), ("-1", True), (-1, True), (" -5s", True), ("1min", False)]
)
@pytest.mark.parametrize("own", [True, False])
def test_a_timeout_of_a_role_is_not_below_zero(value, bad, own):
    settings = {"lock_timeout": value, "work_mem": "8MB", "seq_page_cost": "-1"}
    given = {
        "database_role_settings": {"application": {} if own else settings, "backup": {"statement_timeout": "0"}},
        "database_roles": [{"name": "app", "settings": settings} if own else {"name": "app"}],
    }
    found = refused("database/tasks/preflight.yml", "preflight | Refuse timeouts below zero", "__database_negative", **given)
    assert [item["key"] for item in found] == (["lock_timeout"] if bad else [])


def misspelt(own: bool, **settings: Any) -> Any:
    """What the task that refuses settings asks about, of one role's own or its kind's."""
    tasks = {one["name"]: one for one in yaml.safe_load((ROLES / "database/tasks/preflight.yml").read_text())}
    task = tasks["preflight | Refuse settings that no role can have"]
    given = {
        "database_role_settings": {"application": {} if own else settings, "backup": {"statement_timeout": "0"}},
        "database_roles": [{"name": "app", "settings": settings} if own else {"name": "app"}],
        "__database_own_settings": json.loads((ROLES / "postgresql/files/new_server.json").read_text())["settings"],
    }
    return {name: filled(text, **(task["vars"] | given)) for name, text in task["pg_role_settings"].items()}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "statement_timout",
            "'statement_timout', and PostgreSQL has none of that name. Did you mean statement_timeout; nothing was changed",
        ),
        ("zzz", "'zzz', and PostgreSQL has none of that name. See pg_settings"),
        ("Shared_Buffers", "which is one for the whole server"),
        ("checkpoint_timeout", "Set it in postgresql_settings"),
    ],
)
def test_a_setting_that_no_role_can_have_is_refused(own, name, reason):
    with pytest.raises(PgkeelError, match=reason):
        refuse_bad_names(**misspelt(own, lock_timeout="1s", **{name: "1"}))


@pytest.mark.parametrize(
    "name",
    ["Work_Mem", "TimeZone", "search_path", "role", "app.tenant", "plpgsql.extra_warnings", "log_connections", "log_statement"],
)
def test_a_setting_that_a_role_can_have_passes(name):
    asked = misspelt(True, **{name: "1"})
    assert asked["names"] == ["statement_timeout", name]
    refuse_bad_names(**asked)


def test_the_roles_own_defaults_pass():
    defaults = yaml.safe_load((ROLES / "database/defaults/main.yml").read_text())["database_role_settings"]
    refuse_bad_names(**misspelt(False, **{name: value for kind in defaults.values() for name, value in kind.items()}))


@pytest.mark.parametrize(
    ("argument", "given", "value"),
    [
        ("cores", {"tuning_cores": -4}, -4),
        ("cores", {"tuning_cores": 0}, 2),
        ("memory_mb", {"tuning_memory_mb": -100}, -100),
        ("memory_mb", {"tuning_memory_mb": 0}, 4096),
        ("reserve_size", {"pgbouncer_reserve_pool_size": -5}, -5),
        ("reserve_size", {"pgbouncer_reserve_pool_size": 0}, 0),
        ("reserve_size", {"pgbouncer_reserve_pool_size": -1}, "omitted"),
        ("work_mem", {"postgresql_settings": {"maintenance_work_mem": "1GB", "Work_Mem": "9MB"}}, "9MB"),
        ("work_mem", {"postgresql_settings": {"maintenance_work_mem": "1GB"}}, "omitted"),
        ("shared_buffers", {"postgresql_settings": {"shared_buffers": 16384}}, 16384),
        ("shared_buffers", {}, "omitted"),
        (
            "role_limits",
            {
                "database_roles": [
                    {"name": "app", "kind": "application", "password": "x", "connection_limit": "9"},
                    {"name": "free", "kind": "application", "password": "x"},
                    {"name": "backup", "kind": "backup", "password": "x", "connection_limit": 2},
                ]
            },
            {"app": 9},
        ),
        ("role_limits", {}, {}),
    ],
)
def test_what_the_operator_gave_reaches_the_equation_that_refuses_it(argument, given, value):
    tasks = yaml.safe_load((ROLES / "tuning/tasks/main.yml").read_text())
    task = next(task for task in tasks if "pg_tuning" in task)
    facts = {"processor_vcpus": 2, "memtotal_mb": 4096}
    assert filled(task["pg_tuning"][argument], **task["vars"], ansible_facts=facts, omit="omitted", **given) == value


@pytest.mark.parametrize(
    ("clients", "files"), [("500", 16384), ("21400", 21600), (None, 16384)], ids=["few", "three hundred processes", "unknown"]
)
def test_pgbouncer_may_open_a_file_for_every_client(clients, files):
    text = yaml.safe_load((ROLES / "pgbouncer/vars/main.yml").read_text())["__pgbouncer_open_files"]
    known = {"tuning_result": {"settings": {"max_connections": "100"}}} if clients else {}
    declared = {"max_client_conn": clients} if clients else {}
    assert int(filled(text, pgbouncer_open_files=16384, __pgbouncer_declared=declared, **known)) == files
