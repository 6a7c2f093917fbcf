"""Names are resolved through aliases, subqueries, CTEs and views; nothing is guessed from how a name looks."""

from __future__ import annotations

from pgkeel.advisor.resolve import read_usage
from pgkeel.advisor.usage import Usage, Use
from unit.advisor.shop import CATALOG


def use_of(sql: str, name: str = "Orders") -> Use:
    return next(use for use in read_usage(sql, CATALOG).uses if use.table.name == name)


def names(keys) -> list[str]:
    return [key.column or key.expression for key in keys]


def test_equality_range_order_and_group() -> None:
    use = use_of('SELECT buyer FROM "Orders" o WHERE o.status = $1 AND placed >= $2 GROUP BY buyer ORDER BY o.buyer DESC LIMIT 5')
    assert (names(use.equal), names(use.ranges), names(use.group)) == (["status"], ["placed"], ["buyer"])
    assert [(key.column, down, nulls) for key, down, nulls in use.order] == [("buyer", True, True)]
    assert use.needed == {"buyer", "status", "placed"}


def test_joins_by_on_using_where_and_in() -> None:
    for sql in (
        'SELECT 1 FROM "Orders" o JOIN lines l ON l.order_id = o.id',
        'SELECT 1 FROM "Orders" o, lines l WHERE o.id = l.order_id',
        'SELECT 1 FROM "Orders" WHERE id IN (SELECT order_id FROM lines)',
        'SELECT 1 FROM "Orders" WHERE EXISTS (SELECT 1 FROM lines WHERE order_id = "Orders".id)',
    ):
        assert names(use_of(sql, "lines").joins) == ["order_id"], sql


def test_a_condition_outside_a_subquery_reaches_the_table_in_it() -> None:
    for sql in (
        'SELECT * FROM (SELECT buyer AS b, total FROM "Orders") x WHERE x.b = $1',
        'WITH x AS (SELECT buyer AS b, total FROM "Orders") SELECT * FROM x WHERE b = $1',
        'WITH x(b) AS (SELECT buyer FROM "Orders") SELECT b FROM x AS y WHERE y.b = $1',
    ):
        use = use_of(sql)
        assert names(use.equal) == ["buyer"], sql
        assert use.needed is not None
        assert "note" not in use.needed


def test_a_view_gives_its_table_and_its_constants() -> None:
    use = use_of("SELECT v.placed FROM open_orders v WHERE v.who = $1")
    assert names(use.equal) == ["status", "buyer"]
    assert use.constants == ["open", "status = CAST('new' AS text)"]
    assert use.needed == {"placed", "buyer", "open", "status"}


def test_a_column_of_two_tables_is_found_by_its_own() -> None:
    usage = read_usage("SELECT 1 FROM lines, stock.item WHERE shelf = $1 AND item.id = $2", CATALOG)
    assert {(use.table.name, tuple(names(use.equal))) for use in usage.uses} == {("lines", ()), ("item", ("shelf", "id"))}


def test_the_search_path_decides() -> None:
    assert read_usage("SELECT 1 FROM item", CATALOG).unknown == {"item"}
    assert not read_usage("SELECT 1 FROM stock.item", CATALOG).unknown


def test_expressions_or_patterns_json_and_arrays() -> None:
    use = use_of(
        'SELECT 1 FROM "Orders" WHERE lower(note) = $1 AND note LIKE $2 AND body @> $3 AND tags && $4 AND (buyer = $5 OR id = $6)'
    )
    assert names(use.equal) == ["lower(note)"]
    assert [pattern.text for pattern in use.patterns] == [None]
    assert (names(use.contains), names(use.either)) == (["body", "tags"], ["buyer", "id"])


def test_volatile_functions_and_parameters_make_no_key() -> None:
    use = use_of('SELECT 1 FROM "Orders" WHERE buyer + random() = $1 AND total + $2 = $3')
    assert use.equal == []


def test_constants_for_partial_indexes() -> None:
    use = use_of("SELECT id FROM \"Orders\" WHERE gone IS NULL AND open AND NOT open AND status = 'paid' AND placed > now()")
    assert use.constants == ["gone IS NULL", "open", "NOT open", "status = 'paid'"]


def test_parameters_know_their_columns() -> None:
    usage: Usage = read_usage(
        'SELECT 1 FROM "Orders" o WHERE o.buyer = $1 AND placed BETWEEN $2 AND $3 AND note LIKE $4 LIMIT $5', CATALOG
    )
    found = {number: (parameter.column, parameter.role) for number, parameter in usage.parameters.items()}
    assert found == {1: ("buyer", "="), 2: ("placed", ">"), 3: ("placed", "<"), 4: ("note", "like"), 5: ("", "limit")}


def test_writes_are_seen() -> None:
    usage = read_usage('UPDATE "Orders" SET total = total + $1 WHERE buyer = $2', CATALOG)
    assert (usage.kind, usage.reads_only, usage.uses[0].assigned, names(usage.uses[0].equal)) == (
        "update",
        False,
        {"total"},
        ["buyer"],
    )
    assert not read_usage("WITH gone AS (DELETE FROM lines RETURNING order_id) SELECT * FROM gone", CATALOG).reads_only
    assert read_usage('SELECT 1 FROM "Orders" FOR UPDATE', CATALOG).locks
    assert "pg_sleep" in read_usage('SELECT pg_sleep($1) FROM "Orders"', CATALOG).functions
