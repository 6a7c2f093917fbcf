"""Where a recommendation may go from where it stands: pure."""

from __future__ import annotations

from ..errors import PgkeelError
from .model import State

ALLOWED: dict[State, frozenset[State]] = {
    State.PROPOSED: frozenset({State.PROVED, State.REJECTED, State.EXPIRED}),
    State.PROVED: frozenset({State.APPLIED, State.REJECTED, State.EXPIRED}),
    State.APPLIED: frozenset({State.WATCHING, State.REVERTED}),
    State.WATCHING: frozenset({State.KEPT, State.REVERTED}),
    State.KEPT: frozenset({State.REVERTED, State.EXPIRED}),
    State.REVERTED: frozenset({State.PROPOSED}),
    State.REJECTED: frozenset({State.PROPOSED}),
    State.EXPIRED: frozenset({State.PROPOSED}),
}
"""Nothing is applied that was not proved, and nothing kept that was not watched."""

IN_FORCE = frozenset({State.APPLIED, State.WATCHING, State.KEPT})
FIRST = frozenset({State.PROPOSED, State.PROVED, State.REJECTED})
"""A recommendation may come to the log with one of these."""


def check_transition(present: State, wanted: State) -> None:
    """Raises PgkeelError where a recommendation in one state may not go to the other; staying is always allowed."""
    if wanted is not present and wanted not in ALLOWED[present]:
        allowed = " or ".join(sorted(state.value for state in ALLOWED[present]))
        raise PgkeelError(
            f"A recommendation that is {present.value} cannot become {wanted.value}",
            f"From {present.value} it may become {allowed}",
        )


def after_another_run(present: State | None, found: State) -> State:
    """The state of a recommendation that a new run came to again, with what that run found of it.

    What is in force stays so, whatever a run finds that no longer sees the old plan. What was reverted stays reverted, until
    somebody proposes it anew. What a proof rejected needs a proof to come back. Raises PgkeelError where a run claims a state
    that only applying and watching give.
    """
    if found not in FIRST:
        raise PgkeelError(f"A run cannot find a recommendation {found.value}", "Log it as proposed, proved or rejected")
    if present is None:
        return found
    if present in IN_FORCE or present is State.REVERTED:
        return present
    if found is State.PROPOSED and present in {State.PROVED, State.REJECTED}:
        return present
    return found
