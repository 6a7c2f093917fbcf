"""Where a recommendation may go."""

from datetime import UTC, datetime
from itertools import product

import pytest
from pgkeel.advisor.model import Kind, State
from pgkeel.advisor.optimization_log import Entry, _merged
from pgkeel.advisor.states import ALLOWED, FIRST, IN_FORCE, after_another_run, check_transition
from pgkeel.errors import PgkeelError

CHAIN = (State.PROPOSED, State.PROVED, State.APPLIED, State.WATCHING, State.KEPT)


def test_the_way_to_kept_is_open_step_by_step_and_cannot_be_shortened():
    for here, there in product(State, State):
        if (here in CHAIN and there in CHAIN and CHAIN.index(there) == CHAIN.index(here) + 1) or here is there:
            check_transition(here, there)
        elif there in CHAIN[2:]:
            with pytest.raises(PgkeelError, match=f"is {here.value} cannot become {there.value}"):
                check_transition(here, there)


def test_every_state_has_a_way_on_and_what_is_in_force_can_be_reverted():
    assert set(ALLOWED) == set(State)
    assert all(ALLOWED.values())
    assert all(State.REVERTED in ALLOWED[state] for state in IN_FORCE)


@pytest.mark.parametrize("found", sorted(FIRST))
def test_another_run_leaves_what_is_in_force_and_what_was_reverted(found):
    for present in (*IN_FORCE, State.REVERTED):
        assert after_another_run(present, found) is present
    assert after_another_run(None, found) is found


def test_another_run_without_a_proof_takes_back_no_verdict():
    assert after_another_run(State.PROVED, State.PROPOSED) is State.PROVED
    assert after_another_run(State.REJECTED, State.PROPOSED) is State.REJECTED
    assert after_another_run(State.EXPIRED, State.PROPOSED) is State.PROPOSED
    assert after_another_run(State.REJECTED, State.PROVED) is State.PROVED
    assert after_another_run(State.PROVED, State.REJECTED) is State.REJECTED


def test_a_run_cannot_claim_what_only_applying_gives():
    for state in set(State) - FIRST:
        with pytest.raises(PgkeelError, match="cannot find a recommendation"):
            after_another_run(None, state)


def test_a_run_that_does_not_change_the_state_does_not_change_what_it_rests_on():
    then = {
        "state": "proved", "reason": "Faster", "confidence": 95.2, "measured_gain": 0.7, "measured": {"rounds": 7}, "bytes": 1,
        "statement": "old",
    }  # fmt: skip
    now = {
        "fingerprint": "f", "subject": "s", "state": "proposed", "reason": "No time", "confidence": 30.0, "measured_gain": None,
        "measured": None, "bytes": 2, "statement": "new",
    }  # fmt: skip
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    known = Entry("f", Kind.CREATE_INDEX, "s", State.PROVED, moment, moment, then)
    recorded, details = _merged(known, now)
    assert recorded.after is State.PROVED
    assert details == {**now, **then, "statement": "new"}
    _, details = _merged(known, {**now, "state": "proved", "measured_gain": 0.5})
    assert (details["measured_gain"], details["reason"]) == (0.5, "No time")
