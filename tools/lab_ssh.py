"""Log in on a lab server."""

from __future__ import annotations

import shlex
import subprocess
import sys

from lab_inventory import read_lab


def main(name: str) -> int:
    """Open a shell there; returns its exit status."""
    lab = read_lab()
    if name not in lab.hosts:
        print(f"No lab server {name!r} runs. Start it: make lab-up LAB_SERVERS={name}", file=sys.stderr)
        return 1
    options = shlex.split(lab.variables["ansible_ssh_common_args"])
    key = lab.variables["ansible_ssh_private_key_file"]
    return subprocess.run(["ssh", "-i", key, *options, f"root@{lab.hosts[name]}"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
