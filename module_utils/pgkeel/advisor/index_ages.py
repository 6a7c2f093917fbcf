"""How long an index has been there at least: PostgreSQL does not say, so each run writes down what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from .store import WITH_INDEXES, ensure_store, installed_version


def note_indexes(connection: psycopg.Connection[Any]) -> None:
    """Write down the indexes that were not there before, and forget those that are gone; one transaction.

    Known by oid and name: a rolling index that was swapped has the name of the old one and another oid, and an oid may be given
    out again. Creates the schema where it is missing.
    """
    ensure_store(connection)
    with connection.transaction():
        connection.execute(
            """
            DELETE FROM pgkeel.index_seen s
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                                WHERE c.oid = s.index_id AND c.relkind = 'i' AND c.relname = s.index_name)
            """
        )
        connection.execute(
            r"""
            INSERT INTO pgkeel.index_seen (index_id, index_name)
            SELECT c.oid, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind = 'i' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            ON CONFLICT (index_id) DO NOTHING
            """
        )


def read_index_ages(connection: psycopg.Connection[Any]) -> Mapping[tuple[str, str], float]:
    """Days since an earlier run first saw each index, by schema and name; an index that none saw is not in it. Reads only."""
    if installed_version(connection) < WITH_INDEXES:
        return {}
    rows = connection.execute(
        """
        SELECT n.nspname::text, c.relname::text, extract(epoch FROM now() - s.first_seen)::float8 / 86400
          FROM pgkeel.index_seen s
          JOIN pg_catalog.pg_class c ON c.oid = s.index_id AND c.relname = s.index_name AND c.relkind = 'i'
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        """
    )
    return {(schema, name): days for schema, name, days in rows}
