"""What an index weighs: its size, and the time that writing it takes. Estimates, until it is built on the copy."""

from __future__ import annotations

import math

from ..postgres.index_declaration import IndexDeclaration
from .choice import Price
from .facts import PAGE_BYTES, TableFacts, Writes

# PostgreSQL documentation, "Database Page Layout" and "B-Tree Indexes: Deduplication".
_ITEM = 12
"""Bytes of an entry beside its keys: IndexTupleData 8 and its line pointer 4."""
_TID = 6
_REPEATED = 1.5
"""Rows a key from which deduplication pays."""
_POSTING_BYTES = 812
"""A list of rows with one key grows to about a tenth of a page when an index is built over sorted keys."""
_FILL = 0.9
_BRIN_RANGE = 128
_GIN_SHARE = 0.35
"""Of the indexed columns' bytes: what jsonb_path_ops and trigram indexes came to on generated documents."""
# Time of one entry, measured on two cores with fsync on: a descent, a page's WAL. The proof measures the real one.
ENTRY_MS = {"btree": 0.006, "brin": 0.0002, "gin": 0.05, "hash": 0.006, "gist": 0.02}
HOT_LOST = 3.0
"""An update that changes an indexed column writes every index of the table and leaves more to vacuum."""


def index_bytes(index: IndexDeclaration, table: TableFacts, share: float = 1.0) -> int:
    """Expected size in bytes. ``share``: rows that a partial index's predicate keeps."""
    rows = max(table.rows * share, 1.0)
    if index.method == "brin":
        return PAGE_BYTES * (2 + math.ceil(table.pages / _BRIN_RANGE * 32 / PAGE_BYTES))
    names = [key.column for key in index.keys]
    facts = [table.columns.get(name) for name in [*names, *index.include]]
    width = sum(_aligned(column.width if column else 16) for column in facts)
    if index.method in {"gin", "gist"}:
        return max(2 * PAGE_BYTES, int(rows * width * _GIN_SHARE))
    entry = _ITEM + math.ceil(width / 8) * 8
    distinct = rows
    if not index.include and len(index.keys) == 1 and facts[0] is not None and facts[0].distinct:
        distinct = min(rows, facts[0].distinct)
    elif not index.include:
        product = 1.0
        for column in facts:
            product *= max(column.distinct, 1.0) if column is not None and column.distinct else rows
        distinct = min(rows, product)
    per_key = rows / max(distinct, 1.0)
    payload = rows * entry
    if per_key > _REPEATED and all(column is None or column.type != "numeric" for column in facts):
        lists = distinct * math.ceil(per_key * _TID / _POSTING_BYTES)
        payload = rows * _TID + lists * entry
    return PAGE_BYTES * (1 + math.ceil(payload / (PAGE_BYTES * _FILL)))


def price_of(
    index: IndexDeclaration, table: TableFacts, writes: Writes, assigned: frozenset[str] = frozenset(), share: float = 1.0
) -> Price:
    """Size, and the milliseconds that the window's writes would have spent on it.

    ``assigned``: columns that the workload's UPDATE statements set; where none of them is in the index, an update stays HOT.
    """
    entry = ENTRY_MS.get(index.method, ENTRY_MS["gin"])
    touched = not assigned or bool(assigned & {*[key.column for key in index.keys], *index.include})
    touched = touched or any(key.expression for key in index.keys)
    updates = writes.updated * (HOT_LOST if touched and assigned else 1.0) if touched else writes.updated - writes.updated_hot
    rows = (writes.inserted + max(updates, 0.0)) * share
    return Price(bytes=index_bytes(index, table, share), write_ms=rows * entry)


def _aligned(width: int) -> int:
    return max(1, width)
