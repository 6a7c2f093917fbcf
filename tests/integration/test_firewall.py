"""What gets through, what does not, and that nobody locks himself out."""

import json
import socket
import subprocess
import time

import pytest

PORT = 8099


@pytest.fixture(scope="module")
def converge(server, tmp_path_factory):
    """The role alone, as site.yml runs it; the firewall is on, and off again afterwards, as the lab's inventory has it."""
    play = tmp_path_factory.mktemp("firewall") / "play.yml"
    play.write_text(json.dumps([{"hosts": "postgresql", "become": True, "gather_facts": False, "roles": ["firewall"]}]))

    def run(**extra):
        return server.playbook(str(play), {"firewall_enabled": True, **extra}, timeout=120)

    first = run()
    assert first.returncode == 0, first.stdout
    yield run
    last = run(firewall_enabled=False)
    assert last.returncode == 0, last.stdout


def reaches(server, port: int) -> bool:
    try:
        with socket.create_connection((server.host, port), timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture
def listener(server):
    server.run(f"systemd-run --quiet --unit=pgkeel-it-listener python3 -m http.server {PORT} --bind 0.0.0.0")
    for _ in range(50):
        if server.run(f"ss -Hltn sport = :{PORT}").stdout:
            break
        time.sleep(0.1)
    yield PORT
    server.run("systemctl stop pgkeel-it-listener")


def test_only_what_is_declared_gets_through(server, listener, converge):
    assert reaches(server, 22)
    assert reaches(server, 5432)
    assert not reaches(server, listener)
    try:
        opened = converge(firewall_ports=[listener])
        assert opened.returncode == 0, opened.stdout
        assert reaches(server, listener)
    finally:
        closed = converge()
    assert closed.returncode == 0, closed.stdout
    assert not reaches(server, listener)
    assert server.run("ls /etc/nftables.d").stdout.split() == ["pgkeel.nft"]


def test_rules_that_lock_the_controller_out_are_taken_back(server, converge):
    before = server.run("cat /etc/nftables.d/pgkeel.nft").stdout
    run = converge(firewall_ssh_port=2222, __firewall_grace=15)
    assert run.returncode != 0
    deadline = time.monotonic() + 60
    while not reaches(server, 22):
        assert time.monotonic() < deadline, "the server stayed locked"
        time.sleep(0.5)
    for _ in range(20):
        try:
            assert server.run("cat /etc/nftables.d/pgkeel.nft", timeout=15).stdout == before
            break
        except subprocess.TimeoutExpired:
            time.sleep(1)
    assert server.run("systemctl is-active pgkeel-firewall").stdout.strip() == "active"
    again = converge()
    assert (again.returncode, again.changed_tasks) == (0, [])


def test_other_tables_stay(server, converge):
    server.run("nft add table inet it_other")
    try:
        off = converge(firewall_enabled=False)
        assert off.returncode == 0, off.stdout
        assert server.run("nft list tables").stdout.split() == ["table", "inet", "it_other"]
    finally:
        assert converge().returncode == 0
        server.run("nft delete table inet it_other")
    assert "inet pgkeel" in server.run("nft list tables").stdout
