"""What the operator knows to be true of the data: a query and its result."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from .check import Check, Verdict
from .contents import Session

PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Assertion:
    """One query that answers with one value, and that value as text (``true``, ``42``)."""

    name: str
    query: str
    expected: str


def check_assertions(session: Session, assertions: tuple[Assertion, ...]) -> list[Check]:
    """A check each. A query that cannot be run verifies nothing; one that gives another value, or no row, fails."""
    checks = []
    for assertion in assertions:
        name = f"assertion: {assertion.name}"
        try:
            with session.transaction(force_rollback=True):
                session.execute("SET LOCAL transaction_read_only = on")
                session.execute(f"SET LOCAL statement_timeout = '{PATIENCE_SECONDS}s'")
                # As the application sees it: comparing needed an empty one.
                session.execute("SET LOCAL search_path = DEFAULT")
                # The operator's own text, as it is.
                row = session.execute(assertion.query.encode()).fetchone()
        except psycopg.Error as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            checks.append(Check(name, Verdict.COULD_NOT_VERIFY, f"the query cannot be run: {reason}"))
            continue
        found = "no row" if row is None else _text(row[0])
        fine = row is not None and found == assertion.expected
        checks.append(Check(name, Verdict.PASS if fine else Verdict.FAIL, f"{found}, {assertion.expected} expected"))
    return checks


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
