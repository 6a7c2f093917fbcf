"""Backup and restore, four ways, side by side on one lab server and one store: build/bench/backup.json.

``naive`` and ``pgkeel`` reach the store directly and without TLS, for rclone asks for 100-continue, which the strict proxy
refuses; pgBackRest speaks TLS only and goes through the proxy. pgBackRest copies the whole cluster's files and verifies no row.
"""

from __future__ import annotations

import base64
import json
import os
import re
import statistics
import subprocess
import sys
from typing import Any

from lab_inventory import INVENTORY, ROOT, RunningLab, lab, read_lab

sys.path[:0] = [str(ROOT / "module_utils"), str(ROOT / "tests" / "integration")]

from backup_bench import DRILL, GROUND, OPERATOR, PREFIX, SIGNING_KEY  # noqa: E402
from pgkeel.backup.encryption import recipient_of  # noqa: E402

SERVER = "bench"
DATABASE = "edtech"
SIZE = os.environ.get("BENCH_SIZE", "medium")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def playbook(name: str, *options: str) -> None:
    """Run one of the project's playbooks against the server."""
    command = ["ansible-playbook", "-i", str(INVENTORY), "--limit", SERVER, f"playbooks/{name}.yml", *options]
    subprocess.run(command, cwd=ROOT, check=True)


def ssh(running: RunningLab, command: str, stdin: str = "") -> str:
    """Run it on the server as root; its output."""
    known = re.search(r"-o (UserKnownHostsFile=\S+)", running.variables["ansible_ssh_common_args"])
    options = ["-i", running.variables["ansible_ssh_private_key_file"], *(["-o", known[1]] if known else [])]
    done = subprocess.run(
        ["ssh", *options, "-o", "LogLevel=ERROR", f"root@{running.hosts[SERVER]}", command],
        input=stdin,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def prepare(running: RunningLab) -> int:
    """Programs, the EdTech database and our files on the server; returns the database's size in bytes."""
    ssh(running, "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rclone pgbackrest >/dev/null")
    playbook("edtech", "-e", f"edtech_size={SIZE}")
    places = (("module_utils", "pgkeel"), ("tests/integration", "backup_driver.py"), ("tools", "bench_backup_remote.py"))
    packed = subprocess.run(
        ["tar", "cz", "--exclude=__pycache__", *(word for folder, name in places for word in ("-C", str(ROOT / folder), name))],
        capture_output=True,
        check=True,
    ).stdout
    folder = "/tmp/pgkeel-it"  # noqa: S108 - on the lab server
    ssh(
        running,
        f"rm -rf {folder} && mkdir {folder} && base64 -d | tar xz --no-same-owner -C {folder} && chmod -R a+rX {folder} && "
        f"install -d -o postgres -g postgres -m 700 {GROUND}",
        base64.b64encode(packed).decode(),
    )
    ask = f"runuser -u postgres -- psql -XAt -c \"SELECT pg_database_size('{DATABASE}')\""
    return int(ssh(running, ask))


def main() -> int:
    """Measure, and write the figures."""
    lab("up", SERVER)
    playbook("site")
    running = read_lab()
    size = prepare(running)
    variables = running.variables
    tls = variables["backup_s3_endpoint"]
    host, port = tls.removeprefix("https://").split(":")
    given: dict[str, Any] = {
        "database": DATABASE,
        "server_name": "bench",
        "prefix": PREFIX,
        # SeaweedFS's own port, behind the proxy.
        "endpoint": f"http://{host}:{int(port) + 4}",
        "tls_endpoint": tls,
        "bucket": variables["backup_s3_bucket"],
        "access_key": variables["backup_s3_access_key"],
        "secret_key": variables["backup_s3_secret_key"],
        "ca_file": variables["backup_s3_ca_file"],
        "recipients": [recipient_of(OPERATOR), recipient_of(DRILL)],
        "identity": DRILL,
        "signing_key": SIGNING_KEY,
        "drill_dir": GROUND,
        "data_dir": "/var/lib/postgresql/17/main",
    }
    measured: dict[str, list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        for name, change in (
            ("pgkeel", {"way": "pgkeel"}),
            ("pgkeel_without_manifest_hashes", {"way": "pgkeel", "hash_contents": False, "server_name": "bench-plain"}),
            ("naive", {"way": "naive"}),
            ("pgbackrest", {"way": "pgbackrest"}),
        ):
            ca = {} if change["way"] == "pgbackrest" else {"ca_file": ""}
            remote = "cd / && exec runuser -u postgres -- /opt/pgkeel/venv/bin/python /tmp/pgkeel-it/bench_backup_remote.py"
            found = json.loads(ssh(running, remote, json.dumps({**given, **ca, **change})))
            print(name, json.dumps(found), flush=True)
            measured.setdefault(name, []).append(found)
    document: dict[str, Any] = {"database_bytes": size, "cpus": os.cpu_count(), "rounds": ROUNDS}
    for name, runs in measured.items():
        document[name] = {
            figure: round(statistics.median(run[figure] for run in runs), 2)
            for figure in ("backup_s", "restore_verify_s", "bytes", "peak_rss_bytes")
        } | {"runs": runs}
    path = ROOT / "build" / "bench" / "backup.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    ours, plain, theirs = document["pgkeel"], document["pgkeel_without_manifest_hashes"], document["naive"]
    for name, runs in measured.items():
        spread = (f"{run['backup_s']:.1f}/{run['restore_verify_s']:.1f}" for run in runs)
        print(f"{name}: backup/restore in seconds, each round: {', '.join(spread)}")
    print(f"backup {theirs['backup_s'] / ours['backup_s']:.2f} times as fast as naive")
    print(f"size {ours['bytes'] / theirs['bytes']:.2f} times that of naive")
    print(f"hashes cost {ours['backup_s'] / plain['backup_s']:.2f} times the time without")
    print(f"drill {theirs['restore_verify_s'] / ours['restore_verify_s']:.2f} times as fast as naive restore and counts")
    print(f"peak memory {ours['peak_rss_bytes'] / 1e6:.0f} MB; database {size / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
