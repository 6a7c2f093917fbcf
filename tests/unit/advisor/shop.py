"""A catalog to advise on, of no application that exists."""

from __future__ import annotations

from pgkeel.advisor.facts import Catalog, ColumnFacts, IndexFacts, TableFacts


def column(name: str, kind: str = "integer", *, distinct: float = 1_000.0, **more) -> ColumnFacts:
    return ColumnFacts(name, kind, distinct=distinct, **more)


def table(
    schema: str, name: str, *columns: ColumnFacts, rows: float = 100_000, pages: int = 2_000, indexes=(), kind="r"
) -> TableFacts:
    return TableFacts(schema, name, rows, pages, {one.name: one for one in columns}, tuple(indexes), kind)


ORDERS = table(
    "public",
    "Orders",
    column("id", distinct=100_000),
    column("buyer", distinct=5_000),
    column("status", "text", distinct=4, width=8, common=("new", "paid"), common_shares=(0.6, 0.3)),
    column(
        "placed",
        "timestamp without time zone",
        distinct=90_000,
        correlation=0.99,
        bounds=tuple(f"2026-01-{d:02d}" for d in range(1, 29)),
    ),
    column("total", "numeric", distinct=3_000),
    column("note", "text", distinct=50_000, width=300, bounds=("alpha beta", "gamma delta", "omega psi")),
    column("body", "jsonb", distinct=50_000, width=200, common=('{"colour": "red", "size": 3}',), common_shares=(0.1,)),
    column("tags", "text[]", distinct=100),
    column("open", "boolean", distinct=2, width=1),
    column("gone", "timestamp without time zone", distinct=10, null_share=0.9),
    indexes=[IndexFacts("Orders_pkey", "btree", ("id",), unique=True, opclasses=("int4_ops",))],
)
LINES = table("public", "lines", column("order_id"), column("item", distinct=300), column("amount"), pages=5_000, rows=400_000)
OTHER = table("stock", "item", column("id"), column("code", "text"), column("shelf", distinct=50))
SMALL = table("public", "tiny", column("id"), column("x"), pages=1, rows=10)

CATALOG = Catalog(
    tables={one.id: one for one in (ORDERS, LINES, OTHER, SMALL)},
    views={
        ("public", "open_orders"): 'SELECT "Orders".id, "Orders".buyer AS who, "Orders".placed, "Orders".note FROM "Orders"'
        ' WHERE "Orders".open AND "Orders".status = \'new\'::text'
    },
    search_path=("public",),
    volatile=frozenset({"pg_sleep", "random", "nextval"}),
    available=frozenset({"pg_trgm"}),
)
