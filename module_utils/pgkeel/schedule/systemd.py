"""Asking systemd, and telling it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping

from ..errors import PgkeelError

_LIMIT_SECONDS = 60


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PgkeelError(f"{command[0]} did not answer: {error}", "The schedule needs a server that systemd runs") from error


def systemctl(*arguments: str) -> str:
    """Run systemctl; its standard output. Raises PgkeelError when it fails."""
    done = _run("systemctl", "--no-ask-password", *arguments)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
        raise PgkeelError(f"systemctl {' '.join(arguments)} failed: {reason}", "See journalctl -b -p warning on the server")
    return done.stdout


def check_calendar(job: str, calendar: str) -> None:
    """Raise PgkeelError unless systemd understands the calendar expression and it comes round at all."""
    done = _run("systemd-analyze", "calendar", calendar)
    if done.returncode:
        raise PgkeelError(
            f"systemd does not understand the calendar {calendar!r} of job {job}",
            "Write it as in systemd.time(7), for example Sun *-*-* 04:00:00, with a time zone from timedatectl list-timezones",
        )
    if "Next elapse: never" in done.stdout:
        raise PgkeelError(f"The calendar {calendar!r} of job {job} lies in the past for ever", "Write one that comes round again")


def show(units: Iterable[str], properties: Iterable[str]) -> dict[str, Mapping[str, str]]:
    """Properties of units, by unit name; times as ``@seconds`` since 1970 (UTC)."""
    names = list(units)
    if not names:
        return {}
    wanted = ",".join(["Id", *properties])
    output = systemctl("show", "--timestamp=unix", f"--property={wanted}", "--", *names)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in output.strip().split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}
