"""The inventory of a lab's running servers, and the variables that only its machine knows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from .credentials import ensure_backup_keys, ensure_store_keys
from .identity import Lab
from .server import server_is_up, server_names


def describe_inventory(lab: Lab) -> dict[str, Any]:
    """An Ansible inventory (YAML's mapping): group ``postgresql`` with the running servers, the store's address and keys.

    Empty where the lab is down.
    """
    hosts = {}
    for name in server_names(lab):
        if server_is_up(lab, name):
            octet = int((lab.server_state(name) / "octet").read_text())
            hosts[name] = {"ansible_host": str(lab.subnet[octet])}
    if not hosts:
        return {"postgresql": {"hosts": {}}}
    keys, backup = ensure_store_keys(lab), ensure_backup_keys(lab)
    return {
        "postgresql": {
            "hosts": hosts,
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_private_key_file": str(lab.state / "ssh" / "id_ed25519"),
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.state / 'ssh' / 'known_hosts'} -o IdentitiesOnly=yes",
                # The roles' passwords follow from it: as throwaway as the lab, and in no file of the repository.
                "lab_secret": hashlib.sha256(f"roles {keys.secret_key}".encode()).hexdigest(),
                "lab_network": str(lab.subnet),
                "backup_s3_endpoint": lab.endpoint,
                "backup_s3_bucket": "pgkeel",
                "backup_s3_access_key": keys.access_key,
                "backup_s3_secret_key": keys.secret_key,
                "backup_age_recipients": backup.recipients,
                "backup_drill_identity": backup.drill_identity,
                "backup_signing_key": backup.signing_key,
                "backup_s3_ca_file": "/etc/ssl/pgkeel-lab-ca.pem",
                "lab_store_ca_file": str(lab.state / "tls" / "ca.pem"),
            },
        }
    }


def describe_known_hosts(lab: Lab) -> str:
    """The servers' ssh host keys, as OpenSSH's known_hosts; a server has those of the base that it was made from."""
    lines = []
    for name in server_names(lab):
        folder = lab.server_state(name)
        if not (folder / "base").exists():
            continue
        address = lab.subnet[int((folder / "octet").read_text())]
        keys = Path((folder / "base").read_text().strip()) / "etc/ssh"
        lines += [f"{address} {' '.join(path.read_text().split()[:2])}\n" for path in sorted(keys.glob("ssh_host_*_key.pub"))]
    return "".join(lines)
