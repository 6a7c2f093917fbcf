"""Why an index is recommended, and what to look at before it is built, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from ..postgres.index_declaration import IndexDeclaration
from .entry_length import LONGEST_ENTRY, WORTH_SAYING

UNKNOWN_WRITES = " What it costs those who write the table could not be measured on the copy: look at a write before and after."


def reason_of(
    index: IndexDeclaration,
    statements: int,
    weight_ms: float,
    gain: float,
    *,
    longest: int,
    bound: Sequence[str],
    writes_known: bool,
) -> str:
    """Why the index was chosen, in one sentence, and what was not seen.

    ``weight_ms`` of the statements in the window, of which the planner expects to save the share ``gain``; ``longest`` entry of
    the index, in bytes; ``bound``: tables whose row security binds roles that ran served statements.
    """
    reason = _chosen(index, statements, weight_ms, gain) + ("" if writes_known else UNKNOWN_WRITES)
    if longest > WORTH_SAYING:
        reason += (
            f" Its longest entry has {longest} bytes now: look at how long these values may become, as a row whose entry has"
            f" more than {LONGEST_ENTRY} would be refused."
        )
    if bound:
        reason += (
            f" Row security of {', '.join(bound)} binds roles that run such statements: what its policies add is not in the plans"
            " that were looked at, as the copy is read as superuser."
        )
    return reason


def _chosen(index: IndexDeclaration, statements: int, weight_ms: float, gain: float) -> str:
    keys = ", ".join(key.column or key.expression for key in index.keys)
    kind = "" if index.method == "btree" else f" {index.method.upper()}"
    more = f", with {', '.join(index.include)} beside them so that the table need not be read" if index.include else ""
    part = f", for the rows with {index.where} only" if index.where else ""
    count = "one statement that takes" if statements == 1 else f"{statements} statements that take"
    return (
        f"A{kind or 'n'} index on {index.schema}.{index.table} ({keys}){more}{part} serves {count} {weight_ms / 1000:.1f} s"
        f" in the window; the planner expects to save {gain:.0%} of it."
    )
