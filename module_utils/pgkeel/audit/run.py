"""One audit run: connect, ask every check, collect what they say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login, connect
from ..report.finding import CheckResult, Finding, Priority, Status
from .checks import ALL
from .context import Context, Server
from .declared import DeclaredIndex, DeclaredState, read_declared_states
from .outcome import CouldNotVerify, NotApplicable
from .registry import AREAS, Check, Scope
from .thresholds import Thresholds
from .waivers import Waived, Waiver, split_waived

OLDEST_VERSION = 170000


@dataclass(frozen=True)
class Options:
    """What to audit, and how strictly."""

    databases: tuple[str, ...] = ()
    """Empty means every database that admits connections and is no template."""
    areas: tuple[str, ...] = ()
    """Names of areas; empty means all."""
    checks: tuple[str, ...] = ()
    """Ids of checks; empty means all."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    waivers: tuple[Waiver, ...] = ()
    declared_indexes: tuple[DeclaredIndex, ...] = ()
    check_timeout_seconds: float = 30.0
    """Longest that one statement of a check may take."""
    lock_timeout_seconds: float = 1.0
    """Longest that it may wait for a lock."""


@dataclass(frozen=True)
class Unverified:
    """A question without an answer; an empty database means the whole cluster."""

    check: str
    database: str
    reason: str


@dataclass(frozen=True)
class AuditReport:
    """All that one run came to."""

    server: Server
    databases: tuple[str, ...]
    results: tuple[CheckResult, ...]
    waived: tuple[Waived, ...]
    unverified: tuple[Unverified, ...]
    declared_indexes: tuple[DeclaredState, ...]
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those that count, the most urgent first."""
        found = [finding for result in self.results for finding in result.findings]
        return tuple(sorted(found, key=lambda finding: (finding.priority, finding.id, finding.subject)))

    @property
    def findings_by_priority(self) -> dict[str, int]:
        """``{"P0": n, "P1": n, "P2": n}``, waived ones left out."""
        return {priority.value: sum(finding.priority is priority for finding in self.findings) for priority in Priority}

    @property
    def could_not_verify(self) -> int:
        """Checks that could not answer for the cluster or for at least one database."""
        return len({item.check for item in self.unverified})


def run_audit(login: Login, options: Options, today: date) -> AuditReport:
    """Ask the selected checks, each in its own read-only transaction with a time limit, and change nothing.

    Where indexes are declared, one short transaction more, which is rolled back, asks PostgreSQL what they would be.
    Opens one connection a database. Raises PgkeelError when the server cannot be reached or is older than PostgreSQL 17,
    when a database does not exist, or when a check or area is unknown.
    """
    checks = select(options)
    try:
        return _run(login, options, checks, today)
    except psycopg.Error as error:  # between the checks, whose own errors are caught one by one
        raise PgkeelError(f"The audit of {login.describe()} broke off: {_sentence(error)}", "See the server's log") from error


def _run(login: Login, options: Options, checks: tuple[Check, ...], today: date) -> AuditReport:
    started = time.monotonic()
    with ExitStack() as stack:
        first = stack.enter_context(_open(login, options))
        server = _read_server(first)
        databases = _existing_databases(first, options)
        connections: dict[str, psycopg.Connection[Any]] = {login.database: first}
        unreachable: dict[str, str] = {}
        for database in databases:
            if database not in connections:
                try:
                    connections[database] = stack.enter_context(_open(replace(login, database=database), options))
                except PgkeelError as error:
                    unreachable[database] = str(error)
        home, schema = _statements_home(connections)
        states = {
            database: _declared_states(connection, database, options.declared_indexes, server)
            for database, connection in connections.items()
        }
        context = Context(
            connection=connections[home],
            database=home,
            databases=databases,
            server=server,
            thresholds=options.thresholds,
            declared_indexes=options.declared_indexes,
            declared_states=states[home],
            statements_connection=connections[home],
            statements_schema=schema,
        )
        results: list[CheckResult] = []
        waived: list[Waived] = []
        unverified: list[Unverified] = []
        for check in checks:
            contexts = {
                database: replace(context, connection=connections[database], database=database, declared_states=states[database])
                for database in databases
                if database in connections
            }
            outcome = _ask(check, {"": context} if check.scope is Scope.CLUSTER else contexts)
            missing = {} if check.scope is Scope.CLUSTER else unreachable
            gaps = [Unverified(check.id, database, reason) for database, reason in {**outcome.gaps, **missing}.items()]
            counting, hidden = split_waived(outcome.findings, options.waivers, today)
            results.append(_result(check, outcome, gaps, counting, hidden))
            waived.extend(hidden)
            unverified.extend(gaps)
    declared = tuple(state for of_one in states.values() for state in of_one)
    return AuditReport(server, databases, tuple(results), tuple(waived), tuple(unverified), declared, time.monotonic() - started)


def select(options: Options) -> tuple[Check, ...]:
    """The checks that the options ask for, in the registry's order. PgkeelError for an unknown id or area."""
    known = {check.id for check in ALL}
    for name in options.checks:
        if name not in known:
            raise PgkeelError(
                f"Unknown audit check {name!r}", f"Use ids from {min(known)} to {max(known)} as docs/audit.md lists them"
            )
    for name in options.areas:
        if name not in AREAS.values():
            raise PgkeelError(f"Unknown audit area {name!r}", f"Use one of {', '.join(AREAS.values())}")
    return tuple(
        check
        for check in ALL
        if (not options.checks or check.id in options.checks) and (not options.areas or check.area in options.areas)
    )


@dataclass(frozen=True)
class _Outcome:
    findings: tuple[Finding, ...]
    gaps: Mapping[str, str]
    """Reason a database that could not be verified."""
    exempt: Mapping[str, str]
    """Reason a database to which the check does not apply."""
    asked: int
    seconds: float


def _ask(check: Check, contexts: Mapping[str, Context]) -> _Outcome:
    started = time.monotonic()
    findings: list[Finding] = []
    gaps: dict[str, str] = {}
    exempt: dict[str, str] = {}
    for database, context in contexts.items():
        try:
            with context.connection.transaction(force_rollback=True):
                for finding in check.run(context):
                    findings.append(finding)  # noqa: PERF402 - what was found before an outcome was raised stands
        except NotApplicable as outcome:
            exempt[database] = str(outcome)
        except CouldNotVerify as outcome:
            gaps[database] = str(outcome)
        except psycopg.Error as error:
            gaps[database] = _sentence(error)
    return _Outcome(tuple(findings), gaps, exempt, len(contexts), time.monotonic() - started)


def _sentence(error: psycopg.Error) -> str:
    # The primary message only: detail and context may quote data.
    message = error.diag.message_primary or str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return f"PostgreSQL answered: {message}"


def _result(
    check: Check, outcome: _Outcome, gaps: list[Unverified], counting: tuple[Finding, ...], hidden: tuple[Waived, ...]
) -> CheckResult:
    reasons = [f"database {gap.database}: {gap.reason}" if gap.database else gap.reason for gap in gaps]
    if counting:
        status = Status.FINDING
    elif gaps:
        status = Status.COULD_NOT_VERIFY
    elif outcome.asked and len(outcome.exempt) == outcome.asked:
        status = Status.NOT_APPLICABLE
        reasons += sorted(set(outcome.exempt.values()))
    else:
        status = Status.OK
    reasons += [f"{item.finding.subject}: waived until {item.waiver.until}: {item.waiver.reason}" for item in hidden]
    return CheckResult(check.id, check.title, check.area, status, counting, "; ".join(reasons), outcome.seconds)


def _open(login: Login, options: Options) -> psycopg.Connection[Any]:
    connection = connect(login, application_name="pgkeel-audit")
    try:
        connection.read_only = True
        # Objects in other schemas must not stand in for system functions while a superuser asks.
        for name, value in {
            "search_path": "pg_catalog",
            "statement_timeout": str(round(options.check_timeout_seconds * 1000)),
            "lock_timeout": str(round(options.lock_timeout_seconds * 1000)),
            "idle_in_transaction_session_timeout": "0",
        }.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    except psycopg.Error as error:
        connection.close()
        raise PgkeelError(
            f"Cannot prepare a session on {login.describe()}: {_sentence(error)}", "See the server's log"
        ) from error
    return connection


def _read_server(connection: psycopg.Connection[Any]) -> Server:
    number = connection.info.server_version
    if number < OLDEST_VERSION:
        raise PgkeelError(f"The server runs PostgreSQL {number // 10000}", "Audit PostgreSQL 17 or newer")
    row = connection.execute(
        """
        SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8,
               pg_is_in_recovery(), current_user::text, rolsuper,
               pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
               pg_has_role(current_user, 'pg_read_all_settings', 'USAGE')
          FROM pg_roles WHERE rolname = current_user
        """
    ).fetchone()
    if row is None:  # only a role dropped at this very moment gets here
        raise PgkeelError("The server does not know the role that just logged in", "Run the audit again")
    # reset_val, because the audit's own session sets timeouts for itself.
    settings = dict(connection.execute("SELECT name, coalesce(reset_val, '') FROM pg_settings").fetchall())
    return Server(row[0], number, row[1], row[2], row[3], row[4], row[5], row[6], settings)


def _existing_databases(connection: psycopg.Connection[Any], options: Options) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
    ).fetchall()
    existing = tuple(str(row[0]) for row in rows)
    for name in options.databases:
        if name not in existing:
            raise PgkeelError(f"There is no database {name!r} to audit", f"Choose among {', '.join(existing)}")
    for index in options.declared_indexes:
        if index.database not in existing:
            raise PgkeelError(
                f"The declared index {index.name} names the database {index.database!r}, which does not exist",
                f"Correct its declaration, or create the database; there are {', '.join(existing)}",
            )
    return tuple(dict.fromkeys(options.databases)) or existing


def _statements_home(connections: Mapping[str, psycopg.Connection[Any]]) -> tuple[str, str]:
    """The first database that has pg_stat_statements, with the extension's schema; else the first one and an empty schema."""
    for database, connection in connections.items():
        row = connection.execute(
            """
            SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
             WHERE e.extname = 'pg_stat_statements'
            """
        ).fetchone()
        if row:
            return database, str(row[0])
    return next(iter(connections)), ""


def _declared_states(
    connection: psycopg.Connection[Any], database: str, declared: tuple[DeclaredIndex, ...], server: Server
) -> tuple[DeclaredState, ...]:
    wanted = tuple(one for one in declared if one.database == database)
    try:
        return read_declared_states(connection, wanted, in_recovery=server.in_recovery)
    except psycopg.Error as error:
        return tuple(DeclaredState(one, None, unverified=_sentence(error)) for one in wanted)
