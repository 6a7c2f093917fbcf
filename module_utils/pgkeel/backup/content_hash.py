"""The content of one table as one number: equal for equal rows, whatever their order and wherever they were restored.

The sum, over all rows, of PostgreSQL's own 64-bit hash of the row. It finds every accident; it is no defence against somebody who
can choose the data: that is what the signed SHA-256 of the dump is for. What is equal to
PostgreSQL's own `=` is equal here: 1.0 and 1.00.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

Session = psycopg.Connection[TupleRow]
# Their hash depends on the value alone. An enum's, for example, depends on an oid, which another cluster gives anew.
PORTABLE = (
    *("bool", "bytea", "char", "name", "int8", "int2", "int4", "text", "oid", "float4", "float8", "bpchar", "varchar", "date"),
    *("time", "timestamp", "timestamptz", "timetz", "numeric", "uuid", "jsonb", "inet", "cidr", "macaddr"),
)
ALIAS = sql.Identifier("the row")
# What a value looks like as text must not depend on who asks.
OUTPUT = {
    "search_path": "",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "lc_monetary": "C",
    # How definitions are written. A database's own settings, where production has such, are no part of the copy.
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
}


def fix_output(session: Session) -> None:
    """Have the session write every value in one way."""
    for name, value in OUTPUT.items():
        session.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, value])


def row_hash(session: Session, schema: str, name: str) -> sql.Composable:
    """The expression that hashes one row of the table, which the query calls ``"the row"``."""
    columns = session.execute(
        """
        SELECT a.attname,
               t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname = ANY (%(portable)s)
                 OR t.typcategory = 'A'
                   AND e.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND e.typname = ANY (%(portable)s),
               coalesce(o.collisdeterministic, true),
               c.inherits
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
        LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
        CROSS JOIN LATERAL (
          SELECT NOT relispartition AND EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = a.attrelid) AS inherits
          FROM pg_catalog.pg_class WHERE oid = a.attrelid
        ) c
        WHERE a.attrelid = pg_catalog.format('%%I.%%I', %(schema)s::text, %(name)s::text)::pg_catalog.regclass
          AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY CASE WHEN c.inherits THEN a.attname END, a.attnum
        """,
        {"portable": list(PORTABLE), "schema": schema, "name": name},
    ).fetchall()
    # A restore puts the columns of the parents first, wherever they are: those of a table that inherits are taken by name.
    if all(portable and exact and not inherits for _, portable, exact, inherits in columns):
        return sql.SQL("{}.*").format(ALIAS)
    parts = []
    for column, portable, exact, _ in columns:
        value = sql.SQL("{}.{}").format(ALIAS, sql.Identifier(str(column)))
        if not exact:
            value = sql.SQL('{}::pg_catalog.text COLLATE pg_catalog."C"').format(value)
        elif not portable:
            value = sql.SQL("{}::pg_catalog.text").format(value)
        parts.append(value)
    return sql.SQL("ROW({})").format(sql.SQL(", ").join(parts))


def hash_table(session: Session, schema: str, name: str) -> tuple[int, str]:
    """Exact number of the table's own rows, and the sum of their hashes."""
    row = session.execute(
        sql.SQL("SELECT count(*), coalesce(sum(pg_catalog.hash_record_extended({}, 0)), 0)::text FROM ONLY {} AS {}").format(
            row_hash(session, schema, name), sql.Identifier(schema, name), ALIAS
        )
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always answers with a row
    return int(row[0]), str(row[1])


def hash_large_objects(session: Session) -> tuple[int, str]:
    """Number of large objects, and the sum of the hashes of their pages; zeros that a restore writes into holes do not count."""
    row = session.execute(
        """
        SELECT (SELECT count(*) FROM pg_catalog.pg_largeobject_metadata),
               (SELECT coalesce(sum(pg_catalog.hash_record_extended(ROW(loid, pageno, content), 0)), 0)::text
                FROM (SELECT loid, pageno, pg_catalog.rtrim(data, '\\x00'::bytea) AS content FROM pg_catalog.pg_largeobject) page
                WHERE pg_catalog.length(content) > 0)
        """
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM answers with a row
    return int(row[0]), str(row[1])
