"""What a set of wanted settings changes on a server, and whether it takes a reload or a restart."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from .settings import Setting, Value, check, readable, render_libraries, text_of
from .settings_libraries import (
    PRELOADED,
    library_of,
    merge_libraries,
    refuse_missing,
    refuse_overridden,
    running_libraries,
    session_libraries,
)
from .settings_server import PRELOAD, FileEntry, Server, refuse_faults, running, runs_with, same_setting

# guc.c, valid_custom_variable_name.
_CUSTOM = re.compile(r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)+")


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


def effective(server: Server, plan: Plan, restart_file: Path, reload_file: Path) -> dict[str, str]:
    """What all configuration files come to with the plan's own two in place: texts by name."""
    ours = (restart_file, reload_file)
    result = {entry.name: entry.value for entry in server.entries if entry.name and Path(entry.file) not in ours}
    for file, texts in ((restart_file, plan.restart_file), (reload_file, plan.reload_file)):
        result |= {name: text for name, text in texts.items() if _later_entry(server, name, ours, file) is None}
    return result


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
    refuse_missing(server, [name for name in libraries if not (libraries_later and name in preload)], preload)
    loaded = running_libraries(server)
    texts, plain, restarts = _sort(server, wanted, libraries, loaded)
    if libraries:
        texts[PRELOAD] = restarts[PRELOAD] = render_libraries(libraries)
    changes = []
    shadowed = []
    for name, text in sorted(texts.items()):
        other = _later_entry(server, name, ours, restart_file if name in restarts else reload_file)
        setting = server.settings.get(name)
        if other and not (setting and same_setting(name, setting, other.value, text)):
            if name == PRELOAD:
                refuse_overridden(other, libraries)
            shadowed.append({"name": name, "wanted": text, "effective": other.value, "file": other.file})
            continue
        if setting and setting.source == "command line" and not runs_with(server, name, setting, text):
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
        waits = unknown and library_of(name, [library for library in libraries if library not in loaded]) is not None
        if setting is not None and not unknown:
            check(setting, texts[name])
        elif not waits:
            _refuse_unknown(server, name, libraries, session_libraries(server, wanted))
        # A library's settings stay beside the preloading whether it is loaded yet or not, or they would move later.
        beside = waits or ("." in name and not unknown)
        target = restarts if beside or (setting and setting.context == "postmaster") else plain
        target[name] = texts[name]
    return texts, plain, restarts


def _refuse_unknown(server: Server, name: str, loaded: Sequence[str], later: Sequence[str]) -> None:
    """Raise PgkeelError for a name that PostgreSQL or the library that it names does not take, or that nobody would read.

    ``loaded`` are the libraries that have said what settings they have, ``later`` those that a session loads.
    """
    prefix, dot, rest = name.partition(".")
    known = [other for other, setting in server.settings.items() if not setting.placeholder]
    prefixes = {other.partition(".")[0] for other in known if "." in other}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    cure = f"Did you mean {near[0]}" if near else "See pg_settings for the names that it has"
    if prefix in prefixes or library_of(name, loaded):
        raise PgkeelError(f"The library {prefix} has no setting {name!r}; nothing was changed", cure)
    if not dot or not _CUSTOM.fullmatch(name):
        raise PgkeelError(f"PostgreSQL has no setting {name!r}; nothing was changed", cure)
    if library_of(name, later):
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


def _change(server: Server, name: str, text: str, *, waits: bool) -> Change | None:
    setting = server.settings.get(name)
    if setting is None or (setting.placeholder and waits):
        return Change(name, None, text, "restart" if waits else "reload")
    if runs_with(server, name, setting, text):
        return None
    return Change(name, readable(setting, running(server, name, setting)), _shown(setting, text), _needs(setting))


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
        if not runs_with(server, name, setting, new):
            old = readable(setting, running(server, name, setting))
            changes.append(Change(name, old, new if others else readable(setting, new), _needs(setting)))
    return changes
