"""What would not start is refused with the server as it was; what starts is let through; a failed restart is undone."""

import json
import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

# The lab's inventory may hold other servers that run now.
testinfra_hosts = ["ansible://preflight"]

CONF_DIR = "/etc/postgresql/17/main/conf.d"
# Files of the test's own, so that those of the role stay as they are.
FILES = {"conf_dir": CONF_DIR, "restart_file": "80-test-restart.conf", "reload_file": "81-test-reload.conf"}
PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])


@pytest.fixture(scope="module")
def sql(host):
    def ask(statement):
        done = host.run("runuser -u postgres -- psql -XAtq -c %s", statement)
        assert done.rc == 0, done.stderr
        return done.stdout.strip()

    return ask


def state(host, sql):
    """What a refusal must leave alone: the running postmaster and its configuration files."""
    files = host.run(f"cat {CONF_DIR}/* /var/lib/postgresql/17/main/postgresql.auto.conf").stdout
    return sql("SELECT pg_postmaster_start_time()"), files


@pytest.fixture
def declare(host, sql):
    """Run pg_settings on the server, as the role does; returns its result, failed or not."""
    host.run_expect([0], f"cp -p {CONF_DIR}/10-pgkeel-restart.conf /root/kept.conf")

    def run(settings, preload=()):
        arguments = json.dumps({**FILES, "settings": settings, "preload": list(preload)})
        done = ansible("ansible", "preflight", "-m", "pg_settings", "-a", arguments, "--become", "--become-user", "postgres",
                       "-e", "ansible_python_interpreter=/opt/pgkeel/venv/bin/python", callback=True)  # fmt: skip
        report = json.loads(done.stdout[done.stdout.index("{") :])
        return report["plays"][0]["tasks"][0]["hosts"]["preflight"]

    yield run
    host.run(f"rm -f {CONF_DIR}/8?-test-*")
    sql("ALTER SYSTEM RESET ALL")
    host.run_expect([0], "systemctl reload postgresql@17-main")


def ansible(program, *arguments, callback=False):
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    if callback:
        environment |= {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    command = [program, "-i", str(PROJECT / "inventories" / "lab"), *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def role(extra):
    """The role as site.yml runs it, for this server alone."""
    done = ansible(
        "ansible-playbook", "playbooks/site.yml", "--limit", "preflight", "--tags", "postgresql", "-e", json.dumps(extra)
    )
    # Molecule has Ansible write failures to standard error.
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("settings", "preload", "message"),
    [
        pytest.param({}, ["pg_absent"], "pg_absent is not installed", id="missing library"),
        pytest.param({"shared_bufers": "64MB"}, [], "Did you mean shared_buffers", id="misspelt"),
        pytest.param({"shared_buffers": "7TB"}, [], "and this machine has", id="beyond RAM"),
        pytest.param({"wal_level": "minimal"}, [], "would not start with the new settings", id="do not go together"),
        pytest.param({"ssl_cert_file": "absent.pem", "max_connections": 55}, [], "absent.pem", id="no certificate"),
    ],
)
def test_what_would_not_start_is_refused_with_everything_as_it_was(host, sql, declare, *, settings, preload, message):
    before = state(host, sql)
    result = declare(settings, preload)
    assert result.get("failed") is True, result
    assert message in result["msg"]
    assert state(host, sql) == before
    assert host.run("ls -A /var/lib/postgresql/pgkeel-preflight").stdout.split() in ([], [".pgkeel-proving-ground"])


def test_a_library_of_another_make_is_refused(host, sql, declare):
    """A file of that name exists, and PostgreSQL cannot load it: only a start shows that."""
    library = "/usr/lib/postgresql/17/lib/pgkeel_test_broken.so"
    host.run_expect([0], f"echo 'no library' > {library}")
    before = state(host, sql)
    try:
        result = declare({}, ["pgkeel_test_broken"])
    finally:
        host.run_expect([0], f"rm {library}")
    assert "would not start with the new settings" in result["msg"]
    assert "pgkeel_test_broken" in result["msg"]
    assert state(host, sql) == before


def test_alter_system_that_would_not_start_is_refused_though_it_is_not_ours(host, sql, declare):
    sql("ALTER SYSTEM SET shared_buffers = '7TB'")
    before = state(host, sql)
    result = declare({"max_connections": 55})
    assert "shared_buffers is" in result["msg"]
    assert state(host, sql) == before


def test_alter_system_that_shadows_ours_is_named_and_no_restart_is_asked_for(sql, declare):
    sql("ALTER SYSTEM SET shared_buffers = '{}'".format(sql("SHOW shared_buffers")))
    result = declare({"shared_buffers": "96MB"})
    assert [entry["name"] for entry in result["shadowed"]] == ["shared_buffers"]
    assert result["shadowed"][0]["file"].endswith("postgresql.auto.conf")
    assert (result["restart_settings"], result["proved"]) == ([], False)


def test_what_starts_is_let_through_and_leaves_no_cluster_behind(host, declare):
    result = declare({"max_connections": 66, "wal_level": "logical"}, ["auto_explain"])
    assert not result.get("failed"), result
    assert result["proved"] is True
    assert result["restart_settings"] == ["max_connections", "shared_preload_libraries", "wal_level"]
    assert host.run("ls -A /var/lib/postgresql/pgkeel-preflight").stdout.split() == [".pgkeel-proving-ground"]
    assert host.run("pgrep -f pgkeel-preflight").stdout == ""


def test_outside_its_window_a_restart_waits_and_within_it_comes_once(host, sql):
    def window(offset):
        now = datetime.fromisoformat(host.run("date --iso-8601=seconds").stdout.strip()) + timedelta(hours=offset)
        return [f"{now - timedelta(minutes=30):%H:%M}-{now + timedelta(minutes=30):%H:%M}"]

    started = sql("SELECT pg_postmaster_start_time()")
    wanted = {"postgresql_restart": "window", "postgresql_settings": {"max_locks_per_transaction": 96}}
    code, output = role({**wanted, "postgresql_restart_windows": window(12)})
    assert code == 0, output
    assert "No restart: the policy is window, so max_locks_per_transaction wait for the next one." in output
    assert sql("SELECT pg_postmaster_start_time()") == started
    assert sql("SELECT name FROM pg_settings WHERE pending_restart") == "max_locks_per_transaction"
    code, output = role({**wanted, "postgresql_restart_windows": window(0)})
    assert code == 0, output
    assert "PostgreSQL was restarted once." in output
    assert sql("SELECT pg_postmaster_start_time()") != started
    assert sql("SHOW max_locks_per_transaction") == "96"


def test_pgaudit_as_the_documents_say(host, sql):
    """docs/hardening.md: a statement that sets a password is audited, and its password is not in the log."""
    code, output = role(
        {
            "postgresql_packages": ["postgresql-17-pgaudit"],
            "postgresql_preload": ["pg_stat_statements", "pgaudit"],
            "postgresql_settings": {"pgaudit.log": "ddl, role"},
        }
    )
    assert code == 0, output
    sql("CREATE ROLE audited PASSWORD 'canary-of-the-audit'")
    log = host.run("tail -n 40 /var/log/postgresql/postgresql-17-main.log").stdout
    assert "AUDIT: SESSION" in log
    assert "CREATE ROLE audited PASSWORD <REDACTED>" in log
    assert "canary-of-the-audit" not in log


def test_a_restart_that_fails_all_the_same_is_undone_with_both_logs(host, sql):
    """No address of this machine: a throwaway cluster listens on none, so only the real start fails."""
    files = host.run(f"cat {CONF_DIR}/*.conf").stdout
    locks = sql("SHOW max_locks_per_transaction")
    code, output = role({"postgresql_listen_addresses": ["203.0.113.9"]})
    assert code != 0
    assert "The previous settings are back, and PostgreSQL runs again." in output
    assert "PostgreSQL's log:" in output
    assert "could not create any TCP/IP sockets" in output
    assert "systemd's log:" in output
    assert host.run(f"cat {CONF_DIR}/*.conf").stdout == files
    assert sql("SHOW max_locks_per_transaction") == locks
    assert host.socket("tcp://127.0.0.1:5432").is_listening
