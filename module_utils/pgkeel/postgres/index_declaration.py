"""A declared index: what an operator writes, checked, and the SQL that builds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from ..errors import PgkeelError
from .index_rolling import Rolling, parse_rolling

LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts longer identifiers (NAMEDATALEN - 1), so that the index would not be found again."""

_KEY_OPTIONS = frozenset({"column", "expression", "opclass", "order", "nulls", "collation"})
_WORDS = {"order": ("asc", "desc"), "nulls": ("first", "last")}


@dataclass(frozen=True)
class IndexKey:
    """One key of an index: a column or an expression, never both."""

    column: str = ""
    expression: str = ""
    opclass: str = ""
    """Name, with its schema before a dot where the search path does not find it."""
    order: str = ""
    nulls: str = ""
    collation: str = ""


@dataclass(frozen=True)
class IndexDeclaration:
    """An index as it should be, or whose absence is asked for."""

    name: str
    table: str
    keys: tuple[IndexKey, ...] = ()
    schema: str = "public"
    method: str = "btree"
    unique: bool = False
    include: tuple[str, ...] = ()
    where: str = ""
    storage: tuple[tuple[str, str], ...] = ()
    nulls_not_distinct: bool = False
    present: bool = True
    rolling: Rolling | None = None

    def describe(self) -> str:
        """The index in words, for messages."""
        return f"index {self.schema}.{self.name} on {self.schema}.{self.table}"


def parse_declarations(raw: Sequence[Mapping[str, Any]]) -> tuple[IndexDeclaration, ...]:
    """Turn the module's ``indexes`` argument into declarations.

    Only what can be judged without a server is refused here: empty or overlong names, duplicates, contradictory keys.
    Whether columns, operator classes and methods exist is PostgreSQL's to say (see ``index_probe``).

    Raises PgkeelError at the first bad declaration.
    """
    declarations = tuple(_parse(item) for item in raw)
    counted = Counter((item.schema, item.name) for item in declarations)
    for (schema, name), times in counted.items():
        if times > 1:
            raise PgkeelError(f"Index {schema}.{name} is declared {times} times", "Keep one of the declarations")
    return declarations


def _parse(raw: Mapping[str, Any]) -> IndexDeclaration:
    name = str(raw.get("name") or "")
    table = str(raw.get("table") or "")
    if not name or not table:
        raise PgkeelError(
            f"An index is declared without {'a name' if not name else 'a table'} ({name or table or 'empty'})",
            "Give every declared index a name and a table",
        )
    if len(name.encode()) > LONGEST_NAME:
        raise PgkeelError(
            f"Index name {name!r} has {len(name.encode())} bytes, and PostgreSQL keeps {LONGEST_NAME}", "Choose a shorter name"
        )
    declaration = IndexDeclaration(
        name=name,
        table=table,
        keys=tuple(_parse_key(name, key) for key in raw.get("columns") or ()),
        schema=str(raw.get("schema") or "public"),
        method=str(raw.get("method") or "btree"),
        unique=bool(raw.get("unique")),
        include=tuple(str(column) for column in raw.get("include") or ()),
        where=str(raw.get("where") or "").strip(),
        storage=tuple((str(key), storage_value(value)) for key, value in (raw.get("storage") or {}).items()),
        nulls_not_distinct=bool(raw.get("nulls_not_distinct")),
        present=raw.get("state", "present") != "absent",
        rolling=parse_rolling(name, raw["rolling"]) if raw.get("rolling") else None,
    )
    if declaration.schema in {"pg_catalog", "information_schema", "pg_toast"}:
        raise PgkeelError(
            f"Index {name} is declared on the system schema {declaration.schema}", "Declare indexes on your own tables only"
        )
    if declaration.present and not declaration.keys:
        raise PgkeelError(f"Index {name} is declared without columns", "List at least one column or expression")
    if declaration.rolling and declaration.unique:
        raise PgkeelError(
            f"Index {name} is rolling and unique, so that older rows could repeat a key", "Declare a unique index of all rows"
        )
    if declaration.nulls_not_distinct and not declaration.unique:
        raise PgkeelError(f"Index {name} asks for nulls_not_distinct but is not unique", "Set unique to true, or remove it")
    return declaration


def _parse_key(index: str, raw: object) -> IndexKey:
    if isinstance(raw, str):
        raw = {"column": raw}
    if not isinstance(raw, Mapping):
        raise PgkeelError(
            f"Index {index} has a column that is neither a name nor a mapping: {raw!r}", "Write a column name, or column: NAME"
        )
    unknown = sorted(set(raw) - _KEY_OPTIONS)
    if unknown:
        raise PgkeelError(f"Index {index} has the unknown column option {unknown[0]!r}", f"Use {', '.join(sorted(_KEY_OPTIONS))}")
    values = {option: str(raw.get(option) or "").strip() for option in _KEY_OPTIONS}
    if bool(values["column"]) == bool(values["expression"]):
        raise PgkeelError(
            f"Index {index} has a column that is empty, or both column and expression", "Give exactly one of the two"
        )
    for option, words in _WORDS.items():
        values[option] = values[option].lower()
        if values[option] and values[option] not in words:
            raise PgkeelError(f"Index {index} has {option} {values[option]!r}", f"Use {' or '.join(words)}")
    return IndexKey(**values)


def storage_value(value: object) -> str:
    """One spelling for each storage parameter value: booleans become ``on`` and ``off``, as YAML turns those into booleans."""
    text = str(value).strip().lower()
    return {"true": "on", "yes": "on", "false": "off", "no": "off"}.get(text, text)


def create_index(
    declaration: IndexDeclaration, *, name: str, relation: sql.Composable, concurrently: bool, if_missing: bool = False
) -> sql.Composed:
    """The CREATE INDEX statement of a declaration, under a given name on a given relation.

    Expressions and predicates are SQL by nature and stand as written; everything else is quoted.
    """
    clauses: list[sql.Composable] = [
        sql.SQL("CREATE {}INDEX {}{}{} ON {} USING {} ({})").format(
            sql.SQL("UNIQUE " if declaration.unique else ""),
            sql.SQL("CONCURRENTLY " if concurrently else ""),
            sql.SQL("IF NOT EXISTS " if if_missing else ""),
            sql.Identifier(name),
            relation,
            sql.Identifier(declaration.method),
            sql.SQL(", ").join(_key(key) for key in declaration.keys),
        )
    ]
    if declaration.include:
        clauses.append(sql.SQL("INCLUDE ({})").format(sql.SQL(", ").join(map(sql.Identifier, declaration.include))))
    if declaration.nulls_not_distinct:
        clauses.append(sql.SQL("NULLS NOT DISTINCT"))
    if declaration.storage:
        parameters = (sql.SQL("{} = {}").format(sql.Identifier(key), sql.Literal(value)) for key, value in declaration.storage)
        clauses.append(sql.SQL("WITH ({})").format(sql.SQL(", ").join(parameters)))
    if declaration.where:
        clauses.append(predicate(declaration))
    return sql.SQL(" ").join(clauses)


def migration_statement(declaration: IndexDeclaration) -> str:
    """The SQL that a migration file has for the index, without a semicolon; it does nothing where the index is there already."""
    relation = sql.Identifier(declaration.schema, declaration.table)
    if not declaration.present:
        name = sql.Identifier(declaration.schema, declaration.name)
        return sql.SQL("DROP INDEX IF EXISTS {}").format(name).as_string(None)
    made = create_index(declaration, name=declaration.name, relation=relation, concurrently=False, if_missing=True)
    return made.as_string(None)


def predicate(declaration: IndexDeclaration) -> sql.Composed:
    """The WHERE clause of a partial index."""
    return sql.SQL("WHERE ({})").format(_verbatim(declaration.where))


def key_value(key: IndexKey) -> sql.Composable:
    """The column or expression alone, as it would stand in a SELECT list."""
    return sql.Identifier(key.column) if key.column else sql.SQL("({})").format(_verbatim(key.expression))


def _key(key: IndexKey) -> sql.Composed:
    parts: list[sql.Composable] = [key_value(key)]
    if key.collation:
        # Not split at a dot: collation names hold dots (en_US.utf8).
        parts.append(sql.SQL("COLLATE {}").format(sql.Identifier(key.collation)))
    if key.opclass:
        parts.append(sql.Identifier(*key.opclass.split(".", 1)))
    if key.order:
        parts.append(sql.SQL("ASC" if key.order == "asc" else "DESC"))
    if key.nulls:
        parts.append(sql.SQL("NULLS FIRST" if key.nulls == "first" else "NULLS LAST"))
    return sql.SQL(" ").join(parts)


def _verbatim(text: str) -> sql.SQL:
    # The operator's own SQL; psycopg wants a literal string here so that nobody composes user input by accident.
    # A statement hidden in it cannot run: index statements go through the extended protocol, which takes one command.
    return sql.SQL(text)
