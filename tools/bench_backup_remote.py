"""Runs on the lab server as postgres: one way of backing up and restoring, timed. JSON in, JSON out; see bench_backup.py."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

BIN = "/usr/lib/postgresql/17/bin"
DRIVER = str(Path(__file__).with_name("backup_driver.py"))
# The checks of a drill that need the rows' hashes.
WITHOUT_HASHES = {"row contents", "negative control"}
COUNTS = """
SELECT sum((xpath('/row/c/text()',
  query_to_xml(format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1]::text::int8)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


def timed(command: str, environment: dict[str, str]) -> tuple[float, str]:
    """Seconds and output of a pipeline every part of which must succeed."""
    begun = time.monotonic()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return time.monotonic() - begun, done.stdout


def naive(given: dict) -> dict:
    """pg_dump | gzip | rclone, and gunzip | psql with a count of every table."""
    environment = {
        **os.environ,
        "RCLONE_CONFIG": "/dev/null",
        "RCLONE_CONFIG_R2_TYPE": "s3",
        "RCLONE_CONFIG_R2_PROVIDER": "Other",
        "RCLONE_CONFIG_R2_ENDPOINT": given["endpoint"],
        "RCLONE_CONFIG_R2_ACCESS_KEY_ID": given["access_key"],
        "RCLONE_CONFIG_R2_SECRET_ACCESS_KEY": given["secret_key"],
    }
    target = f"r2:{given['bucket']}/{given['prefix']}/naive.sql.gz"
    database = given["database"]
    seconds, _ = timed(f"{BIN}/pg_dump {database} | gzip | rclone rcat {target}", environment)
    _, size = timed(f"rclone size --json {target}", environment)
    timed(f"{BIN}/dropdb --if-exists naive_copy; {BIN}/createdb naive_copy", environment)
    try:
        verify, rows = timed(
            f"rclone cat {target} | gunzip | {BIN}/psql -q -X -v ON_ERROR_STOP=1 naive_copy >/dev/null && "
            f'{BIN}/psql -XAt naive_copy -c "{COUNTS}"',
            environment,
        )
    finally:
        timed(f"{BIN}/dropdb --if-exists naive_copy", environment)
    return {
        "backup_s": seconds,
        "restore_verify_s": verify,
        "bytes": json.loads(size)["bytes"],
        "rows": int(rows),
        # Of the largest of its processes.
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def driver(what: str, given: dict) -> dict:
    """The logic of a module; its result."""
    done = subprocess.run([sys.executable, DRIVER, what], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True)
    result: dict = json.loads(done.stdout)
    return result


def pgkeel(given: dict) -> dict:
    """A backup and its drill, which cannot pass where rows were only counted: its time is a figure all the same."""
    taken = driver("pg_backup", given)
    if taken["failed"]:
        raise SystemExit(taken["msg"])
    found = {"backup_s": taken["seconds"], "bytes": taken["bytes"], "peak_rss_bytes": taken["peak_rss_bytes"]}
    proved = driver("pg_restore_drill", given)
    lacking = set() if given.get("hash_contents", True) else WITHOUT_HASHES
    unproved = {check["name"] for check in proved["checks"] if check["verdict"] != "PASS"}
    if unproved != lacking or proved["failed"] is not bool(lacking) or proved["rto_seconds"] is None:
        raise SystemExit(proved["msg"])
    return {**found, "restore_verify_s": proved["rto_seconds"], "rows": proved["rows_compared"], "phases": proved["phases"]}


def pgbackrest(given: dict) -> dict:
    """A full backup of the cluster's files, and their restore into a folder; no server is started on them."""
    home = Path("/var/lib/postgresql/bench-pgbackrest")
    host, _, port = given["tls_endpoint"].removeprefix("https://").partition(":")
    (home / "restored").mkdir(parents=True, exist_ok=True)
    (home / "restored").chmod(0o700)
    config = home / "pgbackrest.conf"
    config.touch(mode=0o600)
    config.write_text(
        "[global]\n"
        f"repo1-type=s3\nrepo1-path=/{given['prefix']}/pgbackrest\nrepo1-s3-bucket={given['bucket']}\nrepo1-s3-endpoint={host}\n"
        f"repo1-storage-port={port}\nrepo1-s3-region=us-east-1\nrepo1-s3-uri-style=path\nrepo1-storage-ca-file={given['ca_file']}\n"
        f"repo1-s3-key={given['access_key']}\nrepo1-s3-key-secret={given['secret_key']}\ncompress-type=zst\ncompress-level=3\n"
        "process-max=2\nstart-fast=y\narchive-check=n\nlock-path=/tmp/bench-pgbackrest\nlog-level-file=off\nlog-level-console=warn\n"
        f"[bench]\npg1-path={given['data_dir']}\n"
    )
    call = f"pgbackrest --config={config} --stanza=bench"
    try:
        timed(f"{call} stanza-create", dict(os.environ))
        seconds, _ = timed(f"{call} --type=full backup", dict(os.environ))
        _, info = timed(f"{call} --output=json info", dict(os.environ))
        restore, _ = timed(f"{call} --pg1-path={home}/restored --type=none restore", dict(os.environ))
    finally:
        subprocess.run(["rm", "-rf", str(home)], check=False)
    size = json.loads(info)[0]["backup"][-1]["info"]["repository"]["delta"]
    return {
        "backup_s": seconds,
        "restore_verify_s": restore,
        "bytes": size,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump({"naive": naive, "pgkeel": pgkeel, "pgbackrest": pgbackrest}[asked["way"]](asked), sys.stdout)
