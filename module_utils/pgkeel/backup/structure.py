"""Whether tables and indexes of the copy agree with each other, by PostgreSQL's own amcheck.

Every page of every heap and B-tree is read. That each row is found in an index is asked where a restore can build an index that
lacks some: of an expression or a predicate that gives something else once the restore is complete. Of plain columns the restore
has built it from these very rows a moment ago, and asking would take as long as everything else together.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ..postgres.connect import connect
from ..postgres.proving_ground import ProvingGround, clean_environment, dying_with_us, yielding
from ..postgres.throwaway_database import ThrowawayDatabase
from .check import Check, Verdict

NAME = "tables and indexes agree"
# pg_amcheck: 1 could not run, 2 found corruption.
CORRUPT = 2
COMPUTED = """
SELECT i.indexrelid, i.indexrelid::pg_catalog.regclass::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
ORDER BY 1
"""
# Production may have the extension in a schema of its own choice; pg_amcheck finds it there too.
WHERE_AMCHECK_IS = """
SELECT n.nspname FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'amcheck'
"""


def check_structure(bin_dir: Path, running: ProvingGround | ThrowawayDatabase, database: str, jobs: int) -> Check:
    """Run pg_amcheck over the whole copy, then look for every row in the indexes of expressions and predicates."""
    login = running.login(database)
    done = subprocess.run(
        dying_with_us(
            yielding(
                10,
                [
                    str(bin_dir / "pg_amcheck"),
                    "--install-missing=pg_catalog",
                    "--no-strict-names",
                    f"--jobs={jobs}",
                    # A name that holds "=" would be read as a connection string, which could lead elsewhere.
                    make_conninfo(dbname=database),
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
        return _check_computed(running, database)
    verdict = Verdict.FAIL if done.returncode == CORRUPT else Verdict.COULD_NOT_VERIFY
    return Check(NAME, verdict, f"pg_amcheck exited with {done.returncode}: {'; '.join(said[:4])[:600]}")


def _check_computed(running: ProvingGround | ThrowawayDatabase, database: str) -> Check:
    with connect(running.login(database)) as session:
        indexes = session.execute(COMPUTED).fetchall()
        schema = session.execute(WHERE_AMCHECK_IS).fetchone()
        if schema is None:
            return Check(NAME, Verdict.COULD_NOT_VERIFY, "the extension amcheck is not in the copy")
        look = sql.SQL("SELECT {}(%s::pg_catalog.oid, true)").format(sql.Identifier(str(schema[0]), "bt_index_check"))
        for oid, name in indexes:
            try:
                session.execute(look, [oid])
            except (psycopg.errors.IndexCorrupted, psycopg.errors.DataCorrupted) as error:
                return Check(NAME, Verdict.FAIL, f"{name}: {error.diag.message_primary}")
    rows = f", and every row is in each of the {len(indexes)} indexes of expressions or predicates" if indexes else ""
    return Check(NAME, Verdict.PASS, f"pg_amcheck found nothing{rows}")
