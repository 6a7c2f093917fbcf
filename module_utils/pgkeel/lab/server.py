"""A lab server: an overlay on the cached base, booted by systemd-nspawn in its own network namespace."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ..atomic_file import replace_file
from ..errors import PgkeelError
from .control_group import enter_group, remove_group
from .identity import FIRST_SERVER, Lab, check_server_name
from .kernel import end_namespace, end_processes, mounts_below, processes_with, run, unmount_below
from .network import attach_server, detach_server

_BOOT_SECONDS = 60
TRIES = 5


@dataclass(frozen=True)
class ServerState:
    """What a call found and did."""

    name: str
    address: str
    changed: bool


def ensure_server(lab: Lab, name: str, base: Path, *, reset: bool = False) -> ServerState:
    """Have a server running and its sshd answering; its data survive, unless ``reset`` asks for a new machine.

    A server that is not healthy (its process died, its namespace is gone) is taken apart and booted again from its overlay.
    """
    check_server_name(name)
    if reset:
        remove_server(lab, name)
    address = _address(lab, name)
    if _is_up(lab, name, address):
        return ServerState(name, address, changed=False)
    _take_apart(lab, name, patience=15)
    root = _mount(lab, name, base)
    _personalise(lab, name, root)
    attach_server(lab, name, address)
    _boot(lab, name, address)
    return ServerState(name, address, changed=True)


def stop_server(lab: Lab, name: str) -> bool:
    """Shut a server down in order and keep its disk; True if it ran."""
    return _take_apart(lab, name, patience=30)


def remove_server(lab: Lab, name: str) -> bool:
    """End a server and forget its disk; True if there was anything."""
    changed = _take_apart(lab, name, patience=0)
    folder = lab.server_state(name)
    if folder.exists():
        shutil.rmtree(folder)
        changed = True
    return changed


def server_names(lab: Lab) -> list[str]:
    """The servers that this lab has or had, by what is on disk and in the kernel."""
    names = {entry.name for entry in (lab.state / "servers").glob("*")}
    names |= {entry.name.partition("-")[2] for entry in Path("/run/netns").glob(f"pk{lab.id}-*")}
    return sorted(names)


def server_is_up(lab: Lab, name: str) -> bool:
    """Whether the server runs, whatever its firewall lets through; looks only."""
    return (lab.server_state(name) / "octet").exists() and _runs(lab, name)


def _address(lab: Lab, name: str) -> str:
    """The server's address: the one it had, or the lowest free one."""
    folder = lab.server_state(name)
    folder.mkdir(parents=True, exist_ok=True)
    taken = {}
    for other in (lab.state / "servers").glob("*/octet"):
        taken[other.parent.name] = int(other.read_text())
    octet = taken.get(name) or min(set(range(FIRST_SERVER, 250)) - set(taken.values()))
    replace_file(folder / "octet", f"{octet}\n")
    return str(lab.subnet[octet])


def _container_argument(lab: Lab, name: str) -> str:
    return f"--directory={lab.server_state(name) / 'root'}"


def _runs(lab: Lab, name: str) -> bool:
    root = lab.server_state(name) / "root"
    return bool(processes_with(_container_argument(lab, name))) and root in mounts_below(root)


def _is_up(lab: Lab, name: str, address: str) -> bool:
    # A busy machine is given time: taking a server apart for nothing costs whoever uses it more.
    for number in range(TRIES if _runs(lab, name) else 0):
        if number:
            time.sleep(1)
        if _ssh_answers(address):
            return True
    return False


def _ssh_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _take_apart(lab: Lab, name: str, *, patience: float) -> bool:
    """End the server's processes, then remove namespace and mounts; each step whether or not the others were needed."""
    changed = False
    if processes_with(_container_argument(lab, name)):
        # nspawn passes SIGTERM on as an orderly shutdown; without patience there is no data worth waiting for.
        changed = end_processes(_container_argument(lab, name), patience=patience)
    # Its init outlives an nspawn that was killed; the machine's processes end with it.
    changed |= end_namespace(lab.namespace(name))
    changed |= remove_group(lab.namespace(name))
    changed |= detach_server(lab, name)
    changed |= unmount_below(lab.server_state(name))
    for leftover in (Path("/run/systemd/nspawn/propagate") / lab.namespace(name),):
        if leftover.is_dir():
            shutil.rmtree(leftover)
    return changed


def _mount(lab: Lab, name: str, base: Path) -> Path:
    folder = lab.server_state(name)
    # A server goes on with the base that it was made from: its overlay fits no other.
    origin = folder / "base"
    lower = Path(origin.read_text().strip()) if origin.exists() else base
    if not lower.is_dir():
        raise PgkeelError(
            f"The base system {lower} of lab server {name} is gone",
            f"Make the server anew: `make lab-down LAB_SERVERS={name}`, then `make lab-up`",
        )
    origin.write_text(f"{lower}\n")
    for layer in ("upper", "work", "root"):
        (folder / layer).mkdir(mode=0o755, exist_ok=True)
    # `index=off`: a killed run leaves the work folder marked as in use, which must not refuse the next mount.
    options = f"lowerdir={lower},upperdir={folder / 'upper'},workdir={folder / 'work'},index=off"
    run("mount", "-t", "overlay", "pgkeel-lab", "-o", options, str(folder / "root"))
    return folder / "root"


def _personalise(lab: Lab, name: str, root: Path) -> None:
    """The host's name, its resolver, who may log in, and the certificate authority of the lab's store."""
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(_resolver())
    keys = root / "root/.ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(lab.state / "ssh" / "id_ed25519.pub", keys / "authorized_keys")
    (keys / "authorized_keys").chmod(0o600)
    authority = lab.state / "tls" / "ca.pem"
    if authority.exists():
        shutil.copy(authority, root / "etc/ssl/pgkeel-lab-ca.pem")
        (root / "etc/ssl/pgkeel-lab-ca.pem").chmod(0o644)


def _resolver() -> str:
    """The machine's name servers; a stub on its loopback cannot be reached from a server, what stands behind it can."""
    text = Path("/etc/resolv.conf").read_text(encoding="utf-8")
    behind = Path("/run/systemd/resolve/resolv.conf")
    return behind.read_text(encoding="utf-8") if "nameserver 127." in text and behind.exists() else text


def _boot(lab: Lab, name: str, address: str) -> None:
    log = lab.server_state(name) / "console.log"
    command = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        _container_argument(lab, name),
        f"--machine={lab.namespace(name)}",
        f"--hostname={name}",
        f"--network-namespace-path=/run/netns/{lab.namespace(name)}",
        "--capability=CAP_NET_ADMIN",  # nftables in the server
        "--register=no",  # the outer machine may have no system bus
        "--keep-unit",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
    ]
    # systemd 257 in the server refuses cgroup v1, whatever the outer machine uses.
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with log.open("wb") as console:
        process = subprocess.Popen(
            enter_group(lab.namespace(name), command),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + _BOOT_SECONDS
    while not _ssh_answers(address):
        words = " ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-2:])
        if process.poll() is not None:
            raise PgkeelError(f"Lab server {name} did not boot: {words}", f"See {log}; `make lab-down` clears what is left")
        if time.monotonic() > deadline:
            raise PgkeelError(
                f"Lab server {name} booted, but its sshd did not answer at {address} within {_BOOT_SECONDS} s: {words}",
                f"See {log}; a firewall on this machine may drop traffic on {lab.bridge}",
            )
        time.sleep(0.05)
