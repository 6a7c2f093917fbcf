"""What was advised, and what became of it: a row a recommendation, in the application's own table where it has one.

The row shows what its columns can; everything goes into its ``metadata``, where there is such a column. pgkeel's own register
(``pgkeel.recommendation``) knows each by its fingerprint, with its state and all details, and leads to the row. Both are written
in one transaction, so that a run which breaks off leaves whole recommendations, and the next one goes on.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ..errors import PgkeelError
from ..postgres.index_redundancy import Names
from .log_table import LogTable, find_log_table
from .model import Kind, Recommendation, State
from .states import IN_FORCE, after_another_run, check_transition
from .store import WITH_LOG, ensure_store, installed_version

LONGEST_QUERY = 10_000
"""Characters of a statement in the log."""
_NEEDED = frozenset(
    {"fingerprint", "kind", "subject", "statement", "ddl", "advice", "reason", "source", "confidence", "measured_gain", "state"}
)
_OF_THE_STATE = (
    *("reason", "confidence", "estimated_gain", "measured_gain", "worst_query_change", "write_cost", "measured", "bytes"),
    "metadata",
)
"""What a recommendation came to its state by: a run that does not change the state does not change these."""


@dataclass(frozen=True)
class Entry:
    """One recommendation as the log has it."""

    fingerprint: str
    kind: Kind
    subject: str
    state: State
    first_at: datetime
    changed_at: datetime
    details: Mapping[str, Any]
    """As ``Recommendation.as_dict`` had them the last time."""


@dataclass(frozen=True)
class Recorded:
    """What became of one recommendation of a run."""

    fingerprint: str
    subject: str
    before: State | None
    """None where it is new."""
    after: State

    @property
    def changes(self) -> bool:
        """Whether it is new, or goes to another state. A newer measurement alone is written, and is no change."""
        return self.before is not self.after


class OptimizationLog:
    """The log of one database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        """Open it; pgkeel's schema is made where it is missing. Raises PgkeelError as ``find_log_table`` and ``ensure_store``."""
        find_log_table(connection)  # a table that does not fit is refused before anything is made
        ensure_store(connection)
        self._connection = connection
        self.table: LogTable = find_log_table(connection)

    def record(self, recommendations: Iterable[Recommendation]) -> tuple[Recommendation, ...]:
        """Write down what a run came to; returns the recommendations with the state that they now have.

        One that is known by its fingerprint keeps its row; nothing is written twice, and a second run that comes to the same
        changes nothing but when it was seen. Raises PgkeelError for a state that no run can find.
        """
        given = tuple(recommendations)
        states = [one.after for one in self.record_rows([one.as_dict() for one in given])]
        return tuple(replace(one, state=state) for one, state in zip(given, states, strict=True))

    def record_rows(self, rows: Iterable[Mapping[str, Any]]) -> tuple[Recorded, ...]:
        """``record`` of rows as ``Recommendation.as_dict`` makes them."""
        return tuple(self._record(_plain(row)) for row in rows)

    def _record(self, row: dict[str, Any]) -> Recorded:
        fingerprint = str(row["fingerprint"])
        with self._connection.transaction():
            self._lock(fingerprint)
            known = _known(self._connection, fingerprint)
            recorded, details = _merged(known, row)
            if known and not recorded.changes and known.details == details and self._has_row(fingerprint):
                self._connection.execute("UPDATE pgkeel.recommendation SET seen_at = now() WHERE fingerprint = %s", [fingerprint])
            else:
                self._write(details, changed=recorded.changes)
            return recorded

    def move(self, fingerprint: str, state: State, reason: str) -> Entry:
        """Take a recommendation to its next state; the moment it is applied goes into the row.

        Raises PgkeelError where it is not known, or may not go there.
        """
        with self._connection.transaction():
            self._lock(fingerprint)
            known = _known(self._connection, fingerprint)
            if known is None:
                raise PgkeelError(f"No recommendation {fingerprint} was ever logged", "Run the advisor first")
            check_transition(known.state, state)
            details = {**known.details, "state": state.value, "reason": reason}
            self._connection.execute(
                """
                UPDATE pgkeel.recommendation SET state = %s, changed_at = now(), seen_at = now(), details = %s
                 WHERE fingerprint = %s
                """,
                [state, Jsonb(details), fingerprint],
            )
            self._update_row(fingerprint, details, applied=state is State.APPLIED)
        return self.entry(fingerprint)

    def expire(self, before: datetime) -> tuple[str, ...]:
        """Proposals and proofs that no run has come to since then; returns their fingerprints."""
        rows = self._connection.execute(
            "SELECT fingerprint FROM pgkeel.recommendation WHERE state = ANY (%s) AND seen_at < %s ORDER BY 1",
            [[State.PROPOSED.value, State.PROVED.value], before],
        ).fetchall()
        for (fingerprint,) in rows:
            self.move(fingerprint, State.EXPIRED, f"No run has come to it since {before:%Y-%m-%d}")
        return tuple(row[0] for row in rows)

    def entry(self, fingerprint: str) -> Entry:
        """One recommendation. Raises PgkeelError where it is not known."""
        known = _known(self._connection, fingerprint)
        if known is None:
            raise PgkeelError(f"No recommendation {fingerprint} was ever logged", "Run the advisor first")
        return known

    def past(self, *, kind: Kind | None = None, states: Iterable[State] = tuple(State)) -> tuple[Entry, ...]:
        """What became of earlier recommendations, the latest change first: what confidence in new ones can rest on."""
        rows = self._connection.execute(
            """
            SELECT fingerprint, state, first_at, changed_at, details FROM pgkeel.recommendation
             WHERE state = ANY (%s) AND (%s::text IS NULL OR details ->> 'kind' = %s) ORDER BY changed_at DESC, fingerprint
            """,
            [[state.value for state in states], kind, kind],
        ).fetchall()
        return tuple(_entry(row) for row in rows)

    def _lock(self, fingerprint: str) -> None:
        self._connection.execute(
            "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))",
            [f"pgkeel recommendation {fingerprint}"],
        )

    def _row_id(self, fingerprint: str) -> str | None:
        """Of its row in the present table: from the register, or by the fingerprint in the row where the register was lost."""
        row = self._connection.execute(
            "SELECT log_id FROM pgkeel.recommendation WHERE fingerprint = %s AND log_table = %s",
            [fingerprint, self.table.described],
        ).fetchone()
        if row is None and self.table.keeps_metadata:
            row = self._connection.execute(
                self._sql("SELECT {id}::text FROM {table} WHERE {metadata}::jsonb -> 'pgkeel' ->> 'fingerprint' = %s LIMIT 1"),
                [fingerprint],
            ).fetchone()
        return str(row[0]) if row else None

    def _has_row(self, fingerprint: str) -> bool:
        number = self._row_id(fingerprint)
        if number is None:
            return False
        return self._connection.execute(self._sql("SELECT FROM {table} WHERE {id}::text = %s"), [number]).fetchone() is not None

    def _write(self, details: dict[str, Any], *, changed: bool) -> None:
        fingerprint = details["fingerprint"]
        number = self._row_id(fingerprint)
        if number is None or not self._has_row(fingerprint):
            number = self._insert_row(details)
        self._connection.execute(
            """
            INSERT INTO pgkeel.recommendation AS known (fingerprint, log_table, log_id, state, details)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (fingerprint) DO UPDATE
               SET log_table = excluded.log_table, log_id = excluded.log_id, state = excluded.state, details = excluded.details,
                   seen_at = now(), changed_at = CASE WHEN %s THEN now() ELSE known.changed_at END
            """,
            [fingerprint, self.table.described, number, details["state"], Jsonb(details), changed],
        )
        self._update_row(fingerprint, details, applied=False)

    def _insert_row(self, details: dict[str, Any]) -> str:
        values = {**_shown(details), "createdat": datetime.now(UTC)}
        if not self.table.makes_ids:
            values["id"] = str(uuid.uuid4())
        if "updatedat" in self.table.columns:
            values["updatedat"] = datetime.now(UTC)
        if self.table.keeps_metadata:
            values["metadata"] = Jsonb({"pgkeel": details})
        names = [name for name in values if name in self.table.columns]
        row = self._connection.execute(
            self._sql("INSERT INTO {table} ({names}) VALUES ({values}) RETURNING {id}::text", names),
            [self._fitting(name, values[name]) for name in names],
        ).fetchone()
        if row is None:  # a rule or a trigger of the application swallowed it
            raise PgkeelError(
                f"The table {self.table.described} takes no row", f"Look at its rules and triggers; {details['subject']} was lost"
            )
        return str(row[0])

    def _update_row(self, fingerprint: str, details: dict[str, Any], *, applied: bool) -> None:
        number = self._row_id(fingerprint)
        values = _shown(details)
        if applied:
            values["appliedat"] = datetime.now(UTC)
        if "updatedat" in self.table.columns:
            values["updatedat"] = datetime.now(UTC)
        names = [name for name in values if name in self.table.columns]
        sets = [sql.SQL("{} = %s").format(sql.Identifier(self.table.columns[name].name)) for name in names]
        parameters = [self._fitting(name, values[name]) for name in names]
        if self.table.keeps_metadata:
            # What the application keeps there beside is its own.
            sets.append(
                self._sql(
                    "{metadata} = (CASE WHEN jsonb_typeof({metadata}::jsonb) = 'object' THEN {metadata}::jsonb ELSE '{{}}' END"
                    " || %s)::{metadata_type}"
                )
            )
            parameters.append(Jsonb({"pgkeel": details}))
        self._connection.execute(
            sql.SQL(" ").join([self._sql("UPDATE {table} SET"), sql.SQL(", ").join(sets), self._sql("WHERE {id}::text = %s")]),
            [*parameters, number],
        )

    def _fitting(self, name: str, value: Any) -> Any:  # noqa: ANN401 - of any column
        column = self.table.columns[name]
        if isinstance(value, datetime) and column.type == "timestamp without time zone":
            return value.astimezone(UTC).replace(tzinfo=None)
        if isinstance(value, str) and column.length is not None:
            return value[: column.length]
        if isinstance(value, int | float) and column.most is not None:
            # Thirty times slower is a gain of -2,900 %; the exact figure is in the metadata.
            return max(-column.most, min(column.most, value))
        return value

    def _sql(self, template: Any, names: Iterable[str] = ()) -> sql.Composed:  # noqa: ANN401 - a literal of this file
        columns = self.table.columns
        metadata = columns.get("metadata")
        return sql.SQL(template).format(
            table=sql.Identifier(self.table.schema, self.table.name),
            id=sql.Identifier(columns["id"].name),
            metadata=sql.Identifier(metadata.name) if metadata else sql.SQL("NULL"),
            metadata_type=sql.SQL("jsonb" if metadata is None or metadata.type == "jsonb" else "json"),
            names=sql.SQL(", ").join(sql.Identifier(columns[name].name) for name in names),
            values=sql.SQL(", ").join(sql.Placeholder() for _ in names),
        )


def indexes_in_force(connection: psycopg.Connection[Any]) -> Names:
    """Schema and name of the indexes that the architect built and nobody reverted. Reads only."""
    if installed_version(connection) < WITH_LOG:
        return frozenset()
    rows = connection.execute(
        """
        SELECT details #>> '{index,schema}', details #>> '{index,name}' FROM pgkeel.recommendation
         WHERE state = ANY (%s) AND details ->> 'kind' = %s AND details #>> '{index,name}' IS NOT NULL
        """,
        [[state.value for state in IN_FORCE], Kind.CREATE_INDEX],
    ).fetchall()
    return frozenset((str(row[0]), str(row[1])) for row in rows)


def _entry(row: tuple[Any, ...]) -> Entry:
    details = row[4]
    return Entry(row[0], Kind(details["kind"]), details["subject"], State(row[1]), row[2], row[3], details)


@dataclass(frozen=True)
class Kept:
    """What a whole run came to."""

    recorded: tuple[Recorded, ...]
    expired: tuple[str, ...]
    """Fingerprints."""
    table: LogTable


def keep_rows(connection: psycopg.Connection[Any], rows: Iterable[Mapping[str, Any]], expire_before: datetime | None) -> Kept:
    """Record the rows of a run, and let expire what no run has come to since ``expire_before``.

    Raises PgkeelError as opening the log does, and where the database refuses a row, as a constraint or a trigger of the
    application may: those before it are kept.
    """
    with _refusals() as place:
        log = OptimizationLog(connection)
        place.append(log.table.described)
        recorded = log.record_rows(rows)
        return Kept(recorded, log.expire(expire_before) if expire_before else (), log.table)


def would_keep(connection: psycopg.Connection[Any], rows: Iterable[Mapping[str, Any]]) -> Kept:
    """What ``keep_rows`` would do, but for what expires; reads only. Raises PgkeelError as it does."""
    with _refusals() as place:
        table = find_log_table(connection)
        place.append(table.described)
        there = installed_version(connection) >= WITH_LOG
        plain = [_plain(row) for row in rows]
        recorded = tuple(_merged(_known(connection, row["fingerprint"]) if there else None, row)[0] for row in plain)
        return Kept(recorded, (), table)


@contextmanager
def _refusals() -> Iterator[list[str]]:
    """Gives a list for the name of the table, as soon as it is known."""
    place: list[str] = []
    try:
        yield place
    except psycopg.Error as error:
        # The primary message only: detail and context quote what was to be written.
        reason = error.diag.message_primary or type(error).__name__
        where = f"The table {place[0]}" if place else "The optimization log"
        raise PgkeelError(
            f"{where} could not be read or written: {reason}",
            "Look at its constraints, triggers and rights, and run again: what was logged before stays",
        ) from error


def _known(connection: psycopg.Connection[Any], fingerprint: str) -> Entry | None:
    row = connection.execute(
        "SELECT fingerprint, state, first_at, changed_at, details FROM pgkeel.recommendation WHERE fingerprint = %s",
        [fingerprint],
    ).fetchone()
    return _entry(row) if row else None


def _merged(known: Entry | None, row: dict[str, Any]) -> tuple[Recorded, dict[str, Any]]:
    """The state after a run, and the details to keep: those of the run, with the reason and figures of the state that stands."""
    found = State(row["state"])
    state = after_another_run(known.state if known else None, found)
    details = {**row, "state": state.value}
    if known and state is not found:
        details |= {name: known.details[name] for name in _OF_THE_STATE if name in known.details}
    return Recorded(row["fingerprint"], row["subject"], known.state if known else None, state), details


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """As the database gives it back: lists for tuples. Raises PgkeelError for a row that is no recommendation."""
    missing = sorted(_NEEDED - set(row))
    if missing:
        raise PgkeelError(f"A recommendation has no {missing[0]}", "Give rows as pg_optimize and pg_advisor return them")
    plain: dict[str, Any] = json.loads(json.dumps(dict(row)))
    return plain


def _shown(details: Mapping[str, Any]) -> dict[str, Any]:
    """What the application's own columns show. performanceGain is in percent of the time, as measured; empty until it was."""
    gain = details["measured_gain"]
    return {
        "querytext": (details["statement"] or details["subject"])[:LONGEST_QUERY],
        "recommendation": details["ddl"] or details["advice"],
        "performancegain": None if gain is None else round(100 * gain, 2),
        "confidence": details["confidence"],
        "source": details["source"],
    }
