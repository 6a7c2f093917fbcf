"""Waiting for what happens beside a test, and ending what a test started.

The limits are generous: they cost time only where something is broken, and a busy machine is not broken.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0


def wait_until(
    condition: Callable[[], Any], otherwise: str = "what the test waited for did not come", seconds: float = SECONDS
) -> None:
    """Return as soon as the condition holds; fails with the sentence when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} (waited {seconds:.0f} s)"
        time.sleep(0.02)


def end(process: subprocess.Popen[Any]) -> None:
    """End a child process: ssh can lose a SIGTERM that comes just before it starts to wait."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
