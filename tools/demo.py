"""The main job, end to end, on a fresh lab server: build/demo/report.html, build/demo/summary.json, and a table.

Every phase is the playbook that an operator runs. The whole output of each is in build/demo/log/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab_inventory import INVENTORY, ROOT

sys.path.insert(0, str(ROOT / "module_utils"))

from pgkeel.errors import PgkeelError
from pgkeel.report.documents import read_documents
from pgkeel.report.page import render_page
from pgkeel.report.summary import summarize
from pgkeel.report.table import render_table

SERVER = "demo"
OUT = ROOT / "build" / "demo"


@dataclass(frozen=True)
class Phase:
    """One step of the demo."""

    name: str
    title: str
    playbook: str
    extra: tuple[tuple[str, Any], ...] = ()


PHASES = (
    Phase("lab", "a fresh Debian 13 server and an S3 store", "lab", (("lab_servers", [SERVER]), ("lab_fresh", True))),
    Phase("site", "PostgreSQL 17, pgbouncer, backups and their schedule", "site"),
    Phase("load", "the EdTech reference database", "edtech"),
    Phase("workload", "the application, through pgbouncer", "workload"),
    Phase("audit", "what is wrong with this server?", "audit"),
    Phase("backup", "to the object store", "backup"),
    Phase("drill", "restore the newest backup elsewhere, and compare", "restore_drill"),
    Phase("reconverge", "the first playbook again: nothing may change", "site"),
)


def command(phase: Phase) -> list[str]:
    """The ansible-playbook call of a phase."""
    # The second run of site.yml has nothing to tell; what the first one did must stay in the report.
    reports = OUT / ("reconverge" if phase.name == "reconverge" else "reports")
    extra = {**dict(phase.extra), "pgkeel_report_dir": str(reports)}
    target = ["-i", "localhost,"] if phase.playbook == "lab" else ["-i", str(INVENTORY), "--limit", f"{SERVER},localhost"]
    return ["ansible-playbook", *target, f"playbooks/{phase.playbook}.yml", "-e", json.dumps(extra)]


def run(phase: Phase, label: str) -> tuple[bool, float, dict[str, Any]]:
    """Run a phase with its clock on the terminal; returns whether it succeeded, its seconds and its record of changes."""
    log, record = OUT / "log" / f"{phase.name}.log", OUT / "log" / f"{phase.name}.record.json"
    environment = {**os.environ, "PGKEEL_RUN_RECORD": str(record), "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
    started = time.monotonic()
    stop = threading.Event()
    ticker = threading.Thread(target=tick, args=(label, log, started, stop), daemon=True)
    with log.open("wb") as out:
        ticker.start()
        try:
            status = subprocess.run(
                command(phase), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
            ).returncode
        finally:
            stop.set()
            ticker.join()
    seconds = time.monotonic() - started
    changes = json.loads(record.read_text()) if record.exists() else {"hosts": {}, "changed": []}
    print(f"{label}{seconds:7.1f} s  {'ok' if status == 0 else 'FAILED'}", flush=True)
    return status == 0, seconds, changes


def tick(label: str, log: Path, started: float, stop: threading.Event) -> None:
    """Show clock and current task, where a person looks on."""
    if not sys.stdout.isatty():
        return
    while not stop.wait(0.5):
        tasks = re.findall(r"^TASK \[([^\]]*)\]", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        line = f"{label}{time.monotonic() - started:7.1f} s  {tasks[-1] if tasks else ''}"
        print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
    print("\r\033[K", end="", flush=True)


def why(name: str) -> str:
    """The sentence that a failed phase ended with."""
    text = (OUT / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    at = max(text.rfind("\nfatal:"), text.rfind("\n[ERROR]"), text.rfind("\nERROR"))
    return "\n".join((text[at:] if at >= 0 else text).strip().splitlines()[:15])


def main() -> int:
    """Run all phases in order, stop at the first that fails, and report either way."""
    if os.geteuid() != 0:
        print("The demo boots a server of its own, and only root may. Run it as root: sudo make demo", file=sys.stderr)
        return 1
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "log").mkdir(parents=True)
    (OUT / "reports" / SERVER).mkdir(parents=True)
    begun = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    reconverge_changed = None
    for phase in PHASES:
        label = f"{phase.name:<11}{phase.title:<54}"
        if rows and rows[-1]["status"] != "ok":
            rows.append({"name": phase.name, "seconds": 0.0, "status": "not run"})
            continue
        succeeded, seconds, changes = run(phase, label)
        rows.append({"name": phase.name, "seconds": round(seconds, 1), "status": "ok" if succeeded else "failed"})
        if phase.name == "reconverge" and succeeded:
            reconverge_changed = sum(host["changed"] for host in changes["hosts"].values())
            for task in changes["changed"]:
                print(f"           changed again: {task}")
        if not succeeded:
            print(f"\n{why(phase.name)}\n\nAll of it: {(OUT / 'log' / phase.name).relative_to(ROOT)}.log\n", file=sys.stderr)
    started = begun.isoformat(timespec="seconds")
    document = {
        "title": "pgkeel demo",
        "host": SERVER,
        "started": started,
        "phases": rows,
        "reconverge_changed": reconverge_changed,
    }
    (OUT / "reports" / SERVER / "run.json").write_text(json.dumps(document, indent=2) + "\n")
    documents = read_documents(OUT / "reports" / SERVER, SERVER)
    summary = summarize(documents)
    now = datetime.now(UTC)
    (OUT / "report.html").write_text(render_page(documents, now), encoding="utf-8")
    (OUT / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"\n{render_table(documents, now)}")
    print("\nbuild/demo/report.html     the same as a page")
    print("build/demo/summary.json    the same for a program")
    print("The server still runs: `make lab-ssh` to look around, `make lab-down` to take the lab away.")
    for problem in summary["problems"]:
        print(f"PROBLEM: {problem}", file=sys.stderr)
    return 0 if summary["success"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PgkeelError as error:
        sys.exit(f"pgkeel: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. `make demo` starts over; `make lab-down` takes the lab away.")
