"""Functions and languages that lend their rights to others."""

from __future__ import annotations

from collections.abc import Iterable

from ...report.finding import Finding, Level, Priority
from ..context import Context
from ..registry import Scope, check


@check(
    "S08",
    "SECURITY DEFINER functions pin their search_path",
    why="Otherwise the caller chooses which objects the function finds, and they run with the owner's rights.",
    priority=Priority.P1,
    scope=Scope.DATABASE,
)
def security_definer(context: Context) -> Iterable[Finding]:
    """SECURITY DEFINER routines that others may call and that set no search_path; extensions' own are left out."""
    for row in context.rows(
        """
        SELECT n.nspname AS schema, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
               r.rolname AS owner, r.rolsuper AS superuser,
               CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS kind
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
         WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search\\_path=%')
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
         ORDER BY 1, 2, 3
        """
    ):
        signature = f"{context.name(row['schema'], row['name'])}({row['arguments']})"
        yield Finding(
            id="S08",
            priority=Priority.P1,
            subject=signature,
            summary=f"{row['name']} runs with the rights of {row['owner']} and lets its caller choose the search_path.",
            evidence={"owner": row["owner"], "owner_is_superuser": row["superuser"]},
            remedy=f"ALTER {row['kind']} {signature.partition(': ')[2]} SET search_path = pg_catalog, <its schema>, pg_temp;",
        )


@check(
    "S10",
    "No untrusted language is installed",
    why="A function in such a language runs programs and reads files as the server's operating system user.",
    priority=Priority.P2,
    scope=Scope.DATABASE,
)
def untrusted_languages(context: Context) -> Iterable[Finding]:
    """Untrusted procedural languages besides the built-in ones."""
    for row in context.rows(
        """
        SELECT l.lanname AS language, (SELECT count(*) FROM pg_proc p WHERE p.prolang = l.oid) AS functions
          FROM pg_language l WHERE l.lanispl AND NOT l.lanpltrusted ORDER BY 1
        """
    ):
        yield Finding(
            id="S10",
            priority=Priority.P2,
            subject=context.name(row["language"]),
            summary=f"The untrusted language {row['language']} is installed in {context.database}.",
            evidence={"functions": row["functions"]},
            remedy=f"If no function needs it: DROP EXTENSION or DROP LANGUAGE {row['language']};",
            risk=Level.MEDIUM,
        )
