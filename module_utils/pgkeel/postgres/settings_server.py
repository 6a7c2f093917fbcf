"""What is known of a server's settings before anything is planned: what runs, and what its configuration files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow, class_row

from ..errors import PgkeelError
from .settings import Setting, check, parse_libraries, same

PRELOAD = "shared_preload_libraries"

# A session that sees one of these sees its own value, not the server's.
SESSION_SOURCES = frozenset({"client", "database", "database user", "session", "user", "interactive"})

# These show the session's own socket, and 0 where it is not TCP.
SOCKET_SETTINGS = frozenset({"tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout"})

# With these values PostgreSQL reckons a number at its start, and shows that.
RECKONED: Mapping[str, str] = {
    "commit_timestamp_buffers": "0",
    "subtransaction_buffers": "0",
    "transaction_buffers": "0",
    "wal_buffers": "-1",
}


@dataclass(frozen=True)
class FileEntry:
    """One line of the configuration files as they are on disk, loaded or not."""

    name: str
    value: str
    file: str
    line: int
    error: str = ""


@dataclass(frozen=True)
class Server:
    """What is known of a server before planning."""

    settings: Mapping[str, Setting]
    """By lower-case name."""
    entries: Sequence[FileEntry]
    """In the order in which PostgreSQL reads them: the last one of a name wins."""
    library_directory: str = ""
    """Empty where its files cannot be looked at."""


def read_server(connection: psycopg.Connection[TupleRow]) -> Server:
    """Read settings and configuration files; needs a superuser. Raises PgkeelError without one."""
    try:
        settings = (
            connection.cursor(row_factory=class_row(Setting))
            .execute(
                """
                SELECT name, coalesce(setting, '') AS value, coalesce(unit, '') AS unit, vartype, context,
                       coalesce(min_val, '') AS minimum, coalesce(max_val, '') AS maximum, coalesce(enumvals, '{}') AS choices,
                       coalesce(boot_val, '') AS default, source, coalesce(sourcefile, '') AS source_file, pending_restart,
                       short_desc = 'GUC placeholder variable' AS placeholder
                FROM pg_settings
                """
            )
            .fetchall()
        )
        entries = (
            connection.cursor(row_factory=class_row(FileEntry))
            .execute(
                """
                SELECT coalesce(lower(name), '') AS name, coalesce(setting, '') AS value, coalesce(sourcefile, '') AS file,
                       coalesce(sourceline, 0) AS line, coalesce(error, '') AS error
                FROM pg_file_settings ORDER BY seqno
                """
            )
            .fetchall()
        )
        directory = connection.execute("SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'").fetchone()
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgkeelError("This login may not read the server's configuration files", "Connect as a superuser") from error
    return Server({setting.name.lower(): setting for setting in settings}, entries, str(directory[0]) if directory else "")


def server_from_document(document: Mapping[str, Any]) -> Server:
    """A server that is not there yet, from what a new cluster of this version says of itself.

    ``document`` has ``settings`` and ``entries``, lists of mappings with the fields of Setting and FileEntry.
    Raises PgkeelError for anything else.
    """
    try:
        names = {field.name for field in fields(Setting)}
        settings = [Setting(**{key: row[key] for key in row if key in names}) for row in document["settings"]]
        entries = [FileEntry(**row) for row in document["entries"]]
    except (KeyError, TypeError) as error:
        raise PgkeelError(
            f"The description of a new server cannot be read: {error}", "Make it anew with tools/fresh_server"
        ) from error
    return Server({setting.name.lower(): setting for setting in settings}, entries)


def running(server: Server, name: str, setting: Setting) -> str:
    """The server's own value, whatever this session shows."""
    hidden = setting.source in SESSION_SOURCES or name in SOCKET_SETTINGS
    # So it is shown until PostgreSQL archives, and archiving may wait for a restart.
    if not hidden and not (name == "archive_command" and setting.value == "(disabled)"):
        return setting.value
    # The files tell the server's value, as far as they are loaded.
    entries = [entry.value for entry in server.entries if entry.name == name]
    return entries[-1] if entries else setting.default


def runs_with(server: Server, name: str, setting: Setting, text: str) -> bool:
    """Whether the server would be as it is with this value."""
    if name in RECKONED and same(setting, text, RECKONED[name]):
        # A number that somebody chose has another source.
        return setting.source in {"default", "override"}
    return same_setting(name, setting, running(server, name, setting), text)


def same_setting(name: str, setting: Setting, one: str, other: str) -> bool:
    """Whether two texts mean the same value of it."""
    if name == PRELOAD:
        return parse_libraries(one) == parse_libraries(other)
    return same(setting, one, other)


def waiting(server: Server, ours: Sequence[Path]) -> bool:
    """Whether our files, as they are on disk, hold a setting that the server has not been started with."""
    for entry in server.entries:
        setting = server.settings.get(entry.name)
        if Path(entry.file) not in ours or setting is None or setting.context != "postmaster":
            continue
        last = [other for other in server.entries if other.name == entry.name][-1]
        if last is entry and not runs_with(server, entry.name, setting, entry.value):
            return True
    return False


def faults(server: Server) -> list[FileEntry]:
    """Lines that PostgreSQL cannot load: a reload would change nothing, a restart would fail."""
    return [entry for entry in server.entries if entry.error and not _waits(server, entry)]


def _waits(server: Server, entry: FileEntry) -> bool:
    if not entry.file:
        # A setting that is gone from the files and goes back with the next restart: PostgreSQL lists it without a place.
        return True
    # A changed setting that needs a restart is listed with the very remark that a bad value gets: only the value parts them.
    setting = server.settings.get(entry.name)
    if entry.error != "setting could not be applied" or setting is None or setting.context != "postmaster":
        return False
    try:
        check(setting, entry.value)
    except PgkeelError:
        return False
    return True


def refuse_faults(server: Server, ours: Sequence[Path]) -> None:
    """Raise PgkeelError for a fault in a file that is not ours to rewrite."""
    for entry in faults(server):
        if Path(entry.file) not in ours:
            raise PgkeelError(
                f"PostgreSQL cannot load its configuration: {entry.error} in {entry.file}, line {entry.line}",
                "Mend that line and run again; nothing was changed",
            )
