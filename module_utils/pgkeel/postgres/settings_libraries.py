"""Libraries that PostgreSQL loads for its settings: which there are, which are installed, which a setting is named after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import PgkeelError
from .settings import Value, parse_libraries, text_of
from .settings_server import PRELOAD, FileEntry, Server

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


def merge_libraries(server: Server, preload: Sequence[str], ours: Sequence[Path]) -> list[str]:
    """What any other file preloads, in its order, then ours that are missing: nobody's library is dropped."""
    foreign = [entry.value for entry in server.entries if entry.name == PRELOAD and Path(entry.file) not in ours]
    return list(dict.fromkeys([name for value in foreign for name in parse_libraries(value)] + list(preload)))


def running_libraries(server: Server) -> list[str]:
    """Those that the server was started with."""
    setting = server.settings.get(PRELOAD)
    return parse_libraries(setting.value) if setting else []


def _library_path(server: Server, name: str) -> Path:
    path = name.replace("$libdir", server.library_directory)
    full = Path(path) if "/" in path else Path(server.library_directory) / path
    return full if full.suffix == ".so" else full.with_name(full.name + ".so")


def refuse_missing(server: Server, libraries: Sequence[str], preload: Sequence[str]) -> None:
    """Raise PgkeelError for one that is not installed; those in ``preload`` are ours."""
    for name in libraries if server.library_directory else ():
        path = _library_path(server, name)
        if not path.exists():
            owner = "" if name in preload else ", which another configuration file asks for,"
            raise PgkeelError(
                f"The library {name}{owner} is not installed: there is no {path}, and PostgreSQL would not start",
                "Install the package that brings it, or remove it from the libraries to preload; nothing was changed",
            )


def refuse_overridden(entry: FileEntry, libraries: Sequence[str]) -> None:
    """Raise PgkeelError where a line that wins over ours leaves one of them out."""
    missing = [name for name in libraries if name not in parse_libraries(entry.value)]
    if missing:
        undo = "run ALTER SYSTEM RESET shared_preload_libraries" if "auto.conf" in entry.file else "remove that line"
        raise PgkeelError(
            f"{entry.file} overrides pgkeel and preloads {entry.value!r}, which leaves out {', '.join(missing)}",
            f"Declare {', '.join(libraries)} as the libraries to preload, then {undo}; nothing was changed",
        )


def library_of(name: str, libraries: Sequence[str]) -> str | None:
    """Which of the libraries a setting is named after."""
    prefix, dot, _ = name.partition(".")
    for library in libraries if dot else ():
        if prefix in {library.lower(), library.lower().removeprefix("pg_")}:
            return library
    return None


def session_libraries(server: Server, wanted: Mapping[str, Value]) -> list[str]:
    """Those that every session loads by itself, once the wanted settings are in force."""
    own = [text_of(value) for name, value in wanted.items() if name.lower() in SESSION_PRELOADS]
    there = [server.settings[name].value for name in SESSION_PRELOADS if name in server.settings]
    return [library for text in own or there for library in parse_libraries(text)]
