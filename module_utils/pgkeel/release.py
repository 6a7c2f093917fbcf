"""The product as one archive: the same content always gives the same name and the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .atomic_file import PRIVATE, replacing
from .errors import PgkeelError

PRODUCT = ("ansible.cfg", "files", "library", "module_utils", "playbooks", "plugins", "roles")
"""What a server needs to run playbooks on itself. Inventories stay behind: they hold every host's secrets."""

_NOT_PRODUCT = frozenset({"__pycache__", "node_modules", ".ansible", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
_NOT_PRODUCT_ENDINGS = (".pyc", ".swp", "~")


@dataclass(frozen=True)
class Release:
    """One archive."""

    name: str
    """``<version>-<first 12 hex digits of the content's SHA-256>``."""
    path: Path
    files: int
    changed: bool
    """Whether the archive was not there yet."""


def build_release(root: Path, into: Path, *, check: bool = False) -> Release:
    """Pack the product files of the checkout ``root`` into ``into/pgkeel-<name>.tar.gz``.

    Nothing is written when that archive is there already, nor with ``check``. Order, times, owners and modes inside the
    archive depend on the content alone. ``VERSION`` comes last: where it was unpacked, all the rest was.

    A symbolic link to a file of the checkout is packed as that file.

    Raises PgkeelError when ``root`` is no checkout of this repository, or a link leads elsewhere.
    """
    version = _version(root)
    members = {path.relative_to(root).as_posix(): path for path in _product_files(root)}
    contents = {name: (path.read_bytes(), bool(path.stat().st_mode & 0o100)) for name, path in sorted(members.items())}
    digest = hashlib.sha256()
    for name, (content, executable) in contents.items():
        digest.update(f"{name}\0{executable:d}\0{len(content)}\0".encode() + content)
    name = f"{version}-{digest.hexdigest()[:12]}"
    archive = into / f"pgkeel-{name}.tar.gz"
    changed = not archive.exists()
    if changed and not check:
        into.mkdir(parents=True, exist_ok=True)
        _write(archive, {**contents, "VERSION": (f"{name}\n".encode(), False)})
    return Release(name=name, path=archive, files=len(contents), changed=changed)


def _version(root: Path) -> str:
    try:
        return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise PgkeelError(
            f"{root} has no pyproject.toml with a project version", "Run the playbook from a complete checkout of pgkeel"
        ) from error


def _product_files(root: Path) -> Iterator[Path]:
    for name in PRODUCT:
        path = root / name
        if path.is_dir():
            yield from _files_below(path, root)
        elif path.is_file():
            yield path
        else:
            raise PgkeelError(f"{path} is missing", "Run the playbook from a complete checkout of pgkeel")


def _files_below(folder: Path, root: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_PRODUCT or path.name.endswith(_NOT_PRODUCT_ENDINGS):
            continue
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(root.resolve())):
            raise PgkeelError(
                f"{path} is a symbolic link to no file of this checkout", "Replace it by the file: a release must stand alone"
            )
        if path.is_dir():
            yield from _files_below(path, root)
        elif path.is_file():
            yield path


def _write(archive: Path, contents: dict[str, tuple[bytes, bool]]) -> None:
    with (
        replacing(archive, PRIVATE) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, (content, executable) in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if executable else 0o644
            tar.addfile(member, io.BytesIO(content))
