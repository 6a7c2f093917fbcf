"""What a module of the store documents, by itself or in a fragment, is what it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pgkeel.backup.options import PROGRESS_ARGUMENTS, RETENTION_ARGUMENTS, STORE_ARGUMENTS
from pgkeel.postgres.arguments import CONNECTION_ARGUMENTS

ROOT = Path(__file__).resolve().parents[3]
SOCKET = {name: CONNECTION_ARGUMENTS[name] for name in ("login_unix_socket", "login_port", "login_user")}
SHARED = {
    "pg_backup": {**STORE_ARGUMENTS, **RETENTION_ARGUMENTS, **PROGRESS_ARGUMENTS, **SOCKET},
    "pg_restore_drill": {**STORE_ARGUMENTS, **PROGRESS_ARGUMENTS, **SOCKET},
    "pg_backup_info": {**STORE_ARGUMENTS, **RETENTION_ARGUMENTS},
}


@pytest.mark.parametrize("name", SHARED)
def test_fragments_say_what_the_argument_specs_say(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "doc", "-j", "-t", "module", "-M", "library", name],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
    )
    documented: dict[str, Any] = next(iter(json.loads(done.stdout).values()))["doc"]["options"]
    for option, spec in SHARED[name].items():
        found = documented[option]
        assert found["type"] == spec["type"], option
        assert found.get("required", False) == spec.get("required", False), option
        assert found.get("default") == spec.get("default"), option
