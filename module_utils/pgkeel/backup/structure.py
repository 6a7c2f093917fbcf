"""Whether tables and indexes of the copy agree with each other, by PostgreSQL's own pg_amcheck."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..postgres.proving_ground import ProvingGround, clean_environment, dying_with_us, yielding
from ..postgres.throwaway_database import ThrowawayDatabase
from .check import Check, Verdict

NAME = "tables and indexes agree"
# pg_amcheck: 1 could not run, 2 found corruption.
CORRUPT = 2


def check_structure(bin_dir: Path, running: ProvingGround | ThrowawayDatabase, database: str, jobs: int) -> Check:
    """Every heap page is read, and every row of every table must be found in its B-tree indexes."""
    login = running.login(database)
    done = subprocess.run(
        dying_with_us(
            yielding(
                10,
                [
                    str(bin_dir / "pg_amcheck"),
                    "--heapallindexed",
                    "--install-missing=pg_catalog",
                    "--no-strict-names",
                    f"--jobs={jobs}",
                    database,
                ],
            )
        ),
        env={**clean_environment(), "PGHOST": login.host, "PGPORT": str(login.port), "PGUSER": login.user},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode == 0:
        return Check(NAME, Verdict.PASS, "pg_amcheck found nothing")
    verdict = Verdict.FAIL if done.returncode == CORRUPT else Verdict.COULD_NOT_VERIFY
    return Check(NAME, verdict, f"pg_amcheck exited with {done.returncode}: {'; '.join(said[:4])[:600]}")
