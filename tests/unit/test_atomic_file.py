"""A file is the old one or the new one, with the rights it shall have, at every moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from pgkeel import atomic_file
from pgkeel.atomic_file import PRIVATE, replace_file, replacing


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o644])
def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path, umask: int, wanted: int) -> None:
    file = tmp_path / "file"
    before = os.umask(umask)
    try:
        replace_file(file, "text", wanted)
        file.chmod(0o666)
        replace_file(file, b"bytes", wanted)
    finally:
        os.umask(before)
    assert (file.read_bytes(), mode(file)) == (b"bytes", wanted)


def test_nobody_else_can_read_it_before_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with replacing(file, 0o644) as writing:
        writing.write(b"new")
        writing.flush()
        (temporary,) = (path for path in tmp_path.iterdir() if path != file)
        assert mode(temporary) == PRIVATE
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("failing", ["body", "fsync", "rename"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif failing == "rename":
        monkeypatch.setattr(Path, "replace", fail)

    def write() -> None:
        with replacing(file) as writing:
            writing.write(b"half of the n")
            if failing == "body":
                fail()

    with pytest.raises(OSError, match="No space left"):
        write()
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_it_is_on_disk_before_it_takes_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, order = tmp_path / "file", []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (order.append(stat.S_ISDIR(os.fstat(descriptor).st_mode)), sync(descriptor))
    )
    monkeypatch.setattr(Path, "replace", lambda self, target: (order.append("rename"), rename(self, target))[1])
    replace_file(file, "text")
    assert order == [False, "rename", True]
    order.clear()
    replace_file(file, "text", durable=False)
    assert order == ["rename"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("not ours")
    link.symlink_to(target)
    replace_file(link, "text")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("not ours", "text", False)


def test_the_owner_is_set_before_the_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(atomic_file.os, "fchown", lambda *_: order.append("owner"))
    change = os.fchmod
    monkeypatch.setattr(atomic_file.os, "fchmod", lambda descriptor, wanted: (order.append("mode"), change(descriptor, wanted)))
    replace_file(tmp_path / "file", "text", 0o640, owner=(os.geteuid(), os.getegid()))
    assert order == ["owner", "mode"]
    assert mode(tmp_path / "file") == 0o640
