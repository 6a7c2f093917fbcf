"""site.yml on a server that it converged before: nothing changes, drift is mended, privileges are as declared."""

import psycopg
import pytest

SITE = "playbooks/site.yml"


@pytest.fixture
def edtech(connection):
    """A superuser's connection to the managed database, with a table that the application made."""
    admin = connection("edtech")
    admin.execute("DROP TABLE IF EXISTS it_privileges; SET ROLE app; CREATE TABLE it_privileges (id serial); RESET ROLE")
    yield admin
    admin.execute("RESET ROLE; DROP TABLE it_privileges")


def test_a_second_run_changes_nothing(server):
    run = server.playbook(SITE)
    assert run.returncode == 0, run.stdout
    assert run.changed_tasks == []


def test_a_check_predicts_and_leaves_everything(server, connection):
    old = connection().execute("SHOW work_mem").fetchone()
    run = server.playbook(SITE, {"postgresql_settings": {"work_mem": "9MB", "max_connections": 123}}, check=True)
    assert run.returncode == 0, run.stdout
    assert "PostgreSQL restarts in a real run, because these settings need it: max_connections" in " ".join(run.stdout.split())
    assert "Settings changed: max_connections, work_mem" in run.stdout
    assert connection().execute("SHOW work_mem").fetchone() == old


def waiting_in_audit(server):
    """Settings that the audit's check C04 says wait for a restart."""
    audit = server.module("pg_audit", {"databases": ["postgres"]})
    (check,) = [result for result in audit["results"] if result["id"] == "C04"]
    return [finding["subject"] for finding in check["findings"]]


def test_with_restart_never_the_settings_wait(server, connection):
    try:
        run = server.playbook(
            SITE, {"postgresql_restart": "never", "postgresql_settings": {"max_connections": 123}}, tags="postgresql"
        )
        assert run.returncode == 0, run.stdout
        assert "wait for the next restart" in " ".join(run.stdout.split())
        pending = connection().execute("SELECT name FROM pg_settings WHERE pending_restart").fetchall()
        assert pending == [("max_connections",)]
        assert waiting_in_audit(server) == ["max_connections"]
    finally:
        back = server.playbook(SITE, tags="postgresql")
    assert back.returncode == 0, back.stdout
    assert connection().execute("SELECT count(*) FROM pg_settings WHERE pending_restart").fetchone() == (0,)
    assert waiting_in_audit(server) == []


def test_drift_is_mended(server, connection):
    admin = connection("edtech")
    admin.execute("ALTER ROLE app CREATEDB; GRANT CONNECT ON DATABASE edtech TO PUBLIC; ALTER ROLE app RESET statement_timeout")
    run = server.playbook(SITE, tags="database")
    assert run.returncode == 0, run.stdout
    assert admin.execute("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'app'").fetchone() == (False,)
    assert admin.execute("SELECT has_database_privilege('public', 'edtech', 'CONNECT')").fetchone() == (False,)
    (settings,) = admin.execute("SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'app'::regrole").fetchone()
    assert "statement_timeout=60s" in settings


def test_statements_are_counted(connection):
    admin = connection("edtech")
    assert admin.execute("SHOW pg_stat_statements.track").fetchone() == ("all",)
    assert admin.execute("SHOW pg_stat_statements.max").fetchone() == ("10000",)
    assert admin.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)


def test_setting_a_password_leaves_it_nowhere(server, connection):
    admin = connection()
    # However slow this one is, it is not to be logged.
    admin.execute("SET log_min_duration_statement = -1")
    admin.execute("ALTER ROLE app PASSWORD NULL")
    admin.execute("SELECT pg_stat_statements_reset()")
    run = server.playbook(SITE, tags="database", arguments=("-vvv",))
    assert run.returncode == 0, run.stdout
    (verifier,) = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").fetchone()
    assert verifier.startswith("SCRAM-SHA-256$4096:")
    assert "SCRAM-SHA-256$" not in run.stdout
    seen = admin.execute("SELECT count(*) FROM pg_stat_statements WHERE query ~* '(role|user) .?app.? .*password .*[''].+['']'")
    assert seen.fetchone() == (0,)
    assert server.run("grep -hiE '(role|user) .?app.? .*password' /var/log/postgresql/postgresql-*.log", check=False).stdout == ""


def test_the_readonly_role_reads_and_writes_nothing(edtech):
    edtech.execute("SET ROLE readonly")
    assert edtech.execute("SELECT count(*) FROM it_privileges").fetchone() == (0,)
    for statement in ("INSERT INTO it_privileges VALUES (1)", "DELETE FROM it_privileges", "CREATE TABLE it_mine (id int)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            edtech.execute(statement)


def test_the_application_role_has_no_power_over_the_server(edtech):
    edtech.execute("SET ROLE app")
    edtech.execute("INSERT INTO it_privileges DEFAULT VALUES")
    for statement in (
        "CREATE ROLE it_role",
        "CREATE DATABASE it_database",
        "SELECT * FROM pg_authid",
        "COPY it_privileges TO '/tmp/x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            edtech.execute(statement)


def test_backup_reads_all_and_monitoring_sees_statistics_only(edtech):
    edtech.execute("SET ROLE backup")
    edtech.execute("SELECT * FROM it_privileges")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        edtech.execute("INSERT INTO it_privileges VALUES (1)")
    edtech.execute("RESET ROLE; SET ROLE monitoring; SELECT query FROM pg_stat_statements; SELECT * FROM pg_stat_activity")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        edtech.execute("SELECT * FROM it_privileges")


def test_passwords_are_scram_and_tcp_trusts_nobody(connection):
    admin = connection()
    rows = admin.execute(
        "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolpassword !~ '^SCRAM-SHA-256'"
    ).fetchall()
    assert rows == []
    rules = admin.execute(
        "SELECT type, database, user_name, address, auth_method FROM pg_hba_file_rules ORDER BY rule_number"
    ).fetchall()
    assert {method for kind, *_, method in rules if kind != "local"} <= {"scram-sha-256", "reject"}
    assert rules[-1] == ("host", ["all"], ["all"], "all", "reject")
