"""The whole audit: declarations and the live database in, verdict and findings out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from .camel_case import camel_cased
from .checklist import Criterion, Facts, checklist
from .compare import Comparison, compare, unexplained
from .compare_types import compare_types, dropped_by, enum_of, filled_by_database, left_out, not_installed, types_of, unresolved
from .declared import Declarations, DeclaredTypes
from .difference import NOTHING, Difference, Kind, Side, pair_name
from .drizzle_source import DrizzleSource
from .explain import Sources, combined_patch, explain
from .index_migration import FILE, prisma_line
from .live import BOOKKEEPING
from .load import require_some
from .model import Schema
from .safety import Compared, type_safety_percent
from .sides import Known, Request, read
from .unmigrated import Inventory, Seen, inventory
from .unread import blind, visible

_VIEWS = {"view", "materialized view", "foreign table"}
# What a database says of Kysely's types by itself (`types_of`).
TYPES_UNKNOWN = (
    "Only names, nulls and defaults of Kysely's types were compared: which TypeScript type or enum a column has to have is for"
    " Prisma's generator to say, and it said nothing."
)


class Verdict(StrEnum):
    """Of the audit and of each pair."""

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    COULD_NOT_VERIFY = "could not verify"


@dataclass(frozen=True)
class Pair:
    """What the comparison of two sides came to."""

    name: str
    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    unverified: tuple[str, ...] = ()
    """Sentences: what could not be compared, and why."""
    blind: frozenset[tuple[str, str]] = frozenset()
    """Tables (with an empty column) and columns among them."""
    compared: bool = True
    """Whether both sides could be read."""
    typed: bool = True
    """Whether the types of columns could be told, not only names, nulls and defaults."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "pair": self.name,
            "verdict": self.verdict.value,
            "differences": len(self.differences),
            "unverified": list(self.unverified),
        }


@dataclass(frozen=True)
class Result:
    """Everything that ``schema_audit.json`` holds."""

    verdict: Verdict
    type_safety_percent: float | None
    pairs: tuple[Pair, ...]
    findings: tuple[Difference, ...]
    checklist: tuple[Criterion, ...]
    patch: str
    notes: tuple[str, ...]
    seconds: float
    inventory: Inventory | None = None
    """What no migration made, and what of it is ours; None where that could not be found out."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping with the keys of the contract."""
        missing = self.inventory.missing if self.inventory else None
        return {
            "verdict": self.verdict.value,
            "type_safety_percent": self.type_safety_percent,
            "pairs": [pair.as_dict() for pair in self.pairs],
            "findings": [finding.as_dict() for finding in self.findings],
            "checklist": [criterion.as_dict() for criterion in self.checklist],
            "could_not_verify": [f"{pair.name}: {reason}" for pair in self.pairs for reason in pair.unverified],
            "unmigrated": None if self.inventory is None else [one.as_dict() for one in self.inventory.objects],
            "own_migration": missing and {"file": f"{missing.name}/{FILE}", "sql": missing.text},
            "patch": self.patch,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 2),
        }


def run(request: Request) -> Result:
    """Audit. Raises PgkeelError when there is nothing to compare or no throwaway cluster can be started."""
    started = time.monotonic()
    declared = request.declarations
    require_some(sum(bool(side) for side in (declared.prisma, declared.drizzle, declared.kysely, request.live)))
    known = read(request)
    pairs = [_pair(known, declared, truth, other) for truth, other in _pairs(known.sides)]
    told = _told(known.sides, pairs)
    unowned = _unowned(known)
    listed = _inventory(known, request, unowned)
    sources = _sources(known, declared, listed)
    findings = explain([one for pair in pairs if pair.name in told for one in pair.differences], sources)
    if known.migrated and not known.migrated.problem:
        findings = [one for one in findings if not _migrated(one, unowned or (), known)]
    pairs = [
        _with(pair, [one for one in findings if one.pair == pair.name] if pair.name in told else pair.differences)
        for pair in pairs
    ]
    truth = known.schemas.get(Side.PRISMA)
    compared = [_compared(known, declared, pair) for pair in pairs if pair.name in told]
    whole = all(pair.compared and pair.typed for pair in pairs if pair.name in told)
    facts = Facts(
        differences={pair.name: None if pair.verdict is Verdict.COULD_NOT_VERIFY else pair.differences for pair in pairs},
        reasons={pair.name: " ".join(pair.unverified) for pair in pairs},
        production=known.production,
        folders=None if request.migrations is None else tuple(sorted(request.migrations)),
        inventory=listed,
        same_text=declared.kysely.same_text if declared.kysely else None,
        generator_configured=bool(declared.kysely and declared.kysely.configured),
        truth=truth,
        live=known.schemas.get(Side.LIVE),
        index_tables=request.index_tables,
    )
    notes = [*(declared.drizzle.notes if declared.drizzle else ())]
    if known.migrated and known.migrated.problem:
        notes.append(f"The application's migrations do not run on an empty database: {known.migrated.problem}.")
    if known.elsewhere:
        notes.append(f"Not compared, in schemas that no ORM manages: {', '.join(known.elsewhere)}.")
    return Result(
        verdict=_overall([pair for pair in pairs if pair.name in told]),
        type_safety_percent=type_safety_percent(compared) if whole else None,
        pairs=tuple(pairs),
        findings=tuple(sorted(findings, key=lambda one: (one.priority, one.pair, one.table, one.column, one.kind))),
        checklist=tuple(checklist(facts)),
        patch=combined_patch(findings, sources),
        notes=tuple(notes),
        seconds=time.monotonic() - started,
        inventory=listed,
    )


def _pairs(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Every two sides, the truer one first."""
    return [(one, other) for position, one in enumerate(sides) for other in sides[position + 1 :]]


def _told(sides: Sequence[Side], pairs: Sequence[Pair]) -> set[str]:
    """The pairs whose differences are findings: those with the truest side that could be read.

    A difference between two other sides is one of these seen from elsewhere: told twice, it would be two findings for one fact.
    """
    if not sides:
        return set()
    first = sides[0]
    told = {pair_name(first, other) for other in sides[1:]}
    if all(pair.verdict is Verdict.COULD_NOT_VERIFY for pair in pairs if pair.name in told) and len(sides) > 2:  # noqa: PLR2004
        told |= _told(sides[1:], pairs)
    return told


def _pair(known: Known, declared: Declarations, truth: Side, other: Side) -> Pair:
    name = pair_name(truth, other)
    problems = [
        f"{side.value.title()} could not be read: {known.problems[side]}" for side in (truth, other) if side in known.problems
    ]
    if problems:
        return Pair(name, Verdict.COULD_NOT_VERIFY, (), tuple(problems), compared=False)
    if other is Side.KYSELY:
        return _types_pair(known, declared, truth, name)
    rejected = known.loaded[other].rejected if other in known.loaded else ()
    sides = Comparison(truth, other, known.schemas[truth], known.schemas[other], rejected)
    unread = {side: known.loaded[side].unread for side in (truth, other) if side in known.loaded}
    differences = visible(compare(sides), [one for its in unread.values() for one in its])
    told = [f"Of {side.value.title()}, {one.describe()}" for side, its in unread.items() for one in its]
    unverified = [*unexplained(sides, differences), *told]
    return _judged(name, differences, unverified, blind(one for its in unread.values() for one in its))


def _types_pair(known: Known, declared: Declarations, truth: Side, name: str) -> Pair:
    kysely, types = declared.kysely, known.types
    if kysely is None or types is None:
        return Pair(name, Verdict.COULD_NOT_VERIFY, (), ("Kysely's types were not read.",), compared=False)
    if truth is not Side.PRISMA:
        prisma = _as_types_name_it(known, kysely, Side.PRISMA)
        dropped = dropped_by(prisma, kysely.generated) if kysely.generated else []
        unseen = [*dropped, *((table, "") for table in types.unresolved)]
        # Types speak of views as of tables, and the schemas of both sides do not have them.
        views = {one.name for one in known.objects if one.kind in _VIEWS}
        if kysely.generated and Side.PRISMA in known.schemas:
            views |= set(kysely.generated.tables) - set(prisma.tables)
        if truth is Side.DRIZZLE and declared.drizzle:
            views |= declared.drizzle.views
        known_types = replace(types, tables={table: columns for table, columns in types.tables.items() if table not in views})
        found = compare_types(truth, types_of(_as_types_name_it(known, kysely, truth), types), known_types)
        typed = kysely.generated is not None
        unverified = [*left_out(dropped), *not_installed({}, types.unresolved), *([] if typed else [TYPES_UNKNOWN])]
        return replace(_judged(name, _without(found, unseen), unverified, frozenset(unseen)), typed=typed)
    if kysely.generated is None:
        reason = kysely.generation_problem or "it gave no types"
        return Pair(name, Verdict.COULD_NOT_VERIFY, (), (f"prisma-kysely could not generate: {reason}",), compared=False)
    prisma = _as_types_name_it(known, kysely, Side.PRISMA)
    dropped = dropped_by(prisma, kysely.generated)
    expected = filled_by_database(kysely.generated, prisma)
    untold, absent = unresolved(expected, types)
    unseen = [*dropped, *((table, "") for table in absent)]
    told = [*left_out(dropped), *not_installed(untold, absent)]
    return _judged(name, _without(compare_types(truth, expected, types), unseen), told, frozenset([*unseen, *untold]))


def _as_types_name_it(known: Known, kysely: DeclaredTypes | None, side: Side) -> Schema:
    """A side's schema with the names that the types have for it; empty where the side could not be read."""
    schema = known.schemas.get(side, Schema({}))
    return camel_cased(schema) if kysely and kysely.camel_case else schema


def _without(differences: Iterable[Difference], blind: Sequence[tuple[str, str]]) -> list[Difference]:
    """Those that say something of what both sides can see; `blind` are columns, and tables with an empty column."""
    return [one for one in differences if (one.table, one.column) not in blind and (one.table, "") not in blind]


def _judged(
    name: str, differences: Sequence[Difference], unverified: Sequence[str], blind: frozenset[tuple[str, str]] = frozenset()
) -> Pair:
    return _with(Pair(name, Verdict.CONSISTENT, (), tuple(unverified), blind), differences)


def _with(pair: Pair, differences: Sequence[Difference]) -> Pair:
    if not pair.compared:
        return pair
    verdict = Verdict.INCONSISTENT if differences else Verdict.COULD_NOT_VERIFY if pair.unverified else Verdict.CONSISTENT
    return replace(pair, verdict=verdict, differences=tuple(differences))


def _overall(pairs: Sequence[Pair]) -> Verdict:
    if any(pair.verdict is Verdict.INCONSISTENT for pair in pairs):
        return Verdict.INCONSISTENT
    if not pairs or any(pair.unverified for pair in pairs):
        return Verdict.COULD_NOT_VERIFY
    return Verdict.CONSISTENT


def _sources(known: Known, declared: Declarations, listed: Inventory | None) -> Sources:
    prisma, drizzle, kysely = declared.prisma, declared.drizzle, declared.kysely
    readable = prisma and drizzle and not prisma.problem and not drizzle.problem
    truth, loaded = known.schemas.get(Side.PRISMA), known.schemas.get(Side.DRIZZLE)
    return Sources(
        truth=truth,
        drizzle=DrizzleSource(drizzle, prisma, truth, loaded) if readable and prisma and drizzle else None,
        types=known.types,
        generated=kysely.generated if kysely else None,
        live=known.schemas.get(Side.LIVE),
        inventory=listed,
        fields={
            table: {name: column.property for name, column in columns.items()}
            for table, columns in (prisma.tables if prisma else {}).items()
        },
    )


def _unowned(known: Known) -> list[Difference] | None:
    """What production has and no migration made; measured at schema.prisma where the migrations were not given."""
    live = known.schemas.get(Side.LIVE)
    if live is None:
        return None
    loaded = known.migrated or known.loaded.get(Side.PRISMA)
    made = loaded.schema if known.migrated and loaded else known.schemas.get(Side.PRISMA)
    if made is None or loaded is None or loaded.problem:
        return None
    without = {name: table for name, table in made.tables.items() if name not in BOOKKEEPING}
    found = compare(Comparison(Side.PRISMA, Side.LIVE, Schema(without, made.enums), live))
    return [one for one in visible(found, loaded.unread) if one.expected == NOTHING]


def _inventory(known: Known, request: Request, unowned: Sequence[Difference] | None) -> Inventory | None:
    live, made = known.schemas.get(Side.LIVE), known.migrated or known.loaded.get(Side.PRISMA)
    if live is None or made is None or unowned is None:
        return None
    seen = Seen(
        live, unowned, made.extended, request.migrations, known.objects, made.objects if known.migrated else (), known.elsewhere
    )
    return inventory(seen, request.declared)


def _migrated(one: Difference, unowned: Sequence[Difference], known: Known) -> bool:
    """Whether an index too many is one that a migration makes and Prisma's language cannot express: then it is no difference.

    What it can express and schema.prisma does not have is one: the next `prisma migrate dev` drops it.
    """
    if one.kind not in (Kind.INDEX, Kind.UNIQUE) or one.expected != NOTHING or known.migrated is None:
        return False
    if one.wrong is Side.LIVE:
        made = known.schemas[Side.LIVE]
        if any((one.table, one.actual) == (other.table, other.actual) for other in unowned):
            return False
    elif one.wrong is Side.DRIZZLE and one.truth is Side.PRISMA:
        # The mirror may say what the migration makes, for ON CONFLICT to be written.
        made = known.migrated.schema
    else:
        return False
    table = made.tables.get(one.table)
    alike = [index for index in table.indexes if index.describe() == one.actual] if table else []
    return bool(alike) and not any(prisma_line(index, {}) for index in alike)


def _compared(known: Known, declared: Declarations, pair: Pair) -> Compared:
    one, other = (Side(name) for name in pair.name.split("-"))
    types_name_it = declared.kysely if Side.KYSELY in (one, other) else None
    columns: set[tuple[str, str, str]] = set()
    for side in (one, other):
        if side is Side.KYSELY:
            tables = known.types.tables if known.types else {}
            columns |= {(table, name, "") for table, its in tables.items() for name in its}
        elif side in known.schemas:
            found = _as_types_name_it(known, types_name_it, side)
            columns |= {(table.name, name, "") for table in found.tables.values() for name in table.columns}
    # An enum has the name that the pair's differences call it by: in the types Prisma's one, which @@map does not change.
    types = (declared.kysely.generated if declared.kysely else None) or known.types
    if Side.KYSELY in (one, other) and types:
        enums = {
            (table, name): enum_of(types, column) for table, columns in types.tables.items() for name, column in columns.items()
        }
    else:
        enums = {
            (table.name, column.name): column.enum
            for side in (other, one)
            if side in known.schemas
            for table in known.schemas[side].tables.values()
            for column in table.columns.values()
        }
    return Compared({(table, name, enums.get((table, name), "")) for table, name, _ in columns}, pair.differences, pair.blind)
