"""Read the inventory that the lab wrote."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = ROOT / "inventories" / "lab"


@dataclass(frozen=True)
class RunningLab:
    """Addresses by name, and the group's variables."""

    hosts: dict[str, str]
    variables: dict[str, Any]


def read_lab() -> RunningLab:
    """The lab as its inventory tells it; empty where there is none."""
    path = INVENTORY / "hosts.yml"
    group = (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}).get("postgresql", {})
    hosts = {name: host["ansible_host"] for name, host in (group.get("hosts") or {}).items()}
    return RunningLab(hosts, group.get("vars") or {})


def release(*servers: str) -> None:
    """Take servers down, and the whole lab with the last one; a run of several parts (PGKEEL_KEEP_LAB) does that at its end."""
    lab("down", *servers)
    if not os.environ.get("PGKEEL_KEEP_LAB") and not read_lab().hosts:
        lab("down")


def lab(state: str, *servers: str, fresh: bool = False) -> None:
    """Bring servers of the lab up, or down; none named takes the whole lab down.

    Raises subprocess.CalledProcessError when the playbook fails; it has said why.
    """
    names = ",".join(f'"{name}"' for name in servers)
    extra = f'{{"lab_state": "{state}", "lab_fresh": {str(fresh).lower()}, "lab_servers": [{names}]}}'
    subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "playbooks/lab.yml", "-e", extra], cwd=ROOT, check=True
    )  # fmt: skip
