"""What the playbooks found, as the report reads it: one JSON document a subject, any of which may be absent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from .finding import CheckResult, Finding, Priority, Status
from .freshness import moment
from .schemas import SchemaAudit, schema_audit

Document = Mapping[str, Any]

NAMES = ("site", "audit", "backup", "drill", "workload", "load", "run", "schema_audit")
"""`<name>.json` in the report folder of a host."""

_EFFORT = {"low": 0, "medium": 1, "high": 2}


class DrillVerdict(StrEnum):
    """What a restore drill came to."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    COULD_NOT_VERIFY = "COULD NOT VERIFY"


@dataclass(frozen=True)
class Audit:
    """The audit: what each check came to, or why none ran."""

    results: tuple[CheckResult, ...]
    seconds: float | None
    reason: str = ""
    """Why the audit as a whole did not run; empty when it did."""
    waived: tuple[Document, ...] = ()
    """Findings that a waiver hides, with `waived_until` and `waived_because`."""
    declared_indexes: tuple[Document, ...] = ()
    """What became of each index that the inventory declares."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, most urgent first, and among equals the cheapest to remedy first."""
        found = [finding for result in self.results for finding in result.findings]
        return tuple(sorted(found, key=lambda one: (one.priority, _EFFORT[one.effort], one.id, one.subject)))

    def with_status(self, status: Status) -> tuple[CheckResult, ...]:
        """The checks that came to `status`, in the order of the document."""
        return tuple(result for result in self.results if result.status is status)

    def counts(self) -> dict[str, int]:
        """Findings by priority: `{"P0": 0, "P1": 3, "P2": 9}`."""
        return {priority.value: sum(one.priority is priority for one in self.findings) for priority in Priority}


@dataclass(frozen=True)
class Documents:
    """Everything known about one host; None means that it was not run."""

    host: str
    site: Document | None = None
    audit: Audit | None = None
    backups: tuple[Document, ...] | None = None
    drills: tuple[Document, ...] | None = None
    workload: Document | None = None
    load: Document | None = None
    run: Document | None = None
    schemas: SchemaAudit | None = None
    application: bool = True
    """Whether an application with schemas of its own belongs to the server; without one nobody misses its audit."""
    finished: Mapping[str, datetime] = field(default_factory=dict)
    """When each document was made, by name, in UTC; one that does not say is absent."""

    @classmethod
    def from_mapping(cls, documents: Mapping[str, Any], host: str = "", *, application: bool = True) -> Documents:
        """Take the documents by name (see `NAMES`).

        `host` is what the report calls the server; empty means the name that `site` or `run` gives.
        Raises PgkeelError when a document does not have the shape that its playbook writes: half a report would mislead.
        """
        unknown = sorted(set(documents) - set(NAMES))
        if unknown:
            raise PgkeelError(f"The report does not know {', '.join(unknown)}", f"Give it only {', '.join(NAMES)}")
        found = {name: _mapping(name, documents.get(name)) for name in NAMES}
        named = (found["site"] or {}).get("host") or (found["run"] or {}).get("host")
        audit, backup, drill = found["audit"], found["backup"], found["drill"]
        _rows("run", found["run"], "phases")
        finished = {name: moment(document, "finished", name) for name, document in found.items() if document is not None}
        return cls(
            host=host or (str(named) if named else "This server"),
            site=_site(found["site"]) if found["site"] is not None else None,
            audit=_audit(audit) if audit is not None else None,
            backups=_backups(backup) if backup is not None else None,
            drills=_drills(drill) if drill is not None else None,
            workload=_workload(found["workload"]) if found["workload"] is not None else None,
            load=found["load"],
            run=found["run"],
            schemas=schema_audit(found["schema_audit"]) if found["schema_audit"] is not None else None,
            application=application,
            finished={name: time for name, time in finished.items() if time is not None},
        )


def read_documents(
    folder: Path, host: str = "", instead: Mapping[str, str] | None = None, *, application: bool = True
) -> Documents:
    """Read the `<name>.json` files that are in `folder`; `instead` has the text of some that are about to be written there.

    Raises PgkeelError when there is none, or when one cannot be read: a broken file is not the same as a check that did not run.
    """
    documents: dict[str, Any] = {}
    for name in NAMES:
        path = folder / f"{name}.json"
        try:
            text = (instead or {}).get(name) or path.read_text(encoding="utf-8")
            documents[name] = json.loads(text, parse_constant=_refuse_constant)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            raise PgkeelError(
                f"{path} cannot be read as JSON: {error}", f"Run the playbook that writes {name}.json again, or remove the file"
            ) from error
    if not documents:
        raise PgkeelError(
            f"There is nothing to report in {folder}",
            "Run playbooks/audit.yml, backup.yml or restore_drill.yml first, or check pgkeel_report_dir",
        )
    return Documents.from_mapping(documents, host, application=application)


def number(document: Document, key: str, where: str) -> float | None:
    """The number at `key`, None when absent or null; `where` names the document in the error."""
    value = document.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PgkeelError(f"{where}: {key} is {value!r}, not a number", "Run the playbook that writes it again")
    return value


def rows(document: Document | None, key: str, where: str) -> tuple[Document, ...]:
    """The list of mappings at `key`; empty when the document or the key is absent."""
    return _rows(where, document, key)


def phases(document: Document, where: str) -> tuple[tuple[str, float, str], ...]:
    """Name, seconds and status (empty where none is given) of `phases`: a list of mappings, or a mapping of name to seconds."""
    given = document.get("phases")
    if isinstance(given, Mapping):
        return tuple((str(name), number(given, name, f"{where}.phases") or 0.0, "") for name in given)
    return tuple(
        (str(phase.get("name", "")), number(phase, "seconds", where) or 0.0, str(phase.get("status") or ""))
        for phase in _rows(where, document, "phases")
    )


def drill_verdict(drill: Document) -> DrillVerdict:
    """The verdict; a document without a known one could not verify anything."""
    try:
        return DrillVerdict(str(drill.get("verdict", "")))
    except ValueError:
        return DrillVerdict.COULD_NOT_VERIFY


def failure(document: Document) -> str:
    """Why the task that wrote this document failed; empty when it did not."""
    if not document.get("failed"):
        return ""
    return str(document.get("msg") or document.get("reason") or "it failed without a reason")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _mapping(name: str, value: object) -> Document | None:
    if value is None or isinstance(value, Mapping):
        return value
    raise PgkeelError(f"{name} is a {type(value).__name__}, not a mapping", f"Run the playbook that writes {name}.json again")


def _rows(where: str, document: Document | None, key: str) -> tuple[Document, ...]:
    value = (document or {}).get(key)
    if value is None:
        return ()
    if key == "phases" and isinstance(value, Mapping):
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(row, Mapping) for row in value):
        raise PgkeelError(f"{where}: {key} is not a list of mappings", f"Run the playbook that writes {where}.json again")
    return tuple(value)


def _backups(document: Document) -> tuple[Document, ...]:
    """One document a database; a database whose backup failed is one that failed."""
    failed = tuple({"failed": True, "msg": text} for text in _texts("backup", document, "failures"))
    return _by_database("backup", document, "backups") + failed


def _drills(document: Document) -> tuple[Document, ...]:
    """One document a database, and one more where a database got no verdict: the sum is no better than the worst."""
    drills = _by_database("drill", document, "drills")
    verdict = drill_verdict(document)
    if "verdict" in document and verdict is not DrillVerdict.PASS and verdict not in map(drill_verdict, drills):
        drills += ({"verdict": verdict.value, "reason": " ".join(_texts("drill", document, "failures"))},)
    return drills


def _by_database(name: str, document: Document, own_key: str) -> tuple[Document, ...]:
    for key in (own_key, "databases"):
        if document.get(key) is not None:
            return _rows(name, document, key)
    return (document,)


def _texts(name: str, document: Document, key: str) -> list[str]:
    value = document.get(key) or []
    if not isinstance(value, list):
        raise PgkeelError(f"{name}: {key} is not a list", f"Run the playbook that writes {name}.json again")
    return [str(text) for text in value]


def _workload(document: Document) -> Document:
    """With `operations` as a list: the module gives a mapping by kind."""
    given = document.get("operations")
    if isinstance(given, Mapping) and all(isinstance(row, Mapping) for row in given.values()):
        given = [{"kind": kind, **row} for kind, row in given.items()]
    named = {**document, "operations": given}
    _rows("workload", named, "operations")
    return named


def _site(document: Document) -> Document:
    """With the outcomes of the roles side by side instead of a mapping a role."""
    roles = {role: document.get(role) for role in ("postgresql", "database", "pgbouncer")}
    if not isinstance(roles["postgresql"], Mapping):
        return document
    postgresql, database, pgbouncer = (dict(value) if isinstance(value, Mapping) else {} for value in roles.values())
    flat: dict[str, Any] = {key: value for key, value in document.items() if key not in roles and key != "finished"}
    flat["postgresql_version"] = postgresql.pop("version", None)
    flat["port"] = postgresql.pop("port", None)
    flat["pgbouncer_port"] = pgbouncer.pop("port", None)
    flat["restart"] = postgresql.pop("restart", None)
    flat["shared_preload_libraries"] = postgresql.pop("preloaded", None)
    changes = _rows("site", postgresql, "changes")
    shadowed = _rows("site", postgresql, "shadowed")
    postgresql = {key: value for key, value in postgresql.items() if key not in ("changes", "shadowed")}
    flat |= {**database, **postgresql}
    flat |= {f"pgbouncer_{key}": value for key, value in pgbouncer.items()}
    flat["changed_by_the_last_run"] = {str(row.get("name")): f"{row.get('old')} → {row.get('new')}" for row in changes}
    flat["overridden_by_other_files"] = {
        str(row.get("name")): f"{row.get('effective')} instead of {row.get('wanted')}, in {row.get('file')}" for row in shadowed
    }
    return {key: value for key, value in flat.items() if value not in (None, {})}


def _audit(document: Document) -> Audit:
    reason = failure(document)
    if document.get("results") is None and reason:
        return Audit((), None, reason)
    if document.get("results") is None:
        raise PgkeelError("audit: there are no results in it", "Run playbooks/audit.yml again")
    try:
        results = tuple(CheckResult.from_dict(result) for result in _rows("audit", document, "results"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PgkeelError(f"audit: a check result is malformed ({error})", "Run playbooks/audit.yml again") from error
    return Audit(
        results,
        number(document, "seconds", "audit"),
        waived=_rows("audit", document, "waived"),
        declared_indexes=_rows("audit", document, "declared_indexes"),
    )
