"""Writing a column, an enum or a table as a person would write it in a Drizzle schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .defaults import AUTOINCREMENT, NOW
from .drizzle_names import variable_for
from .model import Column, ForeignKey, Index, Schema, Table


@dataclass(frozen=True)
class Code:
    """A piece of TypeScript and the names that it imports from drizzle-orm/pg-core (and `sql` from drizzle-orm)."""

    text: str
    imports: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Names:
    """What things are called in the application's code."""

    enums: Mapping[str, str] = field(default_factory=dict)
    """Variable by enum."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """Variable by table."""
    properties: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Property by table and column, for tables that exist in the code."""
    fields: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Prisma's field by table and column."""

    def property(self, table: str, column: str) -> str:
        """The name that the application would call a column by."""
        return self.properties.get((table, column)) or self.fields.get((table, column)) or column


_PLAIN = {
    "text": "text",
    "integer": "integer",
    "smallint": "smallint",
    "real": "real",
    "double precision": "doublePrecision",
    "boolean": "boolean",
    "uuid": "uuid",
    "json": "json",
    "jsonb": "jsonb",
    "date": "date",
    "inet": "inet",
    "cidr": "cidr",
    "character varying": "varchar",
    "numeric": "numeric",
}
_SERIAL = {"integer": "serial", "smallint": "smallserial", "bigint": "bigserial"}
_CLIENT = {"uuid()": ".$defaultFn(() => crypto.randomUUID())", "@updatedAt": ".$onUpdate(() => new Date())"}


def property_key(name: str) -> str:
    """A name as the key of an object."""
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else json.dumps(name)


def column_code(schema: Schema, table: str, column: Column, names: Names) -> Code | None:
    """The builder of a column with everything that belongs to it; None where Drizzle has no builder or no equal for it."""
    built = builder_code(column, names)
    default = default_code(column)
    if built is None or default is None:
        return None
    found = schema.tables[table]
    parts, imports = [built.text], set(built.imports) | set(default.imports)
    if found.primary_key == (column.name,):
        parts.append(".primaryKey()")
    elif not column.nullable:
        parts.append(".notNull()")
    parts.append(default.text)
    if any(index.unique and index.columns == (column.name,) and not index.predicate for index in found.indexes):
        parts.append(".unique()")
    parts += [reference_code(key, table, names) for key in found.foreign_keys if key.columns == (column.name,)]
    return Code("".join(parts), frozenset(imports))


def enum_code(enum: str, values: tuple[str, ...], names: Names) -> Code:
    """The declaration of an enum."""
    variable = names.enums.get(enum) or variable_for(enum, "Enum", ())
    return Code(f"export const {variable} = pgEnum({json.dumps(enum)}, {values_code(values)});", frozenset({"pgEnum"}))


def values_code(values: tuple[str, ...]) -> str:
    """The values of an enum."""
    return f"[{', '.join(json.dumps(value, ensure_ascii=False) for value in values)}]"


def table_code(schema: Schema, table: Table, names: Names) -> Code | None:
    """The declaration of a whole table; None where a column cannot be written, or where its schema is not `public`."""
    if "." in table.name:
        return None
    variable = names.tables.get(table.name) or variable_for(table.name, "Table", ())
    lines, imports = [], {"pgTable"}
    own = Names(names.enums, {**names.tables, table.name: variable}, names.properties, names.fields)
    for column in table.columns.values():
        code = column_code(schema, table.name, column, own)
        if code is None:
            return None
        lines.append(f"  {property_key(own.property(table.name, column.name))}: {code.text},")
        imports |= code.imports
    extras, more = _extras(table, own)
    closing = ["}, (table) => [", *(f"  {extra}," for extra in extras), "]);"] if extras else ["});"]
    text = "\n".join([f"export const {variable} = pgTable({json.dumps(table.name)}, {{", *lines, *closing])
    return Code(text, frozenset(imports | more))


def index_code(index: Index, table: str, names: Names, parameter: str = "table") -> Code | None:
    """An index in a table's extra configuration, whose callback calls the table `parameter`; None where Drizzle cannot say it."""
    if index.include:
        return None
    if index.nulls_not_distinct:
        # Only Drizzle's constraint knows of it, and that takes plain columns alone.
        if index.predicate or any(key.descending or key.opclass for key in index.keys):
            return None
        plain = ", ".join(_key(table, key.text, names, parameter) for key in index.keys)
        return Code(f"unique({json.dumps(index.name)}).on({plain}).nullsNotDistinct()", frozenset({"unique"}))
    name = "uniqueIndex" if index.unique else "index"
    keys = ", ".join(
        _key(table, key.text, names, parameter)
        + (f".op({json.dumps(key.opclass)})" if key.opclass else "")
        + (".desc()" if key.descending else "")
        for key in index.keys
    )
    using = f'.using("{index.method}", {keys})' if index.method != "btree" else f".on({keys})"
    where = f".where(sql`{_template(index.predicate)}`)" if index.predicate else ""
    imports = {name, *(["sql"] if "sql`" in keys + where else [])}
    return Code(f"{name}({json.dumps(index.name)}){using}{where}", frozenset(imports))


def primary_key_code(columns: tuple[str, ...], table: str, names: Names, parameter: str = "table") -> Code:
    """A primary key of several columns in a table's extra configuration."""
    keys = ", ".join(_key(table, column, names, parameter) for column in columns)
    return Code(f"primaryKey({{ columns: [{keys}] }})", frozenset({"primaryKey"}))


def foreign_key_code(key: ForeignKey, table: str, names: Names, parameter: str = "table") -> Code | None:
    """A foreign key in a table's extra configuration; None where the code has no variable for the other table."""
    other = parameter if key.table == table else names.tables.get(key.table)
    if not other:
        return None
    own = ", ".join(_key(table, column, names, parameter) for column in key.columns)
    foreign = ", ".join(_key(key.table, column, names, other) for column in key.referenced)
    actions = "".join(
        f'.{name}("{action}")'
        for name, action in (("onDelete", key.on_delete), ("onUpdate", key.on_update))
        if action != "no action"
    )
    return Code(f"foreignKey({{ columns: [{own}], foreignColumns: [{foreign}] }}){actions}", frozenset({"foreignKey"}))


def _extras(table: Table, names: Names) -> tuple[list[str], set[str]]:
    codes: list[Code | None] = [primary_key_code(table.primary_key, table.name, names)] if len(table.primary_key) > 1 else []
    codes += [
        index_code(index, table.name, names)
        for index in table.indexes
        if not (index.unique and len(index.columns) == 1 and not index.predicate)
    ]
    codes += [foreign_key_code(key, table.name, names) for key in table.foreign_keys if len(key.columns) > 1]
    written = [code for code in codes if code]
    return [code.text for code in written], {name for code in written for name in code.imports}


def _key(table: str, column: str, names: Names, parameter: str) -> str:
    known = (table, column) in names.properties or (table, column) in names.fields or re.fullmatch(r"[\w$]+", column)
    if not known:
        return f"sql`{_template(column)}`"
    name = names.property(table, column)
    return f"{parameter}.{name}" if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else f"{parameter}[{json.dumps(name)}]"


def builder_code(column: Column, names: Names) -> Code | None:
    """What a column begins with, its type; None where Drizzle has no builder for it."""
    array = column.type.endswith("[]")
    base = column.type.removesuffix("[]")
    name = json.dumps(column.name)
    if column.enum:
        variable = names.enums.get(column.enum)
        built = Code(f"{variable}({name})") if variable else None
    elif column.default == AUTOINCREMENT and base in _SERIAL:
        options = ', { mode: "bigint" }' if base == "bigint" else ""
        built = Code(f"{_SERIAL[base]}({name}{options})", frozenset({_SERIAL[base]}))
    else:
        built = _typed(base, name)
    if built is None:
        return None
    return Code(built.text + (".array()" if array else ""), built.imports)


def _typed(base: str, name: str) -> Code | None:
    if base in _PLAIN:
        return Code(f"{_PLAIN[base]}({name})", frozenset({_PLAIN[base]}))
    if base == "bigint":
        return Code(f'bigint({name}, {{ mode: "bigint" }})', frozenset({"bigint"}))
    moment = re.fullmatch(r"(timestamp|time)(?:\((\d)\))? (with|without) time zone", base)
    if moment:
        options = [f"precision: {moment[2]}"] if moment[2] else []
        options += ["withTimezone: true"] if moment[3] == "with" else []
        return Code(f"{moment[1]}({name}{', { ' + ', '.join(options) + ' }' if options else ''})", frozenset({moment[1]}))
    sized = re.fullmatch(r"(character varying|character|numeric)\((\d+)(?:,(\d+))?\)", base)
    if sized:
        builder = {"character varying": "varchar", "character": "char", "numeric": "numeric"}[sized[1]]
        options = [f"precision: {sized[2]}", f"scale: {sized[3]}"] if builder == "numeric" else [f"length: {sized[2]}"]
        return Code(f"{builder}({name}, {{ {', '.join(options)} }})", frozenset({builder}))
    return None


def default_code(column: Column) -> Code | None:
    """The default; None for one whose function the database does not know and we do not either (cuid, nanoid …)."""
    if not column.client:
        return _database_default(column)
    if column.client not in _CLIENT:
        return None
    # `@default(now()) @updatedAt` has both.
    default = _database_default(column) or Code("")
    return Code(default.text + _CLIENT[column.client], default.imports)


def _database_default(column: Column) -> Code | None:  # noqa: PLR0911 - one return a form of default
    value = column.default
    if value.startswith("generated:"):
        return None
    if value in ("", AUTOINCREMENT):
        return Code("")
    if value == NOW and column.type.startswith("timestamp"):
        return Code(".defaultNow()")
    literal = re.fullmatch(r"'(.*)'", value, re.DOTALL)
    if column.type.endswith("[]") and value == "'{}'":
        return Code(".default([])")
    if literal and not column.type.endswith("[]") and column.type not in ("json", "jsonb"):
        return Code(f".default({json.dumps(literal[1], ensure_ascii=False)})")
    if value in ("true", "false"):
        return Code(f".default({value})")
    if re.fullmatch(r"-?[\d.]+", value):
        big, exact = column.type == "bigint", column.type.startswith("numeric")
        return Code(f".default({value}{'n' if big else ''})" if not exact else f".default({json.dumps(value)})")
    if column.type in ("json", "jsonb"):
        value = "'" + value.removeprefix("'").removesuffix("'").replace("'", "''") + f"'::{column.type}"
    elif column.type.endswith("[]"):
        value = f"{value}::{column.type}"
    return Code(f".default(sql`{_template(value)}`)", frozenset({"sql"}))


def _template(text: str) -> str:
    """Fit for a template literal of TypeScript."""
    return text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")


def reference_code(key: ForeignKey, table: str, names: Names) -> str:
    """A foreign key of one column behind its builder; empty where the code has no variable for the other table."""
    variable = names.tables.get(key.table)
    if not variable:
        return ""
    actions = [
        f'{name}: "{action}"'
        for name, action in (("onDelete", key.on_delete), ("onUpdate", key.on_update))
        if action != "no action"
    ]
    options = f", {{ {', '.join(actions)} }}" if actions else ""
    target = f"{variable}.{names.property(key.table, key.referenced[0])}"
    # TypeScript cannot infer a type that refers to itself.
    returned = ": AnyPgColumn" if key.table == table else ""
    return f".references((){returned} => {target}{options})"
