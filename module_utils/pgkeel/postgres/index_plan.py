"""What must be done about a declared index, decided from what is there: pure, so that every state can be tried.

Every change is one that a rerun mends when it is cut off: CREATE and DROP INDEX CONCURRENTLY leave an INVALID index
under a name that is recognised, and a swap of names is one transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from psycopg import sql

from ..errors import PgkeelError
from .index_catalog import ExistingIndex
from .index_declaration import LONGEST_NAME, IndexDeclaration, create_index
from .index_probe import Probed

_REINDEX_LEFTOVER = re.compile(r"(?P<stem>.+)_cc(?:new|old)\d*", re.DOTALL)


class State(StrEnum):
    """What a run did, or would do, about one declared index."""

    OK = "ok"
    BUILT = "built"
    REBUILT = "rebuilt"
    REPAIRED = "repaired"
    DROPPED = "dropped"
    SKIPPED = "skipped"
    WAITING = "waiting"
    FAILED = "failed"

    @property
    def changes(self) -> bool:
        """Whether the database differs afterwards."""
        return self in {State.BUILT, State.REBUILT, State.REPAIRED, State.DROPPED}


@dataclass(frozen=True)
class Step:
    """One statement that runs alone, or several in one transaction."""

    statements: tuple[sql.Composed, ...]
    builds: str = ""
    """The index that a failure of this step may leave INVALID."""


@dataclass(frozen=True)
class Plan:
    """The decision about one declared index."""

    declaration: IndexDeclaration
    state: State
    steps: tuple[Step, ...] = ()
    reason: str = ""
    satisfied_by: str = ""
    before: tuple[str, ...] = ()
    """Definitions that go."""
    after: tuple[str, ...] = ()
    """Definitions that come."""


def working_name(role: str, declaration: IndexDeclaration) -> str:
    """The name of the replacement (``new``) or of the replaced (``old``) while a definition changes: the same in every run."""
    digest = hashlib.sha256(f"{declaration.schema}.{declaration.name}".encode()).hexdigest()[:16]
    return f"pgkeel_{role}_{digest}"


def decide(
    declaration: IndexDeclaration,
    wanted: Probed | None,
    existing: Sequence[ExistingIndex],
    *,
    declared: set[str],
    locked: bool,
) -> Plan:
    """What to do about one declared index, given all indexes of its table.

    ``wanted`` is None for a declaration of absence. ``declared`` names all declared indexes of the table: one that is
    itself declared never stands in for another. ``locked`` says that this run holds the index's lock.

    Raises PgkeelError when the declaration cannot be met.
    """
    own = next((index for index in existing if index.name == declaration.name), None)
    leftovers = [index for index in existing if _is_leftover(index, declaration)]
    if not locked:
        return Plan(declaration, State.WAITING, reason="Another pgkeel run is at work on this index")
    if any(index.being_built and not index.valid for index in (own, *leftovers) if index):
        return Plan(declaration, State.WAITING, reason="Another session is building this index; run again when it is done")
    if wanted is None:
        return _cleaned(_absent(declaration, own), leftovers)
    if own and own.valid and own.definition == wanted.definition:
        return _cleaned(Plan(declaration, State.OK), leftovers)
    if own and own.bound_to:
        raise PgkeelError(
            f"The {declaration.describe()} differs from its declaration, and it {own.bound_to}",
            "Change it in a migration, or correct the declaration",
        )
    if own is None:
        plan = _missing(declaration, wanted, [i for i in existing if i.name not in declared and i not in leftovers])
    elif not own.valid:
        plan = _invalid(declaration, wanted, own)
    else:
        # A run that was cut off between build and swap left the work done: hours, for a large table.
        fresh = working_name("new", declaration)
        ready = [i for i in leftovers if i.name == fresh and i.valid and i.definition == wanted.definition]
        plan = _drifted(declaration, wanted, own, build=not ready)
        leftovers = [index for index in leftovers if index not in ready]
    return _cleaned(plan, leftovers)


def _missing(declaration: IndexDeclaration, wanted: Probed, others: Sequence[ExistingIndex]) -> Plan:
    twin = next((index for index in others if index.valid and index.definition == wanted.definition), None)
    if twin:
        return Plan(declaration, State.OK, reason=f"Index {twin.name} has this definition", satisfied_by=twin.name)
    return Plan(declaration, State.BUILT, (_build(declaration, declaration.name),), after=(wanted.statement,))


def _invalid(declaration: IndexDeclaration, wanted: Probed, own: ExistingIndex) -> Plan:
    steps = (drop_index(declaration, own.name), _build(declaration, declaration.name))
    return Plan(declaration, State.REPAIRED, steps, "It was INVALID", before=(_shown(own),), after=(wanted.statement,))


def _drifted(declaration: IndexDeclaration, wanted: Probed, own: ExistingIndex, *, build: bool) -> Plan:
    steps = [_swap(declaration), drop_index(declaration, working_name("old", declaration))]
    if build:
        steps.insert(0, _build(declaration, working_name("new", declaration)))
    reason = "Its definition differs"
    return Plan(declaration, State.REBUILT, tuple(steps), reason, before=(own.statement,), after=(wanted.statement,))


def _absent(declaration: IndexDeclaration, own: ExistingIndex | None) -> Plan:
    if own is None:
        return Plan(declaration, State.OK)
    if own.bound_to:
        raise PgkeelError(
            f"The {declaration.describe()} is declared absent, but it {own.bound_to}",
            "Change that in a migration, or remove the declaration",
        )
    return Plan(declaration, State.DROPPED, (drop_index(declaration, own.name),), before=(_shown(own),))


def _is_leftover(index: ExistingIndex, declaration: IndexDeclaration) -> bool:
    """Whether an index is what an interrupted swap of ours, or an interrupted REINDEX CONCURRENTLY, left behind."""
    if index.bound_to:
        return False
    if index.name in {working_name("new", declaration), working_name("old", declaration)}:
        return True
    match = _REINDEX_LEFTOVER.fullmatch(index.name)
    if not match or index.valid:
        return False
    # PostgreSQL shortens a long name to make room for the suffix (makeObjectName), by whole characters of up to 4 bytes.
    shortened = declaration.name.startswith(match["stem"]) and len(index.name.encode()) > LONGEST_NAME - 4
    return match["stem"] == declaration.name or shortened


def _cleaned(plan: Plan, leftovers: Sequence[ExistingIndex]) -> Plan:
    if not leftovers:
        return plan
    return replace(
        plan,
        state=State.REPAIRED if plan.state is State.OK else plan.state,
        reason=plan.reason or "An interrupted build had left something behind",
        steps=(*(drop_index(plan.declaration, index.name) for index in leftovers), *plan.steps),
        before=(*plan.before, *(_shown(index) for index in leftovers)),
    )


def _shown(index: ExistingIndex) -> str:
    return index.statement if index.valid else f"{index.statement} -- INVALID"


def _build(declaration: IndexDeclaration, name: str) -> Step:
    relation = sql.Identifier(declaration.schema, declaration.table)
    return Step((create_index(declaration, name=name, relation=relation, concurrently=True),), builds=name)


def drop_index(declaration: IndexDeclaration, name: str) -> Step:
    """Drop without blocking; safe when it is gone already."""
    return Step((sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(declaration.schema, name)),))


def _swap(declaration: IndexDeclaration) -> Step:
    rename = sql.SQL("ALTER INDEX {} RENAME TO {}")
    old, new = working_name("old", declaration), working_name("new", declaration)
    return Step(
        (
            rename.format(sql.Identifier(declaration.schema, declaration.name), sql.Identifier(old)),
            rename.format(sql.Identifier(declaration.schema, new), sql.Identifier(declaration.name)),
        )
    )
