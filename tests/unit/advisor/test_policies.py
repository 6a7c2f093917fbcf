"""Whose policies were not seen: only where a role that they bind ran a statement that the index serves."""

from types import SimpleNamespace

import pytest
from pgkeel.advisor.advise import _bound_by_policies

ITEM, SHOP = ("public", "item"), ("public", "shop")
BOUND, FREE = 16, 10


def ready(query_id, user, *tables):
    uses = [SimpleNamespace(table=SimpleNamespace(id=table)) for table in tables]
    return SimpleNamespace(
        statement=SimpleNamespace(query_id=query_id, users=frozenset({user})), usage=SimpleNamespace(uses=uses)
    )


@pytest.mark.parametrize(
    ("served", "statements", "said"),
    [
        ({1}, [ready(1, BOUND, ITEM, SHOP)], ["public.item"]),
        ({1}, [ready(1, FREE, ITEM)], []),
        ({2}, [ready(1, BOUND, ITEM)], []),
    ],
)
def test_a_table_is_named_where_its_policies_bind_who_asked(served, statements, said):
    assert _bound_by_policies(served, statements, {ITEM: frozenset({BOUND})}) == said
