-- Whether all of find_login.sql holds; the body is compared word for word.
SELECT
  EXISTS (SELECT FROM pg_authid WHERE rolname = 'pgbouncer' AND rolcanlogin AND rolpassword IS NULL
          AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR rolinherit))
  AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgbouncer' AND n.nspowner = 'postgres'::regrole
              AND NOT has_schema_privilege('public', n.oid, 'USAGE')
              AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS a
                          WHERE pg_get_userbyid(a.grantee) = 'pgbouncer' AND a.privilege_type = 'USAGE'))
  AND EXISTS (
    SELECT FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid = to_regprocedure('pgbouncer.find_login(text)') AND l.lanname = 'sql' AND p.prosecdef AND p.provolatile = 's'
      AND p.proowner = 'postgres'::regrole AND p.proconfig = '{"search_path=pg_catalog, pg_temp"}'
      AND p.prosrc = %(body)s
      AND (SELECT array_agg(pg_get_userbyid(a.grantee)::text ORDER BY 1) FROM aclexplode(p.proacl) AS a
           WHERE a.grantee <> p.proowner) = '{pgbouncer}')
  AS holds
