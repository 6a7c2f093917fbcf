"""The table of docs/faults.md, from build/faults.json."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRUTHS = ("loud", "committed_backups_intact", "converged", "restored")
HEAD = """# The fault sweep

`make faults` wrote this. One failure at a time, at every request that a backup makes of the store and elsewhere, through a
proxy that enforces R2's rules. After each, *loud*: the run said what failed, or made it good and committed; *intact*: every
backup committed before is byte for byte as it was; *converged*: the next run succeeds and leaves nothing unfinished;
*restored*: the newest committed backup passes a drill. A lasting failure hits every such request from a position on.

| failure | where | cases | made good | failed loudly | refused | loud | intact | converged | restored |
|---|---|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Write the table; a case that did not go well makes it fail."""
    rows = json.loads((ROOT / "build" / "faults.json").read_text(encoding="utf-8"))
    groups = defaultdict(list)
    for row in rows:
        lasting = " (lasting)" if "every one after" in row["position"] else ""
        where = re.sub(r" \d+(, and every one after it)?$", "", row["position"])
        groups[row["fault"] + lasting, "at random moments" if where.startswith("after ") else where].append(row)
    lines = []
    for (fault, where), found in groups.items():
        outcomes = [sum(row["outcome"] == outcome for row in found) for outcome in ("made good", "failed", "refused")]
        truths = [sum(row[truth] for row in found) for truth in TRUTHS]
        lines.append(f"| {fault} | {where} | {len(found)} | {' | '.join(map(str, outcomes + truths))} |\n")
    well = sum(all(row[truth] for truth in TRUTHS) for row in rows)
    table = f"{HEAD}{''.join(lines)}\n{well} of {len(rows)} cases went well.\n"
    (ROOT / "docs" / "faults.md").write_text(table, encoding="utf-8")
    print(f"docs/faults.md: {well} of {len(rows)} cases went well")
    return 0 if well == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
