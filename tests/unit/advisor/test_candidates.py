"""Candidate indexes: what a statement could use, and nothing that is there already."""

from __future__ import annotations

from dataclasses import replace

from pgkeel.advisor.candidates import Candidate, candidates_of, index_name, merged
from pgkeel.advisor.cures import cure
from pgkeel.advisor.facts import Catalog, IndexFacts
from pgkeel.advisor.resolve import read_usage
from pgkeel.postgres.index_declaration import IndexDeclaration, IndexKey
from unit.advisor.shop import CATALOG, LINES, ORDERS, column, table


def shapes(sql: str, catalog: Catalog = CATALOG) -> set[tuple]:
    found = candidates_of(read_usage(sql, catalog).uses, catalog)
    return {
        (
            c.index.method,
            *[" ".join(filter(None, (k.column or k.expression, k.opclass, k.order))) for k in c.index.keys],
            c.index.include,
            c.index.where,
        )
        for c in found
    }


def btree(*keys: str, include: tuple[str, ...] = (), where: str = "") -> tuple:
    return ("btree", *keys, include, where)


def test_equality_before_range_before_nothing_else() -> None:
    found = shapes('SELECT total FROM "Orders" WHERE buyer = $1 AND placed > $2')
    assert {btree("buyer"), btree("placed"), btree("buyer", "placed"), btree("buyer", "placed", include=("total",))} <= found
    assert btree("placed", "buyer") not in found


def test_rows_are_compared_column_by_column() -> None:
    both = {btree("buyer", "status"), btree("status", "buyer")}
    assert both <= shapes('SELECT * FROM "Orders" WHERE (buyer, status) = ($1, $2)')
    assert both <= shapes('SELECT * FROM "Orders" WHERE (buyer, status) IN (($1, $2), ($3, $4))')
    # The next page, by the last row seen.
    page = read_usage('SELECT * FROM "Orders" WHERE buyer = $1 AND (placed, id) < ($2, $3)', CATALOG)
    assert [key.column for key in page.uses[0].ranges] == ["placed"]
    assert {(one.number, one.column, one.role) for one in page.parameters.values()} == {
        (1, "buyer", "="),
        (2, "placed", "<"),
        (3, "id", "<"),
    }
    assert btree("buyer", "placed") in shapes('SELECT * FROM "Orders" WHERE buyer = $1 AND (placed, id) < ($2, $3)')


def test_a_join_by_several_columns_has_a_key_of_several() -> None:
    both = btree("order_id", "item")
    assert both in shapes('SELECT * FROM "Orders" o JOIN lines l ON l.order_id = o.id AND l.item = o.buyer')
    assert both in shapes('SELECT * FROM "Orders" o JOIN lines l ON (l.order_id, l.item) = (o.id, o.buyer)')
    assert both in shapes('SELECT * FROM "Orders" WHERE (id, buyer) IN (SELECT order_id, item FROM lines)')
    assert both in shapes('SELECT * FROM "Orders" o WHERE EXISTS (SELECT FROM lines WHERE order_id = o.id AND item = o.buyer)')
    # With a third table it is not one key.
    assert both not in shapes('SELECT * FROM lines JOIN "Orders" o ON order_id = o.id JOIN stock.item i ON item = i.id')


def test_the_order_asked_for() -> None:
    assert btree("buyer", "placed") in shapes('SELECT * FROM "Orders" WHERE buyer = $1 ORDER BY placed DESC LIMIT 5')
    assert btree("buyer", "total desc", "placed") in shapes('SELECT * FROM "Orders" ORDER BY buyer, total DESC, placed')


def test_the_order_that_a_window_goes_through() -> None:
    ranked = 'SELECT * FROM (SELECT *, row_number() OVER {} AS place FROM "Orders"{}) o WHERE place <= $1'
    assert btree("buyer", "placed desc") in shapes(ranked.format("(PARTITION BY buyer ORDER BY placed DESC)", ""))
    assert btree("buyer", "placed desc") in shapes(ranked.format("w", " WINDOW w AS (PARTITION BY buyer ORDER BY placed DESC)"))
    assert btree("placed", "total") in shapes(ranked.format("(ORDER BY placed, total)", ""))


def test_the_least_and_the_greatest() -> None:
    assert btree("placed") in shapes('SELECT max(placed) FROM "Orders"')
    assert btree("buyer", "total") in shapes('SELECT COALESCE(min(total), $2) FROM "Orders" WHERE buyer = $1')
    assert btree("order_id", "amount") in shapes(
        'SELECT id, (SELECT max(amount) FROM lines l WHERE l.order_id = o.id) FROM "Orders" o'
    )


def test_both_orders_of_two_equalities_so_that_one_can_be_shared() -> None:
    assert {btree("buyer", "status"), btree("status", "buyer")} <= shapes(
        'SELECT * FROM "Orders" WHERE buyer = $1 AND status = $2'
    )


def test_kinds() -> None:
    assert ("gin", "body jsonb_path_ops", (), "") in shapes('SELECT 1 FROM "Orders" WHERE body @> $1')
    assert ("gin", "body jsonb_path_ops", (), "") in shapes('SELECT 1 FROM "Orders" WHERE body @? $1')
    assert ("gin", "body jsonb_path_ops", (), "") in shapes('SELECT 1 FROM "Orders" WHERE body @@ $1')
    assert ("gin", "body jsonb_ops", (), "") in shapes('SELECT 1 FROM "Orders" WHERE body ? $1')
    assert ("gin", "tags", (), "") in shapes('SELECT 1 FROM "Orders" WHERE tags && $1')
    assert ("brin", "placed", (), "") in shapes('SELECT sum(total) FROM "Orders" WHERE placed > $1')
    assert ("brin", "total", (), "") not in shapes('SELECT 1 FROM "Orders" WHERE total > $1')
    assert btree("lower(note)") in shapes('SELECT 1 FROM "Orders" WHERE lower(note) = $1')


def test_spans_overlap_by_gist() -> None:
    rooms = table("public", "rooms", column("id"), column("during", "tstzrange"))
    catalog = replace(CATALOG, tables={**CATALOG.tables, rooms.id: rooms})
    assert ("gist", "during", (), "") in shapes("SELECT id FROM rooms WHERE during && $1", catalog)
    assert ("gist", "during", (), "") in shapes("SELECT id FROM rooms WHERE $1 <@ during", catalog)


def test_casts() -> None:
    assert btree("CAST(placed AS date)") in shapes('SELECT * FROM "Orders" WHERE placed::date = $1')
    assert btree("CAST(id AS text)") in shapes('SELECT * FROM "Orders" WHERE $1 = id::text')
    assert btree("CAST(status AS varchar(3))") in shapes('SELECT * FROM "Orders" WHERE status::varchar(3) = $1')
    named = table("public", "named", column("id"), column("name", "character varying"))
    catalog = replace(CATALOG, tables={**CATALOG.tables, named.id: named})
    # As pg_get_viewdef writes it: the index on the column serves.
    assert btree("name") in shapes("SELECT * FROM named WHERE (name)::text = $1", catalog)
    assert not any("CAST" in str(shape) for shape in shapes("SELECT * FROM named WHERE (name)::text = $1", catalog))


def test_a_value_between_two_columns() -> None:
    found = shapes('SELECT * FROM "Orders" WHERE buyer = $1 AND $2 BETWEEN placed AND gone')
    assert {btree("buyer", "placed"), btree("buyer", "gone")} <= found
    usage = read_usage('SELECT * FROM "Orders" WHERE $1 BETWEEN placed AND gone', CATALOG)
    assert [(one.column, one.role) for one in usage.parameters.values()] == [("placed", "<")]


def test_distinct_groups_by_what_it_returns() -> None:
    assert btree("buyer", "status") in shapes('SELECT DISTINCT buyer, status FROM "Orders"')
    assert btree("buyer") in shapes('SELECT DISTINCT ON (1) buyer, note FROM "Orders"')


def test_what_is_reckoned_of_many_rows_is_no_key() -> None:
    found = shapes('SELECT buyer FROM "Orders" GROUP BY buyer HAVING sum(total) > $1 ORDER BY max(placed)')
    assert not any("(" in str(key) for _, *keys, _, _ in found for key in keys)


def test_the_systems_own_relations_are_known() -> None:
    assert read_usage("SELECT * FROM pg_stat_activity a JOIN lines l ON l.item = a.pid", CATALOG).unknown == set()
    assert read_usage("SELECT * FROM app.pg_things", CATALOG).unknown == {"app.pg_things"}


def test_totals_of_totals_are_grouped_by_their_columns() -> None:
    assert btree("buyer", "status") in shapes('SELECT buyer, status, sum(total) FROM "Orders" GROUP BY ROLLUP (buyer, status)')
    found = shapes('SELECT buyer, status, sum(total) FROM "Orders" GROUP BY GROUPING SETS ((buyer, status), (1), ())')
    assert btree("buyer", "status") in found
    assert not any("(" in key for _, *keys in found for key in keys if isinstance(key, str))


MERGE = """
MERGE INTO lines l USING (SELECT id, buyer FROM "Orders" WHERE status = $1) o ON l.order_id = o.id
  WHEN MATCHED AND l.amount < $2 THEN UPDATE SET item = o.buyer
  WHEN NOT MATCHED THEN INSERT (order_id, item) VALUES (o.id, o.buyer)
"""


def test_merge() -> None:
    cured = cure(MERGE)
    assert cured is not None
    assert {btree("order_id"), btree("status"), btree("status", include=("buyer", "id"))} <= shapes(cured.sql)
    usage = read_usage(cured.sql, CATALOG)
    assert [(use.table.name, use.assigned) for use in usage.uses] == [("lines", {"item"}), ("Orders", set())]
    assert (usage.kind, usage.reads_only) == ("merge", False)


def test_what_a_write_returns_is_read() -> None:
    usage = read_usage('DELETE FROM "Orders" o USING lines l WHERE l.order_id = o.id RETURNING l.amount', CATALOG)
    assert usage.uses[1].needed == {"order_id", "amount"}


def test_what_an_upsert_sets_is_written() -> None:
    usage = read_usage("INSERT INTO lines (order_id) VALUES ($1) ON CONFLICT (order_id) DO UPDATE SET item = $2", CATALOG)
    assert [(use.table.name, use.assigned, use.equal) for use in usage.uses] == [("lines", {"item"}, [])]


def test_patterns() -> None:
    anchored = shapes("SELECT 1 FROM \"Orders\" WHERE note LIKE 'abc%'")
    assert btree("note text_pattern_ops") in anchored
    assert not any(shape[0] == "gin" for shape in anchored)
    assert ("gin", "note gin_trgm_ops", (), "") in shapes("SELECT 1 FROM \"Orders\" WHERE note LIKE '%abc%'")
    assert ("gin", "note gin_trgm_ops", (), "") in shapes('SELECT 1 FROM "Orders" WHERE note ILIKE $1')
    without = replace(CATALOG, available=frozenset())
    assert not any(shape[0] == "gin" for shape in shapes('SELECT 1 FROM "Orders" WHERE note ILIKE $1', without))


def test_trigrams_of_a_schema_that_is_not_looked_into_are_named_with_it() -> None:
    hidden = replace(CATALOG, extensions=frozenset({"pg_trgm"}), hidden={"pg_trgm": "extra"})
    text = 'SELECT 1 FROM "Orders" WHERE note ILIKE $1'
    assert ("gin", "note extra.gin_trgm_ops", (), "") in shapes(text, hidden)
    there = replace(ORDERS, indexes=(*ORDERS.indexes, IndexFacts("trigrams", "gin", ("note",), opclasses=("gin_trgm_ops",))))
    assert not any(shape[0] == "gin" for shape in shapes(text, replace(hidden, tables={**CATALOG.tables, there.id: there})))


def test_padded_text_has_an_operator_class_of_its_own_and_no_trigrams() -> None:
    padded = table("public", "padded", column("id"), column("code", "bpchar"))
    known = replace(CATALOG, tables={**CATALOG.tables, padded.id: padded})
    found = candidates_of(read_usage("SELECT id FROM padded WHERE code LIKE $1", known).uses, known)
    assert {(key.opclass, one.index.method) for one in found for key in one.index.keys} == {("bpchar_pattern_ops", "btree")}


def test_partial_by_constants_of_a_view() -> None:
    found = shapes("SELECT placed FROM open_orders WHERE who = $1")
    assert btree("buyer", where="open") in found
    assert btree("buyer", where="status = CAST('new' AS text)") in found


def test_what_is_there_is_not_proposed() -> None:
    assert shapes('SELECT note FROM "Orders" WHERE id = $1') == set()
    there = replace(ORDERS, indexes=(*ORDERS.indexes, IndexFacts("i", "btree", ("buyer", "placed"), opclasses=("a", "b"))))
    catalog = replace(CATALOG, tables={**CATALOG.tables, there.id: there})
    found = shapes('SELECT * FROM "Orders" WHERE buyer = $1', catalog)
    assert btree("buyer") not in found
    invalid = replace(there, indexes=(*ORDERS.indexes, IndexFacts("i", "btree", ("buyer",), valid=False, opclasses=("a",))))
    assert btree("buyer") in shapes('SELECT * FROM "Orders" WHERE buyer = $1', replace(CATALOG, tables={invalid.id: invalid}))


def test_small_and_partitioned_tables_are_left_alone() -> None:
    assert shapes("SELECT * FROM tiny WHERE x = $1") == set()
    parted = replace(LINES, kind="p")
    assert shapes("SELECT * FROM lines WHERE item = $1", replace(CATALOG, tables={parted.id: parted})) == set()


def test_json_and_wide_columns_are_no_btree_keys() -> None:
    assert not any(shape[0] == "btree" for shape in shapes('SELECT 1 FROM "Orders" WHERE body = $1'))


def test_union_of_includes() -> None:
    one = Candidate(IndexDeclaration("a", "t", (IndexKey("x"),), include=("p",)))
    other = Candidate(IndexDeclaration("b", "t", (IndexKey("x"), IndexKey("y")), include=("q",)))
    added = [c.index for c in merged([one, other]) if c.index.name not in {"a", "b"}]
    assert [(tuple(k.column for k in index.keys), index.include) for index in added] == [(("x", "y"), ("p", "q"))]


def test_names_are_stable_distinct_and_short_enough() -> None:
    plain = IndexDeclaration("", "t", (IndexKey("a"), IndexKey("b")))
    assert index_name(plain) == "t_a_b_idx"
    long = replace(plain, table="ü" * 40)
    assert len(index_name(long).encode()) <= 63
    assert len({index_name(plain), index_name(replace(plain, where="x")), index_name(replace(plain, include=("c",)))}) == 3


def test_the_name_is_one_that_nothing_has_yet() -> None:
    def made(catalog: Catalog, statement: str) -> dict[tuple[str, ...], str]:
        found = candidates_of(read_usage(statement, catalog).uses, catalog)
        return {tuple(key.column for key in one.index.keys): one.index.name for one in found if not one.index.include}

    # PostgreSQL's own name of a partial index on the column.
    there = replace(LINES, indexes=(IndexFacts("lines_item_idx", "btree", ("item",), predicate="amount > 5"),))
    crowded = replace(CATALOG, tables={**CATALOG.tables, there.id: there})
    name = made(crowded, "SELECT * FROM lines WHERE item = $1")[("item",)]
    assert name != "lines_item_idx"
    assert name == made(crowded, "SELECT * FROM lines WHERE item = $1")[("item",)]


def test_the_same_table_of_two_tenants_has_two_indexes() -> None:
    tenants = {one.id: one for one in (replace(LINES, schema="one"), replace(LINES, schema="two"))}
    catalog = replace(CATALOG, tables={**CATALOG.tables, **tenants})
    names = [
        {
            one.index.name
            for one in candidates_of(read_usage(f"SELECT * FROM {schema}.lines WHERE item = $1", catalog).uses, catalog)
        }
        for schema in ("one", "two")
    ]
    assert all(names)
    assert not names[0] & names[1]
