"""Run molecule scenarios one after the other; a failed one's server is taken down all the same."""

from __future__ import annotations

import subprocess
import sys

from lab_inventory import INVENTORY, ROOT, lab, release


def main(scenarios: list[str]) -> int:
    """Run the named scenarios, or all of them."""
    names = scenarios or sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    status = 0
    if not (INVENTORY / "hosts.yml").exists():
        lab("down", *names)  # molecule links to the lab's inventory, and this writes one without servers
    try:
        for name in names:
            done = subprocess.run(["molecule", "test", "--scenario-name", name], cwd=ROOT, check=False)
            status = status or done.returncode
    finally:
        release("molecule")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
