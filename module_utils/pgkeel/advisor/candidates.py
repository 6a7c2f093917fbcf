"""Which indexes a statement could use: read from how it uses its tables, before any planner is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from ..postgres.index_declaration import LONGEST_NAME, IndexDeclaration, IndexKey
from .facts import Catalog, ColumnFacts, TableFacts
from .usage import Use

MOST_KEYS = 3
MOST_COVERED = 4
"""Columns in INCLUDE."""
MOST_UNITED = 12
"""Covering candidates of one table with the same first key."""
WIDEST_COVERED = 96
"""Bytes of an average row's columns in INCLUDE."""
WIDEST_KEY = 400
"""Bytes of an average value: a btree refuses rows beyond a third of a page."""
SMALLEST_TABLE = 16
"""Pages; below, reading all of it is as fast."""
BRIN_PAGES = 512
"""Pages: below, a btree is small as well."""
BRIN_CORRELATION = 0.9
GIN_METHODS = frozenset({"gin", "gist"})
"""What HypoPG cannot pretend to have."""
_UNORDERED = frozenset({"json", "xml", "point", "box", "polygon", "line", "lseg", "path", "circle", "jsonb", "tsvector"})
_TEXTS = frozenset({"text", "character varying", "character", "bpchar", "citext", "name"})
_PADDED = frozenset({"character", "bpchar"})
"""Padded with blanks: they have an operator class of their own, and no trigrams."""
_UNSPANNED = frozenset({"boolean"})


@dataclass(frozen=True)
class Candidate:
    """An index that might help."""

    index: IndexDeclaration
    needs_extension: str = ""

    @property
    def table(self) -> tuple[str, str]:
        """Schema and name."""
        return self.index.schema, self.index.table

    @property
    def leading(self) -> IndexKey:
        """Its first key, without order."""
        return IndexKey(column=self.index.keys[0].column, expression=self.index.keys[0].expression)


@dataclass
class _Drafts:
    """Collects candidates of one use without repeating one."""

    table: TableFacts
    catalog: Catalog
    found: dict[str, Candidate] = field(default_factory=dict)

    def add(
        self,
        keys: Sequence[IndexKey],
        *,
        method: str = "btree",
        include: Iterable[str] = (),
        where: str = "",
        extension: str = "",
    ) -> None:
        unique = tuple(dict.fromkeys(keys))[:MOST_KEYS]
        if not unique or (method == "btree" and not all(_sortable(self.table, key) for key in unique)):
            return
        draft = IndexDeclaration(
            name="",
            schema=self.table.schema,
            table=self.table.name,
            keys=unique,
            method=method,
            include=tuple(include),
            where=where,
        )
        if not covered_by_existing(self.table, draft):
            named = replace(draft, name=self._name(draft))
            self.found.setdefault(named.name, Candidate(named, extension))

    def _name(self, draft: IndexDeclaration) -> str:
        """One that nothing else has: neither a relation of the schema nor the same index of a namesake in another one."""
        name = index_name(draft)
        namesakes = self.catalog.homes.get(draft.table, frozenset())
        return index_name(draft, short=False) if len(namesakes) > 1 or (draft.schema, name) in self.catalog.taken else name


def candidates_of(uses: Iterable[Use], catalog: Catalog) -> tuple[Candidate, ...]:
    """Everything worth asking the planner about, for the uses of one statement; a pure function."""
    found: dict[tuple[str, str, str], Candidate] = {}
    for use in uses:
        if use.table.kind == "p" or use.table.pages < SMALLEST_TABLE:
            continue
        for candidate in _of_use(use, catalog):
            found.setdefault((*candidate.table, candidate.index.name), candidate)
    return tuple(found.values())


def _of_use(use: Use, catalog: Catalog) -> Iterable[Candidate]:
    table = use.table
    drafts = _Drafts(table, catalog)
    equal = _by_selectivity(table, [*use.equal, *[key for key in use.joins if key in use.equal]])
    joins = _by_selectivity(table, use.joins)
    ranges = list(dict.fromkeys(use.ranges))
    order = _order(use.order)
    groups = list(dict.fromkeys(use.group))
    shapes: list[tuple[IndexKey, ...]] = [(key,) for key in (*equal, *joins, *ranges, *use.either)]
    for chosen in (equal[:MOST_KEYS], equal[:1]):
        both = tuple(chosen)
        shapes += [both, *[(*both[:2], key) for key in ranges], (*both, *order), *[(*both[:2], key) for key in joins]]
        shapes += [(*both[:2], key) for key in use.extremes]
        shapes += [(key, *both[:2]) for key in joins]
    shapes += [pair for first, second in combinations(equal[:MOST_KEYS], 2) for pair in ((first, second), (second, first))]
    shapes += [tuple(order), *[(key, other) for key in joins for other in [*ranges, *order[:1], *use.extremes] if other != key]]
    shapes += [(*equal[:1], *_order(window)) for window in use.windows]
    shapes += [tuple(_by_selectivity(table, keys)) for keys in use.together.values()]
    shapes += [tuple(groups), *[(*groups[:2], key) for key in ranges if groups], *[(*equal[:1], *groups) for _ in (1,) if equal]]
    shapes += [(*ranges[:1], *groups[:2])] if ranges and groups else []
    shapes = list(dict.fromkeys(tuple(dict.fromkeys(shape))[:MOST_KEYS] for shape in shapes if shape))
    for shape in shapes:
        drafts.add(shape)
    for shape in shapes:
        rest = covering(use, shape)
        if rest:
            drafts.add(shape, include=rest)
    for where in dict.fromkeys(use.constants):
        for shape in shapes:
            bare = tuple(key for key in shape if not _says(where, key))
            drafts.add(bare or shape, where=where)
    _others(use, catalog, drafts)
    return drafts.found.values()


def _others(use: Use, catalog: Catalog, drafts: _Drafts) -> None:
    table = use.table
    if table.pages >= BRIN_PAGES:
        for key in dict.fromkeys([*use.ranges, *use.equal]):
            facts = table.columns.get(key.column)
            if facts is not None and abs(facts.correlation or 0) >= BRIN_CORRELATION and facts.type not in _UNORDERED:
                drafts.add([key], method="brin")
    for key in dict.fromkeys([*use.contains, *use.key_exists, *use.fulltext]):
        kind = _type(table, key)
        if kind == "jsonb":
            drafts.add([replace(key, opclass="jsonb_ops" if key in use.key_exists else "jsonb_path_ops")], method="gin")
        elif kind.endswith(("[]", "range")):
            drafts.add([key], method="gin" if kind.endswith("[]") else "gist")
    for key in dict.fromkeys(use.fulltext):
        if key.expression or _type(table, key) == "tsvector":
            drafts.add([key], method="gin")
    for pattern in use.patterns:
        kind = _type(table, pattern.key)
        if pattern.key.column and kind not in _TEXTS:
            continue
        text = pattern.text
        anchored = text is not None and (text.startswith("^") if pattern.regex else bool(text) and text[0] not in "%_")
        if (anchored or text is None) and not pattern.ignore_case:
            drafts.add([replace(pattern.key, opclass="bpchar_pattern_ops" if kind in _PADDED else "text_pattern_ops")])
        if not anchored and kind not in _PADDED and "pg_trgm" in catalog.extensions | catalog.available:
            extension = "" if "pg_trgm" in catalog.extensions else "pg_trgm"
            opclass = ".".join((*([catalog.hidden["pg_trgm"]] if "pg_trgm" in catalog.hidden else []), "gin_trgm_ops"))
            drafts.add([replace(pattern.key, opclass=opclass)], method="gin", extension=extension)


def covering(use: Use, keys: Sequence[IndexKey]) -> tuple[str, ...]:
    """Columns for INCLUDE that make an index on ``keys`` hold all that is read; empty where that is not to be had."""
    if use.needed is None or any(key.expression for key in keys):
        return ()
    rest = sorted(use.needed - {key.column for key in keys})
    facts = [use.table.columns[name] for name in rest if name in use.table.columns]
    if not rest or len(rest) > MOST_COVERED or len(facts) < len(rest) or sum(column.width for column in facts) > WIDEST_COVERED:
        return ()
    return tuple(rest)


def merged(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates and their unions: same keys, everything that any of them includes, within the limits of covering."""
    found = {(*candidate.table, candidate.index.name): candidate for candidate in candidates}
    groups: dict[tuple[object, ...], list[IndexDeclaration]] = {}
    for candidate in candidates:
        index = candidate.index
        if index.include:
            groups.setdefault((*candidate.table, index.method, index.where, index.keys[0]), []).append(index)
    for group in groups.values():
        for one, other in combinations(group[:MOST_UNITED], 2):
            longer, shorter = (one, other) if len(one.keys) >= len(other.keys) else (other, one)
            if one.include == other.include or longer.keys[: len(shorter.keys)] != shorter.keys:
                continue
            keys = {key.column for key in longer.keys}
            union = tuple(sorted({*one.include, *other.include} - keys))
            if len(union) <= MOST_COVERED + 1:
                index = replace(longer, name="", include=union)
                index = replace(index, name=index_name(index))
                found.setdefault((index.schema, index.table, index.name), Candidate(index))
    return tuple(found.values())


def covered_by_existing(table: TableFacts, draft: IndexDeclaration) -> bool:
    """Whether a valid index of the table already does what the draft would do."""
    for index in table.indexes:
        if not index.valid or index.method != draft.method or (index.predicate and index.predicate != draft.where):
            continue
        wanted = tuple(key.column or key.expression for key in draft.keys)
        if draft.method == "btree":
            if any(key.opclass or key.order for key in draft.keys) or not index.plain:
                continue
            if index.keys[: len(wanted)] == wanted and set(draft.include) <= {*index.include, *index.keys}:
                return True
        elif index.keys == wanted and all(
            not key.opclass or key.opclass.rpartition(".")[2] == opclass
            for key, opclass in zip(draft.keys, index.opclasses, strict=False)
        ):
            return True
    return False


def index_name(index: IndexDeclaration, *, short: bool = True) -> str:
    """A name that says what it is, the same for the same definition, within PostgreSQL's 63 bytes.

    ``short``: without a digest where the name tells all.
    """
    plain = short and index.method == "btree" and not index.include and not index.where
    plain = plain and all(key.column and not key.opclass and not key.order for key in index.keys)
    words = [index.table, *[key.column or "expr" for key in index.keys]]
    base = "_".join(words)
    if plain and len(f"{base}_idx".encode()) <= LONGEST_NAME:
        return f"{base}_idx"
    digest = hashlib.sha256(repr((index.schema, index.table, index.keys, index.method, index.include, index.where)).encode())
    tail = f"_{digest.hexdigest()[:8]}_idx"
    return base.encode()[: LONGEST_NAME - len(tail)].decode(errors="ignore") + tail


def _order(places: Iterable[tuple[IndexKey, bool, bool]]) -> list[IndexKey]:
    """Keys that give the rows in the order asked for; all descending is all ascending read backwards."""
    items = list(dict.fromkeys(places))[:MOST_KEYS]
    if not items:
        return []
    if all(nulls == down for _, down, nulls in items) and len({down for _, down, _ in items}) == 1:
        return [key for key, _, _ in items]
    return [
        replace(key, order="desc" if down else "", nulls="" if nulls == down else ("first" if nulls else "last"))
        for key, down, nulls in items
    ]


def _by_selectivity(table: TableFacts, keys: Iterable[IndexKey]) -> list[IndexKey]:
    """The one with the most values first, as it narrows down most and helps the most other statements alone."""
    return sorted(dict.fromkeys(keys), key=lambda key: -_column(table, key).distinct)


def _column(table: TableFacts, key: IndexKey) -> ColumnFacts:
    return table.columns.get(key.column) or ColumnFacts(key.column, "", distinct=table.rows / 10)


def _type(table: TableFacts, key: IndexKey) -> str:
    return table.columns[key.column].type if key.column in table.columns else ""


def _sortable(table: TableFacts, key: IndexKey) -> bool:
    facts = table.columns.get(key.column)
    return facts is None or (facts.type not in _UNORDERED and facts.width <= WIDEST_KEY)


def _says(where: str, key: IndexKey) -> bool:
    """Whether the predicate is about the key alone, which then need not be in the index."""
    return bool(key.column) and where.split(" IS ", maxsplit=1)[0].removeprefix("NOT ").strip('"') == key.column
