"""The compliance checklist: does the application keep its own rules about three ORMs on one database?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..report.humanize import plural
from .difference import Difference, Kind
from .live import Migration, Production, Repeated
from .model import Schema
from .unmigrated import Inventory

SHOWN = 5
QUERY = 200
"""Characters of a statement that are shown."""


class Answer(StrEnum):
    """Of one criterion."""

    YES = "yes"
    NO = "no"
    COULD_NOT_VERIFY = "could not verify"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Criterion:
    """A rule, whether it is kept, and what that rests on."""

    criterion: str
    status: Answer
    evidence: str
    objects: tuple[str, ...] = ()
    """All that it speaks of, one line each, where it speaks of objects."""

    def as_dict(self) -> dict[str, Any]:
        """A JSON-serialisable mapping."""
        return {
            "criterion": self.criterion,
            "status": self.status.value,
            "evidence": self.evidence,
            "objects": list(self.objects),
        }


@dataclass(frozen=True)
class Facts:
    """What the checklist draws on."""

    differences: Mapping[str, Sequence[Difference] | None]
    """By pair; None for a pair that could not be verified."""
    reasons: Mapping[str, str]
    """Why, by pair."""
    production: Production | None = None
    """None when the live database was not asked for."""
    folders: tuple[str, ...] | None = None
    """Names of the migrations in the application's repository; None when they were not given."""
    inventory: Inventory | None = None
    """What the database has and no migration made; None when that could not be found out."""
    same_text: bool | None = None
    generator_configured: bool = False
    truth: Schema | None = None
    live: Schema | None = None
    index_tables: tuple[str, ...] = ()


def checklist(facts: Facts) -> list[Criterion]:
    """Every criterion, in the order of the review that asked for them."""
    return [
        _prisma_owns(facts),
        _mirror(facts, "prisma-drizzle", "Drizzle mirrors Prisma"),
        _generated(facts),
        _no_manual_sql(facts),
        *(_index_coverage(facts, table) for table in facts.index_tables),
        _no_n_plus_one(facts),
    ]


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _prisma_owns(facts: Facts) -> Criterion:
    name = "Prisma owns the migrations"
    if facts.production is None:
        return Criterion(name, Answer.COULD_NOT_VERIFY, "The live database was not asked for.")
    others, applied = facts.production.other_migrators, facts.production.migrations
    if others:
        return Criterion(name, Answer.NO, f"Another tool migrates as well: it left {_listed(others)}.")
    if applied is None:
        return Criterion(name, Answer.NO, "The database has no table _prisma_migrations: Prisma never migrated it.")
    return _applied(name, applied, facts.folders)


def _applied(name: str, applied: Sequence[Migration], folders: Sequence[str] | None) -> Criterion:
    kept = [one for one in applied if not one.rolled_back]
    failed = [one.name for one in kept if not one.finished]
    if failed:
        return Criterion(name, Answer.NO, f"Migrations that did not finish: {_listed(failed)}.")
    if folders is None:
        return Criterion(
            name, Answer.COULD_NOT_VERIFY, f"{len(kept)} migrations are applied; the application's folder of them was not given."
        )
    done = {one.name for one in kept}
    waiting, unknown = [one for one in folders if one not in done], sorted(done - set(folders))
    if unknown:
        return Criterion(name, Answer.NO, f"Applied, but not in the repository: {_listed(unknown)}.")
    if waiting:
        return Criterion(name, Answer.NO, f"In the repository, but not applied: {_listed(waiting)}.")
    return Criterion(name, Answer.YES, f"All {len(done)} migrations of the repository are applied, and no others.")


def _mirror(facts: Facts, pair: str, name: str) -> Criterion:
    found = facts.differences.get(pair)
    if found is None:
        reason = facts.reasons.get(pair, "One of the two was not given.")
        return Criterion(name, Answer.COULD_NOT_VERIFY, reason)
    if found:
        return Criterion(name, Answer.NO, f"{len(found)} differences: {_listed([_named(one) for one in found])}.")
    return Criterion(name, Answer.YES, "Every table, column, key and index was compared.")


def _named(one: Difference) -> str:
    thing = ".".join(part for part in (one.table, one.column) if part)
    return f"{thing} ({one.kind.value.replace('_', ' ')})"


def _generated(facts: Facts) -> Criterion:
    name = "Kysely's types are generated and current"
    answer = _mirror(facts, "prisma-kysely", name)
    if answer.status is not Answer.YES:
        return answer
    if facts.same_text:
        return Criterion(name, Answer.YES, "The file is what prisma-kysely generates today.")
    told = "" if facts.generator_configured else "; the Prisma schema has no generator for Kysely"
    return Criterion(
        name, Answer.YES, f"Every type agrees with what prisma-kysely generates today, though the text differs{told}."
    )


def _no_manual_sql(facts: Facts) -> Criterion:
    name = "No manual SQL: a migration made every object"
    if facts.inventory is None:
        reason = facts.reasons.get("prisma-live") or "The live database was not asked for, or the migrations do not run."
        return Criterion(name, Answer.COULD_NOT_VERIFY, reason)
    found = facts.inventory.objects
    lines = tuple(one.describe() for one in found)
    strangers = [one.object for one in found if one.against and not one.owner]
    ours = [one.object for one in found if one.against and one.owner]
    kept = sum(bool(one.owner) and not one.against for one in found)
    measured = "the migrations" if facts.folders is not None else "schema.prisma (the folder of migrations was not given)"
    parts = [f"Nothing in the database is missing from {measured}."] if not strangers and not ours else []
    if strangers:
        parts.append(f"In the database, but not in {measured}: {_listed(strangers)}.")
    if ours:
        parts.append(
            f"Ours, without a migration file: {_listed(ours)}; playbooks/indexes.yml -e indexes_migrations_dir= writes it."
        )
    if kept:
        parts.append(f"{plural(kept, 'object')} of ours {'is' if kept == 1 else 'are'} accounted for.")
    return Criterion(name, Answer.NO if strangers or ours else Answer.YES, " ".join(parts), lines)


def _index_coverage(facts: Facts, table: str) -> Criterion:
    name = f"Index coverage of {table}"
    if facts.truth is None or table not in facts.truth.tables:
        return Criterion(name, Answer.NOT_APPLICABLE, f"The Prisma schema has no table {table}.")
    if facts.live is None:
        return Criterion(name, Answer.COULD_NOT_VERIFY, "The live database was not asked for, or could not be read.")
    wanted = facts.truth.tables[table].indexes
    missing = [
        ",".join(one.column.split(","))
        for one in facts.differences.get("prisma-live") or ()
        if one.table == table and one.kind in (Kind.INDEX, Kind.UNIQUE) and one.expected != "(absent)"
    ]
    if table not in facts.live.tables:
        return Criterion(name, Answer.NO, f"The database has no table {table}.")
    if missing:
        return Criterion(name, Answer.NO, f"Missing, invalid or different: {_listed(missing)}; {len(wanted)} are declared.")
    return Criterion(name, Answer.YES, f"All {len(wanted)} declared indexes are present and valid.")


def _no_n_plus_one(facts: Facts) -> Criterion:
    """A heuristic over statement counts. It can raise a suspicion; that there is no N+1 the counts cannot show."""
    name = "Zero N+1 queries"
    if facts.production is None:
        return Criterion(name, Answer.COULD_NOT_VERIFY, "The live database was not asked for.")
    seen = facts.production.statistics
    if seen is None:
        return Criterion(name, Answer.COULD_NOT_VERIFY, "pg_stat_statements cannot be read there.")
    basis = f"{seen.calls:,} calls of {seen.statements:,} statements since {seen.since}"
    if seen.repeated:
        lines = tuple(_suspicion(one) for one in seen.repeated)
        return Criterion(
            name, Answer.NO, f"Suspected, by a heuristic over {basis}: {plural(len(lines), 'statement')}. {lines[0]}", lines
        )
    return Criterion(
        name,
        Answer.COULD_NOT_VERIFY,
        f"Nothing suspicious in {basis}: no aggregate of one key asked a thousand times, and no lookup called once for each row "
        "of a list. This is a heuristic: other loops look the same as many users, so that there are none cannot be shown.",
    )


def _suspicion(one: Repeated) -> str:
    what = f"called {one.calls:,} times, {one.total_milliseconds:,.0f} ms in all: {one.query[:QUERY]}"
    if one.parent:
        return f"A lookup {what} — as often as this one returned rows: {one.parent[:QUERY]}"
    return f"An aggregate of one key {what}"
