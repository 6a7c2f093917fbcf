"""Values come from statistics, fit their types and one another."""

from __future__ import annotations

import json

from pgkeel.advisor.cures import cure
from pgkeel.advisor.resolve import read_usage
from pgkeel.advisor.values import SETS, bound, chosen_values, is_guess
from unit.advisor.shop import CATALOG


def values(sql: str, types: list[str], choice: int = 0):
    return chosen_values(read_usage(sql, CATALOG), types, CATALOG, choice)


def test_a_frequent_value_first() -> None:
    assert values('SELECT 1 FROM "Orders" WHERE status = $1', ["text"]) == ("new",)


def test_a_range_has_its_ends_in_order() -> None:
    for choice in range(SETS):
        low, high = values(
            'SELECT 1 FROM "Orders" WHERE placed >= $1 AND placed < $2', ["timestamp without time zone"] * 2, choice
        )
        assert low is not None
        assert high is not None
        assert low < high


def test_a_json_document_gives_one_of_its_members() -> None:
    (value,) = values('SELECT 1 FROM "Orders" WHERE body @> $1', ["jsonb"])
    assert json.loads(value or "") == {"colour": "red"}


def test_patterns_are_cut_from_real_text() -> None:
    texts = [values('SELECT 1 FROM "Orders" WHERE note LIKE $1', ["text"], choice)[0] or "" for choice in range(SETS)]
    assert texts[0].startswith("%")
    assert texts[1][0] != "%"
    assert texts[0].strip("%") in "alpha beta gamma delta omega psi"


def test_limits_units_and_unknown_types() -> None:
    found = values('SELECT date_trunc($1, placed) FROM "Orders" LIMIT $2 OFFSET $3', ["text", "bigint", "bigint"])
    assert found == ("day", "20", "0")
    assert values('SELECT 1 FROM "Orders" WHERE total = $1', ["some_enum"])[0] is None


def test_binding_quotes_and_casts() -> None:
    cured = cure("SELECT '$1' FROM a WHERE b = $1 AND c = $2 AND d = $3")
    assert cured is not None
    assert bound(cured, ["text", "text", "integer"], ["o'clock", "back\\slash", None]) == (
        "SELECT '$1' FROM a WHERE b = CAST('o''clock' AS text)"
        " AND c = CAST(E'back\\\\slash' AS text) AND d = CAST(NULL AS integer)"
    )


def test_a_made_up_value_is_admitted() -> None:
    assert is_guess(read_usage('SELECT 1 FROM "Orders" WHERE note LIKE $1', CATALOG), ["text"], CATALOG)
    assert is_guess(read_usage('SELECT 1 FROM "Orders" WHERE lower(note) = $1', CATALOG), ["text"], CATALOG)
    assert not is_guess(read_usage('SELECT 1 FROM "Orders" WHERE status = $1 LIMIT $2', CATALOG), ["text", "bigint"], CATALOG)
