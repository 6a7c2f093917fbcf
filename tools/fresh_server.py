"""Write down what a new PostgreSQL 17 cluster says of itself, for checks of servers that have none yet.

Usage: tools/fresh_server.py LAB_SERVER, a lab server on which `apt-get install postgresql-17` was the last thing that happened.
"""

from __future__ import annotations

import json
import subprocess
import sys

from lab_inventory import ROOT, read_lab

TARGET = ROOT / "roles" / "postgresql" / "files" / "new_server.json"
SETTINGS = """
SELECT json_build_object('name', name, 'value', coalesce(setting, ''), 'unit', coalesce(unit, ''), 'vartype', vartype,
                         'context', context, 'minimum', coalesce(min_val, ''), 'maximum', coalesce(max_val, ''),
                         'choices', coalesce(enumvals, '{}'), 'default', coalesce(boot_val, ''))
FROM pg_settings WHERE context <> 'internal' ORDER BY name
"""
ENTRIES = """
SELECT json_build_object('name', lower(name), 'value', setting, 'file', sourcefile, 'line', sourceline)
FROM pg_file_settings ORDER BY seqno
"""


def main(name: str) -> None:
    """Ask the server and write the file."""
    lab = read_lab()
    options = lab.variables["ansible_ssh_common_args"].split()
    ssh = ["ssh", "-i", lab.variables["ansible_ssh_private_key_file"], *options, f"root@{lab.hosts[name]}"]
    parts = []
    for key, query in (("settings", SETTINGS), ("entries", ENTRIES)):
        done = subprocess.run(
            [*ssh, "runuser -u postgres -- psql -XAtq"], input=query, capture_output=True, text=True, check=True
        )
        rows = ",\n  ".join(json.dumps(json.loads(line)) for line in done.stdout.splitlines())
        parts.append(f' "{key}": [\n  {rows}\n ]')
    TARGET.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
