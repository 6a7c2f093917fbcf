"""How much of a database pg_dump has read, from what the server says of its COPY."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login, connect

# pg_dump reads the tables in the order of their names, in its bytes: type "name" sorts the same way.
SHARE = """
  WITH part AS (
    SELECT c.oid, pg_catalog.pg_table_size(c.oid) AS bytes,
           sum(pg_catalog.pg_table_size(c.oid)) OVER (ORDER BY n.nspname, c.relname) AS upto
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  )
  SELECT (100 * (part.upto - part.bytes + least(p.bytes_processed, part.bytes))
          / greatest((SELECT sum(bytes) FROM part), 1))::int
  FROM pg_catalog.pg_stat_progress_copy p
  JOIN pg_catalog.pg_stat_activity a ON a.pid = p.pid AND a.application_name = 'pgkeel program'
  JOIN part ON part.oid = p.relid
  WHERE p.datname = current_database() AND p.command = 'COPY TO'
"""


def dumped_percent(login: Login) -> int | None:
    """About how much, while a table is read; None between tables, before the first and after the last."""
    with suppress(PgkeelError, psycopg.Error), connect(login, application_name="pgkeel progress") as session:
        session.execute("SET statement_timeout = '5s'")
        row = session.execute(SHARE).fetchone()
        return None if row is None else int(row[0])
    return None
