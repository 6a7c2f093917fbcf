"""A recommendation's reason: one sentence, and one more for each thing to look at, no other."""

from pgkeel.advisor.entry_length import WORTH_SAYING
from pgkeel.advisor.reasons import UNKNOWN_WRITES, reason_of
from pgkeel.postgres.index_declaration import IndexDeclaration, IndexKey

INDEX = IndexDeclaration("i", "item", (IndexKey(column="code"),))


def reason(longest=WORTH_SAYING, bound=(), writes_known=True):
    return reason_of(INDEX, 2, 3000.0, 0.5, longest=longest, bound=bound, writes_known=writes_known)


def test_what_is_known_needs_one_sentence():
    assert reason() == (
        "An index on public.item (code) serves 2 statements that take 3.0 s in the window; the planner expects to save 50% of it."
    )


def test_long_entries_are_said_to_be_long():
    more = reason(longest=WORTH_SAYING + 1).removeprefix(reason())
    assert more.startswith(f" Its longest entry has {WORTH_SAYING + 1} bytes now")


def test_policies_that_were_not_seen_are_said():
    more = reason(bound=["public.item", "public.shop"]).removeprefix(reason())
    assert more.startswith(" Row security of public.item, public.shop binds roles")


def test_what_writing_costs_is_said_to_be_unknown():
    assert reason(writes_known=False) == reason() + UNKNOWN_WRITES
