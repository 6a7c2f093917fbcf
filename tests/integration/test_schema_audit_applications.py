"""Five applications unlike one another, each mirrored faithfully, are consistent; each fault planted in one is one finding.

They are small; what they are for is in their schemas: composite keys and several PostgreSQL schemas (ledger), relations of every
kind (social), no foreign keys and renamed everything (shop), native types and index methods (sensor), what Prisma cannot say
(clinic).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from integration.schema_audit_bench import APP, ROOT, Audit, Fact, facts, swap
from pgkeel.schema.application import Application, read_application
from pgkeel.schema.catalog import read_schema

CASING = {"shop": {"schema_audit_drizzle_casing": "snake_case"}}
Fault = tuple[str, str, str, Fact]
"""File, what stands there, what is put in its place, and the finding that this must be."""


def drizzle(file: str, old: str, new: str, *fact: str) -> Fault:
    """`fact` is kind, table and column."""
    kind, table, column = fact
    return f"drizzle/{file}.ts", old, new, ("prisma-drizzle", kind, table, column)


FISCAL_KEY = ("primary_key", "ledger.fiscal_year", "company_id,year")
FAULTS: dict[str, list[Fault]] = {
    "ledger": [
        drizzle(
            "ledger", 'varchar("number", { length: 12 })', 'varchar("number", { length: 10 })', "type", "ledger.account", "number"
        ),
        drizzle(
            "ledger",
            'scale: 2 }).notNull().default("0.00")',
            'scale: 4 }).notNull().default("0")',
            "type",
            "ledger.account",
            "balance",
        ),
        drizzle("ledger", '"LOCKED", "REVIEWED"', '"LOCKED", "CLOSED"', "enum", "", "ledger.entry_flag"),
        drizzle("ledger", "{ columns: [t.companyId, t.year] })]", "{ columns: [t.year, t.companyId] })]", *FISCAL_KEY),
        drizzle("ledger", 'flag("flags").array().default([])', 'flag("flags").array()', "default", "ledger.entry", "flags"),
        drizzle(
            "ledger",
            "t.companyId, t.year, t.booked.desc()",
            "t.companyId, t.booked.desc()",
            "index",
            "ledger.entry",
            "company_id,year,booked",
        ),
        drizzle("ledger", "withTimezone: true, precision: 6", "precision: 6", "type", "ledger.entry", "booked"),
        drizzle("ledger", "  unique().on(t.companyId, t.title),\n", "", "unique", "ledger.account", "company_id,title"),
        drizzle(
            "ledger",
            "  foreignKey({ columns: [t.companyId, t.parent], foreignColumns: [t.companyId, t.number] }),\n",
            "",
            "foreign_key",
            "ledger.account",
            "company_id,parent_number",
        ),
        drizzle("company", 'char("currency", { length: 3 })', 'char("currency", { length: 2 })', "type", "company", "currency"),
    ],
    "social": [
        drizzle("schema", "spouseId: integer().unique()", "spouseId: integer()", "unique", "Person", "spouseId"),
        drizzle("schema", 'onDelete: "set default"', 'onDelete: "set null"', "foreign_key", "Group", "ownerId"),
        drizzle("schema", '"b,c"]', '"b", "c"]', "default", "Profile", "links"),
        drizzle("schema", "-1.5", "1.5", "default", "Profile", "score"),
        drizzle("schema", "1970-01-01", "1970-01-02", "default", "Profile", "born"),
        drizzle("schema", "and\\nbroken", "and broken", "default", "Profile", "bio"),
        drizzle("schema", 't.name.op("text_pattern_ops")', "t.name", "index", "Group", "name"),
        drizzle("schema", "handle: text().notNull()", "handle: text()", "nullability", "Person", "handle"),
        (
            "kysely/types.ts",
            "  ownerId: Generated<number>;",
            "  ownerId: number;",
            ("prisma-kysely", "generated", "Group", "ownerId"),
        ),
        (
            "kysely/types.ts",
            "  parentId: string | null;",
            "  parentId: string;",
            ("prisma-kysely", "nullability", "Group", "parentId"),
        ),
    ],
    "shop": [
        drizzle("schema", '"new", "in transit", "done"', '"new", "in transit", "gone"', "enum", "", "order_state"),
        drizzle("schema", "gift: false", "gift: true", "default", "orders", "settings"),
        drizzle("schema", "scale: 30", "scale: 10", "type", "order_items", "price"),
        drizzle("schema", "orderState().array()", "orderState().array().notNull()", "nullability", "orders", "history"),
        drizzle(
            "schema",
            "customerId: text().notNull()",
            "customerId: text().notNull().references(() => customers.id)",
            "foreign_key",
            "orders",
            "customer_id",
        ),
        # Prisma's client makes the identifier: neither the database nor this type fills it in.
        (
            "kysely/types.ts",
            "    id: string;\n    first_name",
            "    id: Generated<string>;\n    first_name",
            ("prisma-kysely", "generated", "customers", "id"),
        ),
    ],
    "sensor": [
        drizzle("schema", 'default(["C", "F"])', 'default(["F", "C"])', "default", "Device", "units"),
        drizzle("schema", "[1, 2, 3]", "[1, 2]", "default", "Device", "levels"),
        drizzle("schema", "9007199254740993n", "9007199254740992n", "default", "Device", "huge"),
        drizzle("schema", 'time("wakes", { precision: 0 })', 'time("wakes", { precision: 3 })', "type", "Device", "wakes"),
        drizzle("schema", 'json("raw")', 'jsonb("raw")', "type", "Device", "raw"),
        drizzle("schema", 'index().using("brin", t.at)', "index().on(t.at)", "index", "Reading", "at"),
        drizzle("schema", 't.data.op("jsonb_path_ops")', "t.data", "index", "Reading", "data"),
        drizzle("schema", 'real("ratio")', 'doublePrecision("ratio")', "type", "Device", "ratio"),
        drizzle("schema", "t.value.desc()", "t.value", "unique", "Reading", "at,value"),
        drizzle("schema", 'index("odd").on(t.unit, t.address)', "", "index", "Device", "unit,address"),
        drizzle("schema", "scale: 3 }).array()", "scale: 3 })", "type", "Device", "rates"),
    ],
    "clinic": [
        drizzle("schema", ".generatedByDefaultAsIdentity()", "", "default", "Room", "id"),
        drizzle("schema", "sha256('x'", "sha256('y'", "default", "Patient", "token"),
        drizzle("schema", 'onDelete("set null").', "", "foreign_key", "Visit", "floor,door"),
        drizzle("schema", "export const legacy", "const legacy", "missing_table", "Legacy", ""),
        drizzle("schema", '  secret: text("secret"),\n', "", "missing_column", "Patient", "secret"),
    ],
}
# What no patch can derive: the types are prisma-kysely's affair.
LEFT = {name: {fact for *_, fact in faults if fact[0] == "prisma-kysely"} for name, faults in FAULTS.items()}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(APP.parent / name, tmp_path / name))


@pytest.mark.parametrize("name", FAULTS)
def test_faithful_mirrors_are_consistent_and_each_fault_is_one_finding(
    audit: Audit, copy: Callable[[str], Path], name: str
) -> None:
    app, casing = copy(name), CASING.get(name, {})
    if name == "social":
        # A file each, instead of the folder it is in.
        files = {"prisma": "schema.prisma", "drizzle": "schema.ts", "kysely": "types.ts"}
        casing = {f"schema_audit_{side}": str(app / side / file) for side, file in files.items()}
    healthy = audit(app, **casing)
    assert facts(healthy) == set()
    # prisma-kysely leaves out what clinic's schema ignores: nobody can call that consistent.
    assert healthy["verdict"] == ("could not verify" if name == "clinic" else "consistent")
    assert {pair["verdict"] for pair in healthy["pairs"]} <= {"consistent", "could not verify"}

    for file, old, new, _ in FAULTS[name]:
        swap(app / file, (old, new))
    broken = audit(app, **casing)
    assert facts(broken) == {fact for *_, fact in FAULTS[name]}
    done = subprocess.run(
        ["patch", "-p1", "-d", str(app / "drizzle")], input=broken["patch"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert facts(audit(app, **casing)) == LEFT[name]


def test_a_schema_reads_alike_whatever_the_database_is_set_to(
    database: Callable[..., str], connection: Callable[..., psycopg.Connection]
) -> None:
    """Production may print dates in its own way and keep its extensions in a schema of their own."""
    made = """
        CREATE TABLE t (
            at timestamptz(6) DEFAULT '2024-01-01 00:00:00+00', day date DEFAULT '2024-01-02', span interval DEFAULT '26:00',
            data bytea DEFAULT '\\x0102', ratio real DEFAULT 0.1, name citext DEFAULT 'a', kind own.kind
        )
    """
    read = []
    for place, settings in (
        ("public", {}),
        (
            "extensions",
            {"timezone": "Europe/Berlin", "datestyle": "German", "intervalstyle": "iso_8601", "bytea_output": "escape"},
        ),
    ):
        opened = connection(database("formats"))
        opened.execute(
            f"CREATE SCHEMA IF NOT EXISTS {place}; CREATE EXTENSION citext SCHEMA {place}; SET search_path = public, {place}"
        )
        opened.execute("CREATE SCHEMA own; CREATE EXTENSION hstore SCHEMA own; CREATE TYPE own.kind AS ENUM ('A')")
        opened.execute(made)
        for name, value in settings.items():
            opened.execute("SELECT set_config(%s, %s, false)", [name, value])
        read.append(read_schema(opened))
    assert read[0].tables["t"].columns["name"].type == "citext"
    assert read[0].tables["t"].columns["kind"].type == "own.kind"
    assert read[0] == read[1]


def test_a_column_that_the_live_database_computes_is_what_prisma_says_of_it(
    audit: Audit, copy: Callable[[str], Path], database: Callable[..., str], connection: Callable[..., psycopg.Connection]
) -> None:
    """`@default(dbgenerated())` has no default in Prisma's SQL: any in the database will do, and none will not."""
    app, name = copy("clinic"), database("clinic")
    declared = read_application(Application(prisma=app / "prisma"), ROOT / "files" / "orm", ROOT / "build" / "orm")
    opened = connection(name)
    opened.execute(declared["prisma"]["sql"])
    assert facts(audit(app, name)) == {("prisma-live", "default", "Patient", "full")}
    opened.execute(
        """
        ALTER TABLE "Patient" DROP COLUMN "full";
        ALTER TABLE "Patient" ADD "full" text GENERATED ALWAYS AS (given || ' ' || family) STORED
        """
    )
    assert facts(audit(app, name)) == set()
