"""What a run changes of the server around PostgreSQL: packages, the Python environment, certificate, firewall, schedule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NEW = re.compile(r"^The following NEW packages will be installed:\n((?:  .*\n?)+)", re.MULTILINE)
_UNIT = re.compile(r"^pgkeel-(?P<job>.+)\.(?:service|timer)$")
_SHARED = "failure@"
"""The unit that every job calls when it fails; no job itself."""


def new_packages(installs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The declared packages that were not there, by name.

    Each of ``installs`` has ``wanted`` (names), ``said`` (apt's output, empty where all are there) and ``unseen`` (apt could not
    be asked yet). What comes along as a dependency is not listed: a check asks apt about each role's packages alone, a run about
    what the roles before have left, and only the declared names are the same.
    """
    wanted = {name for install in installs for name in install["wanted"]}
    new = {name for install in installs if install.get("unseen") for name in install["wanted"]}
    for install in installs:
        said = _NEW.search(install.get("said") or "")
        new |= set(said[1].split()) if said else set()
    return sorted(wanted & new)


def job_changes(schedule: Mapping[str, Any]) -> list[dict[str, str]]:
    """Jobs whose units are set or removed, by name; ``schedule`` has lists of unit files ``set`` and ``removed``."""
    kept = _jobs(schedule.get("set", []))
    removed = _jobs(schedule.get("removed", [])) - kept
    return [{"job": job, "action": "set" if job in kept else "remove"} for job in sorted(kept | removed)]


def _jobs(units: Sequence[str]) -> set[str]:
    found = (_UNIT.match(unit) for unit in units)
    return {unit["job"] for unit in found if unit and unit["job"] != _SHARED}


def make_system(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The system's part of the plan, from the facts ``<role>_plan`` by role; a role that did not run changes nothing.

    Any role may have ``apt``; ``toolchain`` has ``builds``, ``certificate`` and ``firewall`` have ``action``, ``schedule``
    has ``release``, ``inventory``, ``set`` and ``removed``.
    """
    schedule = parts.get("schedule", {})
    return {
        "packages": new_packages([install for part in parts.values() for install in part.get("apt", [])]),
        "environment": "build" if parts.get("toolchain", {}).get("builds") else "none",
        "certificate": parts.get("certificate", {}).get("action", "none"),
        "firewall": parts.get("firewall", {}).get("action", "none"),
        "schedule": {
            "release": bool(schedule.get("release")),
            "inventory": bool(schedule.get("inventory")),
            "jobs": job_changes(schedule),
        },
    }


def changes_system(system: Mapping[str, Any]) -> bool:
    """Whether any of it changes."""
    return (
        bool(system["packages"])
        or any(system[part] != "none" for part in ("environment", "certificate", "firewall"))
        or any(system["schedule"].values())
    )


_WORDS = {
    ("environment", "build"): "pgkeel's Python environment is built.",
    (
        "certificate",
        "make",
    ): "A certificate is made and shown after a reload; clients that trust an earlier one alone need it.",
    ("certificate", "protect"): "The certificate's key gets its owner and mode back.",
    ("firewall", "set"): "The firewall's rules are set.",
    ("firewall", "remove"): "The firewall's rules are removed.",
}


def describe_system(system: Mapping[str, Any]) -> list[str]:
    """It in lines for people."""
    lines = [f"Packages: {', '.join(system['packages'])}"] if system["packages"] else []
    lines += [words for (part, action), words in _WORDS.items() if system[part] == action]
    schedule = system["schedule"]
    if schedule["jobs"]:
        lines.append("Schedule: " + ", ".join(f"{row['action']} {row['job']}" for row in schedule["jobs"]))
    if schedule["release"]:
        lines.append("The scheduled jobs get this release of pgkeel.")
    if schedule["inventory"]:
        lines.append("The scheduled jobs get these values of the inventory.")
    return lines
