"""A module whose third-party library is missing says so, and still hides what is secret."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "library").glob("*.py") if "missing_required_lib" in path.read_text())

# Runs the module's file as Ansible would, in an interpreter that has neither psycopg nor boto3.
RUNNER = """
import importlib.util, json, sys, types
sys.path.insert(0, {module_utils!r})
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("psycopg", "boto3", "botocore", "cryptography", "yaml", "jinja2", "markupsafe"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import pgkeel, ansible.module_utils
sys.modules["ansible.module_utils.pgkeel"] = pgkeel
ansible.module_utils.pgkeel = pgkeel
import ansible.module_utils.basic as basic
basic._ANSIBLE_ARGS = json.dumps({{"ANSIBLE_MODULE_ARGS": {arguments!r}}}).encode()
basic._ANSIBLE_PROFILE = "legacy"
import runpy
runpy.run_path({path!r}, run_name="__main__")
"""


def required(name):
    """Arguments that the module insists on, as its documentation says."""
    tree = ast.parse((ROOT / "library" / f"{name}.py").read_text())
    documentation = next(
        node.value.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "DOCUMENTATION"
    )
    samples = {"list": [], "dict": {}, "int": 1, "path": "/tmp/x", "raw": ""}
    documented = yaml.safe_load(documentation)
    options = dict(documented.get("options", {}))
    named = documented.get("extends_documentation_fragment", [])
    for fragment in [named] if isinstance(named, str) else named:
        file, _, part = fragment.partition(".")
        found = runpy.run_path(str(ROOT / "plugins" / "doc_fragments" / f"{file}.py"))["ModuleDocFragment"]
        options |= yaml.safe_load(getattr(found, part.upper() or "DOCUMENTATION"))["options"]
    return {key: samples.get(option.get("type", "str"), "x") for key, option in options.items() if option.get("required")}


@pytest.mark.parametrize("name", MODULES)
def test_the_library_is_named_and_no_secret_shown(name):
    arguments = required(name)
    text = (ROOT / "library" / f"{name}.py").read_text()
    secrets = ["access_key", "secret_key"] if "STORE_ARGUMENTS" in text else []
    secrets += ["login_password"] if re.search(r"pgkeel_connection\b(?!\.)", text) else []
    arguments |= dict.fromkeys(secrets, "canary-of-this-test")
    path = str(ROOT / "library" / f"{name}.py")
    script = RUNNER.format(module_utils=str(ROOT / "module_utils"), arguments=arguments, path=path)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    out = done.stdout + done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
    if not result.get("failed"):  # it imports none of the libraries: nothing can be missing
        pytest.fail(f"{name} did not fail: {out}")
    assert "Failed to import the required Python library" in result["msg"], out
    assert "canary-of-this-test" not in out
