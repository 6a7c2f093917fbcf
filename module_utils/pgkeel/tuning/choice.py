"""A value and why it is this one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One setting."""

    name: str
    value: str
    """As a configuration file takes it, with its unit."""
    because: str
    """One line: the reckoning with its figures, and the source of the rule."""

    def explain(self) -> str:
        """One line for people."""
        return f"{self.name} = {self.value}: {self.because}"


def megabytes(amount: float) -> str:
    """A size in MiB as PostgreSQL takes it: ``512MB``, and below 4 MiB in ``kB`` so that rounding costs little."""
    return f"{int(amount)}MB" if amount >= 4 else f"{int(amount * 4) * 256}kB"  # noqa: PLR2004


def clamp(amount: float, least: float, most: float) -> int:
    """The whole number nearest below that lies between both."""
    return int(max(least, min(most, amount)))
