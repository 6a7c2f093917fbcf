"""Runs on the server: the logic below the modules pg_backup and pg_restore_drill, without Ansible around it.

Arguments as JSON on stdin, the result as JSON on stdout; both as the modules have them.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from pgkeel.backup import arguments, shared_server
from pgkeel.backup.arguments import policy_of, shelf_of, verify_keys_of
from pgkeel.backup.assertions import Assertion
from pgkeel.backup.drill import run_drill
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.drill_result import DrillResult
from pgkeel.backup.run import BackupRequest, take_backup
from pgkeel.errors import PgkeelError
from pgkeel.objectstore import store as store_module
from pgkeel.objectstore.patience import Patience
from pgkeel.objectstore.store import Store
from pgkeel.postgres import disk_guard
from pgkeel.postgres.connect import Login
from pgkeel.postgres.disk_guard import free_bytes

DEFAULTS = {
    "prefix": "pgkeel",
    "region": "auto",
    "verify_keys": [],
    "bin_dir": "/usr/lib/postgresql/17/bin",
    "keep_days": 30,
    "keep_weekly": 0,
    "keep_monthly": 0,
    "keep_at_least": 3,
    "remove_at_most": 10,
}


def store_of(given: dict) -> Store:
    """As the modules open it; tests of failures are less patient."""
    store_module.READ_SECONDS = given.get("read_seconds", store_module.READ_SECONDS)
    store = arguments.store_of(given)
    return dataclasses.replace(store, patience=Patience(**given["patience"])) if "patience" in given else store


def back_up(given: dict) -> dict:
    request = BackupRequest(
        login=Login(database=given["database"]),
        shelf=shelf_of(given),
        bin_dir=Path(given["bin_dir"]),
        lock_wait_seconds=given.get("lock_wait_seconds", 300),
        recipients=tuple(given["recipients"]),
        signing_key=given["signing_key"],
        verify_keys=verify_keys_of(given),
        retention=policy_of(given),
        hash_contents=given.get("hash_contents", True),
    )
    result = take_backup(store_of(given), request)
    # Not ru_maxrss: it begins with that of the process that forked this one.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    rss = int(peak.split()[1]) * 1024
    return {"failed": False, "changed": True, **result.as_dict(), "warnings": list(result.warnings), "peak_rss_bytes": rss}


def restoring() -> bool:
    """Whether a child of this process is a pg_restore."""
    return (
        subprocess.run(["pgrep", "-P", str(os.getpid()), "-x", "pg_restore"], stdout=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def drill(given: dict) -> dict:
    try:
        request = DrillRequest(
            shelf=shelf_of(given),
            base_dir=Path(given["drill_dir"]),
            bin_dir=Path(given["bin_dir"]),
            jobs=given.get("jobs", 2),
            space_factor=given.get("space_factor", 1.5),
            identity=given["identity"],
            verify_keys=verify_keys_of(given),
            signing_key=given["signing_key"],
            assertions=tuple(Assertion(**assertion) for assertion in given.get("assertions", [])),
            rto_budget_seconds=given.get("rto_budget_seconds", 0),
            rpo_budget_seconds=given.get("rpo_budget_seconds", 0),
            production=Login(port=given.get("login_port", 5432)) if given.get("target") == "database" else None,
        )
        if given.get("disk_runs_low"):
            # Not before the restore has begun, whose watch sees it in time on any machine.
            disk_guard.EVERY_SECONDS = 0.01
            shared_server.free_bytes = lambda folder: 0 if restoring() else free_bytes(folder)
        result = run_drill(store_of(given), request)
    except PgkeelError as error:
        result = DrillResult(given["database"], reason=str(error))
    verdict = result.verdict.value
    return {"failed": verdict != "PASS", "changed": False, "msg": f"{verdict}: {result.reason}", **result.as_dict()}


def main() -> None:
    given = {**DEFAULTS, **json.load(sys.stdin)}
    try:
        answer = {"pg_backup": back_up, "pg_restore_drill": drill}[sys.argv[1]](given)
    except PgkeelError as error:
        answer = {"failed": True, "msg": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
