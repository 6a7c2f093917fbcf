"""What is asked of a restore drill."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..postgres.connect import Login
from .assertions import Assertion
from .keys import Shelf
from .progress import Progress


@dataclass(frozen=True)
class DrillRequest:
    """Which backups, and where to restore."""

    shelf: Shelf
    base_dir: Path
    bin_dir: Path
    jobs: int = 2
    space_factor: float = 1.5
    """Disk needed beside the dump itself, as a multiple of the database's size in production."""
    analyze: bool = True
    identity: str = field(default="", repr=False)
    """age private key; it stays in memory."""
    verify_keys: tuple[str, ...] = ()
    """Public keys of those who may sign manifests."""
    signing_key: str = field(default="", repr=False)
    """For the drill's own record; without it no history is kept."""
    assertions: tuple[Assertion, ...] = ()
    rto_budget_seconds: float = 0.0
    """0: none."""
    rpo_budget_seconds: float = 0.0
    progress: Progress = field(default_factory=Progress, repr=False, compare=False)
    production: Login | None = None
    """Where given, the copy is a throwaway database in this cluster, and not a cluster of its own."""
