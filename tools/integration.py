"""Run the integration tests on a fresh lab server, and take it down afterwards (KEEP=1 keeps it)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lab_inventory import INVENTORY, ROOT, lab, read_lab, release

SERVER = "it"


def main(arguments: list[str]) -> int:
    """Start and converge the server where it is not there yet, then run pytest."""
    keep = bool(os.environ.get("KEEP"))
    try:
        lab("up", SERVER)
        subprocess.run(["ansible-playbook", "-i", str(INVENTORY), "--limit", SERVER, "playbooks/site.yml"], cwd=ROOT, check=True)
        running = read_lab()
        options = running.variables["ansible_ssh_common_args"]
        key = running.variables["ansible_ssh_private_key_file"]
        known_hosts = re.search(r"UserKnownHostsFile=(\S+)", options)
        environment = {
            **os.environ,
            "PGKEEL_TEST_SERVER": SERVER,
            "PGKEEL_TEST_HOST": running.hosts[SERVER],
            "PGKEEL_TEST_SSH_KEY": key,
            "PGKEEL_TEST_KNOWN_HOSTS": known_hosts[1] if known_hosts else "/dev/null",
            "PGKEEL_TEST_INVENTORY": str(INVENTORY),
            "PGKEEL_TEST_S3_ENDPOINT": running.variables["backup_s3_endpoint"],
            "PGKEEL_TEST_S3_ACCESS_KEY": running.variables["backup_s3_access_key"],
            "PGKEEL_TEST_S3_SECRET_KEY": running.variables["backup_s3_secret_key"],
            "PGKEEL_TEST_S3_CA_FILE": running.variables["lab_store_ca_file"],
        }
        tests = arguments or [str(Path("tests") / "integration")]
        status = subprocess.run(["pytest", "--durations=15", *tests], cwd=ROOT, env=environment, check=False).returncode
    except subprocess.CalledProcessError as error:
        return error.returncode
    finally:
        if not keep:
            release(SERVER)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
