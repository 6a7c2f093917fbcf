-- What the database lacks of its declaration: one row each, none when all is there.
-- Lists come as JSON. A role that a check only predicts has no oid yet, and will have what PUBLIC has.
WITH login AS (SELECT r.oid, n.rolname FROM jsonb_array_elements_text(%(logins)s::jsonb) AS n (rolname)
               LEFT JOIN pg_roles r ON r.rolname = n.rolname),
     reader AS (SELECT l.* FROM login l WHERE %(readers)s::jsonb ? l.rolname::text),
     writer AS (SELECT l.* FROM login l WHERE %(writers)s::jsonb ? l.rolname::text AND l.rolname <> %(owner)s),
     relation AS (SELECT c.oid, c.relname, c.relkind FROM pg_class c
                  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'))
SELECT 'extension' AS what, name AS subject FROM jsonb_array_elements_text(%(extensions)s::jsonb) AS name
WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = name)
UNION ALL
SELECT 'membership', m.role || ' in ' || m.grp
FROM jsonb_each_text(%(members)s::jsonb) AS m (role, grp) JOIN login l ON l.rolname = m.role
WHERE pg_has_role(l.oid, m.grp, 'USAGE') IS NOT TRUE
UNION ALL
SELECT 'open to everybody', current_database()
WHERE %(managed)s AND (has_database_privilege('public', current_database(), 'CONNECT')
                       OR has_database_privilege('public', current_database(), 'TEMPORARY')
                       OR has_schema_privilege('public', 'public', 'CREATE'))
UNION ALL
SELECT 'connect', rolname FROM login
WHERE %(managed)s
  AND NOT coalesce(has_database_privilege(oid, current_database(), 'CONNECT'),
                   has_database_privilege('public', current_database(), 'CONNECT'))
UNION ALL
SELECT 'schema', rolname FROM (TABLE reader UNION ALL TABLE writer) AS r
WHERE %(managed)s AND NOT coalesce(has_schema_privilege(r.oid, 'public', 'USAGE'), has_schema_privilege('public', 'public', 'USAGE'))
UNION ALL
SELECT 'read', r.rolname || ' on ' || t.relname FROM reader r, relation t
WHERE %(managed)s
  AND CASE t.relkind WHEN 'S' THEN has_sequence_privilege(r.oid, t.oid, 'SELECT')
      ELSE has_table_privilege(r.oid, t.oid, 'SELECT') END IS NOT TRUE
UNION ALL
SELECT 'must not write', r.rolname || ' on ' || t.relname FROM reader r, relation t
WHERE %(managed)s AND t.relkind <> 'S' AND has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
UNION ALL
SELECT 'write', r.rolname || ' on ' || t.relname FROM writer r, relation t
WHERE %(managed)s AND CASE t.relkind
    WHEN 'S' THEN has_sequence_privilege(r.oid, t.oid, 'USAGE')
    ELSE has_table_privilege(r.oid, t.oid, 'SELECT') AND has_table_privilege(r.oid, t.oid, 'INSERT')
         AND has_table_privilege(r.oid, t.oid, 'UPDATE') AND has_table_privilege(r.oid, t.oid, 'DELETE') END IS NOT TRUE
UNION ALL
SELECT 'future tables', r.rolname || ' of ' || %(owner)s
FROM (SELECT oid, rolname, 'r' AS kind, 'SELECT' AS privilege FROM reader
      UNION ALL SELECT oid, rolname, 'S', 'SELECT' FROM reader
      UNION ALL SELECT oid, rolname, 'r', p FROM writer, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p
      UNION ALL SELECT oid, rolname, 'S', 'USAGE' FROM writer) AS r
WHERE %(managed)s AND NOT EXISTS (
    SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) AS a
    WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = %(owner)s) AND d.defaclnamespace = 'public'::regnamespace
      AND d.defaclobjtype::text = r.kind AND a.grantee = r.oid AND a.privilege_type = r.privilege)
