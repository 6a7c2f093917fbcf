"""What clients see of TLS, at PostgreSQL and at pgbouncer, and the rules for getting in."""

import json

import pytest

PORTS = {"postgresql": 5432, "pgbouncer": 6432}
HANDSHAKE = "openssl s_client -starttls postgres -connect 127.0.0.1:{port} -{version} </dev/null 2>&1"


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_tls_1_3_with_our_certificate(server, port):
    shown = server.run(HANDSHAKE.format(port=port, version="tls1_3")).stdout
    assert "New, TLSv1.3" in shown
    assert f"CN={server.name}" in shown.replace("CN = ", "CN=")


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
def test_nothing_older(server, port):
    shown = server.run(HANDSHAKE.format(port=port, version="tls1_2"), check=False).stdout
    assert "New, TLSv1" not in shown
    assert "alert protocol version" in shown


def test_the_certificate_names_the_server_and_its_key_is_for_those_who_need_it(server):
    names = server.run("openssl x509 -in /etc/ssl/certs/pgkeel.pem -noout -ext subjectAltName").stdout
    assert f"DNS:{server.name}" in names
    assert f"IP Address:{server.host}" in names
    assert server.run("stat -c '%a %U %G' /etc/ssl/private/pgkeel.key").stdout.split() == ["640", "root", "ssl-cert"]


def test_over_the_network_only_with_tls(server):
    rules = server.run("grep -E '^host' /etc/postgresql/17/main/pg_hba.conf").stdout.splitlines()
    networks = [rule.split() for rule in rules if "127.0.0.1" not in rule and "::1" not in rule and not rule.endswith("reject")]
    assert networks
    assert {rule[0] for rule in networks} == {"hostssl"}
    assert {rule[-1] for rule in networks} == {"scram-sha-256"}
    assert rules[-1].split() == ["host", "all", "all", "all", "reject"]
    refused = server.run(
        f"PGPASSWORD=x psql 'host={server.host} user=app dbname=edtech sslmode=disable' -c 'SELECT 1'", check=False
    )
    assert "no encryption" in refused.stderr


def test_a_certificate_that_ends_soon_is_renewed_and_shown(server):
    fingerprint = "openssl x509 -noout -fingerprint -in /etc/ssl/certs/pgkeel.pem"
    server.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=old "
        "-keyout /etc/ssl/private/pgkeel.key -out /etc/ssl/certs/pgkeel.pem"
    )
    old = server.run(fingerprint).stdout
    run = server.playbook("playbooks/site.yml", tags="certificate")
    assert run.returncode == 0, run.stdout
    assert server.run(fingerprint).stdout != old
    shown = server.run(HANDSHAKE.format(port=5432, version="tls1_3") + " | openssl x509 -noout -fingerprint").stdout
    assert shown == server.run(fingerprint).stdout
    again = server.playbook("playbooks/site.yml", tags="certificate")
    assert (again.returncode, again.changed_tasks) == (0, [])


def test_a_name_that_the_certificate_lacks_is_added(server):
    names = "openssl x509 -in /etc/ssl/certs/pgkeel.pem -noout -ext subjectAltName | grep -oE '(DNS|Address):[^,]+' | sort"
    before = server.run(names).stdout.split()
    extra = {"certificate_names": [server.name, "db.example.test", "2001:db8::17"]}
    would = server.playbook("playbooks/site.yml", extra, tags="certificate", check=True)
    assert "A certificate is made" in would.stdout
    assert server.run(names).stdout.split() == before
    assert server.playbook("playbooks/site.yml", extra, tags="certificate").returncode == 0
    assert server.run(names).stdout.split() == sorted([*before, "DNS:db.example.test", "Address:2001:DB8:0:0:0:0:0:17"])
    shown = server.run(HANDSHAKE.format(port=6432, version="tls1_3") + " | openssl x509 -noout -fingerprint").stdout
    assert shown == server.run("openssl x509 -noout -fingerprint -in /etc/ssl/certs/pgkeel.pem").stdout
    # Nor for whoever declares fewer: two controllers would take turns.
    again = server.playbook("playbooks/site.yml", {"certificate_names": ["2001:db8::17"]}, tags="certificate")
    assert (again.returncode, again.changed_tasks) == (0, [])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"certificate_own": False, "certificate_file": "/etc/ssl/absent.pem"}, "cannot be read on the server, or ends within"),
        ({"certificate_own": False, "certificate_key_file": "/etc/ssl/private/ssl-cert-snakeoil.key"}, "does not belong to"),
        ({"certificate_own": False, "certificate_key_file": "/etc/shadow"}, "cannot be read by the system user postgres"),
        ({"pgbouncer_tls": "sometimes"}, "value of pgbouncer_tls must be one of"),
    ],
)
def test_what_cannot_be_used_is_refused(server, extra, message):
    run = server.playbook("playbooks/site.yml", extra)
    assert run.returncode != 0
    assert message in " ".join(run.stdout.split())
    assert run.changed_tasks == []


def test_the_log_says_who_connects_and_no_statement_of_ours(server):
    settings = server.run(
        'su postgres -c "psql -XAt -c \\"SELECT json_object_agg(name, setting) FROM pg_settings WHERE name LIKE \'log\\\\_%\'\\""'
    ).stdout
    found = json.loads(settings)
    assert (found["log_connections"], found["log_statement"], found["log_parameter_max_length"]) == ("on", "none", "0")
    assert found["log_parameter_max_length_on_error"] == "0"
