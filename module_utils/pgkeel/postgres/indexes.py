"""Declared indexes: making them so, without blocking anybody who reads or writes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError
from .index_catalog import ExistingIndex, Relation, find_relation, read_indexes
from .index_declaration import IndexDeclaration
from .index_plan import Plan, State, Step, decide, drop_index, working_name
from .index_probe import Probed, estimate_bytes, probe_definitions
from .index_rolling import resolve_rolling

_UNSUITED = {
    "p": "is a partitioned table, on which PostgreSQL builds no index CONCURRENTLY",
    "v": "is a view",
    "f": "is a foreign table",
    "i": "is an index",
    "I": "is an index",
    "S": "is a sequence",
    "c": "is a composite type",
}


@dataclass(frozen=True)
class Result:
    """What came of one plan."""

    plan: Plan
    state: State
    reason: str = ""
    seconds: float = 0.0
    estimated_bytes: int | None = None
    size_bytes: int | None = None
    queries: tuple[str, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        declaration = self.plan.declaration
        return {
            "name": declaration.name,
            "schema": declaration.schema,
            "table": declaration.table,
            "state": self.state.value,
            "reason": self.reason,
            "satisfied_by": self.plan.satisfied_by,
            "seconds": round(self.seconds, 3),
            "estimated_bytes": self.estimated_bytes,
            "size_bytes": self.size_bytes,
            "cutoff": declaration.rolling.described if declaration.rolling else "",
        }


def converge_indexes(
    connection: psycopg.Connection[Any],
    declarations: Sequence[IndexDeclaration],
    *,
    skip_missing_tables: bool,
    lock_timeout_ms: int,
    check: bool,
) -> Iterator[Result]:
    """Make the indexes of one database as declared; with ``check`` only say what would be done.

    ``connection`` must be in autocommit mode and end with the call: advisory locks live as long as it does.
    ``lock_timeout_ms`` bounds every wait for another transaction, 0 means for ever.

    Yields one result an index, in declared order, as each is done; a build that failed is a result, not an error.
    Raises PgkeelError before anything is touched when a declaration cannot be met.
    """
    try:
        _prepare_session(connection, lock_timeout_ms)
        plans = plan_indexes(connection, declarations, skip_missing_tables=skip_missing_tables)
    except psycopg.Error as error:
        raise PgkeelError(
            f"The present indexes cannot be read: {error.diag.message_primary or str(error).strip()}",
            "Connect as the tables' owner or a superuser, end what locks the tables, and run again",
        ) from error
    for plan in plans:
        yield _predict(connection, plan) if check else _execute(connection, plan)


def _prepare_session(connection: psycopg.Connection[Any], lock_timeout_ms: int) -> None:
    row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise PgkeelError("This server is a standby, where no index can be built", "Run against its primary")
    # A role's own limits are for its queries; a build takes the time it takes.
    connection.execute("SET statement_timeout = 0")
    connection.execute("SET idle_in_transaction_session_timeout = 0")
    if connection.info.server_version >= 170000:  # noqa: PLR2004 - the version that brought it
        connection.execute("SET transaction_timeout = 0")
    connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(lock_timeout_ms)))


def plan_indexes(
    connection: psycopg.Connection[Any], declarations: Sequence[IndexDeclaration], *, skip_missing_tables: bool
) -> list[Plan]:
    """Decide about every declared index, reading only.

    Raises PgkeelError when any declaration cannot be met.
    """
    position = {(item.schema, item.name): number for number, item in enumerate(declarations)}
    plans: list[Plan] = []
    by_table = sorted(declarations, key=lambda item: (item.schema, item.table))
    for (schema, name), group in groupby(by_table, key=lambda item: (item.schema, item.table)):
        plans += _plan_table(connection, schema, name, list(group), skip_missing=skip_missing_tables)
    return sorted(plans, key=lambda plan: position[plan.declaration.schema, plan.declaration.name])


def _plan_table(
    connection: psycopg.Connection[Any], schema: str, name: str, declarations: list[IndexDeclaration], *, skip_missing: bool
) -> list[Plan]:
    table = find_relation(connection, schema, name)
    if table is None:
        return [_without_table(declaration, skip_missing=skip_missing) for declaration in declarations]
    if table.kind in _UNSUITED:
        raise PgkeelError(
            f"{schema}.{name} {_UNSUITED[table.kind]}; {declarations[0].name} cannot be declared on it",
            "Declare the index on a table" if table.kind != "p" else "Declare it on each partition, or create it in a migration",
        )
    # Locks first, state afterwards: what is read then is nobody else's to change.
    ours = {item.name: _lock(connection, item) for item in declarations}
    existing = read_indexes(connection, table.oid)
    declarations = [_resolved(connection, table, item, existing) for item in declarations]
    probed = probe_definitions(connection, table, [item for item in declarations if item.present])
    _refuse_twins(declarations, probed)
    declared = {item.name for item in declarations}
    plans = []
    for declaration in declarations:
        if not any(index.name == declaration.name for index in existing):
            _refuse_taken_name(connection, declaration)
        plan = decide(declaration, probed.get(declaration.name), existing, declared=declared, locked=ours[declaration.name])
        if plan.state is State.REBUILT and declaration.rolling:
            plan = replace(plan, reason=f"{plan.reason}; its cut-off is {declaration.rolling.described}")
        plans.append(plan)
    return plans


def _resolved(
    connection: psycopg.Connection[Any], table: Relation, declaration: IndexDeclaration, existing: Sequence[ExistingIndex]
) -> IndexDeclaration:
    # A replacement that a run built and did not swap in counts as well: its cut-off may still do.
    names = {declaration.name, working_name("new", declaration)}
    definitions = {index.name: index.clauses for index in existing if index.valid and index.name in names}
    return resolve_rolling(connection, table.schema, table.name, declaration, definitions)


def _without_table(declaration: IndexDeclaration, *, skip_missing: bool) -> Plan:
    if not declaration.present:
        return Plan(declaration, State.OK)
    reason = f"Table {declaration.schema}.{declaration.table} does not exist"
    if not skip_missing:
        raise PgkeelError(
            f"{reason}, so that index {declaration.name} cannot be built",
            "Run the migrations first, or set missing_table to skip",
        )
    return Plan(declaration, State.SKIPPED, reason=f"{reason} yet")


def _refuse_twins(declarations: Sequence[IndexDeclaration], probed: Mapping[str, Probed]) -> None:
    seen: dict[Any, str] = {}
    for declaration in declarations:
        if declaration.name in probed:
            twin = seen.setdefault(probed[declaration.name].definition, declaration.name)
            if twin != declaration.name:
                raise PgkeelError(
                    f"Indexes {twin} and {declaration.name} are declared with the same definition", "Keep one of them"
                )


def _refuse_taken_name(connection: psycopg.Connection[Any], declaration: IndexDeclaration) -> None:
    taken = find_relation(connection, declaration.schema, declaration.name)
    if taken is not None:
        what = "an index of another table" if taken.kind in {"i", "I"} else "another relation"
        raise PgkeelError(
            f"The name {declaration.schema}.{declaration.name} belongs to {what}, not to {declaration.describe()}",
            "Choose another name, or correct the table",
        )


def _lock(connection: psycopg.Connection[Any], declaration: IndexDeclaration) -> bool:
    # Two runs at once must not both decide about one index; the lock ends with the session, however that ends.
    row = connection.execute(
        "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%s, 0))",
        (f"pgkeel index {declaration.schema}.{declaration.name}",),
    ).fetchone()
    return bool(row and row[0])


def _queries(connection: psycopg.Connection[Any], step: Step) -> tuple[str, ...]:
    texts = tuple(statement.as_string(connection) for statement in step.statements)
    return texts if len(texts) == 1 else ("BEGIN", *texts, "COMMIT")


def _predict(connection: psycopg.Connection[Any], plan: Plan) -> Result:
    builds = any(step.builds for step in plan.steps)
    table = find_relation(connection, plan.declaration.schema, plan.declaration.table) if builds else None
    return Result(
        plan,
        plan.state,
        plan.reason,
        estimated_bytes=estimate_bytes(connection, table, plan.declaration) if table else None,
        queries=tuple(query for step in plan.steps for query in _queries(connection, step)),
    )


def _execute(connection: psycopg.Connection[Any], plan: Plan) -> Result:
    started = time.monotonic()
    done: list[str] = []
    state, reason = plan.state, plan.reason
    for step in plan.steps:
        done += _queries(connection, step)
        try:
            _run(connection, step)
        except psycopg.errors.DuplicateTable:
            state, reason = State.WAITING, "Another session created it meanwhile; run again to verify it"
            break
        except psycopg.Error as error:
            state = State.FAILED
            reason = f"{_explain(plan, step, error)} {_clean_up(connection, plan.declaration, step, done)}".strip()
            break
    size = None
    if state is plan.state and plan.after:
        size = _verified_size(connection, plan)
        if size is None:
            state, reason = State.FAILED, "It was built, but PostgreSQL does not show it as valid under its name. Run again."
    return Result(plan, state, reason, time.monotonic() - started, size_bytes=size, queries=tuple(done))


def _run(connection: psycopg.Connection[Any], step: Step) -> None:
    if len(step.statements) == 1:
        # binary=True chooses the extended protocol, which takes one command only: nothing hides behind a semicolon.
        connection.cursor(binary=True).execute(step.statements[0])
        return
    with connection.transaction():
        for statement in step.statements:
            connection.execute(statement)


def _verified_size(connection: psycopg.Connection[Any], plan: Plan) -> int | None:
    """Bytes of the index, None where it is not there and valid."""
    row = connection.execute(
        """SELECT pg_catalog.pg_relation_size(i.indexrelid)
           FROM pg_catalog.pg_index i
           JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = %s AND c.relname = %s AND i.indisvalid AND i.indisready AND i.indislive""",
        (plan.declaration.schema, plan.declaration.name),
    ).fetchone()
    return int(row[0]) if row else None


def _explain(plan: Plan, step: Step, error: psycopg.Error) -> str:
    # Only the primary message: the detail quotes key values, which are the users' data.
    text = (error.diag.message_primary or str(error).strip().splitlines()[0]).rstrip(".")
    what = (
        "Building it"
        if step.builds
        else "Exchanging the old index for the new one"
        if len(step.statements) > 1
        else "Dropping it"
    )
    if isinstance(error, psycopg.errors.UniqueViolation):
        keys = ", ".join(key.column or key.expression for key in plan.declaration.keys)
        return f"{what} failed: {text}. Find the rows with GROUP BY {keys} HAVING count(*) > 1, mend them and run again."
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return f"{what} waited too long for another transaction. End it, or raise lock_timeout, and run again."
    if error.sqlstate is None or isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown):
        return f"{what} was cut off: {text}. Run again: what it left is removed then."
    return f"{what} failed: {text}. Correct the data or the declaration and run again."


def _clean_up(connection: psycopg.Connection[Any], declaration: IndexDeclaration, step: Step, done: list[str]) -> str:
    """Remove the INVALID index that a failed build leaves; says so when that fails too."""
    if not step.builds or connection.closed:
        return ""
    try:
        table = find_relation(connection, declaration.schema, declaration.table)
        built = next((i for i in read_indexes(connection, table.oid) if i.name == step.builds), None) if table else None
        if built and not built.valid and not built.being_built:
            drop = drop_index(declaration, step.builds)
            done += _queries(connection, drop)
            _run(connection, drop)
    except psycopg.Error:
        return f"An INVALID index {step.builds} remains; a rerun removes it."
    return ""
