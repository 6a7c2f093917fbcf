"""How large the parts of an upload are, when its length is not known beforehand.

S3 and R2: parts of 5 MiB to 5 GiB, at most 10,000; R2 also wants all but the last exactly equal.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB
LARGEST_PART = 5 * 1024 * MIB
MOST_PARTS = 10_000
# Fewer round trips than with the smallest allowed, and still little memory.
USUAL_PART = 8 * MIB
# An incompressible database does not shrink, and its dump has some text around the rows.
HEADROOM = 1.25
MEMORY_BUDGET = 160 * MIB


@dataclass(frozen=True)
class PartPlan:
    """Parts of ``part_bytes``, so many of them in flight at once."""

    part_bytes: int
    in_flight: int

    @property
    def capacity(self) -> int:
        """The longest stream that it carries, in bytes."""
        return self.part_bytes * MOST_PARTS

    @property
    def memory(self) -> int:
        """Bytes of buffers: those in flight and the one being filled."""
        return self.part_bytes * (self.in_flight + 1)


def plan_parts(estimated_bytes: int, in_flight: int = 3, memory_budget: int = MEMORY_BUDGET) -> PartPlan:
    """Parts for a stream expected to be at most ``estimated_bytes``, with headroom.

    Large parts reduce the number in flight, so that the buffers keep to ``memory_budget`` bytes as long as one in flight does
    (with the default budget: streams up to some 620 GiB); beyond that memory grows, for the rule of 10,000 leaves no choice.
    """
    if estimated_bytes < 0 or in_flight < 1:
        raise ValueError("estimated_bytes must not be negative and in_flight at least 1")
    wanted = -(-int(estimated_bytes * HEADROOM) // MOST_PARTS)
    part = max(USUAL_PART, -(-wanted // MIB) * MIB)
    part = min(part, LARGEST_PART)
    return PartPlan(part_bytes=part, in_flight=max(1, min(in_flight, memory_budget // part - 1)))
