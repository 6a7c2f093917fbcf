"""Logging in through pgbouncer: who gets in, who does not, and what it keeps."""

import secrets

import psycopg
import pytest
from psycopg import sql

PASSWORD = "only-for-this-test"


@pytest.fixture
def login(connection):
    """A factory of throwaway roles."""
    admin = connection()
    made = []

    def make(attributes: str = "") -> str:
        name = f"it_{secrets.token_hex(4)}"
        made.append(name)
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + attributes).format(sql.Identifier(name), sql.Literal(PASSWORD))
        )
        return name

    yield make
    for name in made:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [name])
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def through(server, role: str, query: str = "SELECT current_user", password: str = PASSWORD, database: str = "postgres"):
    return server.run(
        f"PGPASSWORD='{password}' psql -X -h 127.0.0.1 -p 6432 -U {role} -d {database} -At -c \"{query}\"",
        check=False,
        timeout=30,
    )


def test_a_role_gets_in_with_its_password(server, login):
    role = login()
    assert through(server, role).stdout.strip() == role


def test_a_wrong_password_is_refused(server, login):
    done = through(server, login(), password="wrong")
    assert done.returncode != 0
    assert "authentication failed" in done.stderr


def test_an_unknown_role_is_refused(server):
    done = through(server, "it_nobody")
    assert done.returncode != 0
    assert "FATAL" in done.stderr


@pytest.mark.parametrize("attributes", ["VALID UNTIL '2001-01-01'", "SUPERUSER", "REPLICATION"])
def test_these_never_get_in(server, connection, login, attributes):
    role = login(attributes)
    done = through(server, role)
    assert done.returncode != 0
    assert "FATAL" in done.stderr
    # PostgreSQL might have refused it as well; the lookup itself must not show it.
    assert connection().execute("SELECT count(*) FROM pgbouncer.find_login(%s)", [role]).fetchone() == (0,)


def test_a_password_that_expires_later_still_works(server, login):
    role = login("VALID UNTIL '2100-01-01'")
    assert through(server, role).stdout.strip() == role


def test_nobody_else_may_look_logins_up(connection, login):
    admin = connection()
    admin.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(login())))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute("SELECT * FROM pgbouncer.find_login('postgres')")


def test_pgbouncer_itself_reads_only_through_the_lookup(connection, login):
    role, admin = login(), connection()
    admin.execute("SET ROLE pgbouncer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute("SELECT rolpassword FROM pg_authid")
    # A table of the caller's own does not get between the function and the catalog.
    admin.execute("SET search_path = pg_temp")
    admin.execute("CREATE TEMP TABLE pg_authid (rolname text)")
    row = admin.execute("SELECT login, verifier FROM pgbouncer.find_login(%s)", [role]).fetchone()
    assert row[0] == role
    assert row[1].startswith("SCRAM-SHA-256$4096:")
    assert admin.execute("SELECT count(*) FROM pgbouncer.find_login('postgres')").fetchone() == (0,)


def test_transactions_share_connections_and_prepared_statements_survive_it(server, login):
    script = f"""
import psycopg
with psycopg.connect("host=127.0.0.1 port=6432 dbname=postgres user={login()} password={PASSWORD}", autocommit=True) as c:
    seen = {{c.execute("SELECT %s::int", [i], prepare=True).fetchone()[0] for i in range(20)}}
    with c.transaction():
        c.execute("SELECT 1")
    print(len(seen))
"""
    assert server.run("/opt/pgkeel/venv/bin/python -", stdin=script).stdout.strip() == "20"


def test_it_runs_with_what_was_declared(server):
    shown = server.run("su postgres -c \"psql -X -p 6432 -U pgbouncer -d pgbouncer -At -F= -c 'SHOW CONFIG'\"").stdout
    config = dict(line.split("=")[:2] for line in shown.splitlines())
    assert config["pool_mode"] == "transaction"
    assert config["auth_type"] == "scram-sha-256"
    assert config["query_wait_timeout"] == "15"
    assert {"extra_float_digits", "statement_timeout"} <= set(config["ignore_startup_parameters"].split(","))
    assert int(config["listen_backlog"]) >= 1024
    limits = server.run("cat /proc/$(systemctl show -P MainPID pgbouncer)/limits").stdout
    files = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(files.split()[3]) >= 2 * int(config["max_client_conn"])


def test_a_timeout_asked_for_at_the_start_does_not_keep_the_application_out(server, login, connection):
    role = login()
    connection().execute(sql.SQL("ALTER ROLE {} SET statement_timeout = '60s'").format(sql.Identifier(role)))
    shown = server.run(
        f"PGPASSWORD={PASSWORD} PGOPTIONS='-c statement_timeout=60000' psql -XAt -h 127.0.0.1 -p 6432 -U {role} -d postgres "
        "-c 'SHOW statement_timeout'"
    )
    assert shown.stdout.strip() == "1min"


def test_its_file_is_not_for_everybody(server):
    assert server.run("stat -c '%a %U' /etc/pgbouncer/pgbouncer.ini").stdout.split() == ["640", "postgres"]
