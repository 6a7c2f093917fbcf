"""Values come from statistics, fit their types and one another."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from pgkeel.advisor import facts_read
from pgkeel.advisor.cures import cure
from pgkeel.advisor.prepare import _Types
from pgkeel.advisor.resolve import read_usage
from pgkeel.advisor.values import SETS, bound, chosen_values, is_guess, sets_of
from unit.advisor.shop import CATALOG, ORDERS, column, table


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
    assert texts[1].startswith("%")
    assert texts[2][0] != "%"
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


MANY = replace(
    ORDERS,
    columns={
        **ORDERS.columns,
        "buyer": column(
            "buyer", distinct=5_000, common=("1", "2"), common_shares=(0.4, 0.2), bounds=tuple(str(n) for n in range(10, 1000, 5))
        ),
    },
)
LISTS = replace(CATALOG, tables={**CATALOG.tables, MANY.id: MANY})


def test_an_array_is_asked_for_what_arrays_have() -> None:
    tags = replace(ORDERS.columns["tags"], common=('{"a, b",c}', "{d}", "{}"), common_shares=(0.5, 0.3, 0.1))
    catalog = replace(CATALOG, tables={ORDERS.id: replace(ORDERS, columns={**ORDERS.columns, "tags": tags})})

    def asked(sql: str, choice: int) -> tuple[str | None, ...]:
        return chosen_values(read_usage(sql, catalog), ["text[]"], catalog, choice)

    assert [asked('SELECT 1 FROM "Orders" WHERE tags @> $1', choice) for choice in range(SETS)] == [
        ('{"a, b"}',),
        ("{d}",),
        ('{"a, b"}',),
    ]
    assert asked('SELECT 1 FROM "Orders" WHERE tags && $1', 0) == ('{"a, b",c}',)


def test_a_series_begins_before_it_ends() -> None:
    found = values("SELECT 1 FROM generate_series(CAST($1 AS integer), CAST($2 AS integer)) g", ["integer", "integer"])
    assert found == ("1", "10")
    found = values("SELECT 1 FROM generate_series($1::date, $2::date, $3) g", ["date", "date", "interval"])
    assert all(value and value[:3] == "202" for value in found[:2])


def test_what_escapes_in_a_pattern_is_one_letter() -> None:
    pattern, escape = values('SELECT 1 FROM "Orders" WHERE note LIKE $1 ESCAPE $2', ["text", "text"])
    assert "%" in (pattern or "")
    assert escape == "\\"


def test_a_path_asks_for_a_member_that_documents_have() -> None:
    assert values('SELECT 1 FROM "Orders" WHERE body @? $1', ["jsonpath"]) == ('$."colour" ? (@ == "red")',)
    assert values('SELECT 1 FROM "Orders" WHERE body @@ $1', ["jsonpath"]) == ('$."colour" == "red"',)


def test_what_statistics_do_not_tell_is_a_guess() -> None:
    rooms = table("public", "rooms", column("id"), column("during", "tstzrange"), column("words", "tsvector", distinct=0))
    catalog = replace(CATALOG, tables={**CATALOG.tables, rooms.id: rooms})
    booked = read_usage("SELECT id FROM rooms WHERE during && $1", catalog)
    assert chosen_values(booked, ["tstzrange"], catalog, 0)[0]
    assert is_guess(booked, ["tstzrange"], catalog)
    assert is_guess(read_usage("SELECT id FROM rooms WHERE words @@ to_tsquery($1)", catalog), ["text"], catalog)
    assert not is_guess(read_usage('SELECT 1 FROM "Orders" WHERE body @? $1', CATALOG), ["jsonpath"], CATALOG)


def lists(sql: str, kinds: list[str], rows: float = 0.0) -> list[list[str | None]]:
    usage = read_usage(sql, LISTS)
    return [list(chosen_values(usage, kinds, LISTS, choice, rows)) for choice in range(sets_of(usage, kinds))]


def elements(text: str | None) -> list[str]:
    return (text or "").strip("{}").replace('"', "").split(",")


def test_lists_have_the_lengths_that_applications_send() -> None:
    kinds = ["integer[]", "timestamp without time zone"]
    found = lists('SELECT 1 FROM "Orders" WHERE buyer = ANY($1) AND placed >= $2', kinds)
    assert [len(elements(one)) for one, _ in found] == [25, 100, 3, 25, 25]
    assert all(len(set(elements(one))) == len(elements(one)) for one, _ in found)
    # A list of the usual length meets every choice of the other value.
    assert len({since for one, since in found if len(elements(one)) == 25}) == SETS
    # Frequent values are among them, and not only they.
    assert {"1", "2"} < set(elements(found[0][0]))


def test_the_counters_tell_how_long_a_list_is() -> None:
    kinds = ["integer[]"]
    grouped = 'SELECT buyer, count(*) FROM "Orders" WHERE buyer = ANY($1) GROUP BY buyer'
    assert [len(elements(one)) for (one,) in lists(grouped, kinds, 39.2)] == [40, 100, 3, 40, 40]
    plain = 'SELECT * FROM "Orders" WHERE buyer = ANY($1)'  # any number of rows for each
    assert [len(elements(one)) for (one,) in lists(plain, kinds, 39.2)] == [25, 100, 3, 25, 25]


def test_a_short_list_where_statistics_hold_no_more() -> None:
    (value,) = values('SELECT 1 FROM "Orders" WHERE status = ANY($1)', ["text[]"])
    assert sorted(elements(value)) == ["new", "paid"]


def test_an_open_range_of_time_asks_for_the_last_days() -> None:
    kinds = ["timestamp without time zone"]
    sql = 'SELECT 1 FROM "Orders" WHERE placed >= $1'
    assert values(sql, kinds, 0) == ("2026-01-21 00:00:00",)  # the newest is of the 28th
    assert values(sql, kinds, 1)[0] != "2025-12-29 00:00:00", "the table does not reach back so far"
    assert values(sql, kinds, 2) == ("2026-01-17",)
    assert values('SELECT 1 FROM "Orders" WHERE placed < $1', kinds, 0) == ("2026-01-03",)


def test_types_are_named_without_a_length_of_one() -> None:
    # format_type(oid, NULL) says character and bit, which in a cast are character(1) and bit(1): 'DE' became 'D'.
    assert "format_type(a.atttypid, -1)" in facts_read._COLUMNS
    asked: list[str] = []

    class Session:
        def execute(self, query: str) -> Any:
            asked.append(query)
            return SimpleNamespace(fetchall=lambda: [(1042, "bpchar")])

    session: Any = Session()
    assert _Types(session)(1042) == "bpchar"
    assert "format_type(oid, -1)" in asked[0]
    assert values("SELECT $1 FROM tiny", ["bpchar"]) == ("a",)
