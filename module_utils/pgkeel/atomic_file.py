"""Files that a reader, or a crash, finds whole: the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE, PUBLIC = 0o600, 0o644


@contextmanager
def replacing(
    path: Path, mode: int = PUBLIC, *, owner: tuple[int, int] | None = None, durable: bool = True
) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of ``path`` when the context ends well; otherwise nothing has changed.

    Until then only its owner can read it, whatever the umask. ``owner`` is user and group id. ``durable``: it outlives a loss of
    power right afterwards. The folder exists already. Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if owner is not None:
                # First: a change of owner takes rights away.
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
        if durable:
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def replace_file(
    path: Path, content: str | bytes, mode: int = PUBLIC, *, owner: tuple[int, int] | None = None, durable: bool = True
) -> None:
    """Put ``content`` in place of ``path`` in one step, as ``replacing`` does; text is UTF-8. Raises OSError."""
    with replacing(path, mode, owner=owner, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def _sync_folder(folder: Path) -> None:
    """The rename itself; some file systems know no such thing."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
