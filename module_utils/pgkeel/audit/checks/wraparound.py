"""How near the transaction counters are to the point where the server stops taking writes."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import check

# PostgreSQL refuses new transactions 3 million before the 2^31 that wrap (SetTransactionIdLimit).
STOPS_AT = 2**31 - 3_000_000


def _findings(context: Context, id: str, counter: str, ages: list[dict[str, object]]) -> Iterable[Finding]:  # noqa: A002
    limits = context.thresholds
    for row in ages:
        age, forced = int(str(row["age"])), int(str(row["forced_at"]))
        if age <= limits.wraparound_warning_ratio * forced and age < limits.wraparound_critical_age:
            continue
        database = str(row["database"])
        yield Finding(
            id=id,
            priority=Priority.P0 if age >= limits.wraparound_critical_age else Priority.P1,
            subject=f"database {quoted(database)}",
            summary=(
                f"The oldest {counter} of database {database} is {age:,} old; autovacuum should have frozen it at {forced:,}."
            ),
            evidence={
                "age_transactions": age,
                "forced_vacuum_at_transactions": forced,
                "left_until_stop_transactions": STOPS_AT - age,
            },
            remedy=(
                "End what holds back vacuum (findings H03, H04, H06, H07), then run in that database: "
                "SELECT oid::regclass, age(relfrozenxid), mxid_age(relminmxid) FROM pg_class WHERE relkind IN ('r','m','t') "
                "ORDER BY 2 DESC LIMIT 10; and VACUUM (FREEZE, VERBOSE) the tables it lists."
            ),
            effort=Level.MEDIUM,
            risk=Level.HIGH,
        )


# A database's age is the age of its oldest table, so one question covers both. template0 counts too: it stops the server as well.
@check(
    "H01",
    "Transaction ids are frozen in time",
    why="When the oldest transaction id is two billion old, the server refuses every write until it is vacuumed.",
    priority=Priority.P0,
)
def transaction_ids(context: Context) -> Iterable[Finding]:
    """Age of the oldest unfrozen transaction id, a database."""
    rows = context.rows(
        """
        SELECT datname AS database, age(datfrozenxid) AS age, current_setting('autovacuum_freeze_max_age')::bigint AS forced_at
          FROM pg_database
        """
    )
    return _findings(context, "H01", "transaction id", rows)


@check(
    "H02",
    "Multixact ids are frozen in time",
    why="Row locks shared by several transactions use a second counter that stops the server in the same way.",
    priority=Priority.P0,
)
def multixact_ids(context: Context) -> Iterable[Finding]:
    """Age of the oldest multixact id, a database."""
    rows = context.rows(
        """
        SELECT datname AS database, mxid_age(datminmxid) AS age,
               current_setting('autovacuum_multixact_freeze_max_age')::bigint AS forced_at
          FROM pg_database
        """
    )
    return _findings(context, "H02", "multixact id", rows)
