"""The advisor beside two simpler ones, on four workloads of different shape: build/bench/advisor.json.

BENCH_SCALE (1), BENCH_SEED (1), BENCH_ONLY (names, with commas) choose size, data and workloads. All of it runs on a throwaway
cluster of one lab server; the time of the whole is printed at the end.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

from lab_inventory import INVENTORY, ROOT, RunningLab, lab, read_lab

SERVER = os.environ.get("BENCH_SERVER", "bench")
FOLDER = "/tmp/pgkeel-advisor"  # noqa: S108 - on the lab server
GROUND = "/var/lib/postgresql/bench-ground"
NOISE = 0.02
"""Totals this close are equal, or as close as the same indexes came in two measurements, whichever is more."""


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


def lay(running: RunningLab) -> None:
    """Our files on the server."""
    places = (("module_utils", "pgkeel"), ("tools", "bench_advisor_remote.py"), ("tools", "bench_advisor_workloads.py"))
    packed = subprocess.run(
        ["tar", "cz", "--exclude=__pycache__", *(word for folder, name in places for word in ("-C", str(ROOT / folder), name))],
        capture_output=True,
        check=True,
    ).stdout
    ssh(
        running,
        f"rm -rf {FOLDER} && mkdir {FOLDER} && base64 -d | tar xz --no-same-owner -C {FOLDER} && chmod -R a+rX {FOLDER} && "
        f"install -d -o postgres -g postgres -m 700 {GROUND}",
        base64.b64encode(packed).decode(),
    )


def main() -> int:
    """Measure, and write the figures; 1 when pgkeel missed its aim anywhere."""
    begun = time.monotonic()
    lab("up", SERVER)
    subprocess.run(["ansible-playbook", "-i", str(INVENTORY), "--limit", SERVER, "playbooks/site.yml"], cwd=ROOT, check=True)
    running = read_lab()
    lay(running)
    schema = ROOT / "files" / "edtech"
    given: dict[str, Any] = {
        "scale": float(os.environ.get("BENCH_SCALE", "1")),
        "seed": int(os.environ.get("BENCH_SEED", "1")),
        "only": [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name],
        "budget_share": 0.5,
        "proof_seconds": 150,
        "ground_dir": GROUND,
        "tables_sql": (schema / "tables.sql").read_text(encoding="utf-8"),
        "constraints_sql": (schema / "constraints.sql").read_text(encoding="utf-8"),
        "migrations_sql": (schema / "prisma_migrations.sql").read_text(encoding="utf-8"),
    }
    remote = f"cd / && exec runuser -u postgres -- /opt/pgkeel/venv/bin/python {FOLDER}/bench_advisor_remote.py"
    rows = json.loads(ssh(running, remote, json.dumps(given)))
    path = ROOT / "build" / "bench" / "advisor.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    missed = 0
    for row in rows:
        rivals = [one["total_after_s"] for one in rows if one["workload"] == row["workload"] and one["method"] != "pgkeel"]
        mark = ""
        if row["method"] == "pgkeel" and (
            row["regressions"] or row["total_after_s"] > min(rivals) * (1 + max(NOISE, row["spread"]))
        ):
            missed += 1
            mark = "  MISSED"
        print(
            f"{row['workload']:12} {row['method']:14} {row['total_before_s']:9.3f} s -> {row['total_after_s']:9.3f} s"
            f" ±{row['spread']:.1%}"
            f" {row['bytes'] / 2**20:8.1f} MiB of {row['budget_bytes'] / 2**20:.1f}, advised in {row['advise_s']:6.1f} s,"
            f" {row['regressions']} slower, worst {row['worst_query_change']:+.0%}, {row['slower_writes']} writes slower{mark}"
        )
    print(f"{time.monotonic() - begun:.0f} s; {path}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
