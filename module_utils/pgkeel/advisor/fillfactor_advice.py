"""Updates that could stay on their page (HOT) and do not, because the page is full."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from pglast import ast

from ..postgres.catalog import quoted
from .facts import PAGE_BYTES, Catalog, TableFacts
from .model import Kind, Recommendation, Statement
from .redaction import understand
from .tree import nodes

FEWEST_UPDATES = 10_000
LOST_RATIO = 0.3
"""Of all updates: rows that went to another page, from which on it is worth leaving room."""
PLAIN_RATIO = 0.5
"""Of the rows that the workload's updates changed: those whose columns no index holds. The others cannot be HOT at all."""
FULL = 100
ROOMS = (95, 90, 85, 80, 70)
"""Fillfactors to choose from, in percent."""

Table = tuple[str, str]


@dataclass(frozen=True)
class Updates:
    """How a table was updated since its statistics began."""

    table: Table
    updates: int
    hot: int
    """Kept on their page, no index touched."""
    elsewhere: int
    """Put on another page, because their own was full."""
    fillfactor: int
    """In percent."""
    indexed: frozenset[str]
    """Columns in the keys, expressions or predicates of indexes other than BRIN, which does not stand in the way of HOT."""


def read_updates(connection: psycopg.Connection[Any]) -> tuple[Updates, ...]:
    """All tables that were updated at all. Raises psycopg.Error."""
    rows = connection.execute(
        """
        SELECT u.schemaname::text, u.relname::text, u.n_tup_upd, u.n_tup_hot_upd, u.n_tup_newpage_upd,
               coalesce((SELECT o.option_value::int FROM pg_catalog.pg_options_to_table(c.reloptions) o
                          WHERE o.option_name = 'fillfactor'), 100),
               ARRAY(SELECT DISTINCT a.attname::text
                       FROM pg_catalog.pg_index i
                       JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
                      WHERE i.indrelid = u.relid AND m.amname <> 'brin' AND a.attnum > 0
                        AND (a.attnum = ANY (i.indkey::int2[])
                             OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                                         WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                                           AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)))
          FROM pg_catalog.pg_stat_user_tables u JOIN pg_catalog.pg_class c ON c.oid = u.relid
         WHERE u.n_tup_upd > 0 AND c.relkind = 'r'
        """
    ).fetchall()
    return tuple(Updates((row[0], row[1]), row[2], row[3], row[4], row[5], frozenset(row[6])) for row in rows)


def advise_fillfactor(
    updates: Iterable[Updates], statements: Iterable[Statement], catalog: Catalog
) -> tuple[Recommendation, ...]:
    """Room on the page where updates leave it, and the workload shows that room would have helped: pure."""
    changed = _changed(statements, catalog)
    found = []
    for one in updates:
        table = catalog.tables.get(one.table)
        if table is None or one.updates < FEWEST_UPDATES or one.elsewhere < LOST_RATIO * one.updates:
            continue
        mine = changed.get(one.table, ())
        rows = sum(statement.rows for statement, _ in mine)
        plain = [(statement, columns) for statement, columns in mine if not columns & one.indexed]
        plain_rows = sum(statement.rows for statement, _ in plain)
        room = _room(table, one.fillfactor)
        if not plain or plain_rows < PLAIN_RATIO * rows or room is None:
            continue
        found.append(_leave_room(one, room, [statement for statement, _ in plain], plain_rows / max(rows, 1)))
    return tuple(found)


def _changed(statements: Iterable[Statement], catalog: Catalog) -> Mapping[Table, list[tuple[Statement, frozenset[str]]]]:
    """Statements that update a table, with the columns they set."""
    found: dict[Table, list[tuple[Statement, frozenset[str]]]] = defaultdict(list)
    for statement in statements:
        tree = understand(statement.text).tree
        for relation, targets in _assignments(tree):
            table = catalog.find(relation.schemaname, relation.relname)
            if isinstance(table, TableFacts):
                found[table.id].append((statement, frozenset(target.name for target in targets if target.name)))
    return found


def _assignments(tree: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:  # noqa: ANN401 - pglast's nodes
    for update in nodes(tree, ast.UpdateStmt):
        yield update.relation, update.targetList or ()
    for insert in nodes(tree, ast.InsertStmt):
        if insert.onConflictClause and insert.onConflictClause.targetList:
            yield insert.relation, insert.onConflictClause.targetList


def _room(table: TableFacts, present: int) -> int | None:
    """The highest fillfactor below the present one that leaves a page room for two more versions of a row."""
    if not table.rows or not table.pages:
        return None
    row_share = 100 * (table.pages / table.rows) * (present / 100)
    wanted = 100 - 2 * row_share
    return next((room for room in ROOMS if room < present and room <= wanted), None)


def _leave_room(one: Updates, room: int, statements: list[Statement], plain: float) -> Recommendation:
    target = quoted(*one.table)
    before = "RESET (fillfactor)" if one.fillfactor == FULL else f"SET (fillfactor = {one.fillfactor})"
    return Recommendation(
        kind=Kind.FILLFACTOR,
        subject=target,
        ddl=f"ALTER TABLE {target} SET (fillfactor = {room});",
        undo=f"ALTER TABLE {target} {before};",
        reason=f"{one.elsewhere / one.updates:.0%} of the updates of {target} went to another page and wrote to every index; "
        f"{plain:.0%} of them change no indexed column, so leave {100 - room} % of a page free. Pages that are full "
        "now follow when the table is rewritten (VACUUM FULL, pg_repack).",
        source="heuristic",
        statements=tuple(statement.query_id for statement in statements),
        statement=statements[0].text,
        metadata={
            "updates": one.updates,
            "hot_ratio": round(one.hot / one.updates, 3),
            "another_page_ratio": round(one.elsewhere / one.updates, 3),
            "unindexed_ratio": round(plain, 3),
            "fillfactor": one.fillfactor,
            "page_bytes": PAGE_BYTES,
        },
    )
