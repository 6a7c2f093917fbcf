"""The module's own refusals, before anything is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RUNNER = """
import json, runpy, sys
sys.path.insert(0, {module_utils!r})
import ansible.module_utils, pgkeel
sys.modules["ansible.module_utils.pgkeel"] = ansible.module_utils.pgkeel = pgkeel
import ansible.module_utils.basic as basic
basic._ANSIBLE_ARGS = json.dumps({{"ANSIBLE_MODULE_ARGS": {arguments!r}}}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_path({path!r}, run_name="__main__")
"""


@pytest.mark.parametrize(("option", "value"), [("window_hours", 10**12), ("retention_days", 10**9), ("window_hours", -(10**12))])
def test_a_number_beyond_the_calendar_is_one_sentence(option: str, value: int) -> None:
    arguments = {"login_db": "app", "login_unix_socket": "/nowhere", option: value}
    code = RUNNER.format(module_utils=str(ROOT / "module_utils"), arguments=arguments, path=str(ROOT / "library/pg_advisor.py"))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(ran.stdout)["msg"].startswith(f"{option} is {value}. Give a number up to "), ran.stderr
