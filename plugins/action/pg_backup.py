"""Show how far a backup is while it lasts: a module itself can say nothing before its end."""

from __future__ import annotations

import copy
import re
import shlex
import threading
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

FOLDER = "/tmp/pgkeel-progress-"  # noqa: S108 - mktemp makes it, with a name that nobody can foresee
UNPRINTABLE = re.compile(r"[^ -~]")
LONGEST = 160


def shown(text: str) -> str:
    """One printable line of what a server wrote."""
    lines = text.splitlines()
    return UNPRINTABLE.sub("?", lines[0])[:LONGEST] if lines else ""


class ActionModule(ActionBase):
    """Runs the module of the task's name, and with C(progress_seconds) prints a line so many seconds apart.

    The arguments, secrets among them, go the usual way, in memory: a task with C(async) would leave them in a file on the server.
    """

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's own result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        every = 0 if self._task.check_mode else int(arguments.get("progress_seconds") or 0)
        folder = self._make_folder() if every > 0 else ""
        if not folder:
            return result | self._execute_module(module_args=arguments, task_vars=task_vars)
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(f"{folder}/progress", every, done, task_vars or {}), daemon=True)
        watcher.start()
        try:
            arguments["progress_file"] = f"{folder}/progress"
            return result | self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            done.set()
            watcher.join(timeout=every + 10)
            self._low_level_execute_command(f"rm -rf {shlex.quote(folder)}")

    def _make_folder(self) -> str:
        """On the server, by the user that the module runs as; empty when there is none, and then nothing is shown."""
        made = self._low_level_execute_command(f"mktemp -d {FOLDER}XXXXXXXX | xargs -I @ sh -c 'chmod 755 @ && echo @'")
        folder: str = made["stdout"].strip()
        return folder if re.fullmatch(rf"{FOLDER}\w{{8}}", folder) else ""

    def _watch(self, file: str, every: int, done: threading.Event, task_vars: dict[str, Any]) -> None:
        """In a thread of its own, hence with a connection of its own; it reads what everybody may read, without become."""
        reader = copy.copy(self)
        reader._connection = copy.copy(self._connection)
        host, last = task_vars.get("inventory_hostname", ""), ""
        what = self._task.args.get("database", "")
        while not done.wait(every):
            try:
                found = reader._low_level_execute_command(f"cat {shlex.quote(file)}", sudoable=False)
            except Exception:  # noqa: S112 - the run goes on unwatched
                continue
            line = shown(found["stdout"]) if found["rc"] == 0 else ""
            if line and line != last and not done.is_set():
                Display().display(f"  [{host}] {what}: {line}")
                last = line
