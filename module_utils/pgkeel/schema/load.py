"""Loading each side's SQL into a database of its own in a throwaway cluster, and reading what PostgreSQL made of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from ..errors import PgkeelError
from ..postgres.arguments import DEFAULT_BIN_DIR
from ..postgres.connect import connect
from ..postgres.proving_ground import Ground, ProvingGround, proving_ground
from .catalog import read_schema
from .compare import BY_DATABASE, Rejected
from .declared import ClientColumn, DeclaredTables
from .difference import Side
from .model import Column, Schema
from .objects import DatabaseObject, read_objects
from .unread import Refusal, Unread, apart, as_written, smaller

# The SQL is an application's: it runs as a role that may do nothing outside its own database.
AUTHOR = "pgkeel_author"
# What schemas use without creating it; those that the server does not have are left out.
EXTENSIONS = (
    "btree_gin",
    "btree_gist",
    "citext",
    "hstore",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "postgis",
    "unaccent",
    "uuid-ossp",
    "vector",
)
STATEMENT_TIMEOUT = "60s"
# drizzle-kit's form, see its statement for CREATE_REFERENCE.
_FOREIGN_KEY = re.compile(
    r'^ALTER TABLE (?:"(?P<schema>[^"]+)"\.)?"(?P<table>[^"]+)" ADD CONSTRAINT "[^"]+" FOREIGN KEY \((?P<columns>[^)]*)\)',
    re.DOTALL,
)
# drizzle-kit quotes the type of a customType that it does not know, length, schema and capitals too: `"bits" "varbit(16)"`.
_QUOTED_TYPE = re.compile(r'^(?P<column>\t"[^"]+" )"(?P<type>[A-Za-z][\w. ]*(?:\([\w, ]+\))?[\w ]*)"', re.MULTILINE)
# `prisma db pull` writes a computed column as a default that names other columns, which PostgreSQL refuses (0A000).
_NOT_SUPPORTED = "0A000"
_DEFAULT_OF_COLUMN = re.compile(r'^\s*"(?P<column>[^"]+)" (?:(?!DEFAULT ).)*(?P<default> DEFAULT .*?),?$')
_CREATE_TABLE = re.compile(r'^CREATE TABLE (?:"(?P<schema>[^"]+)"\.)?"(?P<table>[^"]+)" \($', re.MULTILINE)
# Codes of a foreign key that does not fit: datatype_mismatch, invalid_foreign_key, and undefined_table, _column and _schema.
_UNFIT = {"42804", "42830", "42P01", "42703", "3F000"}


@dataclass(frozen=True)
class Loaded:
    """A side as PostgreSQL sees it."""

    schema: Schema = field(default_factory=lambda: Schema({}))
    problem: str = ""
    """Why the SQL could not be loaded; empty when it could."""
    rejected: tuple[Rejected, ...] = ()
    objects: frozenset[DatabaseObject] = frozenset()
    """What it has beside tables and enums."""
    extended: Schema = field(default_factory=lambda: Schema({}))
    """With what was added after it had been read."""
    computed: frozenset[tuple[str, str]] = frozenset()
    """Tables and columns whose default cannot be one: the database computes them."""
    unread: tuple[Unread, ...] = ()
    """What this server cannot load."""


@dataclass(frozen=True)
class Bench:
    """Where to load."""

    base_dir: Path
    bin_dir: Path = Path(DEFAULT_BIN_DIR)


def load_all(
    bench: Bench, sides: Mapping[str, Sequence[str]], additions: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Loaded]:
    """Load each side's SQL scripts, in their order; by the side's name. Raises PgkeelError when no cluster can be started.

    `additions` are statements to run once a side was read, to see what they add; one that fails adds nothing.
    """
    if not sides:
        return {}
    with proving_ground(Ground(base_dir=bench.base_dir, bin_dir=bench.bin_dir, shared_buffers="32MB")) as ground:
        with connect(ground.login()) as admin:
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(AUTHOR)))
            admin.execute("CREATE DATABASE pgkeel_template")
            with connect(ground.login("pgkeel_template")) as template:
                _create_extensions(template)
            for name in sides:
                statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE pgkeel_template STRATEGY file_copy")
                admin.execute(statement.format(sql.Identifier(name), sql.Identifier(AUTHOR)))
        return {name: _load(ground, name, scripts, (additions or {}).get(name, ())) for name, scripts in sides.items()}


def with_client(
    schema: Schema, tables: Mapping[str, Mapping[str, ClientColumn]], computed: Collection[tuple[str, str]] = ()
) -> Schema:
    """The schema with what the ORM's client, or the database by itself, does beside the defaults."""

    def column(table: str, one: Column) -> Column:
        if (table, one.name) in computed:
            return replace(one, client=BY_DATABASE)
        client = tables.get(table, {}).get(one.name)
        return replace(one, client=client.fills, on_update=client.on_update) if client else one

    return replace(
        schema,
        tables={
            name: replace(table, columns={key: column(name, one) for key, one in table.columns.items()})
            for name, table in schema.tables.items()
        },
    )


def without_computed(script: str, position: int) -> tuple[str, tuple[str, str]] | None:
    """The script without the default that PostgreSQL refused at this character (from 1), and its table and column.

    None where no column of a CREATE TABLE, as Prisma writes it, stands there.
    """
    start, end = script.rfind("\n", 0, position - 1) + 1, script.find("\n", position - 1)
    line = _DEFAULT_OF_COLUMN.match(script[start:end])
    tables = list(_CREATE_TABLE.finditer(script, 0, start))
    if line is None or not tables:
        return None
    schema, table = tables[-1]["schema"], tables[-1]["table"]
    name = table if schema in (None, "public") else f"{schema}.{table}"
    shorter = script[: start + line.start("default")] + script[start + line.end("default") :]
    return shorter, (name, line["column"])


def statements_of(declared: DeclaredTables) -> list[str]:
    """The scripts of a side: foreign keys apart, so that one that does not fit is a finding and not the end."""
    text = _QUOTED_TYPE.sub(lambda found: found["column"] + _type(found["type"], declared.sql), declared.sql)
    # Not splitlines(): a default may hold other line ends.
    lines = text.split("\n")
    keys = [line for line in lines if _FOREIGN_KEY.match(line)]
    return ["\n".join(line for line in lines if line not in keys), *keys]


def _type(name: str, script: str) -> str:
    """Without the quotes that make it a name which PostgreSQL does not have; with them where the schema may have it."""
    own = f'"{name}" AS ENUM' in script
    return name if not own and (re.search(r"[(. ]", name) or name.isupper()) else f'"{name}"'


def _create_extensions(session: psycopg.Connection[TupleRow]) -> None:
    available = "SELECT name FROM pg_available_extensions WHERE name = ANY(%s) ORDER BY name"
    for (extension,) in session.execute(available, (list(EXTENSIONS),)).fetchall():
        session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(sql.Identifier(extension)))


def _load(ground: ProvingGround, name: str, scripts: Sequence[str], additions: Sequence[str]) -> Loaded:
    rejected: list[Rejected] = []
    computed: set[tuple[str, str]] = set()
    unread: list[Unread] = []
    tools = [side.value for side in (Side.PRISMA, Side.DRIZZLE)]
    login = replace(ground.login(name), user=AUTHOR)
    with connect(login) as session:
        session.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)))
        # Migrations are a person's SQL, and run as they are.
        pending = [piece for script in scripts for piece in apart(script)] if name in tools else list(scripts)
        while pending:
            script = pending.pop(0)
            try:
                session.execute(script.encode())
            except psycopg.Error as error:
                refused = name == Side.PRISMA and error.sqlstate == _NOT_SUPPORTED and error.diag.statement_position
                shorter = without_computed(script, int(error.diag.statement_position or 0)) if refused else None
                if shorter:
                    pending.insert(0, shorter[0])
                    computed.add(shorter[1])
                    continue
                cut = smaller(script, _refusal(error)) if name in tools else None
                if cut:
                    pending[:0] = [cut[0]] if cut[0] else []
                    unread += [cut[1]] if cut[1] else []
                    continue
                key = _FOREIGN_KEY.match(script)
                if key is None or error.sqlstate not in _UNFIT:
                    return Loaded(problem=_reason(error))
                table = f"{key['schema']}.{key['table']}" if key["schema"] not in (None, "public") else key["table"]
                columns = tuple(re.findall(r'"([^"]+)"', key["columns"]))
                rejected.append(Rejected(table, columns, _reason(error)))
        read, objects = read_schema(session), read_objects(session)
        for addition in additions:
            with suppress(psycopg.Error):
                session.execute(addition.encode())
        extended = read_schema(session) if additions else read
        read, extended = as_written(read, unread), as_written(extended, unread)
        return Loaded(read, "", tuple(rejected), objects, extended, frozenset(computed), tuple(unread))


def _refusal(error: psycopg.Error) -> Refusal:
    return Refusal(error.sqlstate or "", error.diag.message_primary or str(error), int(error.diag.statement_position or 0))


def _reason(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return f"PostgreSQL refused its SQL: {message}{detail}"


def require_some(sides: int) -> None:
    """Raise PgkeelError unless there are two sides to compare."""
    if sides < 2:  # noqa: PLR2004 - a comparison has two sides
        raise PgkeelError(
            "There is nothing to compare: fewer than two sides were given",
            "Give two or more of schema_audit_prisma, schema_audit_drizzle, schema_audit_kysely and schema_audit_live=true",
        )
