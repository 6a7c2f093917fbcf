"""What the roles refuse, with a sentence and before anything is changed."""

import json

import pytest

SITE = "playbooks/site.yml"


def refusal(run) -> str:
    assert run.returncode != 0, run.stdout
    assert run.changed_tasks == []
    assert "Traceback" not in run.stdout
    return " ".join(run.stdout.split())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"postgresql_restart": "maybe"}, "value of postgresql_restart must be one of: allowed, window, never"),
        ({"postgresql_port": "five"}, "postgresql_port"),
        ({"postgresql_repository": "elsewhere"}, "value of postgresql_repository must be one of"),
        ({"toolchain_source": "wheelhouse"}, "toolchain_wheelhouse names no folder"),
        ({"database_roles": [{"name": "x", "password": "y", "kind": "king"}]}, "value of kind must be one of"),
        ({"database_roles": [{"name": "x", "kind": "readonly"}]}, "missing required arguments: password"),
        ({"database_roles": [{"name": "app", "password": "CHANGE-ME", "kind": "application"}]}, "still the example's"),
        ({"backup_s3_endpoint": "https://ACCOUNT_ID.r2.cloudflarestorage.com"}, "backup_s3_endpoint is still the example's"),
        ({"backup_age_recipients": ["AGE-PUBLIC-KEY-OF-THE-DRILL"]}, "backup_age_recipients is still the example's"),
        ({"backup_signing_key": "CHANGE-ME"}, "backup_signing_key is still the example's"),
        ({"backup_drill_identity": "CHANGE-ME"}, "backup_drill_identity is still the example's"),
        (
            {"database_roles": [{"name": "app", "password": "y", "kind": "application", "connection_limit": 3}]},
            "The role app has a connection_limit of 3, but pgbouncer opens up to",
        ),
        ({"database_role_settings": {"application": {"statement_timout": "60s"}}}, "Did you mean statement_timeout"),
        ({"database_databases": [{"name": "edtech", "owner": "stranger"}]}, "stranger owns a database"),
        ({"database_indexes": [{"name": "i", "table": "t", "database": "nowhere"}]}, "nowhere, which database_databases"),
        ({"pgbouncer_port": "x"}, "pgbouncer_port"),
        ({"postgresql_max_connections": 39}, "max_connections is 39, but 40 are needed"),
        ({"postgresql_max_connections": 60, "pgbouncer_default_pool_size": 50}, "Raise max_connections or shrink the pool"),
        ({"postgresql_memory_mb": 512}, "Use a server with at least"),
        ({"tuning_statement_timeout": -1}, "statement_timeout is -1"),
        ({"tuning_applications": [{"name": "x", "pool": 0}]}, "'x' has a pool of 0"),
        ({"postgresql_port": 5433}, "The cluster 17 main listens on port 5432"),
        ({"postgresql_settings": {"work_men": "8MB"}}, "Did you mean work_mem"),
        ({"postgresql_preload": ["pg_absent"]}, "pg_absent is not installed"),
    ],
)
def test_bad_values(server, extra, message):
    assert message in refusal(server.playbook(SITE, extra))


def test_another_major_on_the_port(server):
    config = "port = 5432\ndata_directory = '/var/lib/postgresql/15/old'\n"
    server.run("install -d /etc/postgresql/15/old /var/lib/postgresql/15/old")
    server.run("cat > /etc/postgresql/15/old/postgresql.conf", stdin=config)
    try:
        message = refusal(server.playbook(SITE))
    finally:
        server.run("rm -r /etc/postgresql/15 /var/lib/postgresql/15")
    assert "Port 5432 belongs to the PostgreSQL 15 cluster old" in message


def test_another_process_on_the_port(server):
    server.run("systemd-run --quiet --unit=pgkeel-it-listener python3 -m http.server 5998 && sleep 1")
    try:
        message = refusal(server.playbook(SITE, {"postgresql_cluster": "second", "postgresql_port": 5998}, tags="postgresql"))
    finally:
        server.run("systemctl stop pgkeel-it-listener")
    assert "Port 5998 is taken by python3" in message
    assert server.run("ls /etc/postgresql/17").stdout.split() == ["main"]


@pytest.mark.parametrize(
    ("system", "repository", "message"),
    [
        (("Slackware", "15"), "auto", "This server runs Slackware 15, which pgkeel does not know"),
        (("Debian", "11"), "auto", "This server runs Debian 11, which pgkeel does not know"),
        (("Debian", "12"), "distribution", "Debian-12 has no PostgreSQL 17 in its own archive"),
    ],
)
def test_unknown_systems(server, tmp_path, system, repository, message):
    name, version = system
    facts = {"distribution": name, "distribution_version": version, "distribution_major_version": version, "memtotal_mb": 1000}
    play = {
        "hosts": "postgresql",
        "gather_facts": False,
        "become": True,
        "tasks": [
            {"ansible.builtin.set_fact": {**{f"ansible_{key}": value for key, value in facts.items()}, "cacheable": True}},
            {"ansible.builtin.import_role": {"name": "postgresql"}, "vars": {"postgresql_repository": repository}},
        ],
    }
    path = tmp_path / "play.yml"
    path.write_text(json.dumps([play]))
    assert message in refusal(server.playbook(str(path)))
