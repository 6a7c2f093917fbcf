"""pg_settings on a real server: what it predicts, writes and refuses."""

import pytest

CONF_DIR = "/etc/postgresql/17/main/conf.d"
# Files of the test's own, so that those of the roles stay as they are.
FILES = {"conf_dir": CONF_DIR, "restart_file": "80-test-restart.conf", "reload_file": "81-test-reload.conf"}


@pytest.fixture
def declare(server, connection):
    def run(settings=None, *, check=False, preload=(), **arguments):
        return server.module(
            "pg_settings", {**FILES, "settings": settings or {}, "preload": list(preload), **arguments}, check=check
        )

    yield run
    connection().execute("ALTER SYSTEM RESET ALL")
    server.run(f"rm -f {CONF_DIR}/8?-test-* && systemctl reload postgresql@17-main && sleep 0.3")


def files(server) -> str:
    return server.run(f"ls {CONF_DIR}; cat {CONF_DIR}/*.conf").stdout


def reload(server) -> None:
    server.run("systemctl reload postgresql@17-main && sleep 0.3")


def test_a_check_predicts_what_a_run_changes(server, connection, declare):
    before = files(server)
    wanted = {"work_mem": "7168kB", "max_connections": 321, "log_lock_waits": True}
    predicted = declare(wanted, check=True)
    assert predicted["changed"] is True
    assert files(server) == before
    done = declare(wanted)
    assert done["changed"] is True
    assert done["changes"] == predicted["changes"]
    assert [change["name"] for change in done["changes"]] == ["max_connections", "work_mem"]
    assert (done["restart_settings"], done["reload_settings"]) == (["max_connections"], ["work_mem"])
    reload(server)
    assert connection().execute("SHOW work_mem").fetchone() == ("7MB",)
    again = declare({**wanted, "work_mem": "7MB"}, check=True)
    assert again["reload_settings"] == []
    assert (again["restart_settings"], again["pending_restart"]) == (["max_connections"], ["max_connections"])
    assert declare(wanted)["changed"] is False


def test_an_interrupted_run_is_not_forgotten(declare):
    declare({"work_mem": "7MB"})
    again = declare({"work_mem": "7MB"})
    assert again["changed"] is False
    assert again["reload_settings"] == ["work_mem"]


def test_what_is_left_out_goes_back(server, connection, declare):
    old = connection().execute("SHOW work_mem").fetchone()
    declare({"work_mem": "7MB"})
    reload(server)
    gone = declare({})
    assert [change["name"] for change in gone["changes"]] == ["work_mem"]
    reload(server)
    assert connection().execute("SHOW work_mem").fetchone() == old


def test_a_foreign_library_is_kept(declare):
    done = declare(preload=["auto_explain"], check=True)
    assert done["preloaded"] == ["pg_stat_statements", "auto_explain"]
    assert done["restart_settings"] == ["shared_preload_libraries"]


@pytest.mark.parametrize(
    ("settings", "preload", "message"),
    [
        ({"work_men": "8MB"}, [], "Did you mean work_mem"),
        ({"work_mem": "8mb"}, [], "the units are"),
        ({"max_connections": 0}, [], "must lie between 1 and"),
        ({"wal_level": "hot"}, [], "the choices are"),
        ({"data_directory": "/tmp"}, ["pg_absent"], "pg_absent is not installed"),
        ({"log_timezone": "Mars/Phobos"}, [], "The previous files are back in place"),
    ],
)
def test_refused_with_the_files_as_they_were(server, declare, settings, preload, message):
    before = files(server)
    result = declare(settings, preload=preload)
    assert result["failed"] is True
    assert message in result["msg"]
    assert files(server) == before


def test_alter_system_is_reported_as_what_wins(connection, declare):
    connection().execute("ALTER SYSTEM SET work_mem = '5MB'")
    result = declare({"work_mem": "7MB"})
    assert [entry["effective"] for entry in result["shadowed"]] == ["5MB"]
    assert result["shadowed"][0]["file"].endswith("postgresql.auto.conf")
    assert any("overrides the declared 7MB" in warning for warning in result["warnings"])
    assert result["reload_settings"] == []


def test_a_folder_that_postgresql_does_not_read_is_refused(server, declare):
    server.run("install -d -o postgres /tmp/pgkeel-unread")
    result = declare({"work_mem": "7MB"}, conf_dir="/tmp/pgkeel-unread")
    assert "does not read" in result["msg"]
    assert server.run("ls /tmp/pgkeel-unread && rm -r /tmp/pgkeel-unread").stdout == ""


def test_a_server_that_is_down_is_named(declare):
    result = declare({"work_mem": "7MB"}, login_port=5999)
    assert result["failed"] is True
    assert "Cannot connect" in result["msg"]
    assert "Check that PostgreSQL runs there" in result["msg"]


def test_access_rules_with_a_fault_leave_the_old_ones(server, connection):
    before = server.run("cat /etc/postgresql/17/main/pg_hba.conf").stdout
    result = server.module("pg_hba_rules", {"rules": "local all postgres peer\nhost all all nowhere scram"})
    assert "PostgreSQL refuses the access rules" in result["msg"]
    assert server.run("cat /etc/postgresql/17/main/pg_hba.conf").stdout == before
    assert connection().execute("SELECT 1").fetchone() == (1,)
