"""The driver that a check brings along."""

import subprocess
import sys
import zipfile

from pgkeel.plan.driver import pack_driver


def test_python_imports_from_the_archive_and_finds_pure_python_alone(tmp_path):
    archive = pack_driver(tmp_path)
    names = zipfile.ZipFile(archive).namelist()
    assert "psycopg/__init__.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyc")) or ".." in name]
    # Not psycopg itself: it looks for libpq, which this machine need not have.
    code = "import sys; sys.path.insert(0, sys.argv[1]); from importlib import metadata; print(metadata.version('psycopg'))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(archive)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in archive.name, done.stderr


def test_equal_contents_are_one_file(tmp_path):
    first = pack_driver(tmp_path)
    stamp = first.stat().st_mtime_ns
    assert pack_driver(tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    assert pack_driver(tmp_path / "other").read_bytes() == first.read_bytes()
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".zip"]
