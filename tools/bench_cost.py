"""What pgkeel itself costs, on a fresh lab server: build/bench/costs.json, which the page of `make bench` shows.

Time, ssh round trips and memory of each playbook, first and again; what pg_stat_statements, pg_qualstats and the exporters
take of pgbench, in turns; what a backup and a drill do to the p95 of a running workload. The controller shares the lab's cores.
Arguments: the parts to measure (playbooks, statements, exporters, interference). BENCH_ROUNDS (12) of throughputs.
KEEP=1 keeps the server.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from lab_caps import capped
from lab_inventory import INVENTORY, ROOT, lab, read_lab, release

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.benchmark.results import write_json

SERVER = "cost"
OUT = ROOT / "build" / "bench"
PARTS = OUT / "cost-parts"
SIZE = os.environ.get("BENCH_COST_SIZE", "demo")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "12"))
PLAYBOOKS = ("site", "edtech", "indexes", "tuning", "audit", "backup", "backups", "restore_drill", "status", "report")
CAP = 0.15
"""How much a backup or a drill may add to the p95 of a workload."""
BUSY = 0.3
"""Of what the server can do at most: a workload that takes all of it has nothing to give to anything else."""
WORKLOAD_SECONDS = 45
WORKLOAD_ROUNDS = 4
SECONDS = 3
SCRAPED_SECONDS = 6
"""Long enough for answers that take more than a second on a busy machine."""
OFTEN = 100
"""Operations of a kind that make a p95."""
JOBS = {"backup": "pgkeel-backup.service", "drill": "pgkeel-drill.slice"}
"""Of the schedule, and the unit that says what each may take of the processors."""
POOLED = 35
"""Connections that the application's pools declare. Fewer would queue behind a report as no user of the application does."""
CLIENTS = 4
DATABASE = "cost_pgbench"
PGBENCH = "/usr/lib/postgresql/17/bin/pgbench"


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
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
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


def block(  # noqa: PLR0917 - a table and what it is made of
    title: str,
    caption: str,
    columns: list[str],
    lines: list[list[str]],
    samples: dict[str, Any],
    met: list[bool | None] | None = None,
) -> dict[str, Any]:
    """A table of the page. Cells are texts; ``samples`` what they come from; ``met`` whether each line is within its cap."""
    return {
        "title": title,
        "caption": caption,
        "columns": [[name, "num" if number else ""] for number, name in enumerate(columns)],
        "lines": lines,
        "met": met or [None] * len(lines),
        "samples": samples,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[2]:.1f} in the quarter of an hour before",
    }


def playbooks() -> dict[str, Any]:
    """Each playbook, the first time and again."""
    lines, samples = [], {}
    for name in PLAYBOOKS:
        first, again = run(name), run(name)
        samples[name] = [first, again]
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
    caption = f"Time, commands over ssh and the controller's memory, on a fresh server and again; data of size {SIZE}."
    return block("Playbooks", caption, columns, lines, samples)


def throughput(options: str, seconds: int = SECONDS) -> float:
    """Transactions a second of short reads, the worst case for whatever is done once a statement."""
    command = f"{PGBENCH} -n -S -M prepared -c {CLIENTS} -j 2 -T {seconds} {DATABASE}"
    return float(ssh(f"runuser -u postgres -- env PGOPTIONS='{options}' {command}").split("tps = ")[1].split()[0])


def in_turns(title: str, caption: str, ways: dict[str, Callable[[], float]]) -> dict[str, Any]:
    """A block of throughputs, each way once a round; the first is what the others are compared with, round by round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    # Not timed: the cache fills, and the processor wakes up. Then each begins a round as often as any other.
    ways[names[0]]()
    # As many rounds as let each begin equally often.
    rounds = -(-ROUNDS // len(names)) * len(names)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(ways[name]())
    first = next(iter(found.values()))
    lines = []
    for number, (name, samples) in enumerate(found.items()):
        costs = [1 - one / base for one, base in zip(samples, first, strict=True)]
        cost = [f"{median(costs):+.1%}", f"{min(costs):+.1%} to {max(costs):+.1%}"] if number else ["", ""]
        lines.append([name, f"{median(samples):,.0f}", f"{min(samples):,.0f} to {max(samples):,.0f}", *cost])
        print(title, lines[-1], flush=True)
    told = f"{caption} {rounds} rounds in turns; the cost is the median of the rounds."
    return block(title, told, ["", "a second", "spread", "cost", "spread"], lines, found)


def make_database() -> None:
    """A database for pgbench, 150 MB."""
    ssh(f"runuser -u postgres -- createdb {DATABASE} && runuser -u postgres -- {PGBENCH} -q -i -s 10 {DATABASE} >/dev/null 2>&1")


def statements() -> dict[str, Any]:
    """What counting statements and sampling their predicates takes of pgbench, on the server's own settings."""
    ssh("DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-17-pg-qualstats >/dev/null")
    libraries = ssh("runuser -u postgres -- psql -XAtc 'SHOW shared_preload_libraries'").strip()
    drop_in = "/etc/postgresql/17/main/conf.d/zz-bench-cost.conf"
    preloaded = f"shared_preload_libraries = '{libraries}, pg_qualstats'"
    try:
        ssh(f'echo "{preloaded}" > {drop_in} && systemctl restart postgresql@17-main')
        make_database()
        ssh(f"runuser -u postgres -- psql -Xqc 'CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_qualstats' {DATABASE}")

        def way(track: str, **qualstats: object) -> Callable[[], float]:
            given = {"pg_stat_statements.track": track, **{f"pg_qualstats.{name}": value for name, value in qualstats.items()}}
            options = " ".join(f"-c {name}={value}" for name, value in given.items())
            return lambda: throughput(options)

        return in_turns(
            "pg_stat_statements and pg_qualstats",
            f"pgbench -S, prepared, {CLIENTS} clients, {SECONDS} s. pgkeel counts statements; pg_qualstats it leaves to you.",
            {
                "both are loaded, neither counts": way("none", enabled="off"),
                "pg_stat_statements, track = all": way("all", enabled="off"),
                "and pg_qualstats, one statement in max_connections": way("all", enabled="on", sample_rate=-1),
                "and pg_qualstats, every statement": way("all", enabled="on", sample_rate=1),
            },
        )
    finally:
        ssh(
            f"runuser -u postgres -- dropdb --if-exists --force {DATABASE}; rm -f {drop_in}; systemctl restart postgresql@17-main"
        )


def exporters() -> dict[str, Any]:
    """What the usual exporters take of pgbench while they are asked each second, fifteen times as often as is usual."""
    packages = "prometheus-postgres-exporter prometheus-node-exporter curl"
    ssh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {packages} >/dev/null 2>&1")
    ssh("systemctl disable -q --now prometheus-postgres-exporter prometheus-node-exporter")
    unit = "systemd-run -q --collect --expand-environment=no"
    source = "DATA_SOURCE_NAME='host=/run/postgresql user=postgres dbname=postgres sslmode=disable'"
    programs = {"pgkeel-cost-postgres": ("postgres", 9187), "pgkeel-cost-node": ("node", 9100)}
    pages = [f"http://127.0.0.1:{port}/metrics" for _, port in programs.values()]
    scrape = f"while sleep 1; do curl -fs {' '.join(pages)} | grep -c '^pg_up 1$' >> /run/pgkeel-cost-scrapes; done"
    scrapes: list[int] = []
    try:
        make_database()
        for name, (program, port) in programs.items():
            asked = f"/usr/bin/prometheus-{program}-exporter --web.listen-address=127.0.0.1:{port}"
            ssh(f"{unit} --uid=postgres --unit={name} env {source} {asked}")
        series = [
            ssh(f"curl -fs --retry 20 --retry-connrefused --retry-delay 1 {page} | grep -vc '^#'").strip() for page in pages
        ]

        def scraped() -> float:
            ssh(f"rm -f /run/pgkeel-cost-scrapes; {unit} --unit=pgkeel-cost-scrape sh -c {shlex.quote(scrape)}")
            try:
                return throughput("", SCRAPED_SECONDS)
            finally:
                answers = ssh("systemctl stop pgkeel-cost-scrape; cat /run/pgkeel-cost-scrapes").split()
                scrapes.append(len(answers))
                if set(answers) != {"1"}:
                    raise SystemExit("pgkeel: postgres_exporter did not answer, or could not log in")

        found = in_turns(
            "Exporters",
            f"pgbench -S, prepared, {CLIENTS} clients, {SCRAPED_SECONDS} s, with postgres_exporter ({series[0]} series) and "
            f"node_exporter ({series[1]}) as Debian has them, asked again a second after each answer: usual is once in 15 s.",
            {"not asked": lambda: throughput("", SCRAPED_SECONDS), "asked each second": scraped},
        )
        found["samples"]["scrapes"] = scrapes
        return found
    finally:
        units = " ".join([*programs, "pgkeel-cost-scrape"])
        ssh(f"systemctl stop {units} 2>/dev/null; runuser -u postgres -- dropdb --if-exists --force {DATABASE}")


def workload(rate: float) -> dict[str, Any]:
    """What came of the application's operations, at a rate or as fast as they go (0)."""
    extra = {
        "edtech_workload_seconds": WORKLOAD_SECONDS,
        "edtech_workload_transactions": 1_000_000,
        "edtech_workload_clients": POOLED,
        "edtech_workload_rate": rate,
    }
    subprocess.run(command("workload", **extra), cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    found: dict[str, Any] = json.loads((PARTS / SERVER / "workload.json").read_text(encoding="utf-8"))
    return found


def by_kind(found: dict[str, Any]) -> dict[str, float]:
    """The p95 of each kind of operation in milliseconds, of those that came often enough."""
    return {kind: one["p95_ms"] for kind, one in found["operations"].items() if one["count"] >= OFTEN and one["p95_ms"]}


def beside(job: str, rate: float) -> tuple[dict[str, Any], int]:
    """The workload while the server's own job runs again and again, as its timer starts it, and how often."""
    over, ended = threading.Event(), []

    def again() -> None:
        while not over.is_set():
            # What was begun is finished: killed, it would go on beside the next measurement.
            ended.append(ssh(f"systemctl start pgkeel-{job}.service 2>&1 || echo failed").strip())

    running = threading.Thread(target=again)
    running.start()
    try:
        found = workload(rate)
    finally:
        over.set()
        running.join()
    if any(ended):
        raise SystemExit(f"pgkeel: the job {job} failed beside the workload: journalctl -u pgkeel-{job} on the server")
    return found, len(ended)


@contextmanager
def store_elsewhere() -> Iterator[None]:
    """The lab's store gives way while the block runs, for it is another machine."""
    ours = (str(ROOT / ".venv").encode(), re.compile(rb"/weed\x00|pgkeel\.lab\.proxy"))
    sessions = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_bytes()
            if line.startswith(ours[0]) and ours[1].search(line):
                sessions.append(folder / "autogroup")
    try:
        for session in sessions:
            session.write_text("19", encoding="ascii")
        yield
    finally:
        for session in sessions:
            with suppress(OSError):
                session.write_text("0", encoding="ascii")


def interference() -> dict[str, Any]:
    """What a backup and a drill do to a workload that leaves the server room."""
    fastest = workload(0)["operations_per_second"]
    rate = round(BUSY * fastest)
    ways: dict[str, Callable[[], tuple[dict[str, Any], int]]] = {"": lambda: (workload(rate), 0)}
    ways |= {job: lambda job=job: beside(job, rate) for job in JOBS}
    names = list(ways)
    rounds: dict[str, list[dict[str, Any]]] = {job: [] for job in JOBS}
    alone_ms: list[float] = []
    with store_elsewhere(), capped(SERVER, JOBS.values(), ssh) as how:
        for number in range(WORKLOAD_ROUNDS):
            turn = number % len(names)
            seen = {name: ways[name]() for name in names[turn:] + names[:turn]}
            alone = seen[""][0]
            alone_ms.append(alone["p95_ms"])
            for job, found in rounds.items():
                with_, times = seen[job]
                kinds = by_kind(alone).keys() & by_kind(with_).keys()
                found.append(
                    {
                        "p95": with_["p95_ms"] / alone["p95_ms"] - 1,
                        "p50": with_["p50_ms"] / alone["p50_ms"] - 1,
                        "alone_ms": [alone["p50_ms"], alone["p95_ms"]],
                        "with_ms": [with_["p50_ms"], with_["p95_ms"]],
                        "times": times,
                        "each": {kind: by_kind(with_)[kind] / by_kind(alone)[kind] - 1 for kind in kinds},
                    }
                )
                print(job, found[-1], flush=True)
    lines, met = [], []
    for job, found in rounds.items():
        shares = [one["p95"] for one in found]
        # Of medians: a round alone that was disturbed is no reason to call a job harmless.
        p50, p95 = (
            median(one["with_ms"][number] for one in found) / median(one["alone_ms"][number] for one in found) - 1
            for number in (0, 1)
        )
        met.append(p95 <= CAP)
        lines.append(
            [
                job,
                f"{p50:+.0%}",
                f"{p95:+.0%}",
                f"{min(shares):+.0%} to {max(shares):+.0%}",
                f"{median(max(one['each'].values()) for one in found):+.0%}",
                f"{CAP:.0%}",
                "met" if met[-1] else "MISSED",
            ]
        )
    return block(
        "Beside a running workload",
        f"What the server's own job adds to the times of the application's operations, {rate} a second ({BUSY:.0%} of what the "
        f"server can) by {POOLED} connections, in {WORKLOAD_SECONDS} s while it runs again and again; against alone, in turns. "
        f"Alone, p95 was {min(alone_ms):.1f} to {max(alone_ms):.1f} ms. Client and store share the cores with the server; {how}.",
        ["job", "p50", "p95", "spread", "p95 of the worst kind", "p95 at most", ""],
        lines,
        rounds,
        met,
    )


PARTS_OF_IT = {one.__name__: one for one in (playbooks, statements, exporters, interference)}


def main(names: list[str]) -> int:
    """Measure part by part; each is kept as soon as it is there, and a part that is measured again takes its place."""
    wrong = set(names) - PARTS_OF_IT.keys()
    if wrong:
        sys.exit(f"pgkeel: {', '.join(sorted(wrong))}: choose among {', '.join(PARTS_OF_IT)}.")
    # So that what cleans up does so, however the run is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    path = OUT / "costs.json"
    blocks = {one["title"]: one for one in json.loads(path.read_text(encoding="utf-8"))} if names and path.exists() else {}
    try:
        lab("up", SERVER)
        if names and "playbooks" not in names:
            for name in ("site", "edtech", "backup"):
                run(name)
        for name in names or PARTS_OF_IT:
            made = PARTS_OF_IT[name]()
            blocks[made["title"]] = made
            write_json(path, list(blocks.values()))
    finally:
        if not os.environ.get("KEEP"):
            release(SERVER)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
