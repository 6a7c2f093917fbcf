"""Run the integration tests on a fresh lab server, and take it down afterwards (KEEP=1 keeps it).

PGKEEL_TEST_HALF=first or second runs about half of them, each on a server of its own, so that both can run beside each other.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from lab_inventory import INVENTORY, ROOT, lab, read_lab, release

FOLDER = Path("tests") / "integration"
# What keeps to databases of its own; the first half may change the server itself, and has every test file that is new.
SECOND = ("test_advisor_*.py", "test_audit.py", "test_optimize*.py", "test_pg_*.py", "test_rolling_*.py", "test_schema_audit*.py")
HALVES = {
    "": ("it", [str(FOLDER)]),
    "first": ("it", [str(FOLDER), *(f"--ignore-glob=*/{pattern}" for pattern in SECOND)]),
    "second": ("it-second", [str(path) for pattern in SECOND for path in sorted((ROOT / FOLDER).glob(pattern))]),
}


def main(arguments: list[str]) -> int:
    """Start and converge the server where it is not there yet, then run pytest."""
    server, tests = HALVES[os.environ.get("PGKEEL_TEST_HALF", "")]
    keep = bool(os.environ.get("KEEP"))
    try:
        lab("up", server)
        subprocess.run(["ansible-playbook", "-i", str(INVENTORY), "--limit", server, "playbooks/site.yml"], cwd=ROOT, check=True)
        running = read_lab()
        options = running.variables["ansible_ssh_common_args"]
        key = running.variables["ansible_ssh_private_key_file"]
        known_hosts = re.search(r"UserKnownHostsFile=(\S+)", options)
        environment = {
            **os.environ,
            "PGKEEL_TEST_SERVER": server,
            "PGKEEL_TEST_HOST": running.hosts[server],
            "PGKEEL_TEST_SSH_KEY": key,
            "PGKEEL_TEST_KNOWN_HOSTS": known_hosts[1] if known_hosts else "/dev/null",
            "PGKEEL_TEST_INVENTORY": str(INVENTORY),
            "PGKEEL_TEST_S3_ENDPOINT": running.variables["backup_s3_endpoint"],
            "PGKEEL_TEST_S3_ACCESS_KEY": running.variables["backup_s3_access_key"],
            "PGKEEL_TEST_S3_SECRET_KEY": running.variables["backup_s3_secret_key"],
            "PGKEEL_TEST_S3_CA_FILE": running.variables["lab_store_ca_file"],
        }
        status = subprocess.run(
            ["pytest", "--durations=15", *(arguments or tests)], cwd=ROOT, env=environment, check=False
        ).returncode
    except subprocess.CalledProcessError as error:
        return error.returncode
    finally:
        if not keep:
            release(server)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
