"""What a check may look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ..postgres import catalog
from .declared import DeclaredIndex, DeclaredState
from .outcome import CouldNotVerify
from .thresholds import Thresholds

Row = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """The cluster under audit, read once at the beginning."""

    version: str
    version_number: int
    uptime_seconds: float
    in_recovery: bool
    user: str
    superuser: bool
    reads_all_statistics: bool
    reads_all_settings: bool
    settings: Mapping[str, str]
    """As a new session of this role gets them, in the unit of ``pg_settings``."""

    def as_dict(self) -> dict[str, Any]:
        """What reports show of it."""
        return {
            "version": self.version,
            "version_number": self.version_number,
            "uptime_seconds": round(self.uptime_seconds),
            "in_recovery": self.in_recovery,
            "audited_as": self.user,
        }


@dataclass(frozen=True)
class Context:
    """One database of one server; a cluster check gets any of them."""

    connection: psycopg.Connection[Any]
    database: str
    databases: tuple[str, ...]
    """All that this run audits."""
    server: Server
    thresholds: Thresholds
    declared_indexes: tuple[DeclaredIndex, ...]
    declared_states: tuple[DeclaredState, ...]
    """What this database has of those declared for it."""
    statements_connection: psycopg.Connection[Any]
    """To a database that has pg_stat_statements, if one does: its view shows every database."""
    statements_schema: str
    """Of that extension; empty when no audited database has it."""

    def rows(self, query: LiteralString, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[Row]:
        """Run a query in the database of this context; rows are mappings."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def statement_rows(self, query: LiteralString, parameters: Mapping[str, Any]) -> list[Row]:
        """Run a query in which ``{statements}`` and ``{statements_info}`` stand for the views of pg_stat_statements."""
        views = {
            "statements": sql.Identifier(self.statements_schema, "pg_stat_statements"),
            "statements_info": sql.Identifier(self.statements_schema, "pg_stat_statements_info"),
        }
        with self.statements_connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql.SQL(query).format(**views), parameters).fetchall()

    def setting(self, name: str) -> str:
        """The value of a setting; CouldNotVerify when the server does not show it."""
        try:
            return self.server.settings[name]
        except KeyError as error:
            raise CouldNotVerify(f"the server does not show the setting {name} to role {self.server.user}") from error

    def indexes(self) -> tuple[catalog.Index, ...]:
        """The indexes of this database."""
        return catalog.indexes(self.connection)

    def name(self, *parts: str) -> str:
        """An object of this database as a finding's subject: unique in the cluster, the same in every run."""
        return f"{self.database}: {catalog.quoted(*parts)}"
