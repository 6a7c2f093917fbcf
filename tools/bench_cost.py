"""What pgkeel itself costs, on a fresh lab server: build/bench/costs.json, which the page of `make bench` shows.

Time, ssh round trips and memory of each playbook, first and again; what pg_stat_statements takes of pgbench in turns;
and what a backup and a drill do to the p95 of a running workload. The controller shares the lab's cores. KEEP=1 keeps the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from lab_inventory import INVENTORY, ROOT, lab, read_lab

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.benchmark.results import write_json

SERVER = "cost"
OUT = ROOT / "build" / "bench"
PARTS = OUT / "cost-parts"
SIZE = os.environ.get("BENCH_COST_SIZE", "demo")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
PLAYBOOKS = ("site", "edtech", "indexes", "tuning", "audit", "backup", "backups", "restore_drill", "status", "report")
CAP = 0.15
"""How much a backup or a drill may add to the p95 of a workload."""
WORKLOAD_SECONDS = 20
CLIENTS = 4


def command(playbook: str, *arguments: str, **extra: object) -> list[str]:
    """The command of a playbook."""
    given = {"edtech_size": SIZE, "pgkeel_report_dir": str(PARTS), **extra}
    limit = ["-i", str(INVENTORY), "--limit", f"{SERVER},localhost"]
    return ["ansible-playbook", *limit, f"playbooks/{playbook}.yml", *arguments, "-e", json.dumps(given)]


def run(playbook: str) -> dict[str, Any]:
    """Run one and measure: ``seconds``, ``trips`` (commands over ssh), ``rss`` (bytes, the largest process), ``changed``."""
    log, record = OUT / "log" / f"cost-{playbook}.log", OUT / "log" / "cost-record.json"
    log.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    began = time.monotonic()
    environment = {**os.environ, "PGKEEL_RUN_RECORD": str(record), "ANSIBLE_NOCOLOR": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(command(playbook, "-vvv"), cwd=ROOT, env=environment, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"pgkeel: {playbook} failed; see {log.relative_to(ROOT)}")
    trips = log.read_text(encoding="utf-8", errors="replace").count(" SSH: EXEC ")
    hosts = json.loads(record.read_text(encoding="utf-8"))["hosts"] if record.exists() else {}
    changed = sum(host["changed"] for host in hosts.values())
    return {"seconds": round(seconds, 1), "trips": trips, "rss": usage.ru_maxrss * 1024, "changed": changed}


def ssh(line: str) -> str:
    """Run it on the server as root; its output."""
    running = read_lab()
    options = running.variables["ansible_ssh_common_args"].split()
    start = ["ssh", "-i", running.variables["ansible_ssh_private_key_file"], *options, "-o", "LogLevel=ERROR"]
    return subprocess.run([*start, f"root@{running.hosts[SERVER]}", line], stdout=subprocess.PIPE, text=True, check=True).stdout


def playbooks() -> dict[str, Any]:
    """Each playbook, the first time and again."""
    lines = []
    for name in PLAYBOOKS:
        first, again = run(name), run(name)
        print(name, first, again, flush=True)
        lines.append(
            [
                f"{name}.yml",
                f"{first['seconds']:.1f} s",
                f"{again['seconds']:.1f} s",
                str(first["trips"]),
                str(again["trips"]),
                str(again["changed"]),
                f"{max(first['rss'], again['rss']) / 1e6:.0f} MB",
            ]
        )
    columns = ["playbook", "first", "again", "ssh first", "again", "changed again", "memory"]
    return {
        "title": "Playbooks",
        "caption": f"Time, commands over ssh and the controller's memory, on a fresh server and again; data of size {SIZE}.",
        "columns": [[name, "num" if number else ""] for number, name in enumerate(columns)],
        "lines": lines,
    }


def statements() -> dict[str, Any]:
    """pg_stat_statements' share of throughput: short reads, the worst case, in turns."""
    ssh("runuser -u postgres -- createdb cost_pgbench")
    binary = "/usr/lib/postgresql/17/bin/pgbench"
    found: dict[str, list[float]] = {"none": [], "all": []}
    try:
        ssh(f"runuser -u postgres -- {binary} -q -i -s 10 cost_pgbench >/dev/null 2>&1")
        for _ in range(ROUNDS):
            for track, samples in found.items():
                options = f"PGOPTIONS='-c pg_stat_statements.track={track}'"
                output = ssh(
                    f"runuser -u postgres -- env {options} {binary} -n -S -M prepared -c {CLIENTS} -j 2 -T 5 cost_pgbench"
                )
                samples.append(float(output.split("tps = ")[1].split()[0]))
    finally:
        ssh("runuser -u postgres -- dropdb --force cost_pgbench")
    without, with_ = median(found["none"]), median(found["all"])
    lines = [
        [name, f"{median(samples):,.0f}", f"{min(samples):,.0f} to {max(samples):,.0f}", f"{1 - median(samples) / without:+.1%}"]
        for name, samples in (("not tracked", found["none"]), ("track = all", found["all"]))
    ]
    print(f"pg_stat_statements: {1 - with_ / without:+.1%}", flush=True)
    return {
        "title": "pg_stat_statements",
        "caption": f"pgbench -S, prepared, {CLIENTS} clients: transactions a second, median and spread of {ROUNDS} in turns.",
        "columns": [["", ""], ["median", "num"], ["spread", "num"], ["cost", "num"]],
        "lines": lines,
    }


def workload() -> dict[str, float]:
    """The p95 of each kind of operation in milliseconds, of those that came often enough."""
    extra = {
        "edtech_workload_seconds": WORKLOAD_SECONDS,
        "edtech_workload_transactions": 1_000_000,
        "edtech_workload_clients": CLIENTS,
    }
    subprocess.run(command("workload", **extra), cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    found = json.loads((PARTS / SERVER / "workload.json").read_text(encoding="utf-8"))["operations"]
    return {kind: one["p95_ms"] for kind, one in found.items() if one["count"] >= 100 and one["p95_ms"]}  # noqa: PLR2004


def beside(playbook: str) -> dict[str, float]:
    """The workload while a playbook runs again and again."""
    running = subprocess.Popen(
        ["bash", "-c", 'while "$@" >/dev/null 2>&1; do :; done', "loop", *command(playbook)], cwd=ROOT, start_new_session=True
    )
    try:
        return workload()
    finally:
        os.killpg(running.pid, 15)
        running.wait()
        time.sleep(5)


def interference() -> dict[str, Any]:
    """What a backup and a drill do to a workload."""
    lines = []
    for playbook in ("backup", "restore_drill"):
        shares = []
        for _ in range(max(1, ROUNDS // 2)):
            alone, with_ = workload(), beside(playbook)
            common = sorted(alone.keys() & with_.keys())
            shares.append(median(with_[kind] / alone[kind] for kind in common) - 1)
        verdict = "met" if median(shares) <= CAP else "MISSED"
        lines.append([playbook, f"{median(shares):+.0%}", f"{min(shares):+.0%} to {max(shares):+.0%}", f"{CAP:.0%}", verdict])
        print(lines[-1], flush=True)
    return {
        "title": "Beside a running workload",
        "caption": f"p95 of the application's operations ({CLIENTS} clients, {WORKLOAD_SECONDS} s) while it runs over and over, "
        "against alone; the median of all kinds. The controller shares the cores, and in the lab no cap of the processor holds.",
        "columns": [["", ""], ["p95", "num"], ["spread", "num"], ["at most", "num"], ["", "num"]],
        "lines": lines,
    }


def main() -> int:
    """Measure part by part; each is kept as soon as it is there."""
    lab("up", SERVER)
    others = set(read_lab().hosts) - {SERVER}
    blocks: list[dict[str, Any]] = []
    try:
        for part in (playbooks, statements, interference):
            blocks.append(part())
            write_json(OUT / "costs.json", blocks)
    finally:
        if not os.environ.get("KEEP"):
            lab("down", *([SERVER] if others else []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
