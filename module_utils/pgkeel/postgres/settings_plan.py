"""What a set of wanted settings changes on a server, and whether it takes a reload or a restart."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow, class_row

from ..errors import PgkeelError
from .settings import Setting, Value, check, parse_libraries, readable, render_libraries, same, text_of

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

# Libraries whose settings mean nothing until they are preloaded, by the first part of those settings' names. PostgreSQL takes any
# name of two parts: it may be an application's own, or belong to a library that comes with its first use, as plpgsql does.
PRELOADED: Mapping[str, str] = {
    **{
        name: name
        for name in (
            *("auth_delay", "auto_explain", "credcheck", "pg_failover_slots", "pg_hint_plan", "pg_partman_bgw", "pg_prewarm"),
            *("pg_qualstats", "pg_stat_kcache", "pg_stat_statements", "pg_wait_sampling", "pgaudit", "pglogical", "set_user"),
            "timescaledb",
        )
    },
    "cron": "pg_cron",
    "squeeze": "pg_squeeze",
}
# A session loads these libraries itself.
SESSION_PRELOADS = ("session_preload_libraries", "local_preload_libraries")

# guc.c, valid_custom_variable_name.
_CUSTOM = re.compile(r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)+")


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


@dataclass(frozen=True)
class Change:
    """A setting whose running value is not the wanted one."""

    name: str
    old: str | None
    """None where the server does not know the setting yet."""
    new: str
    needs: str
    """``restart`` or ``reload``."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {"name": self.name, "old": self.old, "new": self.new, "needs": self.needs}


@dataclass(frozen=True)
class Plan:
    """What to write, and what it comes to."""

    restart_file: Mapping[str, str]
    reload_file: Mapping[str, str]
    changes: Sequence[Change]
    shadowed: Sequence[dict[str, str]] = field(default_factory=tuple)
    """Settings of ours that a later file overrides: name, wanted, effective, file."""
    preloaded: Sequence[str] = ()
    """Libraries that the server preloads after the next restart."""
    pending_restart: Sequence[str] = ()
    """Settings, ours or not, that PostgreSQL itself says wait for a restart."""

    def needing(self, action: str) -> list[str]:
        """Names of the settings that wait for ``restart`` or ``reload``."""
        return [change.name for change in self.changes if change.needs == action]

    def to_be_proved(self) -> bool:
        """Whether the next start could fail of these changes.

        Those of TLS need a reload only, and a reload with a key that cannot be read keeps the old one and says so in the log
        alone; the next start fails of it.
        """
        return any(change.needs == "restart" or change.name.startswith("ssl") for change in self.changes)


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


def effective(server: Server, plan: Plan, restart_file: Path, reload_file: Path) -> dict[str, str]:
    """What all configuration files come to with the plan's own two in place: texts by name."""
    ours = (restart_file, reload_file)
    result = {entry.name: entry.value for entry in server.entries if entry.name and Path(entry.file) not in ours}
    for file, texts in ((restart_file, plan.restart_file), (reload_file, plan.reload_file)):
        result |= {name: text for name, text in texts.items() if _later_entry(server, name, ours, file) is None}
    return result


def waiting(server: Server, ours: Sequence[Path]) -> bool:
    """Whether our files, as they are on disk, hold a setting that the server has not been started with."""
    for entry in server.entries:
        setting = server.settings.get(entry.name)
        if Path(entry.file) not in ours or setting is None or setting.context != "postmaster":
            continue
        last = [other for other in server.entries if other.name == entry.name][-1]
        if last is entry and not _runs_with(server, entry.name, setting, entry.value):
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


def make_plan(
    server: Server,
    wanted: Mapping[str, Value],
    preload: Sequence[str],
    restart_file: Path,
    reload_file: Path,
    *,
    libraries_later: bool = False,
) -> Plan:
    """Compare wanted settings with a server.

    With ``libraries_later`` a check says nothing of libraries in ``preload`` that are not installed: packages come first.
    Raises PgkeelError, before anything is changed, for unknown settings, values that the server would refuse,
    libraries that are not installed, and preloading that another file overrides.
    """
    ours = (restart_file, reload_file)
    refuse_faults(server, ours)
    libraries = merge_libraries(server, preload, ours)
    _refuse_missing(server, [name for name in libraries if not (libraries_later and name in preload)], preload)
    loaded = _running_libraries(server)
    texts, plain, restarts = _sort(server, wanted, libraries, loaded)
    if libraries:
        texts[PRELOAD] = restarts[PRELOAD] = render_libraries(libraries)
    changes = []
    shadowed = []
    for name, text in sorted(texts.items()):
        other = _later_entry(server, name, ours, restart_file if name in restarts else reload_file)
        setting = server.settings.get(name)
        if other and not (setting and _same(name, setting, other.value, text)):
            if name == PRELOAD:
                _refuse_overridden(other, libraries)
            shadowed.append({"name": name, "wanted": text, "effective": other.value, "file": other.file})
            continue
        if setting and setting.source == "command line" and not _runs_with(server, name, setting, text):
            # No file and no restart changes it.
            shadowed.append(
                {"name": name, "wanted": text, "effective": readable(setting, setting.value), "file": "PostgreSQL's command line"}
            )
            continue
        change = _change(server, name, text, waits=name in restarts)
        if change:
            changes.append(change)
    changes += _reverted(server, texts, ours)
    pending = sorted(name for name, setting in server.settings.items() if setting.pending_restart)
    return Plan(restarts, plain, sorted(changes, key=lambda change: change.name), shadowed, libraries, pending)


def merge_libraries(server: Server, preload: Sequence[str], ours: Sequence[Path]) -> list[str]:
    """What any other file preloads, in its order, then ours that are missing: nobody's library is dropped."""
    foreign = [entry.value for entry in server.entries if entry.name == PRELOAD and Path(entry.file) not in ours]
    return list(dict.fromkeys([name for value in foreign for name in parse_libraries(value)] + list(preload)))


def _running_libraries(server: Server) -> list[str]:
    setting = server.settings.get(PRELOAD)
    return parse_libraries(setting.value) if setting else []


def _library_path(server: Server, name: str) -> Path:
    path = name.replace("$libdir", server.library_directory)
    full = Path(path) if "/" in path else Path(server.library_directory) / path
    return full if full.suffix == ".so" else full.with_name(full.name + ".so")


def _refuse_missing(server: Server, libraries: Sequence[str], preload: Sequence[str]) -> None:
    for name in libraries if server.library_directory else ():
        path = _library_path(server, name)
        if not path.exists():
            owner = "" if name in preload else ", which another configuration file asks for,"
            raise PgkeelError(
                f"The library {name}{owner} is not installed: there is no {path}, and PostgreSQL would not start",
                "Install the package that brings it, or remove it from the libraries to preload; nothing was changed",
            )


def _refuse_overridden(entry: FileEntry, libraries: Sequence[str]) -> None:
    missing = [name for name in libraries if name not in parse_libraries(entry.value)]
    if missing:
        undo = "run ALTER SYSTEM RESET shared_preload_libraries" if "auto.conf" in entry.file else "remove that line"
        raise PgkeelError(
            f"{entry.file} overrides pgkeel and preloads {entry.value!r}, which leaves out {', '.join(missing)}",
            f"Declare {', '.join(libraries)} as the libraries to preload, then {undo}; nothing was changed",
        )


def _sort(
    server: Server, wanted: Mapping[str, Value], libraries: Sequence[str], loaded: Sequence[str]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """All texts by name, then those for the reload file and those for the restart file."""
    texts: dict[str, str] = {}
    plain: dict[str, str] = {}
    restarts: dict[str, str] = {}
    for given, value in wanted.items():
        name = given.lower()
        if name == PRELOAD:
            raise PgkeelError("shared_preload_libraries is among the settings", "Give the libraries as a list, to be merged")
        if name in texts:
            raise PgkeelError(f"The setting {given} is given twice, in different spelling", "Keep one of them")
        if not isinstance(value, str | int | float):
            raise PgkeelError(
                f"The setting {given} is given as {type(value).__name__}, and takes one text or number",
                "Write a list as one text, with commas; nothing was changed",
            )
        texts[name] = text_of(value)
        setting = server.settings.get(name)
        unknown = setting is None or setting.placeholder
        waits = unknown and _library(name, [library for library in libraries if library not in loaded]) is not None
        if setting is not None and not unknown:
            check(setting, texts[name])
        elif not waits:
            _refuse_unknown(server, name, libraries, _session_libraries(server, wanted))
        # A library's settings stay beside the preloading whether it is loaded yet or not, or they would move later.
        beside = waits or ("." in name and not unknown)
        target = restarts if beside or (setting and setting.context == "postmaster") else plain
        target[name] = texts[name]
    return texts, plain, restarts


def _library(name: str, libraries: Sequence[str]) -> str | None:
    """Which of the libraries a setting is named after."""
    prefix, dot, _ = name.partition(".")
    for library in libraries if dot else ():
        if prefix in {library.lower(), library.lower().removeprefix("pg_")}:
            return library
    return None


def _session_libraries(server: Server, wanted: Mapping[str, Value]) -> list[str]:
    own = [text_of(value) for name, value in wanted.items() if name.lower() in SESSION_PRELOADS]
    there = [server.settings[name].value for name in SESSION_PRELOADS if name in server.settings]
    return [library for text in own or there for library in parse_libraries(text)]


def _refuse_unknown(server: Server, name: str, loaded: Sequence[str], later: Sequence[str]) -> None:
    """Raise PgkeelError for a name that PostgreSQL or the library that it names does not take, or that nobody would read.

    ``loaded`` are the libraries that have said what settings they have, ``later`` those that a session loads.
    """
    prefix, dot, rest = name.partition(".")
    known = [other for other, setting in server.settings.items() if not setting.placeholder]
    prefixes = {other.partition(".")[0] for other in known if "." in other}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    cure = f"Did you mean {near[0]}" if near else "See pg_settings for the names that it has"
    if prefix in prefixes or _library(name, loaded):
        raise PgkeelError(f"The library {prefix} has no setting {name!r}; nothing was changed", cure)
    if not dot or not _CUSTOM.fullmatch(name):
        raise PgkeelError(f"PostgreSQL has no setting {name!r}; nothing was changed", cure)
    if _library(name, later):
        return
    if prefix in PRELOADED:
        raise PgkeelError(
            f"PostgreSQL has no setting {name!r} without its library; nothing was changed",
            f"Add the library {PRELOADED[prefix]} to those to preload, or remove the setting",
        )
    # PostgreSQL would take it for an application's own.
    meant = difflib.get_close_matches(prefix, {*prefixes, *PRELOADED}, n=1, cutoff=0.85)
    if meant:
        raise PgkeelError(f"No library has the setting {name!r}; nothing was changed", f"Did you mean {meant[0]}.{rest}")


def _later_entry(server: Server, name: str, ours: Sequence[Path], home: Path) -> FileEntry | None:
    """The entry of another file that wins over ours."""
    winner = None
    passed_ours = False
    for entry in server.entries:
        path = Path(entry.file)
        if entry.name != name:
            continue
        if path in ours:
            passed_ours, winner = True, None
        # Before the first run ours is not in the list yet: go by the order in which PostgreSQL reads files.
        elif passed_ours or path.name == "postgresql.auto.conf" or (path.parent == home.parent and path.name > home.name):
            winner = entry
    return winner


def _same(name: str, setting: Setting, one: str, other: str) -> bool:
    if name == PRELOAD:
        return parse_libraries(one) == parse_libraries(other)
    return same(setting, one, other)


def _change(server: Server, name: str, text: str, *, waits: bool) -> Change | None:
    setting = server.settings.get(name)
    if setting is None or (setting.placeholder and waits):
        return Change(name, None, text, "restart" if waits else "reload")
    if _runs_with(server, name, setting, text):
        return None
    return Change(name, readable(setting, _running(server, name, setting)), _shown(setting, text), _needs(setting))


def _running(server: Server, name: str, setting: Setting) -> str:
    hidden = setting.source in SESSION_SOURCES or name in SOCKET_SETTINGS
    # So it is shown until PostgreSQL archives, and archiving may wait for a restart.
    if not hidden and not (name == "archive_command" and setting.value == "(disabled)"):
        return setting.value
    # The files tell the server's value, as far as they are loaded.
    entries = [entry.value for entry in server.entries if entry.name == name]
    return entries[-1] if entries else setting.default


def _runs_with(server: Server, name: str, setting: Setting, text: str) -> bool:
    if name in RECKONED and same(setting, text, RECKONED[name]):
        # A number that somebody chose has another source.
        return setting.source in {"default", "override"}
    return _same(name, setting, _running(server, name, setting), text)


def _shown(setting: Setting, text: str) -> str:
    # Both sides of a change in the same words: 1024MB is 1GB.
    return readable(setting, check(setting, text)) if setting.unit else text


def _needs(setting: Setting) -> str:
    return "restart" if setting.context == "postmaster" else "reload"


def _reverted(server: Server, texts: Mapping[str, str], ours: Sequence[Path]) -> list[Change]:
    """Settings that one of our files gave the running server and that are no longer wanted."""
    changes = []
    for name, setting in server.settings.items():
        if name in texts or setting.placeholder or not setting.source_file or Path(setting.source_file) not in ours:
            continue
        others = [entry.value for entry in server.entries if entry.name == name and Path(entry.file) not in ours]
        new = others[-1] if others else setting.default
        if not _runs_with(server, name, setting, new):
            old = readable(setting, _running(server, name, setting))
            changes.append(Change(name, old, new if others else readable(setting, new), _needs(setting)))
    return changes
