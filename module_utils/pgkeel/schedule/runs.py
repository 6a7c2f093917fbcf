"""What became of a job's last runs: one small JSON file a job.

systemd calls this module before and after each run (ExecStartPre, ExecStopPost), so that a run that is killed is
recorded as well. One that a power cut ended has a start and no end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..atomic_file import replace_file

KEPT = 50
"""Runs a job."""


@dataclass(frozen=True)
class Run:
    """One run of a job; times are ISO 8601 in UTC."""

    job: str
    invocation_id: str
    """systemd's own; ``journalctl _SYSTEMD_INVOCATION_ID=…`` shows the output of this very run."""
    started: str
    ended: str = ""
    result: str = ""
    """systemd's ``$SERVICE_RESULT``: success, exit-code, timeout, signal …; empty until the end."""
    exit_status: str = ""
    """Exit code, or the name of the signal that ended it."""

    @property
    def seconds(self) -> float | None:
        """How long it took, waiting for other jobs included; None without an end."""
        if not self.ended:
            return None
        return (datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.started)).total_seconds()


def read_runs(folder: Path, job: str) -> tuple[Run, ...]:
    """The kept runs of a job, newest first; empty when it never ran or the file cannot be read as one."""
    try:
        stored = json.loads((folder / f"{job}.json").read_text(encoding="utf-8"))["runs"]
        return tuple(Run(**item) for item in stored)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def record_start(folder: Path, job: str, environment: Mapping[str, str], now: datetime) -> None:
    """Note that a run begins; ``environment`` is what systemd gave to the unit's program."""
    run = Run(job=job, invocation_id=environment.get("INVOCATION_ID", ""), started=_text(now))
    _write(folder, job, (run, *read_runs(folder, job)))


def record_end(folder: Path, job: str, environment: Mapping[str, str], now: datetime) -> None:
    """Note how a run ended."""
    runs = read_runs(folder, job)
    invocation = environment.get("INVOCATION_ID", "")
    begun = next((run for run in runs if run.invocation_id == invocation and not run.ended), None)
    run = replace(
        begun or Run(job=job, invocation_id=invocation, started=_text(now)),
        ended=_text(now),
        result=environment.get("SERVICE_RESULT", ""),
        exit_status=environment.get("EXIT_STATUS", ""),
    )
    _write(folder, job, (run, *(other for other in runs if other is not begun)))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _write(folder: Path, job: str, runs: tuple[Run, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {"job": job, "runs": [asdict(run) for run in runs[:KEPT]]}
    replace_file(folder / f"{job}.json", json.dumps(document, indent=1))


def main(arguments: list[str]) -> None:
    """``start|end FOLDER JOB``, called by systemd."""
    moment, folder, job = arguments
    {"start": record_start, "end": record_end}[moment](Path(folder), job, os.environ, datetime.now(UTC))


if __name__ == "__main__":
    main(sys.argv[1:])
