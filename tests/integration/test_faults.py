"""The fault sweep: one failure at every call position of the store, and the other ways a run ends badly.

After each: no committed backup is damaged, nothing partial is visible, the run said what failed or made it good, a rerun
converges, and the newest committed backup restores. `make test` sweeps a sample, `make faults` everything (PGKEEL_FAULTS=all) and
writes build/faults.json.
"""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from integration.backup_bench import GROUND, PREFIX, ROOT, SIGNING_KEY, Bench, dump_key
from integration.holding import held, streaming
from pgkeel.backup.keys import Shelf
from pgkeel.backup.manifest import read_signed
from pgkeel.backup.prune import prune
from pgkeel.backup.retention import Policy
from pgkeel.backup.signature import public_key_of
from pgkeel.errors import PgkeelError
from pgkeel.objectstore.objects import read_small
from pgkeel.objectstore.store import Store

EVERYTHING = os.environ.get("PGKEEL_FAULTS") == "all"
PART = 5 * 1024 * 1024
HURRY = {"patience": {"tries": 4, "seconds": 12, "first_delay": 0.05}, "read_seconds": 2}
PASSING = ("timeout", "reset", "lost_answer", "429", "500", "503", "wrong_bytes", "short_body")
LASTING = ("reset", "403", "503", "507")
# What a sample must hold: each operation that a backup makes, struck in the way that hurts most there.
SAMPLE = (
    ("lost_answer", "CreateMultipartUpload", 2, 1),
    ("wrong_bytes", "UploadPart", 1, 1),
    ("lost_answer", "CompleteMultipartUpload", 1, 1),
    ("lost_answer", "PutObject", 2, 1),
    ("503", "UploadPart", 1, 0),
    ("lost_answer", "CompleteMultipartUpload", 1, 0),
    ("403", "PutObject", 1, 0),
    ("507", "PutObject", 2, 0),
)


def steer(store: Store, what: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{store.address.endpoint}/-/{what}",
        data=None if body is None else json.dumps(body).encode(),
        method="GET" if body is None else "POST",
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=store.address.ca_file)),
    )
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def bench(server: Any, store: Store, database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> Bench:
    name = database("fault")
    with connection(name) as session:
        session.execute("CREATE EXTENSION pgcrypto")
        session.execute("CREATE TABLE t AS SELECT n, gen_random_bytes(1000) AS b FROM generate_series(1, 12000) n")
    return Bench(server, store, name)


ROWS: list[dict[str, Any]] = []


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    yield
    if EVERYTHING:
        path = ROOT / "build" / "faults.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(ROWS, indent=1) + "\n", encoding="utf-8")


def committed(bench: Bench) -> dict[str, tuple[tuple[str, int, str], ...]]:
    """By run: key, size and ETag of each of its objects; every manifest must be one that can be believed."""
    listed = bench.store.client.list_objects_v2(Bucket=bench.store.bucket, Prefix=bench.folder).get("Contents", [])
    runs: dict[str, list[tuple[str, int, str]]] = {}
    for item in listed:
        run = item["Key"].removeprefix(bench.folder).split("/")[0]
        if run != "drills":
            runs.setdefault(run, []).append((item["Key"], item["Size"], item["ETag"]))
    whole = {run: tuple(items) for run, items in runs.items() if any(key.endswith("manifest.json") for key, _, _ in items)}
    for run, items in whole.items():
        manifest = read_signed(
            read_small(bench.store, f"{bench.folder}{run}/manifest.json"),
            [public_key_of(SIGNING_KEY)],
            run_id=run,
            server_name="it",
            database=bench.database,
        )
        sizes = {key.rsplit("/", 1)[1]: size for key, size, _ in items}
        assert (sizes["dump.pgc.age"], sizes["globals.sql.age"]) == (manifest.dump.bytes, manifest.globals.bytes)
    return whole


def judge(bench: Bench, fault: str, position: str, before: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What the fault left; the faults are off by now."""
    after = committed(bench)
    said = bool(result.get("msg")) if result["failed"] else result["backup_id"] in after
    row = {
        "fault": fault,
        "position": position,
        "loud": said,
        "committed_backups_intact": all(after.get(run) == items for run, items in before.items()),
    }
    # What the run itself committed is what must restore; where it committed nothing, what the rerun did.
    proved = bench.drill()["verdict"] == "PASS" if set(after) - set(before) else None
    again = bench.backup()
    row["converged"] = not again["failed"] and again["backup_id"] in committed(bench) and not bench.uploads()
    row["restored"] = proved if proved is not None else bench.drill()["verdict"] == "PASS"
    row["outcome"] = "failed" if result["failed"] else "made good"
    ROWS.append(row)
    return row


def well(row: dict[str, Any]) -> bool:
    return row["loud"] and row["committed_backups_intact"] and row["converged"] and row["restored"]


def with_fault(bench: Bench, kind: str, operation: str, position: int, times: int) -> dict[str, Any]:
    before = committed(bench)
    fault = {"kind": kind, "prefix": bench.folder, "operation": operation, "position": position, "times": times}
    steer(bench.store, "faults", [fault])
    try:
        result = bench.backup(**HURRY)
    finally:
        steer(bench.store, "faults", [{"kind": "none", "prefix": bench.folder}])
    label = f"{operation or 'request'} {position}{'' if times else ', and every one after it'}"
    return judge(bench, kind, label, before, result)


def positions(bench: Bench) -> list[str]:
    """The requests of one whole backup, in order."""
    steer(bench.store, "faults", [{"kind": "none", "prefix": bench.folder}])
    assert not bench.backup()["failed"]
    return steer(bench.store, f"seen?prefix={bench.folder}")


@pytest.mark.skipif(EVERYTHING, reason="the whole sweep runs")
def test_a_sample_of_faults(bench: Bench) -> None:
    assert not bench.backup()["failed"]
    bad = [row for case in SAMPLE if not well(row := with_fault(bench, *case))]
    assert not bad


@pytest.mark.skipif(not EVERYTHING, reason="make faults")
def test_one_fault_at_every_position(bench: Bench) -> None:
    """Positions are given by operation: the how manieth of its kind within the run."""
    seen = positions(bench)
    cases = []
    for index, operation in enumerate(seen):
        nth = seen[: index + 1].count(operation)
        kinds = [kind for kind in PASSING if kind != "short_body" or operation == "GetObject"]
        cases += [(kind, operation, nth, 1) for kind in kinds] + [(kind, operation, nth, 0) for kind in LASTING]
    bad = []
    for case in dict.fromkeys(cases):
        row = with_fault(bench, *case)
        if not well(row):
            bad.append(row)
    assert not bad


@pytest.mark.parametrize("turn", range(12 if EVERYTHING else 2))
def test_sigkill_at_a_random_moment(bench: Bench, turn: int) -> None:
    assert not bench.backup()["failed"]
    before = committed(bench)
    delay = random.Random(turn).uniform(0.3, 2.2)
    killer = threading.Timer(
        delay, lambda: bench.server.run("kill -KILL $(pgrep -f '^[^ ]*python [^ ]*backup_driver.py pg_backup')", check=False)
    )
    killer.start()
    result = bench.backup()
    killer.join()
    row = judge(bench, "SIGKILL", f"after {delay:.2f} s", before, result)
    assert well(row), row


def grow(bench: Bench, name: str = "") -> None:
    """So large that a backup of it takes some seconds."""
    rows = "SELECT n, gen_random_bytes(1000) FROM generate_series(1, 60000) n"
    bench.server.run(f"runuser -u postgres -- psql -Xq -d {name or bench.database} -c 'CREATE TABLE large AS {rows}'")


def struck(bench: Bench, fault: str, strike: str) -> dict[str, Any]:
    """A row for a backup that a shell command on the server strikes while it uploads; ``{pg_dump}`` stands for its process."""
    before = committed(bench)
    with streaming(bench) as (running, pid):
        bench.server.run(strike.replace("{pg_dump}", pid))
    return judge(bench, fault, "while the dump is sent", before, running.wait())


def test_a_killed_dump(bench: Bench) -> None:
    assert not bench.backup()["failed"]
    grow(bench)
    row = struck(bench, "dump killed", "kill -9 {pg_dump}")
    assert (well(row), row["outcome"]) == (True, "failed"), row


def test_a_killed_server(server: Any, store: Store) -> None:
    """All of PostgreSQL at once; it recovers by itself from its write-ahead log."""
    psql = "runuser -u postgres -- psql -Xq"
    bench = Bench(server, store, f"fault_{secrets.token_hex(4)}")
    server.run(f"{psql} -c 'CREATE DATABASE {bench.database} TEMPLATE template0'")
    try:
        server.run(f"{psql} -d {bench.database} -c 'CREATE EXTENSION pgcrypto'")
        grow(bench)
        assert not bench.backup()["failed"]
        # As the kernel does when memory runs out; not the whole unit, of which systemd in the lab would never see the end.
        kill = "kill -9 $(head -1 /var/lib/postgresql/17/main/postmaster.pid); sleep 1"
        wake = "until systemctl start postgresql@17-main && runuser -u postgres -- pg_isready -q; do sleep 0.5; done"
        row = struck(bench, "server killed", f"{kill}; timeout 60 sh -c '{wake}'")
        assert (well(row), row["outcome"]) == (True, "failed"), row
    finally:
        server.run(f"{psql} -c 'DROP DATABASE {bench.database} WITH (FORCE)'")


def test_two_runs_at_once(bench: Bench, connection: Callable[..., psycopg.Connection]) -> None:
    assert not bench.backup()["failed"]
    grow(bench)
    before = committed(bench)
    with held(bench, connection, "large") as running:
        second = bench.backup()
    assert "is running" in second["msg"]
    first = running.wait()
    assert not first["failed"], first
    before[first["backup_id"]] = committed(bench)[first["backup_id"]]
    assert well(judge(bench, "two runs at once", "the second run", before, second))


def test_a_disk_that_fills_under_a_drill(bench: Bench) -> None:
    """The drill's own: a backup writes nothing to disk."""
    taken = bench.backup()
    before = committed(bench)
    folder = f"{GROUND}-full"
    bench.server.run(
        f"install -d -o postgres -g postgres -m 700 {folder} && mount -t tmpfs -o size=85m,mode=700 pgkeel-it {folder} && "
        f"chown postgres:postgres {folder}"
    )
    try:
        found = bench.drill(space_factor=0.01, drill_dir=folder)
        early = bench.drill(space_factor=100, drill_dir=folder)
        left = bench.server.run(f"ls -A {folder}").stdout.split()
    finally:
        bench.server.run(f"umount {folder} && rmdir {folder}")
    assert {found["verdict"], early["verdict"]} == {"COULD NOT VERIFY"}
    assert "Not enough disk space" in early["msg"]
    assert left == [".pgkeel-proving-ground"]
    row = judge(bench, "full disk", "of a drill", before, {"failed": True, "msg": found["msg"]})
    assert taken["backup_id"] in before
    assert well(row), row


def test_a_clock_that_is_two_hours_off_removes_nothing(bench: Bench) -> None:
    assert not bench.backup()["failed"]
    before = committed(bench)
    steer(bench.store, "skew", 7200)
    try:
        result = bench.backup(keep_days=1, keep_at_least=1)
        drilled = bench.drill()
    finally:
        steer(bench.store, "skew", 0)
    assert (drilled["verdict"], drilled["rpo_seconds"], drilled["phases"].keys()) == ("COULD NOT VERIFY", None, {"locate"})
    assert "clock and the store's differ" in drilled["msg"]
    assert any("clock" in warning for warning in result["warnings"]), result
    assert well(judge(bench, "clock two hours off", "retention", before, result))


def test_a_locked_prefix_keeps_what_is_committed(bench: Bench) -> None:
    """A bucket lock lets a backup be written, and denies that an old one is removed."""
    first = bench.backup()
    before = committed(bench)
    steer(bench.store, "locked", [f"pgkeel/{bench.folder}"])
    try:
        result = bench.backup()
        with pytest.raises(Exception, match="AccessDenied"):
            bench.store.client.delete_object(Bucket="pgkeel", Key=first["manifest_key"])
    finally:
        steer(bench.store, "locked", [])
    assert not result["failed"], result
    assert well(judge(bench, "locked prefix", "everything committed", before, result))


def swap_parts(data: bytes) -> bytes:
    half = len(data) // 2
    return data[half:] + data[:half]


def swap_first_parts(data: bytes) -> bytes:
    """As a store does that mixes up the parts of an upload."""
    return data[PART : 2 * PART] + data[:PART] + data[2 * PART :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "one bit of the dump": lambda data: data[:100_000] + bytes([data[100_000] ^ 4]) + data[100_001:],
    "the dump cut at a chunk boundary": lambda data: data[: -(len(data) % 65_552) or -65_552],
    "two halves of the dump swapped": swap_parts,
    "two parts of the dump swapped": swap_first_parts,
    "an empty dump": lambda data: data[:0],
}


def test_retention_removes_what_is_old_and_keeps_what_is_proved(bench: Bench) -> None:
    proved = bench.backup()
    assert bench.drill()["verdict"] == "PASS"
    old, newest = bench.backup(), bench.backup()
    orphan = f"{bench.folder}20260101T000000Z-00000000/dump.pgc.age"
    bench.put(orphan, b"of a run that was killed")
    listed = bench.server.module("pg_backup_info", {**bench.arguments, "keep_at_least": 1})
    found = {entry["backup_id"]: entry for entry in listed["backups"]}
    assert [entry["backup_id"] for entry in listed["backups"]] == [taken["backup_id"] for taken in (newest, old, proved)]
    assert "the newest that a drill has proved" in found[proved["backup_id"]]["kept_because"]
    assert found[old["backup_id"]]["proved"] is None

    shelf, keys = Shelf(PREFIX, "it", bench.database), (public_key_of(SIGNING_KEY),)
    later = datetime.now(UTC) + timedelta(days=40)
    with pytest.raises(PgkeelError, match="clock"):
        prune(bench.store, shelf, keys, Policy(floor=1), later)
    steer(bench.store, "skew", 40 * 86400)
    try:
        removed = prune(bench.store, shelf, keys, Policy(floor=1), later)
    finally:
        steer(bench.store, "skew", 0)
    assert removed == [old["backup_id"], "20260101T000000Z-00000000"]
    assert set(committed(bench)) == {proved["backup_id"], newest["backup_id"]}
    left = bench.keys()
    assert not [key for key in left if old["backup_id"] in key or key == orphan]


def refused(fault: str, bench: Bench, key: str, body: bytes, words: str) -> dict[str, Any]:
    """Put ``body`` in the place of a committed object and drill; then the object is as it was again."""
    before = committed(bench)
    good = read_small(bench.store, key)
    bench.put(key, body)
    found = bench.drill()
    bench.put(key, good)
    after = committed(bench)

    def others(runs: dict[str, Any]) -> list[tuple[str, int, str]]:
        # One that was sent in parts and put back whole has the same bytes and another ETag.
        return [item for items in runs.values() for item in items if item[0] != key]

    return {
        "fault": fault,
        "position": f"{key.rsplit('/', 1)[1]}, in the store",
        "loud": found["verdict"] == "FAIL" and words in found["reason"],
        "committed_backups_intact": set(after) == set(before)
        and others(after) == others(before)
        and read_small(bench.store, key) == good,
        "outcome": "refused",
    }


def test_damage_in_the_store_is_refused(bench: Bench) -> None:
    older, newer = bench.backup(), bench.backup()
    dump, manifest = read_small(bench.store, dump_key(newer)), read_small(bench.store, newer["manifest_key"])
    foreign_dump, foreign_manifest = read_small(bench.store, dump_key(older)), read_small(bench.store, older["manifest_key"])
    forged = re.sub(rb'"sig": "....', b'"sig": "AAAA', manifest)
    rows = [
        *(refused(name, bench, dump_key(newer), damage(dump), "damaged") for name, damage in DAMAGES.items()),
        refused("the dump of another run", bench, dump_key(newer), foreign_dump, "damaged"),
        refused("the manifest of another run", bench, newer["manifest_key"], foreign_manifest, "belongs to another backup"),
        refused("a forged manifest", bench, newer["manifest_key"], forged, "none of the known keys"),
        refused("an unsigned manifest", bench, newer["manifest_key"], b'{"format": 2}', "not a signed document"),
    ]
    again, proved = bench.backup(), bench.drill()
    for row in rows:
        row |= {"converged": not again["failed"], "restored": proved["verdict"] == "PASS"}
    ROWS.extend(rows)
    assert all(well(row) for row in rows), rows
