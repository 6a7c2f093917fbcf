"""The README's five steps, typed as they stand there, in a copy of the checkout; what would change a server is run as a check."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from pgkeel.backup.encryption import make_identity, recipient_of

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STEPS = README.partition("## Your own server, in five steps")[2].partition("\n## ")[0]
COMMANDS = [line.strip() for block in re.findall(r"```sh\n(.*?)```", STEPS, re.DOTALL) for line in block.strip().splitlines()]


def test_every_make_target_and_playbook_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z][a-z-]+)", README)) <= targets
    named = set(re.findall(r"playbooks/([a-z_]+\.yml)", README)) | set(
        re.findall(r"^\| .*?`([a-z_]+\.yml)`", README, re.MULTILINE)
    )
    assert len(named) > 5
    assert named <= {path.name for path in (ROOT / "playbooks").glob("*.yml")}
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


@pytest.fixture(scope="module")
def checkout(server, tmp_path_factory):
    """A copy of the product, in which the operator's editor writes what an operator would."""
    copy = tmp_path_factory.mktemp("readme") / "pgkeel"
    copy.mkdir()
    for name in (
        "ansible.cfg",
        "files",
        "inventories",
        "library",
        "module_utils",
        "playbooks",
        "plugins",
        "requirements",
        "roles",
    ):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    (copy / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    editor = copy / "editor"
    editor.write_text(
        "#!/bin/sh\nfor file; do sed -i "
        f"-e 's/192\\.0\\.2\\.10 .*/{server.host}/' -e 's/CHANGE-ME/Chosen-by-the-operator-1/' "
        f"-e 's/ACCOUNT_ID/example/' -e 's/AGE-PUBLIC-KEY.*/{recipient_of(make_identity())}/' \"$file\"; done\n"
    )
    editor.chmod(0o755)
    (copy / "vault-password").write_text("only for this test\n")
    return copy


def test_the_five_steps(server, checkout):
    environment = {
        **os.environ,
        "EDITOR": str(checkout / "editor"),
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(checkout / "vault-password"),
        "ANSIBLE_NOCOLOR": "1",
    }
    login = f"--private-key {server.ssh_key} --ssh-common-args='-o UserKnownHostsFile={server.known_hosts}'"
    seen = []
    for command in COMMANDS:
        line = command.replace("--ask-vault-pass", "")  # a test has no terminal to type it on
        if line.startswith("ansible-playbook"):
            line += f" {login}" + ("" if "--check" in line else " --syntax-check")
        done = subprocess.run(
            ["bash", "-euc", line], cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Chosen-by-the-operator" not in done.stdout + done.stderr
        seen.append(line)
    assert sum("ansible-playbook" in line for line in seen) == 7
    vault = checkout / "inventories/production/group_vars/postgresql/vault.yml"
    assert vault.read_text().startswith("$ANSIBLE_VAULT;")
    hosts = yaml.safe_load((checkout / "inventories/production/hosts.yml").read_text())
    assert hosts["postgresql"]["hosts"]["db1"]["ansible_host"] == server.host


def test_without_a_vault_the_cure_is_named_and_nothing_changes(server, checkout, tmp_path):
    inventory = tmp_path / "production"
    shutil.copytree(ROOT / "inventories/example", inventory)
    subprocess.run([checkout / "editor", inventory / "hosts.yml"], check=True)
    done = subprocess.run(
        [
            *(ROOT / ".venv/bin/ansible-playbook", "-i", inventory, "playbooks/site.yml", "--private-key", server.ssh_key),
            f"--ssh-common-args=-o UserKnownHostsFile={server.known_hosts}",
        ],
        cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Put one into vault.yml" in done.stdout + done.stderr
    assert "changed=0" in done.stdout
