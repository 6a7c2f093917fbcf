"""The storm on a fresh lab server: runs the playbook, writes build/bench/storm.json, prints a table, fails on a problem."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from lab_inventory import INVENTORY, ROOT, lab, release

SERVER = "storm"
COLUMNS = (
    "path",
    "arrival",
    "ok %",
    "connect p50",
    "p99",
    "login p50",
    "p99",
    "transaction p50",
    "p99",
    "drain s",
    "backends",
    "waiting",
    "cpu %",
    "of clients",
)


def play(playbook: str, *arguments: str) -> int:
    """Run a playbook on the server; returns its exit status."""
    command = ["ansible-playbook", "-i", str(INVENTORY), "--limit", f"{SERVER},localhost", playbook, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def cells(row: dict) -> list[str]:
    """A row as a person reads it; times in milliseconds."""
    times = [row[kind][rank] for kind in ("connect_ms", "login_ms", "transaction_ms") for rank in ("p50", "p99")]
    shown = ["-" if value is None else f"{value:.0f}" for value in times]
    counts = [str(row[name]) for name in ("drain_s", "peak_backends", "peak_waiting")]
    counts += [f"{100 * row[name]:.0f}" for name in ("cpu_share", "clients_cpu_share")]
    return [row["path"], row["arrival"], f"{100 * row['success_rate']:.1f}", *shown, *counts]


def main() -> int:
    """Start and converge the server where it is not there yet, then let it storm."""
    # One of an earlier run is no result of this one.
    result = ROOT / "build" / "reports" / SERVER / "storm.json"
    out = ROOT / "build" / "bench" / "storm.json"
    result.unlink(missing_ok=True)
    out.unlink(missing_ok=True)
    lab("up", SERVER)
    try:
        if play("playbooks/site.yml"):
            return 1
        status = play("playbooks/benchmark.yml", "--tags", "storm")
        if not result.exists():
            print("The storm ended before it had a result; Ansible's message above says why.", file=sys.stderr)
            return status or 1
        rows = json.loads(result.read_text(encoding="utf-8"))["storms"]
    finally:
        if not os.environ.get("KEEP"):
            release(SERVER)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    table = [list(COLUMNS), *map(cells, rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    print("\nTimes in milliseconds.")
    for line in table:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(f"\n{out.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
