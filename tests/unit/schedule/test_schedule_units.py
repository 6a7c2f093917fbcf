from __future__ import annotations

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.schedule.jobs import check_playbook, parse_jobs
from pgkeel.schedule.unit_files import plan_units
from pgkeel.schedule.units import FAILURE_UNIT, MARK, Places, render_units

RAW = {"name": "backup", "playbook": "playbooks/backup.yml", "calendar": "*-*-* 03:00:00"}


def units(**changes):
    return render_units(parse_jobs([{**RAW, **changes}], "Europe/Berlin"), Places(), random_delay_seconds=30)


def test_a_job_is_a_service_and_a_timer():
    rendered = units(timeout=99)
    assert set(rendered) == {FAILURE_UNIT, "pgkeel-backup.service", "pgkeel-backup.timer"}
    assert all(text.startswith(MARK) for text in rendered.values())
    service = rendered["pgkeel-backup.service"].splitlines()
    assert "TimeoutStartSec=99" in service
    assert "NoNewPrivileges=true" in service
    assert "OnFailure=pgkeel-failure@backup.service" in service
    (command,) = [line for line in service if line.startswith("ExecStart=")]
    assert command == (
        "ExecStart=/usr/bin/flock /var/lib/pgkeel/jobs.lock /opt/pgkeel/venv/bin/ansible-playbook --connection local "
        "-i /etc/pgkeel/inventory playbooks/backup.yml -e pgkeel_report_dir=/var/lib/pgkeel/reports"
    )
    timer = rendered["pgkeel-backup.timer"].splitlines()
    assert "OnCalendar=*-*-* 03:00:00 Europe/Berlin" in timer
    assert "Persistent=true" in timer
    assert "RandomizedDelaySec=30" in timer


@pytest.mark.parametrize(
    ("playbook", "capped"),
    [
        ("playbooks/restore_drill.yml", True),
        ("/srv/own/restore_drill.yaml", True),
        ("playbooks/backup.yml", False),
        ("playbooks/not_restore_drill.yml", False),
    ],
)
def test_a_drill_and_nothing_else_is_capped_by_its_slice(playbook, capped):
    service = units(playbook=playbook)["pgkeel-backup.service"].splitlines()
    assert ("Slice=pgkeel-drill.slice" in service) == capped
    assert any(line.startswith("Environment=") and "PGKEEL_SCHEDULED=1" in line for line in service)


def test_a_disabled_job_has_no_timer_and_a_shared_one_no_lock():
    assert set(units(enabled=False)) == {FAILURE_UNIT, "pgkeel-backup.service"}
    assert "flock" not in units(exclusive=False)["pgkeel-backup.service"]


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "failure@x"},
        {"name": "x\nExecStart=/bin/sh"},
        {"playbook": ""},
        {"playbook": "a b.yml"},
        {"playbook": "playbooks/../../x.yml"},
        {"playbook": "%i.yml"},
        {"calendar": ""},
        {"calendar": "daily\nUnit=x"},
        {"timeout": -5},
    ],
)
def test_what_cannot_be_a_job(bad):
    with pytest.raises(PgkeelError):
        units(**bad)


def test_names_are_unique():
    with pytest.raises(PgkeelError, match="declared 2 times"):
        parse_jobs([RAW, RAW], "UTC")


def test_a_missing_playbook_is_refused_once_the_release_is_there(tmp_path):
    (job,) = parse_jobs([RAW], "UTC")
    check_playbook(job, tmp_path / "not-unpacked-yet")
    with pytest.raises(PgkeelError, match=r"playbooks/backup\.yml"):
        check_playbook(job, tmp_path)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "backup.yml").touch()
    check_playbook(job, tmp_path)


def test_plan_finds_what_to_write_and_remove_and_leaves_foreign_files(tmp_path):
    wanted = {"pgkeel-new.service": f"{MARK}\nnew\n"}
    (tmp_path / "pgkeel-old.timer").write_text(f"{MARK}\nold\n")
    (tmp_path / "pgkeel-foreign.service").write_text("[Service]\n")
    changes = plan_units(tmp_path, wanted)
    assert changes.any
    assert set(changes.write) == {"pgkeel-new.service"}
    assert changes.remove == ("pgkeel-old.timer",)
    assert changes.before == {"pgkeel-new.service": "", "pgkeel-old.timer": f"{MARK}\nold\n"}
    with pytest.raises(PgkeelError, match="was not written by pgkeel"):
        plan_units(tmp_path, {"pgkeel-foreign.service": f"{MARK}\n"})
