"""The lab's network: one bridge, one masquerade rule, and a namespace with a veth pair a server."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..errors import PgkeelError
from .identity import Lab
from .kernel import interface_exists, run

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def check_subnet_is_free(lab: Lab) -> None:
    """Refuse a subnet that another interface of this machine routes to."""
    for route in json.loads(run("ip", "-json", "-4", "route", "show") or "[]"):
        device, destination = route.get("dev", ""), route.get("dst", "default")
        if device == lab.bridge or destination == "default":
            continue
        if IPv4Network(destination, strict=False).overlaps(lab.subnet):
            raise PgkeelError(
                f"The lab's subnet {lab.subnet} is in use: {device} routes {destination}",
                "Choose another /24 for this checkout, for example `make lab-up LAB_SUBNET=10.78.3.0/24`",
            )


def ensure_network(lab: Lab) -> bool:
    """Bring up bridge, forwarding and masquerade; True if something was missing."""
    changed = False
    if not interface_exists(lab.bridge):
        run("ip", "link", "add", lab.bridge, "type", "bridge")
        changed = True
    addresses = json.loads(run("ip", "-json", "-4", "address", "show", "dev", lab.bridge))
    have = {info["local"] for entry in addresses for info in entry.get("addr_info", [])}
    if str(lab.gateway) not in have:
        for address in have:  # a former LAB_SUBNET of this checkout
            run("ip", "address", "del", f"{address}/24", "dev", lab.bridge)
        run("ip", "address", "add", f"{lab.gateway}/{lab.subnet.prefixlen}", "dev", lab.bridge)
        changed = True
    run("ip", "link", "set", lab.bridge, "up")
    if _FORWARDING.read_text().strip() == "0":
        (lab.state / "forwarding-was-off").touch()
        _FORWARDING.write_text("1\n")
        changed = True
    if not _table_serves(lab):
        # `add` before `delete` makes the deletion of a missing table no error; the whole file is one transaction.
        rules = (
            f"add table ip {lab.nft_table}\n"
            f"delete table ip {lab.nft_table}\n"
            f"table ip {lab.nft_table} {{\n"
            "  chain postrouting {\n"
            "    type nat hook postrouting priority srcnat;\n"
            f"    ip saddr {lab.subnet} ip daddr != {lab.subnet} masquerade\n"
            "  }\n"
            "}\n"
        )
        run("nft", "--file", "-", stdin=rules)
        changed = True
    return changed


def remove_network(lab: Lab) -> bool:
    """Take down bridge, rule and, where this lab switched it on and no other needs it, forwarding."""
    changed = False
    if interface_exists(lab.bridge):
        run("ip", "link", "del", lab.bridge)
        changed = True
    if lab.nft_table in _tables():
        run("nft", "delete", "table", "ip", lab.nft_table)
        changed = True
    if (lab.state / "forwarding-was-off").exists():
        others = [name for name in _tables() if name.startswith("pgkeel_")]
        if others:  # hand the duty to a lab that is still up
            heir = lab.state.parent / others[0].removeprefix("pgkeel_")
            if heir.is_dir():
                (heir / "forwarding-was-off").touch()
        else:
            _FORWARDING.write_text("0\n")
        (lab.state / "forwarding-was-off").unlink()
        changed = True
    return changed


def attach_server(lab: Lab, server: str, address: str) -> None:
    """Give a server a fresh namespace with its address and a route out; what a killed run left is removed first."""
    namespace = lab.namespace(server)
    outer = f"pk{lab.id}v{address.rpartition('.')[2]}"
    detach_server(lab, server)
    if interface_exists(outer):
        run("ip", "link", "del", outer)
    run("ip", "netns", "add", namespace)
    # The same hardware address at every boot: neighbours would otherwise ask the dead machine's until their caches expire.
    hardware = "02:" + ":".join(f"{byte:02x}" for byte in (0x77, *IPv4Address(address).packed))
    run(
        *("ip", "link", "add", outer, "type", "veth"),
        *("peer", "name", "eth0", "address", hardware, "netns", namespace),
    )
    run("ip", "link", "set", outer, "master", lab.bridge, "up")
    run("ip", "-n", namespace, "address", "add", f"{address}/{lab.subnet.prefixlen}", "dev", "eth0")
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")
    run("ip", "-n", namespace, "route", "add", "default", "via", str(lab.gateway))


def detach_server(lab: Lab, server: str) -> bool:
    """Remove a server's namespace, and its veth pair with it."""
    namespace = lab.namespace(server)
    if not Path("/run/netns", namespace).exists():
        return False
    # The veth dies with the last process of the namespace, which may be a moment later: take it away now.
    with contextlib.suppress(PgkeelError):
        run("ip", "-n", namespace, "link", "del", "eth0")
    run("ip", "netns", "delete", namespace)
    return True


def remains(lab: Lab) -> list[str]:
    """What of the lab's network is still there, in words."""
    left = [f"interface {lab.bridge}"] if interface_exists(lab.bridge) else []
    left += [f"interface {entry.name}" for entry in Path("/sys/class/net").glob(f"pk{lab.id}v*")]
    left += [f"namespace {entry.name}" for entry in Path("/run/netns").glob(f"pk{lab.id}-*")]
    left += [f"nftables table ip {name}" for name in _tables() if name == lab.nft_table]
    return left


def _tables() -> list[str]:
    listing = json.loads(run("nft", "-json", "list", "tables"))["nftables"]
    return [entry["table"]["name"] for entry in listing if "table" in entry and entry["table"]["family"] == "ip"]


def _table_serves(lab: Lab) -> bool:
    return lab.nft_table in _tables() and str(lab.subnet) in run("nft", "list", "table", "ip", lab.nft_table)
