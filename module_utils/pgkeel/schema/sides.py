"""Reading every side of the audit: what each was, or why it could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from .catalog import read_schema
from .declared import Declarations
from .difference import Side
from .live import BOOKKEEPING, Production, read_production
from .load import Bench, Loaded, load_all, statements_of, with_client
from .model import Schema, TypedSchema
from .objects import DatabaseObject, read_objects
from .unmigrated import Declared


@dataclass(frozen=True)
class Request:
    """What to audit, and where."""

    declarations: Declarations
    bench: Bench
    live: Login | None = None
    """The production database; None to leave it out."""
    migrations: Mapping[str, str] | None = None
    """SQL by the name of the migration's folder; None when the application's migrations were not given."""
    index_tables: tuple[str, ...] = ("BehaviorLog",)
    declared: Declared = field(default_factory=Declared)
    """What the inventory declares of the live database."""


@dataclass
class Known:
    """Each side as it was read, or why it was not."""

    schemas: dict[Side, Schema] = field(default_factory=dict)
    problems: dict[Side, str] = field(default_factory=dict)
    loaded: dict[Side, Loaded] = field(default_factory=dict)
    types: TypedSchema | None = None
    production: Production | None = None
    objects: frozenset[DatabaseObject] = frozenset()
    """Of the live database, beside tables and enums."""
    migrated: Loaded | None = None
    elsewhere: tuple[str, ...] = ()
    """Tables of the live database in schemas that no ORM manages."""

    @property
    def sides(self) -> list[Side]:
        """Those that were asked for, in the order of truth."""
        asked = {*self.schemas, *self.problems, *([Side.KYSELY] if self.types else [])}
        return [side for side in Side if side in asked]


def read(request: Request) -> Known:
    """Load the declarations into throwaway databases and read the live one.

    Raises PgkeelError when no throwaway cluster can be started; a side that cannot be read is a problem, not an error.
    """
    known, declared = Known(), request.declarations
    scripts: dict[str, Sequence[str]] = {}
    for side, tables in ((Side.PRISMA, declared.prisma), (Side.DRIZZLE, declared.drizzle)):
        if tables and tables.problem:
            known.problems[side] = tables.problem
        elif tables:
            scripts[side.value] = statements_of(tables) if side is Side.DRIZZLE else [tables.sql]
    if request.migrations:
        scripts["migrations"] = [request.migrations[name] for name in sorted(request.migrations)]
    wanted = [one.statement for one in request.declared.indexes if one.present] if request.live else []
    loaded = load_all(request.bench, scripts, {"migrations" if request.migrations else Side.PRISMA.value: wanted})
    known.migrated = loaded.pop("migrations", None)
    for name, found in loaded.items():
        _keep(known, declared, Side(name), found)
    if declared.kysely:
        if declared.kysely.problem:
            known.problems[Side.KYSELY] = declared.kysely.problem
        else:
            known.types = declared.kysely.types
    if request.live:
        _read_live(known, request.live)
    return known


def _keep(known: Known, declared: Declarations, side: Side, found: Loaded) -> None:
    """What a side's SQL came to, or why it says nothing; a table that the ORM knows and its tool left out is such a reason."""
    known.loaded[side] = found
    tables = declared.prisma if side is Side.PRISMA else declared.drizzle
    clients = tables.tables if tables else {}
    lost = sorted(set(clients) - set(found.schema.tables))
    if found.problem:
        known.problems[side] = found.problem
    elif lost:
        known.problems[side] = f"its tool gave no SQL for {', '.join(lost)}"
    else:
        known.schemas[side] = with_client(found.schema, clients, found.computed)


def _read_live(known: Known, login: Login) -> None:
    try:
        with connect(login) as session:
            session.execute("SET default_transaction_read_only = on")
            session.execute("SET statement_timeout = '60s'")
            known.schemas[Side.LIVE], known.elsewhere = _managed(read_schema(session, BOOKKEEPING), known.schemas.values())
            known.production, known.objects = read_production(session), read_objects(session)
    except PgkeelError as error:
        known.problems[Side.LIVE] = str(error)
    except psycopg.Error as error:
        known.problems[Side.LIVE] = f"The live database could not be read: {error.diag.message_primary or error}"


def _managed(live: Schema, declared: Iterable[Schema]) -> tuple[Schema, tuple[str, ...]]:
    """The live schema without the namespaces that no ORM speaks of, and the tables that are in these."""

    def namespace(name: str) -> str:
        return name.partition(".")[0] if "." in name else "public"

    spoken = {"public"} | {namespace(name) for schema in declared for name in (*schema.tables, *schema.enums)}
    ours = {name: table for name, table in live.tables.items() if namespace(name) in spoken}
    enums = {name: values for name, values in live.enums.items() if namespace(name) in spoken}
    return Schema(ours, enums), tuple(sorted(set(live.tables) - set(ours)))
