"""Healthy databases of odd shapes pass their drill: what a dump does not carry, or a restore orders anew, is no damage.

Shapes that do not hide each other share a database, for a drill takes seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from integration.backup_bench import Bench
from pgkeel.objectstore.store import Store

ROWS = "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept SELECT generate_series(1, 50);"
VIEW_OPTIONS = """
    CREATE VIEW checked AS SELECT id FROM kept WHERE id > 0 WITH LOCAL CHECK OPTION;
    ALTER VIEW checked SET (security_invoker = true);
"""
INHERITANCE = """
    CREATE TABLE parent (a int);
    CREATE TABLE child (own text, other int) INHERITS (parent);
    ALTER TABLE parent ADD COLUMN later int DEFAULT 5;
    INSERT INTO child (a, own, other) VALUES (1, 'x', 2), (2, 'y', 3);
"""
FOREIGN_KEY_TO_PARTITIONS = """
    CREATE TABLE customer (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE invoice (customer int REFERENCES customer);
    CREATE TABLE customer_2 PARTITION OF customer FOR VALUES FROM (100) TO (200);
    CREATE TABLE customer_1 PARTITION OF customer FOR VALUES FROM (0) TO (100);
    INSERT INTO customer VALUES (1), (101);
    INSERT INTO invoice VALUES (1), (101), (101);
"""
COLLATION_OF_A_DROPPED_COLUMN = """
    CREATE TABLE sorted (a int, w text COLLATE pg_catalog."de-x-icu");
    ALTER TABLE sorted DROP COLUMN w;
"""
REPLICA_IDENTITY_BY_A_DROPPED_INDEX = """
    CREATE TABLE followed (a int NOT NULL, b int);
    CREATE UNIQUE INDEX followed_a ON followed (a);
    ALTER TABLE followed REPLICA IDENTITY USING INDEX followed_a;
    DROP INDEX followed_a;
    INSERT INTO followed VALUES (1, 1), (2, 2);
"""
# The smallest tables, at which the negative control begins: the rows of two have no hash, and the third's cannot be deleted.
NOTHING_TO_HASH = """
    CREATE TABLE blank (); INSERT INTO blank DEFAULT VALUES;
    CREATE TABLE n (a int); INSERT INTO n VALUES (NULL);
"""
TRIGGER_THAT_ALWAYS_FORBIDS = """
    CREATE TABLE for_ever (a int PRIMARY KEY); INSERT INTO for_ever VALUES (1);
    CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
    CREATE TRIGGER never BEFORE DELETE ON for_ever FOR EACH ROW EXECUTE FUNCTION never();
    ALTER TABLE for_ever ENABLE ALWAYS TRIGGER never;
"""
PUBLICATIONS = """
    CREATE TABLE told (gone int, id int PRIMARY KEY, word text);
    ALTER TABLE told DROP COLUMN gone;
    INSERT INTO told VALUES (1, 'a'), (2, 'b');
    CREATE PUBLICATION some_columns FOR TABLE told (id);
    CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA public;
"""
DOTS = """
    CREATE SCHEMA "public.b"; CREATE TABLE "public.b".c (x int); CREATE VIEW public."b.c" AS SELECT 1 AS x;
"""
SETTINGS_OF_THE_DATABASE = r"""
    DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
                  EXECUTE format('ALTER DATABASE %I SET quote_all_identifiers = on', current_database()); END $do$;
    CREATE TABLE worded (w text CHECK (w ~ '^\w+$')); INSERT INTO worded VALUES ('a');
"""
PUBLIC_DROPPED = "DROP SCHEMA public; CREATE SCHEMA app; SET search_path = app;"
PUBLIC_ANEW = "DROP SCHEMA public; CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'standard public schema';"
LOGIN_TRIGGER = """
    CREATE TABLE logins (t timestamptz);
    CREATE FUNCTION log_login() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.logins VALUES (now()); END';
    CREATE EVENT TRIGGER log_login ON login EXECUTE FUNCTION log_login();
"""
# Its table is not found by the empty search_path of a restore.
DDL_TRIGGER = """
    CREATE TABLE ddl_log (t text);
    CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO ddl_log VALUES (tg_tag); END';
    CREATE EVENT TRIGGER log_ddl ON ddl_command_end EXECUTE FUNCTION log_ddl();
"""
TABLES = (
    VIEW_OPTIONS, INHERITANCE, FOREIGN_KEY_TO_PARTITIONS, COLLATION_OF_A_DROPPED_COLUMN, REPLICA_IDENTITY_BY_A_DROPPED_INDEX,
    NOTHING_TO_HASH, TRIGGER_THAT_ALWAYS_FORBIDS,
)  # fmt: skip
DATABASES = {
    "tables": ROWS + "".join(TABLES),
    "publications, dots, settings": ROWS + PUBLICATIONS + DOTS + SETTINGS_OF_THE_DATABASE,
    "public dropped": PUBLIC_DROPPED + ROWS,
    "public anew": PUBLIC_ANEW + ROWS,
    "event triggers": ROWS + LOGIN_TRIGGER + DDL_TRIGGER,
}


@pytest.mark.parametrize("shape", DATABASES)
def test_a_healthy_backup_passes(
    server: Any, store: Store, database: Callable[..., str], connection: Callable[..., psycopg.Connection], shape: str
) -> None:
    # libpq takes a bare name with an equals sign for a connection string.
    name = database("host=odd a")
    with connection(name) as session:
        session.execute(DATABASES[shape])
    # In production's own cluster the event triggers of the copy are kept from firing in another way.
    require_pass(Bench(server, store, name), *(("cluster", "database") if shape == "event triggers" else ("cluster",)))


def test_a_database_that_takes_any_bytes_passes(server: Any, store: Store, connection: Callable[..., psycopg.Connection]) -> None:
    name = f"odd_{secrets.token_hex(4)}"
    with connection() as admin:
        locale = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' {locale}")
        try:
            with connection(name, client_encoding="SQL_ASCII") as session:
                session.execute(ROWS.encode())
                session.execute('CREATE TABLE "na\u00efve" (w text)'.encode())
                # Latin 1, in what is defined and in a row.
                session.execute(b"CREATE VIEW cafe AS SELECT 'caf\xe9'::text AS w")
                session.execute(b"INSERT INTO \"na\xc3\xafve\" VALUES ('caf\xe9')")
            require_pass(Bench(server, store, name), "cluster", "database")
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def require_pass(bench: Bench, *targets: str) -> None:
    taken = bench.backup()
    assert not taken["failed"], taken
    for target in targets:
        found = bench.drill(target=target)
        assert found["verdict"] == "PASS", (target, found["reason"])
