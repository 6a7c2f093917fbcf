"""The success metrics, measured on a fresh lab server: build/bench/results.json, run.json, raw/ and benchmarks.html.

BENCH_SIZE (full): full measures 10 million logs and, for the growth, 1 million and 100,000; quick measures 100,000.
BENCH_SIZES: names of sizes with commas, the one of the results first (bench,million,small). BENCH_MINUTES (30): it stops by
itself, and keeps what it has. KEEP=1 keeps the server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab_inventory import INVENTORY, ROOT, lab, read_lab, release

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.benchmark.bench_page import render_bench
from pgkeel.benchmark.cases import GROUPS
from pgkeel.benchmark.results import all_rows, growth, missed, read_parts, write_json, write_raw
from pgkeel.benchmark.timing import ratio, row
from pgkeel.edtech.sizes import size_named
from pgkeel.errors import PgkeelError

SERVER = "bench"
OUT = ROOT / "build" / "bench"
PARTS = OUT / "parts"
COSTS = OUT / "costs.json"
"""Of `make bench-cost`, where that was run."""
SIZES = {"quick": "small", "full": "bench,million,small"}
SCHEMAS = {
    "schema_audit_prisma": "prisma/schema.prisma",
    "schema_audit_drizzle": "drizzle/schema.ts",
    "schema_audit_kysely": "kysely/types.ts",
}
SCHEMA_SECONDS = 60
SHUTDOWN_SECONDS = 90
"""For the module on the server to put everything back after an interruption."""


class StoppedError(Exception):
    """The time was up, somebody ended the run, or it cannot go on."""


class Run:
    """One run: its deadline, and what it says of itself."""

    def __init__(self, minutes: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + minutes * 60
        self.seconds: dict[str, float] = {}

    def play(self, name: str, playbook: str, extra: dict[str, Any], *arguments: str, must: bool = True) -> bool:
        """Run a playbook; True when it succeeded. Raises StoppedError when the time is up, or it failed and must not."""
        begun = time.monotonic()
        if begun >= self.deadline:
            raise StoppedError("the time was up")
        log = OUT / "log" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"{begun - self.started:6.0f} s  {name} ...", flush=True)
        command = ["ansible-playbook", "-i", str(INVENTORY), "--limit", f"{SERVER},localhost", playbook, *arguments]
        command += ["-e", json.dumps({"pgkeel_report_dir": str(PARTS), **extra})]
        with log.open("wb") as out:
            playing = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
            try:
                status = playing.wait(timeout=self.deadline - begun)
            except subprocess.TimeoutExpired:
                end(playing)
                raise StoppedError(f"the time was up in {name}") from None
            except KeyboardInterrupt:
                end(playing)
                raise StoppedError(f"the run was interrupted in {name}") from None
            finally:
                self.seconds[name] = round(time.monotonic() - begun, 1)
        if status and must:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()
            fatal = next((number for number, line in enumerate(tail) if line.startswith(("fatal", "[ERROR]"))), -15)
            print("\n".join(tail[fatal:][:15]), file=sys.stderr)
            raise StoppedError(f"{name} failed: all of it is in {log.relative_to(ROOT)}")
        return status == 0


def end(playing: subprocess.Popen[bytes]) -> None:
    """End a playbook that we started, with its ssh: the module on the server notices and puts its indexes back."""
    os.killpg(playing.pid, signal.SIGINT)
    try:
        playing.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(playing.pid, signal.SIGKILL)
        playing.wait()


def ssh(command: str) -> str:
    """Run it on the server as root; its output, empty where that fails."""
    running = read_lab()
    options = running.variables["ansible_ssh_common_args"].split()
    line = ["ssh", "-i", running.variables["ansible_ssh_private_key_file"], *options, "-o", "LogLevel=ERROR"]
    done = subprocess.run([*line, f"root@{running.hosts[SERVER]}", command], capture_output=True, text=True, check=False)
    return done.stdout


def rescue(database: str) -> None:
    """After an interruption: wait until the module has put everything back, and keep the rows of the group that it was in."""
    ask = "runuser -u postgres -- psql -XAtc \"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgkeel bench'\""
    deadline = time.monotonic() + SHUTDOWN_SECONDS
    while time.monotonic() < deadline and ssh(ask).strip() not in {"0", ""}:
        time.sleep(0.5)
    measured = []
    for line in ssh("cat /var/lib/postgresql/pgkeel-bench/measured.jsonl 2>/dev/null").splitlines():
        # The last may be cut off.
        with suppress(ValueError):
            measured.append(json.loads(line))
    parts = read_parts(PARTS / SERVER, database)
    for group in GROUPS:
        metrics = {case.metric for case in group.cases}
        mine = [one for one in measured if one["database"] == database and one["row"]["metric"] in metrics]
        if mine and group.name not in parts:
            kept = {"rows": [one["row"] for one in mine], "raw": [one["raw"] for one in mine]}
            write_json(PARTS / SERVER / f"bench-{database}-{group.name}.json", kept)


def measure(run: Run, sizes: list[str]) -> str:
    """Everything, the largest data first; why it stopped before the end, or nothing."""
    size = sizes[0]
    databases = [{"name": "edtech", "owner": "app"}, *({"name": f"bench_{one}", "owner": "app"} for one in sizes)]
    try:
        lab("up", SERVER)
        run.play("site", "playbooks/site.yml", {"database_databases": databases, "database_indexes": []})
        # Before the server has vacuuming and checkpoints of the load on its hands.
        run.play("storm", "playbooks/benchmark.yml", {"benchmark_storm_rounds": 1}, "--tags", "storm", must=False)
        for number, size in enumerate(sizes):
            database = f"bench_{size}"
            given = {"edtech_database": database, "edtech_size": size, "database_indexes": []}
            run.play(f"load_{size}", "playbooks/edtech.yml", {**given, "database_databases": databases})
            less = {"benchmark_seconds": 2, "benchmark_least": 1, "benchmark_first_only": True} if number else {}
            if len(sizes) == 1:
                less = {"benchmark_seconds": 2}
            extra = {"benchmark_database": database, "benchmark_install_node": True, **less}
            run.play(f"measure_{size}", "playbooks/benchmark.yml", extra, "--tags", "metrics", must=False)
            if number == 0:
                schema = {name: str(ROOT / "files" / "edtech" / place) for name, place in SCHEMAS.items()}
                audit = {"schema_audit_database": database, "schema_audit_report_dir": str(PARTS), **schema}
                run.play("schema_audit", "playbooks/schema_audit.yml", audit, must=False)
    except (StoppedError, KeyboardInterrupt) as stopped:
        if SERVER in read_lab().hosts:
            rescue(f"bench_{size}")
        return str(stopped) or "the run was interrupted"
    return ""


def storm_row(parts: Path, why: str) -> dict[str, Any]:
    """The storm as a row: time to be logged in when all arrive at once; no error is the target."""
    described = {"metric": "login_storm", "client": "200 clients", "target": None}
    try:
        found = json.loads((parts / "storm.json").read_text(encoding="utf-8"))
        storms = {(one["path"], one["arrival"]): one for one in found["storms"]}
        pooled, direct = storms["pgbouncer", "burst"], storms["direct_tuned", "burst"]
    except (OSError, ValueError, KeyError):
        return row(described, [], [], None, {}, reason=f"not measured: {why or 'the storm did not end well'}")
    errors = sum(sum(one["errors"].values()) for (path, _), one in storms.items() if path == "pgbouncer")
    refused = sum(direct["errors"].values())
    note = f"Logged in, all at once: directly, tuned ({refused} refused), and through pgbouncer ({errors} failed)."
    # Why it is missed, where no login failed.
    note = " ".join([note, *(f"{problem[:1].upper()}{problem[1:]}." for problem in found["problems"])])

    def times(storm: dict[str, Any]) -> dict[str, float] | None:
        found = {"median": storm["login_ms"]["p50"], "p95": storm["login_ms"]["p95"]}
        # Nobody logged in: there is no time.
        return None if None in found.values() else found

    made = row({**described, "note": note}, [], [], pooled["clients"], {})
    before, after = times(direct), times(pooled)
    return {
        **made,
        "before_ms": before,
        "after_ms": after,
        "ratio": ratio(before, after),
        "met": errors == 0 and not found["problems"],
    }


def schema_row(run: Run, why: str) -> dict[str, Any]:
    """The schema check as a row: by hand before, so that there is no time; seconds now."""
    note = f"By hand before, so there is no figure; now a playbook, of which the target is {SCHEMA_SECONDS} s."
    described = {"metric": "schema_check", "client": "playbooks/schema_audit.yml", "target": None, "note": note}
    seconds = run.seconds.get("schema_audit")
    summary = next(iter(PARTS.rglob("schema_audit.json")), None)
    if seconds is None or summary is None:
        return row(described, [], [], None, {}, reason=f"not measured: {why or 'the audit did not end'}")
    verdict = json.loads(summary.read_text(encoding="utf-8"))["verdict"]
    if verdict == "could not verify":
        return row(described, [], [], None, {}, reason=f"not measured: the audit {verdict} the schema")
    made = row(described, [], [seconds * 1000], None, {})
    return {**made, "met": seconds <= SCHEMA_SECONDS}


def conclude(run: Run, sizes: list[str], stopped: str, begun: datetime) -> int:
    """Write the files; the exit status."""
    by_size = [(size, read_parts(PARTS / SERVER, f"bench_{size}")) for size in sizes]
    parts = by_size[0][1]
    rows = all_rows(parts, stopped or "its part of the run failed; see build/bench/log")
    rows += [schema_row(run, stopped), storm_row(PARTS / SERVER, stopped)]
    for size, found in by_size:
        write_raw(OUT / "raw" / size, found)
    machine = next((part["machine"] for part in parts.values() if "machine" in part), {})
    size = size_named(sizes[0])
    asked = {"size": size.name, "logs": size.logs, "users": size.users}
    data = next((part["data"] for part in parts.values() if "data" in part), asked)
    given = [f"{name}={os.environ[name]}" for name in ("BENCH_SIZE", "BENCH_SIZES", "BENCH_MINUTES") if name in os.environ]
    about = {
        "started": begun.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - run.started),
        "stopped": stopped,
        "command": " ".join([*given, "make bench"]),
        "machine": machine,
        "data": data,
        "phases": run.seconds,
        "growth": growth(by_size),
        "costs": json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else [],
    }
    write_json(OUT / "results.json", rows)
    write_json(OUT / "run.json", about)
    (OUT / "benchmarks.html").write_text(render_bench(rows, about), encoding="utf-8")
    problems = missed(rows, about["costs"])
    print()
    for one in rows:
        times = [f"{one[side]['median']:.2f}" if one[side] else "-" for side in ("before_ms", "after_ms")]
        verdict = {True: "met", False: "MISSED", None: one["reason"] and "NOT MEASURED"}[one["met"]]
        print(f"{one['metric']:28} {one['client']:26} {times[0]:>12} {times[1]:>11} ms  x {one['ratio'] or '-'!s:>8}  {verdict}")
    for problem in problems:
        print(f"RED: {problem}", file=sys.stderr)
    print(f"\n{(OUT / 'results.json').relative_to(ROOT)}; beside it run.json, raw/ and benchmarks.html")
    if stopped:
        print(f"It stopped before the end, because {stopped}; what was measured so far is kept.", file=sys.stderr)
    # A target that is missed is a result, and told in red; no result, or a different one, is a failure.
    return 1 if stopped or any(one["reason"] or one["difference"] for one in rows) else 0


def main() -> int:
    """Measure on a server of our own, whatever is left of it."""
    chosen = os.environ.get("BENCH_SIZE", "full")
    if chosen not in SIZES:
        sys.exit(f"pgkeel: BENCH_SIZE is {chosen!r}. Choose quick or full.")
    sizes = os.environ.get("BENCH_SIZES", SIZES[chosen]).split(",")
    try:
        for size in sizes:
            size_named(size)
    except PgkeelError as error:
        sys.exit(f"pgkeel: BENCH_SIZES: {error}")
    subprocess.run(["rm", "-rf", str(PARTS), str(OUT / "raw"), str(OUT / "log")], check=True)
    run, begun = Run(float(os.environ.get("BENCH_MINUTES", "30"))), datetime.now(UTC)
    # Also where SIGINT came ignored, as in a background job: our children would inherit that.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, signal.default_int_handler)
    try:
        stopped = measure(run, sizes)
        return conclude(run, sizes, stopped, begun)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if not os.environ.get("KEEP"):
            release(SERVER)


if __name__ == "__main__":
    sys.exit(main())
