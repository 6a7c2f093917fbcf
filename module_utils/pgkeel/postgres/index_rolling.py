"""Partial indexes over the newest rows: a predicate with a literal cut-off that follows the clock in steps.

PostgreSQL admits no ``now()`` in a predicate, and uses such an index only for a query whose own bound it can compare with the
cut-off when it plans: a literal, or a parameter of a plan made for its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from ..errors import PgkeelError

if TYPE_CHECKING:
    from .index_declaration import IndexDeclaration

_UNITS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_PERIOD = re.compile(r"(\d+) (hour|day|week)s?")
_MOST_DIGITS = 7
_LONGEST = timedelta(days=36_525)
_OPTIONS = frozenset({"column", "keep", "lag"})
_TYPES = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "date": "date"}
_WHOLE_DAYS = timedelta(days=2)
"""From this period on a cut-off is at midnight UTC, below it at the full hour: two runs of one day come to the same."""


@dataclass(frozen=True)
class Rolling:
    """Which rows are the newest."""

    column: str
    keep: timedelta
    lag: float = 0.1
    """How far the cut-off may stay behind before the index is built anew, as a share of ``keep``."""
    cutoff: datetime | None = None
    """In UTC, without a zone; None until the table has been looked at."""

    @property
    def described(self) -> str:
        """The cut-off in words; empty before it is known."""
        return f"{self.cutoff:%Y-%m-%d %H:%M:%S} UTC" if self.cutoff else ""


def parse_rolling(index: str, raw: Mapping[str, Any]) -> Rolling:
    """Turn the declaration's ``rolling`` into a value.

    Raises PgkeelError for an unknown option, a missing column, a period that is no number of hours, days or weeks, or a lag
    that is no share.
    """
    unknown = sorted(set(raw) - _OPTIONS)
    if unknown:
        raise PgkeelError(f"Index {index} has the unknown rolling option {unknown[0]!r}", f"Use {', '.join(sorted(_OPTIONS))}")
    column, period, lag = str(raw.get("column") or ""), str(raw.get("keep") or "").strip(), raw.get("lag")
    if not column:
        raise PgkeelError(f"Index {index} is rolling without a column", "Name the column that holds the time")
    match = _PERIOD.fullmatch(period)
    keep = _period(match)
    if keep is None:
        raise PgkeelError(
            f"Index {index} is to keep {period!r}", "Write a period such as 30 days, 12 hours or 4 weeks, of a century at most"
        )
    share = 0.1 if lag is None else float(lag)
    if not 0 < share <= 1:
        raise PgkeelError(
            f"Index {index} has a rolling lag of {share:g}", "Give a share of the period above 0 and up to 1, as 0.1"
        )
    return Rolling(column, keep, share)


def _period(match: re.Match[str] | None) -> timedelta | None:
    """None for nothing, and for more than the calendar has."""
    number = int(match[1]) if match and len(match[1]) <= _MOST_DIGITS else 0
    keep = number * _UNITS[match[2]] if match else timedelta(0)
    return keep if timedelta(0) < keep <= _LONGEST else None


def choose_cutoff(rolling: Rolling, now: datetime, present: Iterable[datetime]) -> datetime:
    """The cut-off that an index should have: one of those ``present`` while it lags no more than allowed, else a new one.

    All in UTC without a zone. One that is later than it should be holds too few rows, and is not taken.
    """
    wanted = (now - rolling.keep).replace(minute=0, second=0, microsecond=0)
    if rolling.keep >= _WHOLE_DAYS:
        wanted = wanted.replace(hour=0)
    allowed = [one for one in present if timedelta(0) <= wanted - one <= rolling.lag * rolling.keep]
    return max(allowed, default=wanted)


def resolve_rolling(
    connection: psycopg.Connection[Any], schema: str, table: str, declaration: IndexDeclaration, existing: Mapping[str, str]
) -> IndexDeclaration:
    """The declaration with its cut-off as a predicate; one that does not roll as it is.

    ``existing`` has the definitions that an index of this declaration may have now, by name. The clock is the server's; a column
    without time zone is taken to hold UTC. Raises PgkeelError where the column is missing or holds no time.
    """
    rolling = declaration.rolling
    if rolling is None or not declaration.present:
        return declaration
    row = connection.execute(
        """
        SELECT pg_catalog.format_type(a.atttypid, NULL), pg_catalog.quote_ident(a.attname), now() AT TIME ZONE 'UTC'
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = %s AND c.relname = %s AND a.attname = %s AND a.attnum > 0 AND NOT a.attisdropped
        """,
        [schema, table, rolling.column],
    ).fetchone()
    if row is None:
        raise PgkeelError(
            f"The {declaration.describe()} rolls by the column {rolling.column}, which the table does not have",
            "Name the column that holds the time",
        )
    kind, quoted, now = row
    if kind not in _TYPES:
        raise PgkeelError(
            f"The {declaration.describe()} rolls by {rolling.column}, which is of type {kind}",
            "Choose a column of type timestamp, timestamptz or date",
        )
    literals = [match[1] for text in existing.values() if (match := re.search(rf"{re.escape(quoted)} >= '([^']+)'::", text))]
    cutoff = choose_cutoff(rolling, now, [_moment(connection, literal, kind) for literal in literals])
    written = f"{cutoff:%Y-%m-%d}" if kind == "date" else f"{cutoff:%Y-%m-%d %H:%M:%S}{'+00' if 'with time' in kind else ''}"
    condition = sql.SQL("{} >= {}::{}").format(sql.Identifier(rolling.column), sql.Literal(written), sql.SQL(_TYPES[kind]))
    where = condition.as_string(connection)
    return replace(
        declaration,
        where=f"{where} AND ({declaration.where})" if declaration.where else where,
        rolling=replace(rolling, cutoff=cutoff),
    )


def _moment(connection: psycopg.Connection[Any], literal: str, kind: str) -> datetime:
    """What PostgreSQL printed, in UTC."""
    zone = " AT TIME ZONE 'UTC'" if "with time" in kind else "::timestamp"
    row = connection.execute(
        sql.SQL("SELECT {}::{}{}").format(sql.Literal(literal), sql.SQL(_TYPES[kind]), sql.SQL(zone))
    ).fetchone()
    moment = row[0] if row else None
    return moment if isinstance(moment, datetime) else datetime.max  # never one that may stay
