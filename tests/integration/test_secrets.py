"""Canary passwords go through every playbook at -vvv; none may be seen in what Ansible prints or in what the server keeps."""

import hashlib
import json
import secrets
from pathlib import Path

import pytest
import yaml
from integration.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("app", "readonly", "backup", "monitoring")
# Every playbook for servers, and what keeps it short.
PLAYBOOKS = {
    "site": {},
    "plan": {},
    "tuning": {},
    "indexes": {},
    "audit": {},
    "edtech": {"edtech_size": "tiny"},
    "backup": {"backup_progress_seconds": 1},
    "backups": {},
    "restore_drill": {"backup_progress_seconds": 1},
    "optimize": {"optimize_proof_seconds": 20},
    "status": {},
    "report": {},
    "benchmark": {
        "benchmark_storm_clients": 5,
        "benchmark_storm_rounds": 1,
        "benchmark_storm_seconds": 1,
        "benchmark_storm_transactions": 1,
    },
    "workload": {"edtech_workload_transactions": 5},
    "schema_audit": {f"schema_audit_{orm}": str(ROOT / "files" / "edtech" / orm) for orm in ("prisma", "drizzle", "kysely")},
}
NOT_HERE = {"lab"}


@pytest.fixture(scope="module")
def canaries(server):
    """Passwords that nobody else has, by what they open; in force afterwards are the lab's own again."""
    secret = f"canary{secrets.token_hex(12)}"
    found = {role: hashlib.sha256(f"{role} {secret}".encode()).hexdigest() for role in ROLES}
    inventory = yaml.safe_load(Path(server.inventory, "hosts.yml").read_text(encoding="utf-8"))
    store = inventory["postgresql"]["vars"]["backup_s3_secret_key"]
    yield {"lab_secret": secret, **found, "backup_s3_secret_key": store}
    assert server.playbook("playbooks/site.yml", tags="database,pgbouncer,schedule").returncode == 0


@pytest.fixture(scope="module")
def outputs(server, canaries, tmp_path_factory):
    """What each playbook printed, and the server's log and journal afterwards."""
    extra = tmp_path_factory.mktemp("canaries") / "extra.json"
    printed = {}
    for name, more in PLAYBOOKS.items():
        extra.write_text(json.dumps({"lab_secret": canaries["lab_secret"], **more}))
        run = server.playbook(f"playbooks/{name}.yml", check=name == "plan", arguments=("-vvv", "--diff", "-e", f"@{extra}"))
        printed[name] = run.stdout
        # A storm may be judged too slow where others work as well.
        assert run.returncode == 0 or name == "benchmark", run.stdout[-3000:]
    return printed


def test_no_playbook_is_forgotten():
    assert {path.stem for path in (ROOT / "playbooks").glob("*.yml")} == set(PLAYBOOKS) | NOT_HERE


def test_the_canaries_are_in_force(server, outputs, canaries):
    del outputs
    done = server.run(f"PGPASSWORD={canaries['app']} psql -XAt -h 127.0.0.1 -p 6432 -U app -d edtech -c 'SELECT 1'")
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_ansible_prints_none(outputs, canaries, playbook):
    assert "PLAY RECAP" in outputs[playbook]
    seen = [name for name, value in canaries.items() if value in outputs[playbook]]
    assert seen == []


def kept(server, values) -> list[str]:
    """Where the server keeps one of the values in plain: logs, the journal, files that not only their owner reads."""
    patterns = "\n".join(values)
    search = "grep -lsFf /tmp/pgkeel-it-patterns"
    server.run("umask 077; cat > /tmp/pgkeel-it-patterns", stdin=patterns)
    try:
        logs = server.run("grep -rlsFf /tmp/pgkeel-it-patterns /var/log --exclude-dir=journal; true").stdout.split()
        journal = server.run("journalctl --no-pager -o cat | grep -cFf /tmp/pgkeel-it-patterns; true").stdout.strip()
        places = "/etc /opt/pgkeel /run /var/lib/pgkeel /tmp /home"
        files = server.run(f"find {places} -xdev -type f -perm /044 -exec {search} {{}} + 2>/dev/null; true").stdout.split()
    finally:
        server.run("rm -f /tmp/pgkeel-it-patterns")
    return [*logs, *([] if journal == "0" else [f"the journal, {journal} times"]), *files]


def test_the_search_finds_what_is_there(server):
    """The negative control: a search that finds nothing anywhere proves nothing."""
    planted = f"planted{secrets.token_hex(12)}"
    server.run(f"echo {planted} > /var/log/pgkeel-it.log; echo {planted} > /etc/pgkeel-it; logger -t pgkeel-it {planted}")
    wait_until(lambda: planted in server.run("journalctl -t pgkeel-it --no-pager").stdout)
    try:
        assert kept(server, [planted]) == ["/var/log/pgkeel-it.log", "the journal, 1 times", "/etc/pgkeel-it"]
    finally:
        server.run("rm /var/log/pgkeel-it.log /etc/pgkeel-it")


def test_the_server_keeps_none_where_others_read(server, outputs, canaries, connection):
    del outputs
    assert kept(server, canaries.values()) == []
    for statement in ("SELECT query FROM pg_stat_statements", "SELECT query FROM pg_stat_activity"):
        for (query,) in connection("edtech").execute(statement):
            assert not any(value in (query or "") for value in canaries.values())
