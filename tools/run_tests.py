"""Run the parts of `make test`: two lanes beside each other, for most of what a test does is wait for a server.

A part is a target of the Makefile; a word behind a dash says which half of it, see integration.py.
The whole output of each is in build/test/PART.log; of a part that failed, the end is shown. The lab is taken down at the end
where it was not up before.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from lab_inventory import ROOT, lab, read_lab

OUT = ROOT / "build" / "test"
SLOW = ("integration-first",)
"""The first lane; everything else is the second."""


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    part: str
    status: int
    seconds: float


def run(part: str) -> Outcome:
    """Run one part, its output into its log."""
    target, _, half = part.partition("-")
    log = OUT / f"{part}.log"
    print(f"--- {part} started", flush=True)
    started = time.monotonic()
    with log.open("wb") as out:
        status = subprocess.run(
            ["make", target],
            cwd=ROOT,
            env={**os.environ, "PGKEEL_KEEP_LAB": "1", "PGKEEL_TEST_HALF": half},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        ).returncode
    seconds = time.monotonic() - started
    text = log.read_text(encoding="utf-8", errors="replace")
    closing = " | ".join(re.findall(r"^=+ (.*(?:passed|failed|error).*?) =+$", text, re.MULTILINE)[-1:])
    print(f"--- {part} {'passed' if status == 0 else 'FAILED'} after {seconds:.0f} s  {closing}", flush=True)
    if status:
        print("\n".join([*text.splitlines()[-150:], f"--- the whole of it: {log.relative_to(ROOT)}"]), flush=True)
    return Outcome(part, status, seconds)


def main(parts: list[str]) -> int:
    """Run every part, the later ones too when one fails: one run tells everything."""
    OUT.mkdir(parents=True, exist_ok=True)
    had_lab = bool(read_lab().hosts)
    started = time.monotonic()
    outcomes: list[Outcome] = []

    def lane(names: list[str]) -> None:
        outcomes.extend(run(name) for name in names)

    lanes = [[part for part in parts if part in SLOW], [part for part in parts if part not in SLOW]]
    threads = [threading.Thread(target=lane, args=(names,)) for names in lanes if names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not had_lab:
        lab("down")
    print("\npart                result   seconds")
    for outcome in sorted(outcomes, key=lambda one: parts.index(one.part)):
        print(f"{outcome.part:<19} {'passed' if outcome.status == 0 else 'FAILED':<8} {outcome.seconds:7.0f}")
    passed = sum(outcome.status == 0 for outcome in outcomes)
    print(f"{'together':<28} {time.monotonic() - started:7.0f}")
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    return 0 if passed == len(parts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
