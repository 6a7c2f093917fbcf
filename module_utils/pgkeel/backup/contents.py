"""What a database holds, as far as a restored copy is compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from .catalog_digest import read_catalog
from .content_hash import hash_large_objects, hash_table

Session = psycopg.Connection[TupleRow]
# A LOCK statement of ten thousand tables would be unreadable in the server log.
LOCKS_A_STATEMENT = 200


@dataclass(frozen=True, order=True)
class TableContent:
    """An ordinary table or a leaf partition, its exact number of rows, and the hash of all of them."""

    schema: str
    name: str
    rows: int
    hash: str
    """See content_hash; empty where rows were only counted."""

    @property
    def label(self) -> str:
        """For people: ``public.User``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, order=True)
class MaterializedView:
    """A restore computes its rows anew, so only whether it holds any is compared."""

    schema: str
    name: str
    populated: bool


@dataclass(frozen=True, order=True)
class Sequence:
    """A sequence and how far it has come."""

    schema: str
    name: str
    last_value: int | None
    """The last one given; of one never used that before its first. None in older manifests, and of unlogged ones: never used."""
    increment: int
    cycles: bool


@dataclass(frozen=True)
class Contents:
    """Everything that is compared, in a fixed order."""

    tables: tuple[TableContent, ...]
    materialized_views: tuple[MaterializedView, ...]
    sequences: tuple[Sequence, ...]
    extensions: dict[str, str]
    """Version by name."""
    collations: dict[str, str]
    """Version that the operating system or ICU gives, by collation; ``database`` is the database's own."""
    large_objects: int
    large_objects_hash: str
    catalog: dict[str, str]
    """Digest by object: definition, owner, privileges, comment; roles too."""
    unvalidated_constraints: tuple[str, ...]
    """``schema.table.constraint``"""

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


def list_tables(session: Session) -> list[tuple[str, str]]:
    """Schema and name of every table whose rows a dump carries, sorted.

    Tables that belong to an extension are left out, for a dump carries no rows of them, except those that the extension itself
    declares as its configuration.
    """
    rows = session.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r'
          AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
              AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
              AND d.objid = c.oid
              AND d.deptype = 'e'
              AND NOT c.oid = ANY (coalesce(e.extconfig, '{}'))
          )
        ORDER BY 1, 2
        """
    ).fetchall()
    return [(str(schema), str(name)) for schema, name in rows]


def lock_tables(session: Session, tables: list[tuple[str, str]]) -> None:
    """Hold ACCESS SHARE on every table until the transaction ends.

    TRUNCATE is visible to older snapshots: without the lock, one that comes between the dump and the count makes them differ.
    """
    for begin in range(0, len(tables), LOCKS_A_STATEMENT):
        some = tables[begin : begin + LOCKS_A_STATEMENT]
        names = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(*table)) for table in some)
        session.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))


def read_table(session: Session, schema: str, name: str, *, hashed: bool = True) -> TableContent:
    """Count one table's own rows, exactly, and hash them."""
    if hashed:
        return TableContent(schema, name, *hash_table(session, schema, name))
    row = session.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, name))).fetchone()
    assert row is not None  # noqa: S101 - count(*) always answers with a row
    return TableContent(schema, name, int(row[0]), "")


def read_sequences(session: Session) -> Iterator[Sequence]:
    """Every sequence, sorted. Sequences do not obey snapshots: read them before the dump does, and compare with >=."""
    rows = session.execute(
        """
        SELECT n.nspname, c.relname, pg_catalog.pg_sequence_last_value(c.oid), s.seqincrement, s.seqcycle, c.relpersistence = 'p'
        FROM pg_catalog.pg_sequence s
        JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
          )
        ORDER BY 1, 2
        """
    ).fetchall()
    for schema, name, last_value, increment, cycles, logged in rows:
        reached = None if last_value is None else int(last_value)
        # A standby refuses to read one that is not logged.
        if reached is None and logged:
            reached = _before_the_first(session, schema, name, increment)
        yield Sequence(str(schema), str(name), reached, int(increment), bool(cycles))


def _before_the_first(session: Session, schema: str, name: str, increment: int) -> int | None:
    """Of a sequence that gave no value yet, which setval and RESTART can make begin anywhere."""
    row = session.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(schema, name))).fetchone()
    if row is None:
        return None
    # Somebody may have used it meanwhile.
    return int(row[0]) if row[1] else int(row[0]) - int(increment)


def read_contents(session: Session, sequences: tuple[Sequence, ...] | None = None, *, hashed: bool = True) -> Contents:
    """Read everything, the rows of every table counted and hashed; in the caller's transaction if there is one.

    The session must have gone through ``fix_output``. ``sequences`` are taken as they are when they were read earlier.
    """
    # Before the rows, which may take hours: PostgreSQL tells definitions as they are now, whatever the snapshot, and pg_dump asks
    # for them in its first seconds. A function or view that somebody replaces meanwhile would be another than the one dumped.
    catalog = read_catalog(session)
    tables = tuple(read_table(session, *table, hashed=hashed) for table in list_tables(session))
    views = session.execute(
        """
        SELECT n.nspname, c.relname, c.relispopulated
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm'
          AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
          )
        ORDER BY 1, 2
        """
    ).fetchall()
    extensions = session.execute("SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1").fetchall()
    objects, objects_hash = hash_large_objects(session)
    constraints = session.execute(
        """
        SELECT n.nspname || '.' || c.relname || '.' || k.conname
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT k.convalidated
        ORDER BY 1
        """
    ).fetchall()
    return Contents(
        tables=tables,
        materialized_views=tuple(MaterializedView(str(schema), str(name), bool(full)) for schema, name, full in views),
        sequences=tuple(read_sequences(session)) if sequences is None else sequences,
        extensions={str(name): str(version) for name, version in extensions},
        collations=read_collations(session),
        large_objects=objects,
        large_objects_hash=objects_hash,
        catalog=catalog,
        unvalidated_constraints=tuple(str(name) for (name,) in constraints),
    )


def read_collations(session: Session) -> dict[str, str]:
    """The versions that sorting depends on: of the database, and of collations that columns use which a restore has too."""
    rows = session.execute(
        """
        SELECT 'database', pg_catalog.pg_database_collation_actual_version(oid)
        FROM pg_catalog.pg_database WHERE datname = current_database()
        UNION ALL
        SELECT pg_catalog.format('%I.%I', n.nspname, o.collname), pg_catalog.pg_collation_actual_version(o.oid)
        FROM pg_catalog.pg_collation o
        JOIN pg_catalog.pg_namespace n ON n.oid = o.collnamespace
        WHERE o.oid IN (
          SELECT a.attcollation
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
          WHERE a.attrelid >= 16384 AND NOT a.attisdropped AND c.relpersistence <> 't'
        )
        """
    )
    return {str(name): str(version) for name, version in rows if version is not None}
