"""What the roles found becomes one plan."""

import pytest
from pgkeel.plan.document import describe, headlines, make_document
from pgkeel.plan.privileges import lacks_of_new

RESTART = {"name": "shared_buffers", "old": "128MB", "new": "1GB", "needs": "restart"}
RELOAD = {"name": "work_mem", "old": "4MB", "new": "16MB", "needs": "reload"}
INDEX = {"name": "t_a_idx", "table": "t", "state": "built", "reason": "", "size_bytes": None, "estimated_bytes": 2_000_000}

TABLE = {"name": "public.visit", "state": "ok", "partitions": 4, "drops": [], "queries": []}


def settings(*changes, **more):
    return {"settings": list(changes), "policy": "allowed", "restart_now": any(c["needs"] == "restart" for c in changes), **more}


def test_nothing_is_an_empty_plan():
    plan = make_document(settings(), {"lacks": {"edtech": []}, "indexes": {"edtech": [INDEX | {"state": "ok"}]}}, {})
    assert plan["empty"] is True
    assert plan["action"] == "none"
    assert describe(plan, done=False) == ["Nothing changes."]


@pytest.mark.parametrize(
    ("postgresql", "database", "pgbouncer"),
    [
        (settings(RELOAD), {}, {}),
        (settings(access_rules=True), {}, {}),
        (settings(reloads=True), {}, {}),
        (settings(creates=True), {}, {}),
        ({"unknown": "The cluster main is down."}, {}, {}),
        ({}, {"roles": ["app"]}, {}),
        ({}, {"databases": ["edtech"]}, {}),
        ({}, {"lacks": {"edtech": [{"what": "connect", "subject": "app"}]}}, {}),
        ({}, {"indexes": {"edtech": [INDEX]}}, {}),
        ({}, {"partitions": {"edtech": [TABLE | {"state": "declared"}]}}, {}),
        ({}, {"partitions": {"edtech": [TABLE | {"state": "maintained", "drops": ["public.visit_p1"]}]}}, {}),
        ({}, {}, {"installs": True}),
        ({}, {}, {"changed": True}),
        ({}, {}, {"restarts": True}),
    ],
)
def test_any_single_change_is_no_empty_plan(postgresql, database, pgbouncer):
    plan = make_document(postgresql, database, pgbouncer)
    assert plan["empty"] is False
    assert describe(plan, done=False) != ["Nothing changes."]


def test_what_could_not_be_asked_is_named_and_nothing_is_said_of_a_restart():
    plan = make_document({"unknown": "The cluster main is down."}, {}, {"changed": True})
    assert plan["unknown"] == "The cluster main is down."
    assert describe(plan, done=False)[0] == "Not known: The cluster main is down."
    assert not any("PostgreSQL" in line for line in describe(plan, done=False))
    assert headlines(plan)[0] == "unknown"
    assert make_document(settings(), {}, {})["unknown"] == ""


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (settings(RESTART, RELOAD, access_rules=True), "restart"),
        (settings(RELOAD, RESTART), "restart"),
        (settings(RELOAD), "reload"),
        (settings(access_rules=True), "reload"),
        (settings(reloads=True), "reload"),
        (settings(RESTART, reloads=True), "restart"),
        (settings(RESTART) | {"restart_now": False, "policy": "never"}, "reload"),
    ],
)
def test_the_stronger_action_wins(found, action):
    assert make_document(found, {}, {})["action"] == action


def test_a_file_in_other_words_is_loaded_and_said():
    plan = make_document(settings(reloads=True), {}, {})
    assert describe(plan, done=False) == ["PostgreSQL reloads; nobody is disconnected."]
    assert headlines(plan) == ["reload"]


@pytest.mark.parametrize(
    ("found", "act"),
    [
        ({"changed": True}, "change"),
        ({"changed": True, "restarts": True}, "restart"),
        ({"changed": True, "restarts": True, "installs": True}, "install"),
    ],
)
def test_a_restart_of_pgbouncer_is_told_from_a_reload(found, act):
    plan = make_document({}, {}, found)
    assert plan["pgbouncer"] == act
    assert ("have to connect again" in describe(plan, done=False)[-1]) == (act == "restart")


def test_what_may_not_restart_waits_and_is_named():
    plan = make_document(settings(RESTART, RELOAD) | {"restart_now": False, "policy": "never"}, {}, {})
    assert plan["waiting"] == ["shared_buffers"]
    assert "No restart: the policy is never, so shared_buffers wait for the next one." in describe(plan, done=True)


def test_old_and_new_stand_beside_each_other():
    lines = describe(make_document(settings(RESTART), {}, {}), done=False)
    assert "  shared_buffers: 128MB → 1GB" in lines
    assert "PostgreSQL restarts once; open connections end." in lines


def test_a_role_is_created_or_altered():
    plan = make_document({}, {"roles": ["app", "new"], "known_roles": ["app", "postgres"]}, {})
    assert plan["roles"] == [{"name": "app", "action": "alter"}, {"name": "new", "action": "create"}]


def test_a_check_names_the_database_and_not_its_template():
    rows = [{"what": "open to everybody", "subject": "template1"}] * 2
    plan = make_document({}, {"lacks": {"edtech": rows}}, {})
    assert plan["privileges"] == [{"database": "edtech", "what": "open to everybody", "subject": "edtech"}]


def test_an_index_has_its_estimated_size():
    lines = describe(make_document({}, {"indexes": {"edtech": [INDEX]}}, {}), done=False)
    assert "  built edtech: t_a_idx on t, about 2.00 MB" in lines


def test_thousands_of_privileges_are_one_line():
    rows = [{"what": "read", "subject": f"reader on t{number:04}"} for number in range(1000)]
    lines = describe(make_document({}, {"lacks": {"edtech": rows}}, {}), done=False)
    assert sum("reader on" in line for line in lines) == 1
    assert any(line.endswith("and 995 more") for line in lines)


def test_a_new_server_lacks_what_is_declared():
    declared = {
        "extensions": ["pg_stat_statements", "plpgsql"],
        "databases": [{"name": "edtech", "owner": "app", "extensions": ["hypopg"]}],
        "members": {"backup": "pg_read_all_data"},
        "readers": ["readonly"],
        "writers": ["app", "worker"],
    }
    lacks = lacks_of_new(declared)
    assert [row["subject"] for row in lacks["postgres"]] == ["pg_stat_statements", "backup in pg_read_all_data"]
    assert {"what": "extension", "subject": "hypopg"} in lacks["edtech"]
    future = [row["subject"] for row in lacks["edtech"] if row["what"] == "future tables"]
    assert future == ["readonly of app", "worker of app"]


def test_partitions_that_go_are_named_with_what_they_cost():
    tables = [
        TABLE,
        # Made ahead of time, as every day: no change of what is declared.
        TABLE | {"name": "public.log", "state": "maintained"},
        TABLE | {"name": "public.event", "state": "changed", "drops": ["public.event_p1", "public.event_p2"]},
        TABLE | {"name": "public.old", "state": "maintained", "drops": ["public.old_p1"]},
        TABLE | {"name": "public.new", "state": "declared"},
    ]
    plan = make_document({}, {"partitions": {"edtech": tables}}, {})
    assert [row["table"] for row in plan["partitions"]] == ["public.event", "public.old", "public.new"]
    lines = describe(plan, done=False)
    assert "  changed edtech: public.event, DROPS with all their rows: public.event_p1, public.event_p2" in lines
    assert "  keep edtech: public.old, DROPS with all their rows: public.old_p1" in lines
    assert "  declared edtech: public.new" in lines
    assert "  keep edtech: public.old, dropped with all their rows: public.old_p1" in describe(plan, done=True)
    assert headlines(plan) == ["partitions: 3"]
    healthy = make_document({}, {"partitions": {"edtech": tables[:2]}}, {})
    assert healthy["empty"] is True
