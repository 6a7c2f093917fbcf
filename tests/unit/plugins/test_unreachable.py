import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[3] / "plugins/callback/unreachable.py"


@pytest.fixture(scope="module")
def cure():
    spec = importlib.util.spec_from_file_location("unreachable", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cure


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("root@192.0.2.1: Permission denied (publickey).", "refuses this login"),
        ("Host key verification failed.", "ssh-keygen -R 192.0.2.1"),
        ("ssh: Could not resolve hostname db: Name or service not known", "correct ansible_host"),
        ("connect to host 192.0.2.1 port 22: Connection refused", "nothing listens"),
        ("connect to host 192.0.2.1 port 22: Connection timed out", "`ssh ops@192.0.2.1` must work"),
    ],
)
def test_each_cause_has_its_cure(cure, message, words):
    sentence = cure(message, "db1", {"ansible_host": "192.0.2.1", "ansible_user": "ops"})
    assert words in sentence
    assert sentence.startswith("db1 cannot be reached")
    assert "changed nothing" in sentence
