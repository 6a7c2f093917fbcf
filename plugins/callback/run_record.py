"""Record what a run did, for programs that start playbooks: counts a host, and seconds."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = r"""
name: run_record
type: notification
short_description: Write the counts of a run to a JSON file
description:
  - When a run ends, writes C(seconds), C(hosts) (a host's counts of ok, changed, unreachable, failures, skipped, rescued and
    ignored) and C(changed) (names of tasks) to the file named by E(PGKEEL_RUN_RECORD). Does nothing without it.
  - The names of changed tasks are recorded, never their results.
"""

_COUNTS = ("ok", "changed", "dark", "failures", "skipped", "rescued", "ignored")


class CallbackModule(CallbackBase):
    """Counts at the end; the names of changed tasks on the way."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "run_record"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        super().__init__()
        self._path = os.environ.get("PGKEEL_RUN_RECORD", "")
        self._started = time.monotonic()
        self._changed: list[str] = []
        if not self._path:
            self.disabled = True

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Note a task that changed something."""
        if result.result.get("changed"):
            self._changed.append(result.task.get_name())

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write the record, whole or not at all."""
        hosts = {host: {name: getattr(stats, name).get(host, 0) for name in _COUNTS} for host in stats.processed}
        for counts in hosts.values():
            counts["unreachable"] = counts.pop("dark")
        record = {"seconds": round(time.monotonic() - self._started, 2), "hosts": hosts, "changed": self._changed}
        part = Path(f"{self._path}.part")
        part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        part.replace(self._path)
