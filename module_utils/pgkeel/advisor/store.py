"""The schema ``pgkeel`` in a database: what the architect keeps there between runs."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from ..errors import PgkeelError

# One entry a version; what has been released is never changed, only followed. Nothing here holds a statement's literals.
_VERSIONS: tuple[LiteralString, ...] = (
    """
    CREATE TABLE pgkeel.workload_snapshot (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      database text NOT NULL,
      taken_at timestamptz NOT NULL,
      counters_since timestamptz NOT NULL,
      evictions bigint NOT NULL
    );
    CREATE INDEX workload_snapshot_taken ON pgkeel.workload_snapshot (database, taken_at);
    CREATE TABLE pgkeel.workload_entry (
      snapshot bigint NOT NULL REFERENCES pgkeel.workload_snapshot ON DELETE CASCADE,
      query_id bigint NOT NULL,
      user_id oid NOT NULL,
      toplevel boolean NOT NULL,
      calls bigint NOT NULL,
      total_ms double precision NOT NULL,
      rows bigint NOT NULL,
      blocks_hit bigint NOT NULL,
      blocks_read bigint NOT NULL,
      since timestamptz NOT NULL,
      PRIMARY KEY (snapshot, query_id, user_id, toplevel)
    );
    COMMENT ON TABLE pgkeel.workload_snapshot IS 'When the counters of pg_stat_statements were written down';
    COMMENT ON TABLE pgkeel.workload_entry IS 'The counters of one statement, user and level at that time; no text';
    """,
    """
    CREATE TABLE pgkeel.optimization_log (
      id text PRIMARY KEY DEFAULT gen_random_uuid(),
      "queryText" text NOT NULL,
      recommendation text NOT NULL,
      "performanceGain" double precision,
      confidence double precision NOT NULL,
      source text NOT NULL,
      metadata jsonb,
      "createdAt" timestamptz NOT NULL DEFAULT now(),
      "appliedAt" timestamptz
    );
    CREATE INDEX optimization_log_created ON pgkeel.optimization_log ("createdAt");
    CREATE TABLE pgkeel.recommendation (
      fingerprint text PRIMARY KEY,
      log_table text NOT NULL,
      log_id text NOT NULL,
      state text NOT NULL,
      first_at timestamptz NOT NULL DEFAULT now(),
      seen_at timestamptz NOT NULL DEFAULT now(),
      changed_at timestamptz NOT NULL DEFAULT now(),
      details jsonb NOT NULL
    );
    COMMENT ON TABLE pgkeel.optimization_log IS 'What was advised and what became of it, where the application has no such table';
    COMMENT ON TABLE pgkeel.recommendation IS 'Where each recommendation stands; log_table and log_id lead to its row there';
    """,
    """
    CREATE TABLE pgkeel.index_seen (
      index_id oid PRIMARY KEY,
      index_name name NOT NULL,
      first_seen timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE pgkeel.index_seen IS 'When a run first saw each index: one without a read may be too young for one';
    """,
)
WITH_LOG = 2
"""The version that brought the log and its register."""
WITH_INDEXES = 3
"""And what is known of the age of indexes."""

SCHEMA = "pgkeel"


def installed_version(connection: psycopg.Connection[Any]) -> int:
    """How far the schema has come; 0 where it is not there. Reads only.

    Raises PgkeelError when a newer pgkeel made it, or somebody else did.
    """
    owner = connection.execute(
        """
        SELECT r.rolname::text, r.rolsuper OR r.rolname = current_user
          FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'pgkeel'
        """
    ).fetchone()
    if owner is None:
        return 0
    if not owner[1]:
        # A table of somebody else may carry a trigger that runs with the rights of whoever writes to it.
        raise PgkeelError(
            f"The schema pgkeel belongs to {owner[0]}, and is not pgkeel's own",
            "Rename or drop it, or give it to the role that pgkeel logs in as: ALTER SCHEMA pgkeel OWNER TO …",
        )
    if connection.execute("SELECT to_regclass('pgkeel.version')").fetchone() == (None,):
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM pgkeel.version").fetchone()
    version = int(row[0]) if row else 0
    if version > len(_VERSIONS):
        raise PgkeelError(
            f"The schema pgkeel is at version {version}, this pgkeel at {len(_VERSIONS)}",
            "Run the newer pgkeel that made it",
        )
    return version


def ensure_store(connection: psycopg.Connection[Any]) -> int:
    """Create the schema, or bring it up to date; one transaction, safe beside another run. Returns how many steps it took.

    Only its owner may look into it: nothing is granted, and PUBLIC has nothing. Raises PgkeelError on a standby, where the
    role may not create a schema, or as ``installed_version`` does.
    """
    if connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone() == (True,):
        raise PgkeelError("This server is a standby, where nothing can be kept", "Run against its primary")
    if installed_version(connection) == len(_VERSIONS):
        return 0
    try:
        with connection.transaction():
            connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgkeel store', 0))")
            connection.execute("CREATE SCHEMA IF NOT EXISTS pgkeel")
            connection.execute("REVOKE ALL ON SCHEMA pgkeel FROM PUBLIC")
            connection.execute(
                """
                CREATE TABLE IF NOT EXISTS pgkeel.version (
                  number integer PRIMARY KEY, installed_at timestamptz NOT NULL DEFAULT now())
                """
            )
            done = installed_version(connection)
            for number, statements in enumerate(_VERSIONS[done:], start=done + 1):
                connection.execute(statements)
                connection.execute("INSERT INTO pgkeel.version (number) VALUES (%s)", [number])
            return len(_VERSIONS) - done
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgkeelError(
            f"Role {connection.info.user} may not create the schema pgkeel in {connection.info.dbname}",
            "Log in as the database's owner or a superuser, or GRANT CREATE ON DATABASE",
        ) from error


def is_current(connection: psycopg.Connection[Any]) -> bool:
    """Whether ``ensure_store`` would have nothing to do. Raises PgkeelError as ``installed_version`` does."""
    return installed_version(connection) == len(_VERSIONS)
