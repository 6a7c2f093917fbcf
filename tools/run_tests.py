"""Run the parts of `make test` one after the other, time them, and take down what they started."""

from __future__ import annotations

import subprocess
import sys
import time


def main(parts: list[str]) -> int:
    """Run every part, the later ones too when one fails: one run tells everything."""
    outcomes: list[tuple[str, int, float]] = []
    for part in parts:
        print(f"\n=== make {part} ===", flush=True)
        started = time.monotonic()
        status = subprocess.run(["make", part], check=False).returncode
        outcomes.append((part, status, time.monotonic() - started))
    print("\npart           result   seconds")
    for part, status, seconds in outcomes:
        print(f"{part:<14} {'passed' if status == 0 else 'FAILED':<8} {seconds:7.0f}")
    passed = sum(status == 0 for _, status, _ in outcomes)
    print(f"{'total':<23} {sum(seconds for *_, seconds in outcomes):7.0f}")
    print(f"{passed} passed, {len(outcomes) - passed} failed")
    return 0 if passed == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
