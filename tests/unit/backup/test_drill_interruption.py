"""A signal ends a drill wherever it comes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pgkeel.postgres import proving_ground
from pgkeel.postgres.interruption import InterruptedRunError


def test_a_signal_while_the_throwaway_server_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Waiting for the server takes no connection for a reason to wait on; a signal is one to end."""

    def signalled(_login: object) -> None:
        raise InterruptedRunError("The run was ended by SIGTERM", "Run it again")

    monkeypatch.setattr(proving_ground, "connect", signalled)
    monkeypatch.setattr(proving_ground, "START_SECONDS", 0.2)
    monkeypatch.setattr(proving_ground.time, "sleep", lambda _: pytest.fail("it waited on"))
    with subprocess.Popen(["/bin/sleep", "60"]) as server:
        try:
            running = proving_ground.ProvingGround(tmp_path, tmp_path, "postgres", (), server)
            with pytest.raises(InterruptedRunError):
                proving_ground._await(running, faithful=False)
        finally:
            server.kill()
