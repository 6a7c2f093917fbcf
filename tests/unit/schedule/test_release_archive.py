from __future__ import annotations

import tarfile

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.release import PRODUCT, build_release


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (root / "ansible.cfg").write_text("[defaults]\n")
    for name in PRODUCT:
        if name != "ansible.cfg":
            (root / name / "inner").mkdir(parents=True)
            (root / name / "inner" / "file.yml").write_text(name)
    for junk in (
        "tests/t.py",
        "inventories/secret.yml",
        "build/x",
        "roles/__pycache__/a.pyc",
        "library/b.pyc",
        "files/node_modules/m.js",
    ):
        (root / junk).parent.mkdir(parents=True, exist_ok=True)
        (root / junk).write_text("junk")
    return root


def names(release):
    with tarfile.open(release.path) as tar:
        return tar.getnames()


def test_only_the_product_is_packed_and_version_comes_last(checkout, tmp_path):
    release = build_release(checkout, tmp_path / "out")
    assert release.changed
    assert release.name.startswith("1.2.3-")
    packed = names(release)
    assert sorted(packed[:-1]) == sorted(
        ["ansible.cfg", *(f"{name}/inner/file.yml" for name in PRODUCT if name != "ansible.cfg")]
    )
    assert packed[-1] == "VERSION"
    with tarfile.open(release.path) as tar:
        assert tar.extractfile("VERSION").read() == f"{release.name}\n".encode()


def test_same_content_same_bytes_and_nothing_to_do(checkout, tmp_path):
    first = build_release(checkout, tmp_path / "one")
    before = first.path.read_bytes()
    assert before[4:8] == bytes(4), "the time in the gzip header (RFC 1952)"
    for path in checkout.rglob("*.yml"):
        path.touch()
    again = build_release(checkout, tmp_path / "one")
    assert not again.changed
    second = build_release(checkout, tmp_path / "two")
    assert (second.name, second.path.read_bytes()) == (first.name, before)


def test_content_name_and_mode_make_another_release(checkout, tmp_path):
    seen = {build_release(checkout, tmp_path).name}
    file = checkout / "roles" / "inner" / "file.yml"
    file.write_text("changed")
    seen.add(build_release(checkout, tmp_path).name)
    file.chmod(0o755)
    seen.add(build_release(checkout, tmp_path).name)
    file.rename(file.with_name("other.yml"))
    seen.add(build_release(checkout, tmp_path).name)
    assert len(seen) == 4


def test_check_writes_nothing(checkout, tmp_path):
    release = build_release(checkout, tmp_path / "out", check=True)
    assert release.changed
    assert not (tmp_path / "out").exists()


def test_links(checkout, tmp_path):
    (checkout / "requirements.txt").write_text("locked")
    (checkout / "roles" / "lock.txt").symlink_to("../requirements.txt")
    release = build_release(checkout, tmp_path)
    with tarfile.open(release.path) as tar:
        assert tar.getmember("roles/lock.txt").isfile()
        assert tar.extractfile("roles/lock.txt").read() == b"locked"
    (checkout / "roles" / "lock.txt").unlink()
    (checkout / "roles" / "lock.txt").symlink_to("/etc/hostname")
    with pytest.raises(PgkeelError, match="symbolic link"):
        build_release(checkout, tmp_path)


def test_no_checkout_is_refused(tmp_path):
    with pytest.raises(PgkeelError, match=r"pyproject\.toml"):
        build_release(tmp_path, tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1"\n')
    with pytest.raises(PgkeelError, match="is missing"):
        build_release(tmp_path, tmp_path)
