-- How pgbouncer learns whether a login exists, and its SCRAM verifier, without reading pg_authid itself.
-- Run in one transaction; what holds already is left as it is.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'pgbouncer') THEN
    CREATE ROLE pgbouncer;
  END IF;
END $$;
ALTER ROLE pgbouncer LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT PASSWORD NULL;
CREATE SCHEMA IF NOT EXISTS pgbouncer;
ALTER SCHEMA pgbouncer OWNER TO postgres;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer;
CREATE OR REPLACE FUNCTION pgbouncer.find_login(wanted text, OUT login text, OUT verifier text) RETURNS SETOF record
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
  SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid
  WHERE rolname = wanted AND rolcanlogin AND NOT rolsuper AND NOT rolreplication
    AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())
$body$;
ALTER FUNCTION pgbouncer.find_login(text) OWNER TO postgres;
REVOKE ALL ON FUNCTION pgbouncer.find_login(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.find_login(text) TO pgbouncer;
