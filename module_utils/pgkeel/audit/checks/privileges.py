"""Who may do more than their work asks for."""

from __future__ import annotations

from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Scope, check

BOOTSTRAP_SUPERUSER = 10  # the oid that initdb gives


@check(
    "S06",
    "Only one superuser logs in",
    why="A superuser reads and writes every file that the server can: one leaked password is the whole machine.",
    priority=Priority.P1,
)
def superusers(context: Context) -> Iterable[Finding]:
    """Superusers that can log in, besides the one that initdb made."""
    for row in context.rows(
        "SELECT rolname AS role FROM pg_roles WHERE rolsuper AND rolcanlogin AND oid <> %(bootstrap)s ORDER BY 1",
        {"bootstrap": BOOTSTRAP_SUPERUSER},
    ):
        yield Finding(
            id="S06",
            priority=Priority.P1,
            subject=f"role {row['role']}",
            summary=f"Role {row['role']} is a superuser and can log in.",
            evidence={"superuser": True, "can_login": True},
            remedy=f"ALTER ROLE {quoted(row['role'])} NOSUPERUSER; and grant what it needs (pg_monitor, ownership, CREATEDB).",
            effort=Level.MEDIUM,
            risk=Level.MEDIUM,
        )


@check(
    "S07",
    "Not everybody creates objects in the schema public",
    why="Whoever may create there can put a function in front of one that other roles call.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def public_schema(context: Context) -> Iterable[Finding]:
    """The schema public grants CREATE to PUBLIC, as it did before PostgreSQL 15."""
    for _ in context.rows(
        """
        SELECT FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
         WHERE n.nspname = 'public' AND a.grantee = 0 AND a.privilege_type = 'CREATE'
        """
    ):
        yield Finding(
            id="S07",
            priority=Priority.P1,
            subject=context.name("public"),
            summary=f"Every role may create objects in the schema public of {context.database}.",
            evidence={"grantee": "PUBLIC", "privilege": "CREATE"},
            remedy="REVOKE CREATE ON SCHEMA public FROM PUBLIC; after granting it to the role that runs migrations.",
        )


@check(
    "S11",
    "Application tables do not belong to a superuser",
    why="Then migrations run as superuser, and every function and trigger of the application does too.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def superuser_tables(context: Context) -> Iterable[Finding]:
    """Tables of ordinary schemas that a superuser owns, extensions' tables left out."""
    row = context.rows(
        """
        SELECT count(*) AS tables, coalesce(min(format('%I.%I', n.nspname, t.relname)), '') AS example
          FROM pg_class t
          JOIN pg_namespace n ON n.oid = t.relnamespace
          JOIN pg_roles r ON r.oid = t.relowner
         WHERE t.relkind IN ('r', 'p', 'm') AND r.rolsuper AND t.relpersistence <> 't'
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.deptype = 'e')
        """
    )[0]
    if row["tables"] == 0:
        return
    yield Finding(
        id="S11",
        priority=Priority.P2,
        subject=f"database {context.database}",
        summary=f"{row['tables']} table(s) of {context.database} belong to a superuser.",
        evidence={"tables": row["tables"], "example": row["example"]},
        remedy=(
            "Make a role for migrations without login rights elsewhere, ALTER TABLE ... "
            "OWNER TO it, and run migrations as that role."
        ),
        effort=Level.MEDIUM,
        risk=Level.MEDIUM,
    )


@check(
    "S12",
    "Row security policies are in force",
    why="A policy on a table whose row security is off protects nothing.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def inert_policies(context: Context) -> Iterable[Finding]:
    """Tables with policies and row security off."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, t.relname AS table, count(*) AS policies
          FROM pg_policy p JOIN pg_class t ON t.oid = p.polrelid JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE NOT t.relrowsecurity GROUP BY 1, 2 ORDER BY 1, 2
        """
    ):
        yield Finding(
            id="S12",
            priority=Priority.P1,
            subject=context.name(row["schema"], row["table"]),
            summary=f"{row['table']} has {row['policies']} row security policy(ies), but row security is off.",
            evidence={"policies": row["policies"], "row_security": False},
            remedy=f"ALTER TABLE {quoted(row['schema'], row['table'])} ENABLE ROW LEVEL SECURITY; after testing the policies.",
            risk=Level.MEDIUM,
        )


@check(
    "S13",
    "No ordinary role reaches the server's files and programs",
    why="These memberships amount to superuser: a program run by the server can do whatever the server can.",
    priority=Priority.P1,
)
def server_access(context: Context) -> Iterable[Finding]:
    """Login roles, not superusers, that are members of the predefined roles for files and programs."""
    for row in context.rows(
        """
        SELECT r.rolname AS role, array_agg(g.rolname::text ORDER BY g.rolname) AS memberships
          FROM pg_roles r JOIN pg_roles g
            ON g.rolname IN ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
         WHERE r.rolcanlogin AND NOT r.rolsuper AND pg_has_role(r.oid, g.oid, 'MEMBER')
         GROUP BY 1 ORDER BY 1
        """
    ):
        yield Finding(
            id="S13",
            priority=Priority.P1,
            subject=f"role {row['role']}",
            summary=f"Role {row['role']} reaches the server's files or programs through {', '.join(row['memberships'])}.",
            evidence={"memberships": row["memberships"]},
            remedy=" ".join(f"REVOKE {quoted(name)} FROM {quoted(row['role'])};" for name in row["memberships"]),
            risk=Level.MEDIUM,
        )
