"""What a run changes around PostgreSQL is in the plan as well."""

import pytest
from pgkeel.plan.document import describe, headlines, make_document
from pgkeel.plan.system import job_changes, new_packages

APT = """Reading package lists...
Building dependency tree...
The following additional packages will be installed:
  libevent-2.1-7t64 libpq5
The following NEW packages will be installed:
  libevent-2.1-7t64 libpq5
  pgbouncer
0 upgraded, 3 newly installed, 0 to remove and 0 not upgraded.
Inst pgbouncer (1.24.1-1 Debian:13/stable [amd64])
"""


def test_declared_packages_are_new_where_apt_installs_them():
    installs = [{"wanted": ["pgbouncer", "acl"], "said": APT}, {"wanted": ["nftables"], "said": ""}]
    assert new_packages(installs) == ["pgbouncer"]


def test_a_declared_package_that_came_along_with_another_is_new_all_the_same():
    assert new_packages([{"wanted": ["pgbouncer"], "said": APT}, {"wanted": ["libpq5"], "said": ""}]) == ["libpq5", "pgbouncer"]


def test_what_apt_could_not_be_asked_about_counts_as_new():
    assert new_packages([{"wanted": ["postgresql-17"], "said": "", "unseen": True}]) == ["postgresql-17"]


def test_an_upgrade_is_no_new_package():
    said = (
        "The following packages will be upgraded:\n  pgbouncer\n1 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"
    )
    assert new_packages([{"wanted": ["pgbouncer"], "said": said}]) == []


def test_jobs_are_named_once_whatever_of_them_changes():
    found = job_changes(
        {"set": ["pgkeel-backup.service", "pgkeel-backup.timer", "pgkeel-failure@.service"], "removed": ["pgkeel-old.timer"]}
    )
    assert found == [{"job": "backup", "action": "set"}, {"job": "old", "action": "remove"}]
    # A job that loses its timer stays a job.
    assert job_changes({"set": ["pgkeel-drill.service"], "removed": ["pgkeel-drill.timer"]}) == [
        {"job": "drill", "action": "set"}
    ]


@pytest.mark.parametrize(
    ("around", "line", "headline"),
    [
        ({"pgbouncer": {}, "toolchain": {"builds": True}}, "Python environment is built", "environment"),
        ({"toolchain": {"apt": [{"wanted": ["pgbouncer"], "said": APT}]}}, "Packages: pgbouncer", "packages pgbouncer"),
        ({"certificate": {"action": "make"}}, "A certificate is made", "certificate"),
        ({"certificate": {"action": "protect"}}, "key gets its owner and mode", "certificate"),
        ({"firewall": {"action": "set"}}, "firewall's rules are set", "firewall"),
        ({"firewall": {"action": "remove"}}, "firewall's rules are removed", "firewall"),
        ({"schedule": {"set": ["pgkeel-audit.timer"]}}, "Schedule: set audit", "schedule"),
        ({"schedule": {"removed": ["pgkeel-audit.timer"]}}, "Schedule: remove audit", "schedule"),
        ({"schedule": {"release": True}}, "this release", "schedule"),
        ({"schedule": {"inventory": True}}, "these values", "schedule"),
    ],
)
def test_any_single_change_is_in_the_plan(around, line, headline):
    plan = make_document({}, {}, {}, around)
    assert plan["empty"] is False
    assert any(line in shown for shown in describe(plan, done=False))
    assert headlines(plan) == [headline]


def test_packages_of_postgresql_and_pgbouncer_count_too():
    assert make_document({}, {}, {"apt": [{"wanted": ["pgbouncer"], "said": APT}]})["packages"] == ["pgbouncer"]


def test_nothing_around_it_is_an_empty_plan():
    around = {
        "toolchain": {"apt": [{"wanted": ["acl"], "said": ""}], "builds": False},
        "certificate": {"apt": [], "action": "none"},
        "firewall": {"apt": [], "action": "none"},
        "schedule": {"release": False, "inventory": False, "set": [], "removed": []},
    }
    plan = make_document({}, {}, {}, around)
    assert plan["empty"] is True
    assert headlines(plan) == []


def test_a_new_certificate_is_loaded_by_a_reload_and_by_a_restart_anyhow():
    made = {"certificate": {"action": "make"}}
    assert make_document({}, {}, {}, made)["action"] == "reload"
    assert make_document({"restart_now": True}, {}, {}, made)["action"] == "restart"
    assert make_document({}, {}, {}, {"certificate": {"action": "protect"}})["action"] == "none"
