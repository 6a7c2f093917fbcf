"""Where a backup lies: <prefix>/<server>/<database>/<run id>/{dump.pgc.age,globals.sql.age,manifest.json}."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from ..errors import PgkeelError

DUMP = "dump.pgc.age"
GLOBALS = "globals.sql.age"
MANIFEST = "manifest.json"
DRILLS = "drills"
SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class Shelf:
    """All backups of one database of one server."""

    prefix: str
    server: str
    database: str

    def __post_init__(self) -> None:
        """Refuse names that would lead to somebody else's folder."""
        for what, value in (("prefix", self.prefix), ("server name", self.server)):
            segments = value.split("/") if what == "prefix" else [value]
            if not all(SEGMENT.fullmatch(segment) for segment in segments):
                raise PgkeelError(
                    f"The {what} {value!r} cannot be part of an object's key",
                    "Use letters, digits, dot, dash and underscore, not beginning with a dot",
                )
        if not self.database:
            raise PgkeelError("No database is named", "Name the database to back up")

    @property
    def folder(self) -> str:
        """Its prefix in the bucket, ending with a slash."""
        # quote() leaves dots alone, and a folder named "." or ".." is read differently by every store.
        name = quote(self.database, safe="")
        return f"{self.prefix}/{self.server}/{f'%2E{name[1:]}' if name.startswith('.') else name}/"

    def key(self, run_id: str, name: str) -> str:
        """The key of one object of a run."""
        return f"{self.folder}{run_id}/{name}"

    def run_of_manifest(self, key: str) -> str | None:
        """The run id of a manifest's key on this shelf; None for any other object."""
        run_id, _, name = key.removeprefix(self.folder).partition("/")
        return run_id if key.startswith(self.folder) and name == MANIFEST else None


def run_of(shelf: Shelf, key: str) -> str | None:
    """The run id that any object of a run belongs to; None for what is no run's."""
    run_id, _, name = key.removeprefix(shelf.folder).partition("/")
    return run_id if key.startswith(shelf.folder) and name and RUN_ID.fullmatch(run_id) else None


def new_run_id(snapshot_time: datetime) -> str:
    """Unique to a run, and sorted by time: for the eye, and for the order in which what never committed is removed."""
    return f"{snapshot_time.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
