"""What the playbooks found, as the report reads it: one JSON document a subject, any of which may be absent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from .finding import CheckResult, Finding, Priority, Status

Document = Mapping[str, Any]

NAMES = ("site", "audit", "backup", "drill", "workload", "load", "run")
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

    @classmethod
    def from_mapping(cls, documents: Mapping[str, Any], host: str = "") -> Documents:
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
        _rows("workload", found["workload"], "operations")
        _rows("run", found["run"], "phases")
        return cls(
            host=host or (str(named) if named else "this server"),
            site=found["site"],
            audit=_audit(audit) if audit is not None else None,
            backups=_list("backup", backup, "backups") if backup is not None else None,
            drills=_list("drill", drill, "drills") if drill is not None else None,
            workload=found["workload"],
            load=found["load"],
            run=found["run"],
        )


def read_documents(folder: Path, host: str = "") -> Documents:
    """Read the `<name>.json` files that are in `folder`.

    Raises PgkeelError when there is none, or when one cannot be read: a broken file is not the same as a check that did not run.
    """
    documents: dict[str, Any] = {}
    for name in NAMES:
        path = folder / f"{name}.json"
        try:
            documents[name] = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
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
    return Documents.from_mapping(documents, host)


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


def _list(name: str, document: Document, key: str) -> tuple[Document, ...]:
    return _rows(name, document, key) if document.get(key) is not None else (document,)


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
    return Audit(results, number(document, "seconds", "audit"))
