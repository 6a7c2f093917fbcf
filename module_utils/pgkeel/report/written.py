"""The files of a report: written whole or not at all, and only where they differ."""

from __future__ import annotations

from pathlib import Path

from ..atomic_file import replace_file
from ..errors import PgkeelError

_MODE = 0o640  # as the documents beside it: names of tables and roles are nobody else's business
_FOLDER_MODE = 0o750


def write_whole(path: Path, text: str, *, dry_run: bool = False) -> bool:
    """Make `path` hold `text`; returns whether it did not before. With `dry_run` nothing is written.

    A reader sees the old file or the new one, never a part. Raises PgkeelError when the folder refuses.
    """
    content = text.encode()
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        if not dry_run:
            replace_file(path, content, _MODE)
    except OSError as error:
        raise PgkeelError(
            f"{path} cannot be written: {error.strerror or error}",
            "Check that the folder belongs to the user who runs the report, and that the disk is not full",
        ) from error
    return True


def make_folder(folder: Path) -> None:
    """Make the folder of a report where there is none. Raises PgkeelError when that is refused."""
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise PgkeelError(
            f"{folder} cannot be made: {error.strerror or error}", "Check that you may write there, or change pgkeel_report_dir"
        ) from error
