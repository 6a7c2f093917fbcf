"""Making the unit files on a server those of the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..atomic_file import replace_file
from ..errors import PgkeelError
from .systemd import show, systemctl
from .units import MARK


@dataclass(frozen=True)
class UnitChanges:
    """What differs between the units on the server and those wanted."""

    write: Mapping[str, str]
    remove: tuple[str, ...]
    before: Mapping[str, str]
    """Text of each file that is written or removed, empty for a new one."""
    reload: bool
    start: tuple[str, ...]
    """Timers that are not enabled, not waiting, or new in text."""

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.write or self.remove or self.reload or self.start)


def plan_units(folder: Path, wanted: Mapping[str, str]) -> UnitChanges:
    """Compare; changes nothing. Only files that carry our mark count as ours.

    Raises PgkeelError when a file of a wanted name belongs to somebody else.
    """
    present = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("pgkeel-*")) if path.is_file()}
    ours = {name: text for name, text in present.items() if text.startswith(MARK)}
    for name in wanted:
        if name in present and name not in ours:
            raise PgkeelError(
                f"{folder / name} exists and was not written by pgkeel", "Move it away, or give the job another name"
            )
    write = {name: text for name, text in wanted.items() if ours.get(name) != text}
    remove = tuple(name for name in ours if name not in wanted)
    timers = [name for name in wanted if name.endswith(".timer")]
    state = show(
        [name for name in wanted if name in present and "@" not in name], ("UnitFileState", "ActiveState", "NeedDaemonReload")
    )
    asleep = [
        name
        for name in timers
        if name in write or state.get(name, {}).get("UnitFileState") != "enabled" or state[name].get("ActiveState") != "active"
    ]
    return UnitChanges(
        write=write,
        remove=remove,
        before={name: ours.get(name, "") for name in (*write, *remove)},
        reload=any(unit.get("NeedDaemonReload") == "yes" for unit in state.values()),
        start=tuple(asleep),
    )


def apply_units(folder: Path, changes: UnitChanges) -> None:
    """Carry out a plan. A crash leaves what the next plan finds and finishes. A job that runs is not disturbed."""
    for name in changes.remove:
        if name.endswith(".timer"):
            systemctl("disable", "--now", name)
        (folder / name).unlink(missing_ok=True)
    for name, text in changes.write.items():
        replace_file(folder / name, text)
    if changes.write or changes.remove or changes.reload:
        systemctl("daemon-reload")
    if changes.start:
        systemctl("enable", *changes.start)
        systemctl("restart", *changes.start)
