"""Who a lab is: every name, address and path follows from the checkout that it belongs to."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..errors import PgkeelError

STATE_ROOT = Path("/var/lib/pgkeel-lab")
FIRST_SERVER = 11
"""Last octet of the first server; the bridge, where the store listens, has .1."""


@dataclass(frozen=True)
class Lab:
    """The lab of one checkout. Two checkouts on one machine get different ids, subnets and folders."""

    checkout: Path
    subnet: IPv4Network
    cache: Path
    """The bootstrapped systems, shared by all of a user's labs."""

    @property
    def id(self) -> str:
        """Six hex digits."""
        return lab_id(self.checkout)

    @property
    def state(self) -> Path:
        """The lab's own folder, outside the checkout: a deleted checkout must not take half a mounted server with it."""
        return STATE_ROOT / self.id

    @property
    def bridge(self) -> str:
        """The network interface that joins the servers (15 bytes at most)."""
        return f"pk{self.id}"

    @property
    def gateway(self) -> IPv4Address:
        """The machine's own address on the bridge; the store listens there."""
        return self.subnet[1]

    @property
    def nft_table(self) -> str:
        """The nftables table (family ip) with the one masquerade rule."""
        return f"pgkeel_{self.id}"

    @property
    def store_port(self) -> int:
        """The first of the store's four ports (S3, filer, master, volume); each has a companion 10,000 above.

        They follow from the subnet, which no two running labs share: SeaweedFS also listens on sockets in /tmp that are named by
        port alone, and stores with equal ports would quietly use each other's.
        """
        return 10000 + (int(self.subnet.network_address) >> 8) % 1250 * 8

    @property
    def endpoint(self) -> str:
        """The object store's URL."""
        return f"https://{self.gateway}:{self.store_port}"

    def namespace(self, server: str) -> str:
        """The network namespace, which is also the machine name."""
        return f"pk{self.id}-{server}"

    def server_state(self, server: str) -> Path:
        """The folder with a server's overlay, mount point, address and console log."""
        return self.state / "servers" / server


def lab_id(checkout: Path) -> str:
    """Derive the id from the checkout's real path."""
    return hashlib.sha256(str(checkout).encode()).hexdigest()[:6]


def describe_lab(checkout: str, subnet: str = "", cache: str = "") -> Lab:
    """Build the lab of a checkout.

    ``subnet`` is an IPv4 /24 such as ``10.77.5.0/24``; empty derives one from the checkout. ``cache`` is a folder; empty means
    ``$XDG_CACHE_HOME/pgkeel/lab``.

    Raises PgkeelError when the subnet is not a private IPv4 /24.
    """
    real = Path(checkout).resolve()
    text = subnet or f"10.77.{int(lab_id(real), 16) % 254 + 1}.0/24"
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise PgkeelError(f"lab_subnet {text!r} is not an IPv4 network: {error}", "Give a /24 such as 10.78.3.0/24") from error
    if network.prefixlen != 24 or not network.is_private:  # noqa: PLR2004 - a /24 is what the addressing assumes
        raise PgkeelError(f"lab_subnet {text} is not a private /24", "Give one such as 10.78.3.0/24")
    folder = Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgkeel" / "lab"
    return Lab(checkout=real, subnet=network, cache=folder)


def check_server_name(name: str) -> None:
    """Refuse a name that cannot be a host name and part of an interface's and a namespace's name."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}[a-z0-9]|[a-z]", name):
        raise PgkeelError(
            f"{name!r} cannot name a lab server", "Use 1 to 32 lower-case letters, digits and hyphens, a letter first"
        )
