"""The time of a drill is a figure of the benchmark, also where the backup has no hashes to compare with."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

import bench_backup_remote

TAKEN = {"failed": False, "seconds": 8.0, "bytes": 100, "peak_rss_bytes": 10}


def measured(monkeypatch, hashed, unproved, rto_seconds=30.0):
    checks = [{"name": name, "verdict": "COULD NOT VERIFY"} for name in unproved] + [{"name": "row counts", "verdict": "PASS"}]
    drilled = {
        "failed": bool(unproved),
        "msg": "not verified",
        "checks": checks,
        "rto_seconds": rto_seconds,
        "rows_compared": 5,
        "phases": {},
    }
    answers = {"pg_backup": TAKEN, "pg_restore_drill": drilled}
    monkeypatch.setattr(bench_backup_remote, "driver", lambda what, _: answers[what])
    return bench_backup_remote.pgkeel({"hash_contents": hashed})


@pytest.mark.parametrize(("hashed", "unproved"), [(True, ()), (False, ("row contents", "negative control"))])
def test_both_ways_have_every_figure(monkeypatch, hashed, unproved):
    found = measured(monkeypatch, hashed, unproved)
    assert (found["backup_s"], found["restore_verify_s"], found["bytes"], found["peak_rss_bytes"]) == (8.0, 30.0, 100, 10)


@pytest.mark.parametrize(
    ("hashed", "unproved", "rto_seconds"),
    [
        (True, ("row contents", "negative control"), 30.0),
        (False, ("row contents", "negative control", "sequences"), 30.0),
        (False, ("drill",), None),
        (False, (), 30.0),
    ],
)
def test_a_drill_that_ended_otherwise_is_no_figure(monkeypatch, hashed, unproved, rto_seconds):
    with pytest.raises(SystemExit, match="not verified"):
        measured(monkeypatch, hashed, unproved, rto_seconds)
