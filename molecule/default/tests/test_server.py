"""What a server is after site.yml, asked from the running server itself."""

import json

import pytest

# The lab's inventory may hold other servers that run now.
testinfra_hosts = ["ansible://molecule"]


@pytest.fixture(scope="module")
def sql(host):
    def ask(statement, database="postgres"):
        done = host.run("runuser -u postgres -- psql -XAtq -d %s -c %s", database, statement)
        assert done.rc == 0, done.stderr
        return done.stdout.strip()

    return ask


@pytest.fixture(scope="module")
def variables(host):
    """The inventory's variables as templates resolve them."""
    names = ("database_roles", "backup_s3_secret_key")
    wanted = ", ".join(f"'{name}': {name}" for name in names)
    return json.loads(host.ansible("ansible.builtin.debug", f"msg={{{{ {{{wanted}}} | to_json }}}}", check=False)["msg"])


def through_pgbouncer(host, variables, statement, *, role="app", database="edtech", password=None):
    secret = password or next(entry["password"] for entry in variables["database_roles"] if entry["name"] == role)
    return host.run(
        "PGPASSWORD=%s PGCONNECT_TIMEOUT=5 psql -XAtq -h 127.0.0.1 -p 6432 -U %s -d %s -c %s", secret, role, database, statement
    )


@pytest.mark.parametrize("service", ["postgresql@17-main", "pgbouncer"])
def test_services_run_and_start_at_boot(host, service):
    assert host.service(service).is_running
    assert host.service(service.partition("@")[0]).is_enabled


def test_sockets(host):
    assert host.socket("tcp://127.0.0.1:5432").is_listening
    assert host.socket("tcp://127.0.0.1:6432").is_listening
    assert host.socket("unix:///var/run/postgresql/.s.PGSQL.5432").is_listening


def test_it_is_postgresql_17(sql):
    assert sql("SHOW server_version_num").startswith("17")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pg_stat_statements.track", "all"),
        ("pg_stat_statements.max", "10000"),
        ("password_encryption", "scram-sha-256"),
        ("data_checksums", "on"),
        ("log_lock_waits", "on"),
    ],
)
def test_settings_as_postgresql_reports_them(sql, name, value):
    assert sql(f"SELECT current_setting('{name}')") == value


def test_every_setting_of_ours_is_in_force_and_none_waits(sql):
    assert sql("SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
    assert sql("SELECT string_agg(sourcefile || ':' || name, ' ') FROM pg_file_settings WHERE error IS NOT NULL") == ""
    assert int(sql("SELECT count(*) FROM pg_settings WHERE sourcefile LIKE '%/conf.d/10-pgkeel-restart.conf'")) > 0
    assert int(sql("SELECT count(*) FROM pg_settings WHERE sourcefile LIKE '%/conf.d/20-pgkeel-reload.conf'")) > 0


def test_pg_stat_statements_is_preloaded_and_counts(sql):
    assert "pg_stat_statements" in sql("SHOW shared_preload_libraries")
    sql("SELECT 4711 AS canary_of_the_molecule_test", "edtech")
    seen = sql("SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%canary_of_the_molecule_test%'", "edtech")
    assert int(seen) >= 1


def test_no_trust_over_tcp_and_the_last_rule_rejects(sql):
    assert sql("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"
    assert (
        sql("SELECT count(*) FROM pg_hba_file_rules WHERE type <> 'local' AND auth_method IN ('trust', 'md5', 'password')") == "0"
    )
    assert sql("SELECT auth_method FROM pg_hba_file_rules ORDER BY rule_number DESC LIMIT 1") == "reject"


def test_login_roles_have_scram_and_no_more_than_they_need(sql):
    rows = json.loads(
        sql("SELECT json_object_agg(rolname, left(rolpassword, 13)) FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL")
    )
    assert {"app", "readonly", "backup", "monitoring"} <= set(rows)
    assert set(rows.values()) == {"SCRAM-SHA-256"}
    assert sql("SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname <> 'postgres'") == "0"


def test_a_query_through_pgbouncer(host, variables):
    done = through_pgbouncer(host, variables, "SELECT current_user || '@' || current_database()")
    assert done.stdout.strip() == "app@edtech", done.stderr


def test_pgbouncer_refuses_a_wrong_password_and_a_superuser(host, variables):
    assert through_pgbouncer(host, variables, "SELECT 1", password="wrong").rc != 0
    assert through_pgbouncer(host, variables, "SELECT 1", role="postgres", password="anything").rc != 0


def test_pgbouncer_pools_transactions(host, variables):
    """Two statements of two clients may share one server connection; a session setting must not leak through it."""
    config = host.file("/etc/pgbouncer/pgbouncer.ini").content_string
    assert "pool_mode = transaction" in config
    assert through_pgbouncer(host, variables, "SHOW statement_timeout").stdout.strip() == "1min"


def test_the_reader_cannot_write(host, variables):
    done = through_pgbouncer(host, variables, "BEGIN READ WRITE; CREATE TABLE public.intruder (); COMMIT", role="readonly")
    assert done.rc != 0
    assert "permission denied" in done.stderr


@pytest.mark.parametrize("job", ["indexes", "backup", "drill", "optimize", "audit"])
def test_the_schedule_is_armed(host, job):
    timer = host.service(f"pgkeel-{job}.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_secrets_on_disk_are_for_root_alone(host, variables):
    secret = variables["backup_s3_secret_key"]
    found = host.run("grep -rlF -- %s /etc /opt/pgkeel /var/lib/pgkeel /run 2>/dev/null", secret).stdout.split()
    assert found, "the schedule's inventory holds the key, so the search must find it"
    for path in found:
        assert host.file(path).mode & 0o077 == 0, path
        assert host.file(path).user == "root", path
