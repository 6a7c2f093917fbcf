"""The lab itself, on a checkout and a subnet of its own: up, killed in several ways, up again, down without a trace."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from pgkeel.lab.credentials import ensure_store_keys
from pgkeel.lab.identity import STATE_ROOT, describe_lab
from pgkeel.lab.kernel import mounts_below, processes_with
from pgkeel.lab.network import remains
from pgkeel.lab.store import store_sockets
from pgkeel.objectstore.store import StoreAddress, make_client

ROOT = Path(__file__).resolve().parents[2]
SUBNET = "10.79.251.0/24"


def play(checkout, *, subnet=SUBNET, user=None, **extra):
    if checkout.is_dir() and not (checkout / "module_utils").exists():
        (checkout / "module_utils").symlink_to(ROOT / "module_utils")
    variables = {"lab_checkout": str(checkout), "lab_inventory": str(checkout / "hosts.yml"), "lab_subnet": subnet, **extra}
    command = [ROOT / ".venv/bin/ansible-playbook", "-i", "localhost,", "playbooks/lab.yml", "-e", json.dumps(variables)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, user=user,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip


def changed(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.rpartition("changed=")[2].split()[0])


def on(lab, command, name="one"):
    octet = (lab.server_state(name) / "octet").read_text().strip()
    address = str(lab.subnet[int(octet)])
    ssh = ["ssh", "-i", lab.state / "ssh/id_ed25519", "-o", f"UserKnownHostsFile={lab.state}/ssh/known_hosts", f"root@{address}"]
    return subprocess.run([*ssh, command], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def store(lab):
    keys = ensure_store_keys(lab)
    return make_client(
        StoreAddress(lab.endpoint, "", keys.access_key, keys.secret_key, ca_file=str(lab.state / "tls" / "ca.pem"))
    )


def nspawn(lab, name="one"):
    (pid,) = processes_with(f"--directory={lab.server_state(name)}/root")
    return pid


def nothing_left(lab):
    return (
        not remains(lab)
        and not store_sockets(lab)
        and not mounts_below(lab.state)
        and not lab.state.exists()
        and not processes_with(f"-dir={lab.state}/store/data")
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    checkout = tmp_path_factory.mktemp("checkout")
    lab = describe_lab(str(checkout), SUBNET)
    try:
        assert changed(play(checkout, lab_servers=["one", "two"])) > 0
        yield lab
    finally:
        down = play(checkout, lab_state="down", lab_servers=[])
        assert down.returncode == 0, down.stdout
        assert nothing_left(lab)


def test_servers_are_real_and_a_second_run_changes_nothing(lab):
    assert changed(play(lab.checkout, lab_servers=["one", "two"])) == 0
    for name in ("one", "two"):
        assert on(lab, "hostname", name) == name
        assert on(lab, "systemctl is-system-running --wait || true", name) == "running"
        assert on(lab, ". /etc/os-release; echo $ID $VERSION_CODENAME", name) == "debian trixie"
    assert on(lab, "ip -4 -brief address show eth0", "one") != on(lab, "ip -4 -brief address show eth0", "two")


def test_a_service_that_is_killed_in_one_server_runs_on_in_the_other(lab):
    """systemd ends a service that ignores SIGTERM by its control group, whoever else lives in it."""
    stubborn = "systemd-run --quiet --unit=twin -p TimeoutStopSec=1 sh -c 'trap : TERM; while :; do sleep 1; done'"
    for name in ("one", "two"):
        on(lab, stubborn, name)
    on(lab, "systemctl stop twin; systemctl reset-failed twin 2>/dev/null || true", "one")
    time.sleep(0.5)
    assert on(lab, "systemctl is-active twin || true", "two") == "active"
    on(lab, "systemctl stop twin; systemctl reset-failed twin 2>/dev/null || true", "two")


def test_a_killed_server_comes_back_with_its_data(lab):
    on(lab, "echo precious > /root/kept && sync")
    os.kill(nspawn(lab), signal.SIGKILL)
    assert changed(play(lab.checkout, lab_servers=["one", "two"])) > 0
    assert on(lab, "cat /root/kept") == "precious"


def test_stale_namespace_mount_and_bridge_are_mended(lab):
    os.kill(nspawn(lab), signal.SIGKILL)
    subprocess.run(["ip", "link", "del", lab.bridge], check=True)
    subprocess.run(["nft", "delete", "table", "ip", lab.nft_table], check=True)
    for pid in processes_with(f"-dir={lab.state}/store/data"):
        os.kill(pid, signal.SIGKILL)
    assert changed(play(lab.checkout, lab_servers=["one", "two"])) > 0
    assert on(lab, "hostname") == "one"
    assert on(lab, "hostname", "two") == "two"
    assert changed(play(lab.checkout, lab_servers=["one", "two"])) == 0


def test_fresh_forgets(lab):
    on(lab, "touch /root/old", "two")
    assert changed(play(lab.checkout, lab_servers=["two"], lab_fresh=True)) > 0
    assert on(lab, "ls /root/old 2>/dev/null || echo gone", "two") == "gone"


def test_a_used_subnet_is_refused_before_anything_changes(lab, tmp_path):
    done = play(tmp_path, lab_servers=["other"])
    assert done.returncode != 0
    assert f"subnet {SUBNET} is in use: {lab.bridge}" in done.stdout
    assert "LAB_SUBNET" in done.stdout
    other = describe_lab(str(tmp_path), SUBNET)
    assert not remains(other)
    assert not other.state.exists()


def test_two_checkouts_run_side_by_side_and_one_down_leaves_the_other(lab, tmp_path):
    subnet = "10.79.252.0/24"
    other = describe_lab(str(tmp_path), subnet)
    try:
        assert changed(play(tmp_path, subnet=subnet, lab_servers=["one"])) > 0
        assert on(other, "hostname") == "one"
        store(lab).put_object(Bucket="pgkeel", Key="mine", Body=b"1")
        assert [item["Key"] for item in store(lab).list_objects_v2(Bucket="pgkeel")["Contents"]] == ["mine"]
        assert "Contents" not in store(other).list_objects_v2(Bucket="pgkeel")
    finally:
        assert play(tmp_path, subnet=subnet, lab_state="down", lab_servers=[]).returncode == 0
    assert nothing_left(other)
    assert on(lab, "hostname") == "one"


def test_a_lab_whose_checkout_is_gone_is_taken_down_by_the_next_run(lab, tmp_path):
    subnet = "10.79.253.0/24"
    gone = describe_lab(str(tmp_path / "gone"), subnet)
    gone.checkout.mkdir()
    assert changed(play(gone.checkout, subnet=subnet, lab_servers=["one"])) > 0
    shutil.rmtree(gone.checkout)
    # Another lab's run may have been the next.
    assert play(lab.checkout, lab_servers=["one", "two"]).returncode == 0
    assert nothing_left(gone)


def test_two_runs_take_turns(lab):
    with (STATE_ROOT / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        extra = json.dumps({"lab_checkout": str(lab.checkout), "lab_subnet": SUBNET, "lab_servers": ["one"],
                            "lab_inventory": str(lab.checkout / "hosts.yml")})  # fmt: skip
        command = [ROOT / ".venv/bin/ansible-playbook", "-i", "localhost,", "playbooks/lab.yml", "-e", extra]
        waiting = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        time.sleep(4)
        assert waiting.poll() is None
    assert waiting.wait(timeout=300) == 0


def test_not_root_gets_a_sentence():
    # Rights are given up after the imports: another user may not be able to read this checkout.
    program = (
        "import os; from pgkeel.lab.identity import describe_lab; from pgkeel.lab.registry import check_machine;"
        "lab = describe_lab('/x', cache='/tmp'); os.setgroups([]); os.setresuid(65534, 65534, 65534); check_machine(lab)"
    )
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", program],
        env={"PYTHONPATH": str(ROOT / "module_utils"), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    assert "sudo make lab-up" in done.stderr, done.stderr
