"""Run the parts of `make test`: two lanes beside each other, for most of what a test does is wait for a server.

A part is a target of the Makefile; a word behind a dash says which half of it, see integration.py.
The whole output of each is in build/test/PART.log; of a part that failed, the end is shown. Where a few tests failed they are run
once more by themselves: one that passes then is named at the end, for it has a fault of its own. The lab is taken down at the end
where it was not up before.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lab_inventory import ROOT, lab, read_lab

OUT = ROOT / "build" / "test"
SLOW = ("integration-first",)
"""The first lane; everything else is the second."""
FEW = 3
"""So many failed tests of a part, at most, are run once more: what is broken breaks more, or breaks again."""


@dataclass(frozen=True)
class Outcome:
    """How a part ended."""

    part: str
    status: int
    seconds: float
    doubtful: tuple[str, ...] = ()
    """Tests that failed and then passed."""


def run(part: str) -> Outcome:
    """Run one part, its output into its log."""
    print(f"--- {part} started", flush=True)
    started = time.monotonic()
    cache = OUT / f"{part}.cache"
    shutil.rmtree(cache, ignore_errors=True)
    # Molecule runs pytest once a scenario: there is no one list of what failed.
    options = "" if part == "molecule" else f"-o cache_dir={shlex.quote(str(cache))}"
    status = _make(part, f"{part}.log", options)
    _tell(part, f"{part}.log", status, time.monotonic() - started)
    failed = failed_tests(cache)
    if status and 1 <= len(failed) <= FEW:
        print(f"--- {part}: once more {', '.join(failed)}", flush=True)
        status = _make(part, f"{part}-again.log", f"{options} --last-failed --last-failed-no-failures=none")
        _tell(part, f"{part}-again.log", status, time.monotonic() - started)
        return Outcome(part, status, time.monotonic() - started, () if status else failed)
    return Outcome(part, status, time.monotonic() - started)


def failed_tests(cache: Path) -> tuple[str, ...]:
    """Those that pytest noted, sorted; none where it ran none."""
    try:
        return tuple(sorted(json.loads((cache / "v" / "cache" / "lastfailed").read_text(encoding="utf-8"))))
    except FileNotFoundError:
        return ()


def _make(part: str, log: str, options: str) -> int:
    target, _, half = part.partition("-")
    with (OUT / log).open("wb") as out:
        return subprocess.run(
            ["make", target],
            cwd=ROOT,
            env={**os.environ, "PGKEEL_KEEP_LAB": "1", "PGKEEL_TEST_HALF": half, "PYTEST_ADDOPTS": options},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            check=False,
        ).returncode


def _tell(part: str, log: str, status: int, seconds: float) -> None:
    text = (OUT / log).read_text(encoding="utf-8", errors="replace")
    closing = " | ".join(re.findall(r"^=+ (.*(?:passed|failed|error).*?) =+$", text, re.MULTILINE)[-1:])
    print(f"--- {part} {'passed' if status == 0 else 'FAILED'} after {seconds:.0f} s  {closing}", flush=True)
    if status:
        print("\n".join([*text.splitlines()[-150:], f"--- the whole of it: build/test/{log}"]), flush=True)


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
    for outcome in outcomes:
        for test in outcome.doubtful:
            print(f"failed, and passed once more by itself: {test}")
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    return 0 if passed == len(parts) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
