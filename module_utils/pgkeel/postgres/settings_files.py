"""The files that settings are written to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ..atomic_file import replace_file
from ..errors import PgkeelError
from .settings_server import faults, read_server

HEADER = "# Written by pgkeel and replaced as a whole: put your own settings into 90-operator.conf.\n"


def quote(value: str) -> str:
    """A value as postgresql.conf wants it; backslashes would be escapes there."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def render(settings: Mapping[str, str], purpose: str) -> str:
    """The text of one file; the order of names is fixed, so that equal settings give equal files."""
    return HEADER + f"# {purpose}\n" + "".join(f"{name} = {quote(settings[name])}\n" for name in sorted(settings))


def read(path: Path) -> str:
    """The text of a file; empty where there is none. Raises PgkeelError when it cannot be read.

    ``replace`` gives back every byte of it, those that are not UTF-8 as well; show it to people as ``printable`` makes it.
    """
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise PgkeelError(f"Cannot read {path}: {error.strerror}", "Run this as the system user postgres or as root") from error


def printable(text: str) -> str:
    r"""A text of ``read`` that can be shown: bytes that are not UTF-8 as ``\xfc``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a text in place of a file in one step, so that a reader or a crash sees the old one or the new one.

    The folder's owner becomes the file's, for a run as root. Raises PgkeelError when the folder cannot be written.
    """
    try:
        folder = path.parent.stat()
        owner = (folder.st_uid, folder.st_gid) if os.geteuid() == 0 else None
        replace_file(path, text.encode("utf-8", "surrogateescape"), mode, owner=owner)
    except OSError as error:
        raise PgkeelError(
            f"Cannot write {path}: {error.strerror}",
            "Check that the folder exists, has room, and belongs to the system user postgres",
        ) from error


def last_started(path: Path) -> Path:
    """Where a file is kept as the server was last started with it; PostgreSQL reads only names that end in ``.conf``."""
    return path.with_name(f"{path.name}.last-started")


def keep(paths: Sequence[Path]) -> None:
    """Keep files as what the server runs with now, for ``put_back``. Raises PgkeelError when the folder cannot be written."""
    for path in paths:
        replace(last_started(path), read(path))


def put_back(paths: Sequence[Path], *, check: bool = False) -> list[Path]:
    """Undo what was written since the server was last started; returns the files that differ. ``check`` writes nothing.

    A file that was not there then goes. Raises PgkeelError when nothing was kept.
    """
    kept = {path: last_started(path) for path in paths}
    missing = [str(path) for path in kept.values() if not path.exists()]
    if missing:
        raise PgkeelError(
            f"There is no {missing[0]}, so that the previous settings are not known", "Correct the settings in conf.d by hand"
        )
    changed = [path for path in paths if read(path) != read(kept[path])]
    for path in changed if not check else ():
        text = read(kept[path])
        if text:
            replace(path, text)
        else:
            path.unlink(missing_ok=True)
    return changed


def apply(connection: psycopg.Connection[TupleRow], texts: Mapping[Path, str], *, keep_first: bool = False) -> None:
    """Write files and let PostgreSQL read them, without loading them; put everything back when it cannot.

    ``keep_first`` keeps the old ones for ``put_back``. Raises PgkeelError with PostgreSQL's own remark.
    """
    touched = [*texts, *map(last_started, texts)] if keep_first else list(texts)
    before = {path: read(path) if path.exists() else None for path in touched}
    if keep_first:
        keep(list(texts))
    for path, text in texts.items():
        replace(path, text)
    server = read_server(connection)
    broken = faults(server)
    unread = [path for path in texts if not any(Path(entry.file) == path for entry in server.entries) and " = " in texts[path]]
    if not broken and not unread:
        return
    for path, old in before.items():
        if old is None:
            path.unlink(missing_ok=True)
        else:
            replace(path, old)
    if broken:
        cause = f"PostgreSQL cannot load the new settings: {broken[0].error} in {broken[0].file}, line {broken[0].line}"
        raise PgkeelError(cause, "The previous files are back in place; correct the setting and run again")
    raise PgkeelError(
        f"PostgreSQL does not read {unread[0]}, and the previous files are back in place",
        f"Add \"include_dir = '{unread[0].parent.name}'\" to its postgresql.conf",
    )
