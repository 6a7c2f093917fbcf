"""A restored copy against its manifest, as pure functions."""

from __future__ import annotations

from ..postgres.proving_ground import Locale
from .check import Check, Verdict
from .contents import Contents, Sequence

MOST_NAMED = 20
# A new database has them; production may have dropped them, which no dump can tell.
BORN_WITH = frozenset({"schema public", "plpgsql"})


def compare(expected: Contents, found: Contents) -> list[Check]:
    """A check for each kind of thing; each names at most twenty differences."""
    return [
        compare_tables(expected, found),
        compare_rows(expected, found),
        compare_catalog(expected, found),
        compare_views(expected, found),
        compare_sequences(expected, found),
        compare_extensions(expected, found),
        _verdict(
            "large objects",
            [f"{expected.large_objects} expected, {found.large_objects} found"]
            if expected.large_objects != found.large_objects
            else ["their content differs"]
            if expected.large_objects_hash != found.large_objects_hash
            else [],
            f"{found.large_objects}, as expected",
        ),
        compare_collations(expected, found),
        _verdict(
            "validated constraints",
            [f"{name} is not valid" for name in found.unvalidated_constraints if name not in expected.unvalidated_constraints],
            f"all valid but {len(found.unvalidated_constraints)} that production has as NOT VALID too"
            if found.unvalidated_constraints
            else "all valid",
        ),
    ]


def compare_tables(expected: Contents, found: Contents) -> Check:
    """Every table of the manifest, and none besides, with exactly as many rows."""
    wanted = {(table.schema, table.name): table for table in expected.tables}
    there = {(table.schema, table.name): table for table in found.tables}
    problems = []
    for key, table in wanted.items():
        if key not in there:
            problems.append(f"{table.label} is missing ({table.rows} rows expected)")
        elif there[key].rows != table.rows:
            problems.append(f"{table.label} has {there[key].rows} rows, {table.rows} expected")
    problems += [f"{table.label} is in the copy but not in the manifest" for key, table in there.items() if key not in wanted]
    if not problems and not expected.rows:
        # Zero equals zero proves nothing.
        return Check(
            "row counts", Verdict.COULD_NOT_VERIFY, f"{len(wanted)} tables without a single row: there is nothing to compare"
        )
    return _verdict("row counts", problems, f"{len(wanted)} tables, {expected.rows} rows, every table exactly equal")


def compare_rows(expected: Contents, found: Contents) -> Check:
    """The content of every table, row by row, by its hash."""
    there = {(table.schema, table.name): table for table in found.tables}
    counted_only = [table.label for table in (*expected.tables, *found.tables) if not table.hash]
    if counted_only:
        return Check("row contents", Verdict.COULD_NOT_VERIFY, f"{len(counted_only)} tables were counted, not hashed")
    problems = [
        f"{table.label} holds other rows"
        for table in expected.tables
        if (copy := there.get((table.schema, table.name))) is not None and copy.hash != table.hash
    ]
    return _verdict("row contents", problems, f"the rows of {len(expected.tables)} tables hash to the same")


def compare_catalog(expected: Contents, found: Contents) -> Check:
    """Every object as it was defined, with its owner, privileges and comment."""
    problems = []
    for label, digest in expected.catalog.items():
        if label not in found.catalog:
            problems.append(f"{label} is missing")
        elif found.catalog[label] != digest:
            problems.append(f"{label} is defined otherwise, or has another owner or other privileges")
    problems += [
        f"{label} is in the copy but not in the manifest"
        for label in found.catalog
        # A role may be created between the snapshot and the moment at which roles are read.
        if label not in expected.catalog and not label.startswith("role ") and label not in BORN_WITH
    ]
    return _verdict("definitions, owners, privileges", problems, f"{len(expected.catalog)} objects, as expected")


def compare_collations(expected: Contents, found: Contents) -> Check:
    """Another version may sort otherwise. The backup is not to blame: its indexes are built anew."""
    differing = [
        f"{name} is {found.collations.get(name, 'unversioned')} here, {version} where the backup was taken"
        for name, version in expected.collations.items()
        if found.collations.get(name) != version
    ]
    if differing:
        return Check("collation versions", Verdict.COULD_NOT_VERIFY, "; ".join(differing[:MOST_NAMED]))
    return Check("collation versions", Verdict.PASS, f"{len(expected.collations)}, the same")


def compare_views(expected: Contents, found: Contents) -> Check:
    """Every materialized view, filled where production's is."""
    wanted = {(view.schema, view.name): view.populated for view in expected.materialized_views}
    there = {(view.schema, view.name): view.populated for view in found.materialized_views}
    problems = [f"{'.'.join(key)} is missing" for key in wanted if key not in there]
    problems += [f"{'.'.join(key)} is in the copy but not in the manifest" for key in there if key not in wanted]
    problems += [f"{'.'.join(key)} is empty" for key, full in wanted.items() if full and there.get(key) is False]
    return _verdict("materialized views", problems, f"{len(wanted)}, as expected")


def compare_sequences(expected: Contents, found: Contents) -> Check:
    """Every sequence at least as far as the manifest says: the dump reads them a moment later, outside the snapshot."""
    there = {(sequence.schema, sequence.name): sequence for sequence in found.sequences}
    wanted = {(sequence.schema, sequence.name) for sequence in expected.sequences}
    problems = []
    for sequence in expected.sequences:
        copy = there.get((sequence.schema, sequence.name))
        label = f"{sequence.schema}.{sequence.name}"
        if copy is None:
            problems.append(f"{label} is missing")
        elif _behind(sequence, copy):
            problems.append(f"{label} stands at {copy.last_value}, {sequence.last_value} expected")
    problems += [f"{'.'.join(key)} is in the copy but not in the manifest" for key in there if key not in wanted]
    return _verdict("sequences", problems, f"{len(wanted)}, none behind")


def _behind(expected: Sequence, copy: Sequence) -> bool:
    if expected.last_value is None:
        return False
    if copy.last_value is None:
        return True
    # One that cycles may have begun anew in between.
    return not expected.cycles and (copy.last_value - expected.last_value) * (1 if expected.increment > 0 else -1) < 0


def compare_extensions(expected: Contents, found: Contents) -> Check:
    """The same extensions in the same versions."""
    problems = []
    for name in sorted(expected.extensions.keys() | (found.extensions.keys() - BORN_WITH)):
        wanted, there = expected.extensions.get(name), found.extensions.get(name)
        if there is None:
            problems.append(f"{name} is missing")
        elif wanted is None:
            problems.append(f"{name} is in the copy but not in the manifest")
        elif wanted != there:
            problems.append(f"{name} is restored as {there}, production has {wanted}: run ALTER EXTENSION ... UPDATE there")
    return _verdict("extensions", problems, f"{len(expected.extensions)}, in the same versions")


def compare_locale(expected: Locale, found: Locale) -> Check:
    """Encoding and collation of the copy."""
    problems = [] if expected == found else [f"{found} where {expected} is expected"]
    return _verdict("encoding and locale", problems, f"{found.encoding}, {found.provider} {found.locale or found.collate}")


def _verdict(name: str, problems: list[str], fine: str) -> Check:
    if not problems:
        return Check(name, Verdict.PASS, fine)
    more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
    return Check(name, Verdict.FAIL, "; ".join(problems[:MOST_NAMED]) + more)
