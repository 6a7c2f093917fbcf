"""Everything in a database that somebody made and that no ORM compares: views, functions, triggers, checks, extensions."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]


@dataclass(frozen=True, order=True)
class DatabaseObject:
    """An object by what it is and what it is called; its definition is not compared."""

    kind: str
    """`view`, `function`, `extension` …"""
    name: str
    """With what it belongs to; `schema.name` outside `public`."""
    namespace: str = "public"

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} {self.name}"


# What belongs to an extension is its affair, and an identity's or serial's sequence is the column's.
_OBJECTS = r"""
    WITH ours AS (
        SELECT oid, nspname, CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END AS prefix
          FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
    ), members AS (
        SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
    )
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                          ELSE 'sequence' END,
           n.prefix || c.relname, n.nspname
      FROM pg_class c JOIN ours n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('v', 'm', 'f', 'S') AND ('pg_class'::regclass, c.oid) NOT IN (TABLE members)
       AND NOT EXISTS (
           SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
              AND d.refclassid = 'pg_class'::regclass AND c.relkind = 'S'
       )
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
           n.prefix || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', n.nspname
      FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace WHERE ('pg_proc'::regclass, p.oid) NOT IN (TABLE members)
    UNION ALL
    SELECT 'trigger', n.prefix || c.relname || '.' || t.tgname, n.nspname
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN ours n ON n.oid = c.relnamespace
     WHERE NOT t.tgisinternal AND t.tgparentid = 0
    UNION ALL
    SELECT CASE k.contype WHEN 'c' THEN 'check constraint' ELSE 'exclusion constraint' END,
           n.prefix || c.relname || '.' || k.conname, n.nspname
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN ours n ON n.oid = c.relnamespace
     WHERE k.contype IN ('c', 'x') AND k.coninhcount = 0 AND ('pg_class'::regclass, c.oid) NOT IN (TABLE members)
    UNION ALL
    SELECT 'policy', n.prefix || c.relname || '.' || p.polname, n.nspname
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN ours n ON n.oid = c.relnamespace
    UNION ALL
    SELECT 'rule', n.prefix || c.relname || '.' || r.rulename, n.nspname
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN ours n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type' ELSE 'composite type' END,
           n.prefix || t.typname, n.nspname
      FROM pg_type t JOIN ours n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE (t.typtype IN ('d', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
       AND ('pg_type'::regclass, t.oid) NOT IN (TABLE members)
    UNION ALL
    SELECT 'event trigger', evtname, 'public' FROM pg_event_trigger
     WHERE ('pg_event_trigger'::regclass, oid) NOT IN (TABLE members)
    UNION ALL
    SELECT 'publication', pubname, 'public' FROM pg_publication
    UNION ALL
    SELECT 'extension', extname, 'public' FROM pg_extension WHERE extname <> 'plpgsql'
"""


def read_objects(connection: Connection) -> frozenset[DatabaseObject]:
    """All of them, in every schema that is not PostgreSQL's own."""
    return frozenset(DatabaseObject(kind, name, namespace) for kind, name, namespace in connection.execute(_OBJECTS.encode()))
