"""The decision, tried on every state that an interruption can leave."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.errors import PgkeelError
from pgkeel.postgres.index_catalog import Definition, ExistingIndex
from pgkeel.postgres.index_declaration import parse_declarations
from pgkeel.postgres.index_plan import State, decide, working_name
from pgkeel.postgres.index_probe import Probed

(WANTED_INDEX,) = parse_declarations([{"name": "i", "table": "t", "columns": ["a"]}])
(ABSENT_INDEX,) = parse_declarations([{"name": "i", "table": "t", "state": "absent"}])
NEW, OLD = working_name("new", WANTED_INDEX), working_name("old", WANTED_INDEX)
RIGHT = Definition("btree (a)", unique=False, nulls_not_distinct=False, storage=frozenset())
WRONG = replace(RIGHT, tail="btree (b)")
PROBED = Probed(RIGHT, "CREATE INDEX i ON public.t USING btree (a)")


def index(name, definition=RIGHT, *, valid=True, being_built=False, bound_to=""):
    return ExistingIndex(1, name, f"CREATE INDEX {name}", definition.tail, definition, valid, being_built, bound_to)


def plan(existing, declaration=WANTED_INDEX, *, declared=frozenset({"i"}), locked=True):
    probed = PROBED if declaration.present else None
    return decide(declaration, probed, existing, declared=set(declared), locked=locked)


def statements(decided):
    return [statement.as_string(None) for step in decided.steps for statement in step.statements]


def simulate(existing, decided, stop_after=None):
    """What the database holds after the plan's statements, or the first of its steps: names to (definition, valid)."""
    state = {i.name: i for i in existing}
    for number, step in enumerate(decided.steps):
        if stop_after is not None and number > stop_after:
            break
        for statement in step.statements:
            names = re.findall(r'"([^"]+)"', statement.as_string(None))
            text = statement.as_string(None)
            if text.startswith("CREATE"):
                assert names[0] not in state
                valid = stop_after is None or number < stop_after  # the step that is cut off leaves it INVALID
                state[names[0]] = index(names[0], RIGHT, valid=valid)
            elif text.startswith("DROP"):
                state.pop(names[1], None)
            else:
                assert names[2] not in state
                state[names[2]] = replace(state.pop(names[1]), name=names[2])
    return list(state.values())


MAYBE = st.one_of(st.none(), st.tuples(st.sampled_from([RIGHT, WRONG]), st.booleans()))


@st.composite
def catalogs(draw):
    found = {name: draw(MAYBE) for name in ("i", NEW, OLD)}
    found["i_ccnew"] = draw(st.one_of(st.none(), st.just((RIGHT, False))))
    found["other"] = draw(MAYBE)
    return [index(name, kind[0], valid=kind[1]) for name, kind in found.items() if kind]


@given(catalogs(), st.booleans(), st.lists(st.integers(0, 5), max_size=3))
def test_any_state_converges_through_any_interruptions(existing, present, interruptions):
    declaration = WANTED_INDEX if present else ABSENT_INDEX
    others = [i for i in existing if i.name == "other"]
    for cut in interruptions:
        existing = simulate(existing, plan(existing, declaration), stop_after=cut)
    existing = simulate(existing, plan(existing, declaration))
    last = plan(existing, declaration)
    assert last.state is State.OK
    assert last.steps == ()
    assert [i for i in existing if i.name == "other"] == others, "an undeclared index is nobody's to touch"
    kept = {i.name for i in existing} - {"other"}
    if not present:
        assert kept == set()
    elif last.satisfied_by:
        assert kept == set()
        assert last.satisfied_by == "other"
    else:
        assert kept == {"i"}


def test_a_valid_index_serves_until_its_replacement_is_ready():
    existing = [index("i", WRONG)]
    decided = plan(existing)
    assert decided.state is State.REBUILT
    for cut in range(len(decided.steps)):
        after = simulate(existing, decided, stop_after=cut)
        assert any(i.name == "i" and i.valid for i in after)


def test_finished_replacement_is_used():
    decided = plan([index("i", WRONG), index(NEW, RIGHT)])
    assert decided.state is State.REBUILT
    assert not any("CREATE" in statement for statement in statements(decided))


def test_replacement_of_another_definition_is_built_again():
    decided = plan([index("i", WRONG), index(NEW, replace(RIGHT, unique=True))])
    assert statements(decided)[0] == f'DROP INDEX CONCURRENTLY IF EXISTS "public"."{NEW}"'
    assert any("CREATE" in statement for statement in statements(decided))


@pytest.mark.parametrize(
    "different",
    [
        replace(RIGHT, unique=True),
        replace(RIGHT, nulls_not_distinct=True),
        replace(RIGHT, storage=frozenset({("fillfactor", "70")})),
        WRONG,
    ],
)
def test_each_part_of_a_definition_counts(different):
    assert plan([index("i", different)]).state is State.REBUILT


def test_another_session_or_run_at_work_is_not_disturbed():
    for existing in ([index("i", valid=False, being_built=True)], [index("i", WRONG), index(NEW, valid=False, being_built=True)]):
        decided = plan(existing)
        assert decided.state is State.WAITING
        assert decided.steps == ()
    assert plan([], locked=False).state is State.WAITING
    assert plan([index("i", WRONG)], ABSENT_INDEX, locked=False).steps == ()


def test_a_finished_index_is_ok_while_its_table_is_reindexed():
    assert plan([index("i", being_built=True)]).state is State.OK


def test_twin_counts_only_when_valid_and_undeclared():
    assert plan([index("twin")]).satisfied_by == "twin"
    assert plan([index("twin", valid=False)]).state is State.BUILT
    assert plan([index("twin")], declared={"i", "twin"}).state is State.BUILT


def test_a_bound_index_is_never_dropped():
    for existing in (index("i", WRONG, bound_to="backs the constraint c"), index("i", valid=False, bound_to="backs it")):
        with pytest.raises(PgkeelError, match="backs"):
            plan([existing])
    with pytest.raises(PgkeelError, match="declared absent"):
        plan([index("i", bound_to="backs the constraint c")], ABSENT_INDEX)
    assert plan([index("i", bound_to="backs the constraint c")]).state is State.OK


def test_reindex_leftovers():
    assert plan([index("i"), index("i_ccnew1", valid=False), index("i_ccold", valid=False)]).state is State.REPAIRED
    assert plan([index("i"), index("i_ccnew")]).state is State.OK, "a valid one may be anybody's"
    assert plan([index("i"), index("ii_ccnew", valid=False)]).state is State.OK
    (long,) = parse_declarations([{"name": "x" * 63, "table": "t", "columns": ["a"]}])
    shortened = f"{'x' * 57}_ccnew"
    existing = [index("x" * 63), index(shortened, valid=False)]
    assert decide(long, PROBED, existing, declared={long.name}, locked=True).state is State.REPAIRED
