"""Files written whole or not at all, and the module around them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.report.collect import newer_documents
from pgkeel.report.written import write_whole
from unit.report.sample_documents import troubled

ROOT = Path(__file__).resolve().parents[3]


def test_a_file_is_written_once(tmp_path):
    path = tmp_path / "report.html"
    assert write_whole(path, "é", dry_run=True) is True
    assert not path.exists()
    assert write_whole(path, "é") is True
    assert path.read_bytes() == "é".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.stat()
    assert write_whole(path, "é") is False
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino
    assert write_whole(path, "e") is True
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_file_that_cannot_be_replaced_leaves_no_trace(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(PgkeelError, match="cannot be written"):
        write_whole(tmp_path / "report.html", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(PgkeelError, match=r"report\.html cannot be written: No such file.*Check that the folder"):
        write_whole(tmp_path / "nowhere" / "report.html", "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    write_whole(path, "old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(PgkeelError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def _no_space(_: int) -> None:
    raise OSError(28, "No space left on device")


def _playbook(folder: Path, *arguments: str, host: str = "ansible_connection=local") -> subprocess.CompletedProcess[str]:
    inventory = folder / "inventory"
    here = f"ansible_python_interpreter={sys.executable} ansible_become=false schedule_state_dir={folder}/server"
    inventory.write_text(f"[postgresql]\ndb1 {host} {here}\n")
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("ansible-playbook")), str(ROOT / "playbooks" / "report.yml")),
            *("-i", str(inventory), "-e", f"pgkeel_report_dir={folder}"),
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _the_newer_document_counts(folder: Path) -> None:
    own, there = folder / "db1", folder / "server" / "reports" / "db1"
    there.mkdir(parents=True)
    older = {**troubled()["audit"], "finished": "2026-03-01T03:01:02Z", "seconds": 1.25}
    newer = {**troubled()["drill"], "finished": "2026-03-02T03:00:59Z", "verdict": "FAIL"}
    (there / "audit.json").write_text(json.dumps(older))
    (there / "drill.json").write_text(json.dumps(newer))
    (there / "run.json").write_text(json.dumps({"phases": []}))
    (there / "load.json").write_text((own / "load.json").read_text())
    kept = {name: (own / f"{name}.json").read_bytes() for name in ("audit", "drill", "run", "load")}

    predicted = _playbook(folder, "--check")
    assert "changed=1" in predicted.stdout
    assert "Newer on the server: drill" in predicted.stdout
    assert (own / "drill.json").read_bytes() == kept["drill"]

    taken = _playbook(folder)
    assert "the newest backup did not restore" in taken.stdout
    assert json.loads((own / "drill.json").read_text())["verdict"] == "FAIL"
    assert all((own / f"{name}.json").read_bytes() == kept[name] for name in ("audit", "run", "load"))
    again = _playbook(folder)
    assert "changed=0" in again.stdout
    assert "Newer on the server: nothing" in again.stdout


def test_what_only_the_server_has_is_reported(tmp_path):
    there = tmp_path / "server" / "reports" / "db1"
    there.mkdir(parents=True)
    (there / "backup.json").write_text(json.dumps(troubled()["backup"]))
    assert "changed=1" in _playbook(tmp_path).stdout
    assert json.loads((tmp_path / "db1" / "backup.json").read_text()) == troubled()["backup"]


def test_a_server_that_cannot_be_reached_is_reported_with_what_is_known(tmp_path):
    (tmp_path / "db1").mkdir()
    (tmp_path / "db1" / "backup.json").write_text(json.dumps(troubled()["backup"]))
    done = _playbook(tmp_path, host="ansible_host=127.0.0.1 ansible_port=1")
    assert "Newer on the server: nothing is known, for it cannot be reached" in done.stdout
    assert (tmp_path / "db1" / "report.html").exists()


@pytest.mark.parametrize(
    ("own", "theirs", "taken"),
    [
        (None, {}, True),
        ({}, {}, False),
        ({}, {"finished": "2026-03-02T03:00:59Z"}, True),
        ({"finished": "2026-03-02T03:00:59Z"}, {}, False),
        ({"finished": "2026-03-02T03:00:59Z"}, {"finished": "2026-03-02T03:00:59Z", "x": 1}, False),
        ({"finished": "2026-03-02T03:00:59Z"}, {"finished": "2026-03-02T03:01:00Z"}, True),
        ({"finished": "2026-03-02T03:00:59Z"}, {"finished": "2026-03-02T04:00:58+01:00"}, False),
    ],
)
def test_newer_is_what_finished_later(tmp_path, own, theirs, taken):
    if own is not None:
        (tmp_path / "drill.json").write_text(json.dumps(own))
    text = json.dumps(theirs)
    assert newer_documents(tmp_path, {"drill": text}) == ({"drill": text} if taken else {})


@pytest.mark.parametrize(("name", "text"), [("run", "{}"), ("../x", "{}"), ("drill", "["), ("drill", "[]")])
def test_a_document_that_is_none_is_refused(tmp_path, name, text):
    with pytest.raises(PgkeelError):
        newer_documents(tmp_path, {name: text})


def test_the_playbook_renders_predicts_and_repeats(tmp_path):
    folder = tmp_path / "db1"
    folder.mkdir()

    missing = _playbook(tmp_path)
    assert missing.returncode != 0
    assert "There is nothing to report in" in missing.stdout

    for name, document in troubled().items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    written = {"report.html", "report.md", "tasks.md"}

    predicted = _playbook(tmp_path, "--check", "--diff")
    assert "changed=1" in predicted.stdout
    assert written.isdisjoint(path.name for path in folder.iterdir())

    first = _playbook(tmp_path)
    assert "changed=1" in first.stdout
    assert f"Read on in {folder}/report.html" in first.stdout
    assert "db1 is not in order: 2 findings put data" in first.stdout
    assert written <= {path.name for path in folder.iterdir()}
    assert "canary" not in first.stdout + "".join((folder / name).read_text() for name in written)

    assert "changed=0" in _playbook(tmp_path).stdout
    assert "changed=0" in _playbook(tmp_path, "--check").stdout

    _the_newer_document_counts(tmp_path)

    (folder / "audit.json").write_text("{")
    kept = (folder / "report.html").read_bytes()
    broken = _playbook(tmp_path)
    assert broken.returncode != 0
    assert "audit.json cannot be read as JSON" in broken.stdout
    assert (folder / "report.html").read_bytes() == kept
