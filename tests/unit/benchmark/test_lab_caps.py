"""What systemd tells of a unit's share of the processors, as the lab's machine can hold it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))

import lab_caps


@pytest.mark.parametrize(
    ("unit", "within", "path"),
    [
        ("pgkeel-backup.service", "system.slice", "system.slice/pgkeel-backup.service"),
        ("pgkeel-drill.slice", "pgkeel.slice", "pgkeel.slice/pgkeel-drill.slice"),
        (
            "postgresql@17-main.service",
            "system-postgresql.slice",
            "system.slice/system-postgresql.slice/postgresql@17-main.service",
        ),
    ],
)
def test_where_systemd_puts_a_unit(unit, within, path):
    assert lab_caps.control_group(unit, within) == Path(path)


@pytest.mark.parametrize(
    ("quota", "found"), [("1.500000s", 150_000), ("750ms", 75_000), ("infinity", -1), ("", -1), ("1s", 100_000)]
)
def test_a_quota_is_a_part_of_a_period(quota, found):
    assert lab_caps.microseconds(quota) == found


def test_processes_are_moved_once_with_those_below(tmp_path):
    source, group = tmp_path / "source", tmp_path / "group"
    (source / "child").mkdir(parents=True)
    group.mkdir()
    (source / "cgroup.procs").write_text("10\n11\n")
    (source / "child" / "cgroup.procs").write_text("12\n")
    (group / "cgroup.procs").write_text("10\n11\n")
    lab_caps.move(source, group)
    assert (group / "cgroup.procs").read_text() == "12"
