"""Who may log in from where: pg_hba.conf and pg_ident.conf, checked by PostgreSQL before they count."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from .settings_files import read, replace

HEADER = "# Written by pgkeel and replaced as a whole"


@dataclass(frozen=True)
class AccessFiles:
    """Where a server reads its rules, and whether it has read them since they were written."""

    rules: Path
    mappings: Path
    loaded_at: float
    """When the server last loaded its configuration: seconds since 1970."""

    def stale(self) -> bool:
        """Whether a file is newer than what the server runs with, as after an interrupted run."""
        return any(path.exists() and path.stat().st_mtime > self.loaded_at for path in (self.rules, self.mappings))


def locate(connection: psycopg.Connection[TupleRow]) -> AccessFiles:
    """Ask the server where its files are; needs a superuser."""
    row = connection.execute(
        "SELECT current_setting('hba_file'), current_setting('ident_file'), extract(epoch FROM pg_conf_load_time())::float8"
    ).fetchone()
    if row is None:  # a SELECT without FROM gives a row
        raise PgkeelError("PostgreSQL did not say where its access files are", "Run again")
    return AccessFiles(Path(row[0]), Path(row[1]), float(row[2]))


def first_error(connection: psycopg.Connection[TupleRow]) -> str:
    """What PostgreSQL would refuse in the files as they are on disk; empty when it would load them."""
    row = connection.execute(
        """
        SELECT file_name, line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL
        UNION ALL
        SELECT file_name, line_number, error FROM pg_ident_file_mappings WHERE error IS NOT NULL
        LIMIT 1
        """
    ).fetchone()
    return f"{row[2]} in {row[0]}, line {row[1]}" if row else ""


def install(connection: psycopg.Connection[TupleRow], texts: Mapping[Path, str]) -> None:
    """Write the files that differ and have PostgreSQL check them; put the old ones back when it finds a fault.

    A file that pgkeel did not write is kept beside as ``NAME.before-pgkeel``. Loads nothing. Raises PgkeelError with the fault.
    """
    before = {path: read(path) for path in texts}
    times = {path: path.stat().st_mtime_ns for path in texts if path.exists()}
    for path, text in texts.items():
        kept = path.with_name(path.name + ".before-pgkeel")
        if before[path] and not before[path].startswith(HEADER) and not kept.exists():
            replace(kept, before[path], mode=0o640)
        if before[path] != text:
            replace(path, text, mode=0o640)
    error = first_error(connection)
    if error:
        for path, text in before.items():
            replace(path, text, mode=0o640)
            if path in times:
                os.utime(path, ns=(times[path], times[path]))  # the server has loaded this one already
        raise PgkeelError(
            f"PostgreSQL refuses the access rules: {error}", "The previous files are back in place; correct the rule"
        )
