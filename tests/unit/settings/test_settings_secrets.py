"""A setting that holds a password is not shown, wherever the module would show settings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CANARY = "canary'of this test"

# Runs the module's file as Ansible would.
RUNNER = """
import json, runpy, sys
sys.path.insert(0, {module_utils!r})
import pgkeel, ansible.module_utils
sys.modules["ansible.module_utils.pgkeel"] = pgkeel
ansible.module_utils.pgkeel = pgkeel
import ansible.module_utils.basic as basic
basic._ANSIBLE_ARGS = json.dumps({{"ANSIBLE_MODULE_ARGS": {arguments!r}}}).encode()
basic._ANSIBLE_PROFILE = "legacy"
runpy.run_path({path!r}, run_name="__main__")
"""


def checked(settings):
    """What a check of a new server prints."""
    arguments = {
        "_ansible_check_mode": True,
        "_ansible_diff": True,
        "conf_dir": "/etc/postgresql/17/main/conf.d",
        "settings": settings,
        "new_server": json.loads((ROOT / "roles/postgresql/files/new_server.json").read_text()),
    }
    code = RUNNER.format(module_utils=str(ROOT / "module_utils"), arguments=arguments, path=str(ROOT / "library/pg_settings.py"))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.mark.parametrize("name", ["primary_conninfo", "ssl_passphrase_command"])
def test_a_password_among_the_settings_is_not_shown(name):
    printed = checked({name: f"password={CANARY}", "password_encryption": "scram-sha-256", "work_mem": "16MB"})
    result = json.loads(printed)
    assert [change["name"] for change in result["changes"]] == [name, "work_mem"]
    assert "canary" not in printed
    assert "password_encryption = 'scram-sha-256'" in result["diff"][1]["after"], "and what is none is"
