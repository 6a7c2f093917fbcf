"""Indexes that do what another one does: pure, on what the catalog says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .catalog import Index

Names = frozenset[tuple[str, str]]
"""Schema and name each."""

SUPPORTS_KEY = "supports a foreign key"


def repeated(indexes: Iterable[Index], declared: Names = frozenset()) -> Iterator[tuple[Index, Index]]:
    """Copies, each with the one that stays: same table, method, keys, included columns and predicate.

    The most important of them stays: a primary key, a constraint, a unique one, the replica identity, a declared one.
    """
    groups: dict[tuple[object, ...], list[Index]] = {}
    for index in indexes:
        # Exclusion constraints differ inside.
        if index.valid and not index.partition and not (index.constraint and not index.unique):
            key = (index.schema, index.table, index.method, index.signature, index.include, index.predicate)
            groups.setdefault(key, []).append(index)
    for group in groups.values():
        keeper, *copies = sorted(group, key=lambda index: _rank(index, declared), reverse=True)
        for copy in copies:
            yield copy, keeper


def _rank(index: Index, declared: Names) -> tuple[bool, ...]:
    return (index.primary, index.constraint, index.unique, index.replica_identity, (index.schema, index.name) in declared)


def beginnings(indexes: Iterable[Index]) -> Iterator[tuple[Index, Index]]:
    """B-trees that another one with the same predicate continues, each with the shortest such one.

    It has their keys first and then further keys, or the same keys and more included columns, and all columns that they include.
    """
    trees = [index for index in indexes if index.method == "btree" and index.valid and not index.partition]
    for index in trees:
        if index.unique or index.constraint or index.replica_identity:
            continue
        longer = [other for other in trees if _continues(other, index)]
        if longer:
            yield index, min(longer, key=lambda other: (len(other.signature), other.size_bytes, other.name))


def _continues(other: Index, index: Index) -> bool:
    return (
        (other.schema, other.table, other.predicate) == (index.schema, index.table, index.predicate)
        and other.signature[: len(index.signature)] == index.signature
        and set(index.include) <= {*other.include, *other.keys}
        and (len(other.signature) > len(index.signature) or set(other.include) > set(index.include))
    )


def guards(index: Index) -> str:
    """What an index does beside being read, in words that follow "it"; empty where nothing would miss it but queries."""
    duties = {
        "carries a constraint": index.constraint or index.primary,
        "keeps values unique": index.unique,
        "is the replica identity of the table": index.replica_identity,
        "is the index that CLUSTER uses": index.clustered,
        "belongs to an index of the partitioned table": index.partition,
        SUPPORTS_KEY: index.supports_foreign_key,
    }
    return next((duty for duty, has in duties.items() if has), "")
