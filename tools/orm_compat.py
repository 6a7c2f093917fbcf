"""Try the application's own clients through pgbouncer and directly, on a lab server; print the table and fail on a red cell."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from lab_inventory import INVENTORY, ROOT, RunningLab, lab, read_lab, release

SERVER = "orm"
FOLDER = ROOT / "files" / "orm-compat"
DOCUMENT = ROOT / "docs" / "pooling.md"
PORTS = {"COMPAT_POOLED_URL": 6432, "COMPAT_DIRECT_URL": 5432}


def install() -> None:
    """The packages of the lock file, without their install scripts, and Prisma's client, which needs no engine."""
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True)
    environment = {**os.environ, "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "CHECKPOINT_DISABLE": "1"}
    subprocess.run(
        ["npx", "--no-install", "prisma", "generate", "--no-hints"],
        cwd=FOLDER,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def password_of(role: str) -> str:
    """The role's password, as the inventory's templates give it."""
    wanted = f"{{{{ (database_roles | selectattr('name', 'equalto', '{role}') | first).password }}}}"
    environment = {**os.environ, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    command = ["ansible", SERVER, "-i", str(INVENTORY), "-m", "debug", "-a", json.dumps({"msg": wanted})]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout[done.stdout.index("{") :])
    return str(report["plays"][0]["tasks"][0]["hosts"][SERVER]["msg"])


def try_clients(running: RunningLab) -> list[dict]:
    """Run the clients on this machine, through ssh to the server's own loopback, where pgbouncer listens."""
    options = shlex.split(running.variables["ansible_ssh_common_args"])
    key = running.variables["ansible_ssh_private_key_file"]
    ssh = ["ssh", "-i", key, *options, "-o", "ExitOnForwardFailure=yes"]
    target = f"root@{running.hosts[SERVER]}"
    certificate = ROOT / "build" / "bench" / "orm-compat-ca.pem"
    certificate.parent.mkdir(parents=True, exist_ok=True)
    certificate.write_bytes(
        subprocess.run([*ssh, target, "cat /etc/ssl/certs/pgkeel.pem"], check=True, capture_output=True).stdout
    )
    local = {name: free_port() for name in PORTS}
    forwards = [word for name, port in PORTS.items() for word in ("-L", f"127.0.0.1:{local[name]}:127.0.0.1:{port}")]
    tunnel = subprocess.Popen([*ssh, "-N", *forwards, target])
    try:
        wait_for(local.values())
        secret = quote(password_of("app"), safe="")
        urls = {name: f"postgresql://app:{secret}@127.0.0.1:{port}/edtech" for name, port in local.items()}
        environment = {**os.environ, **urls, "COMPAT_CA_FILE": str(certificate)}
        done = subprocess.run(
            ["node", "compat.mjs"], cwd=FOLDER, env=environment, check=True, stdout=subprocess.PIPE, timeout=600
        )
        return json.loads(done.stdout)
    finally:
        # Nothing is behind it that needs an orderly end, and ssh can lose a SIGTERM.
        tunnel.kill()
        tunnel.wait()


def wait_for(ports: list[int]) -> None:
    """Wait until the tunnel listens; raises TimeoutError after 15 s."""
    deadline = time.monotonic() + 15
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError("The ssh tunnel to the server did not come up within 15 s") from None
                time.sleep(0.1)


def table(rows: list[dict]) -> tuple[list[str], list[str]]:
    """The table as Markdown, and what is red in it."""
    abilities = [(place, ability) for place in ("pooled", "direct") for ability in rows[0][place]]
    lines = ["| " + " | ".join(["through", "what", *(row["client"] for row in rows)]) + " |", "|" + "---|" * (len(rows) + 2)]
    red = []
    for place, ability in abilities:
        cells = [row[place][ability] for row in rows]
        red += [f"{row['client']}, {place}, {ability}: {cell}" for row, cell in zip(rows, cells, strict=True) if cell != "ok"]
        shown = ["yes" if cell == "ok" else "NO" for cell in cells]
        where = "pgbouncer" if place == "pooled" else "PostgreSQL"
        lines.append("| " + " | ".join([where, ability, *shown]) + " |")
    return lines, red


def main() -> int:
    """Start and converge the server where it is not there yet, then try every client."""
    install()
    lab("up", SERVER)
    try:
        command = ["ansible-playbook", "-i", str(INVENTORY), "--limit", f"{SERVER},localhost", "playbooks/site.yml"]
        subprocess.run(command, cwd=ROOT, check=True)
        rows = try_clients(read_lab())
    finally:
        if not os.environ.get("KEEP"):
            release(SERVER)
    out = Path(ROOT, "build", "bench", "orm-compat.json")
    out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    lines, red = table(rows)
    print("\n" + "\n".join(lines) + f"\n\n{out.relative_to(ROOT)}")
    if "\n".join(lines) not in DOCUMENT.read_text(encoding="utf-8"):
        red.append(f"{DOCUMENT.relative_to(ROOT)} shows another table; put this one there")
    for problem in red:
        print(f"RED: {problem}", file=sys.stderr)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
