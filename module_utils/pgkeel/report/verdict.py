"""One sentence: is this server in order, and what to do first. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from .documents import Documents, DrillVerdict, drill_verdict, failure, number, phases, rows
from .finding import Finding, Priority, Status
from .freshness import THRESHOLDS, Age, age, in_words, moment
from .humanize import plural
from .schemas import CONSISTENT, INCONSISTENT

_CLAUSES = 3


class Standing(IntEnum):
    """How a server stands, worst first. Not knowing is worse than knowing of work to plan."""

    NOT_IN_ORDER = 0
    NOT_PROVED = 1
    NEEDS_WORK = 2
    IN_ORDER = 3

    @property
    def words(self) -> str:
        """For people."""
        return self.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class Step:
    """One reason for the verdict and the thing to do about it."""

    standing: Standing
    clause: str
    """Continues a sentence: `2 findings put data or service at risk`."""
    action: str
    """A sentence."""
    anchor: str
    """Where in the report to read on: a finding's fingerprint, or a section."""


@dataclass(frozen=True)
class Verdict:
    """The header of the report."""

    standing: Standing
    sentence: str
    steps: tuple[Step, ...]
    """Most urgent first; empty when everything is in order."""

    @property
    def first(self) -> str:
        """What to do first."""
        return self.steps[0].action if self.steps else "Nothing needs doing now."


def judge(documents: Documents, now: datetime) -> Verdict:
    """Weigh everything that is known; what is not known, or was known too long before `now`, counts against the server."""
    steps = tuple(sorted(_steps(documents, now), key=lambda step: step.standing))
    if not steps:
        return Verdict(Standing.IN_ORDER, f"{documents.host} is in order: {_praise(documents)}.", ())
    standing = steps[0].standing
    clauses = [step.clause for step in steps if step.standing is standing]
    if len(clauses) > _CLAUSES:
        shown = clauses[: _CLAUSES - 1]
        clauses = [*shown, f"{len(clauses) - len(shown)} more reasons below"]
    says = {
        Standing.NOT_IN_ORDER: "is not in order",
        Standing.NOT_PROVED: "is not proved to be in order",
        Standing.NEEDS_WORK: "works, with things to plan",
    }[standing]
    return Verdict(standing, f"{documents.host} {says}: {_join(clauses)}.", steps)


def _join(clauses: list[str]) -> str:
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"


def _praise(documents: Documents) -> str:
    audit = documents.audit
    checks = len(audit.with_status(Status.OK)) if audit else 0
    later = len(audit.findings) if audit else 0
    said = f"{plural(checks, 'check')} found nothing to worry about, and the newest backup was restored and compared"
    return f"{said}; {plural(later, 'improvement')} can wait" if later else said


def _steps(documents: Documents, now: datetime) -> Iterator[Step]:
    yield from _backup_steps(documents)
    yield from _drill_steps(documents)
    yield from _audit_steps(documents)
    yield from _schema_steps(documents)
    yield from _run_steps(documents)
    yield from _age_steps(documents, now)


def _drill_steps(documents: Documents) -> Iterator[Step]:
    for drill in documents.drills or ():
        verdict = drill_verdict(drill)
        reason = str(drill.get("reason") or drill.get("msg") or "no reason was recorded").rstrip(".")
        if verdict is DrillVerdict.FAIL:
            yield Step(
                Standing.NOT_IN_ORDER,
                "the newest backup did not restore to what was saved",
                f"Treat the data as not backed up: take a new backup and drill it ({reason}).",
                "drill",
            )
        elif verdict is DrillVerdict.COULD_NOT_VERIFY:
            yield Step(
                Standing.NOT_PROVED,
                "the restore drill could not verify the newest backup",
                f"Clear what stopped the restore drill and run it again ({reason}).",
                "drill",
            )
    if not documents.drills:
        yield Step(
            Standing.NOT_PROVED,
            "no backup has been restored yet",
            "Run playbooks/restore_drill.yml: only a restored backup counts.",
            "drill",
        )


def _backup_steps(documents: Documents) -> Iterator[Step]:
    for backup in documents.backups or ():
        reason = failure(backup)
        if reason:
            yield Step(Standing.NOT_IN_ORDER, "the last backup failed", f"Repair the backup: {reason.rstrip('.')}.", "backup")
    if not documents.backups:
        yield Step(Standing.NOT_PROVED, "no backup is known", "Run playbooks/backup.yml.", "backup")


def _audit_steps(documents: Documents) -> Iterator[Step]:
    audit = documents.audit
    if audit is None:
        yield Step(Standing.NOT_PROVED, "no audit has run", "Run playbooks/audit.yml.", "findings")
        return
    if not audit.results:
        why = f" ({audit.reason.rstrip('.')})" if audit.reason else ""
        yield Step(
            Standing.NOT_PROVED, "the audit ran no check", f"Clear what stopped the audit and run it again{why}.", "findings"
        )
        return
    urgent = [finding for finding in audit.findings if finding.priority is Priority.P0]
    planned = [finding for finding in audit.findings if finding.priority is Priority.P1]
    unverified = audit.with_status(Status.COULD_NOT_VERIFY)
    if urgent:
        puts = "puts" if len(urgent) == 1 else "put"
        yield Step(
            Standing.NOT_IN_ORDER,
            f"{plural(len(urgent), 'finding')} {puts} data or service at risk now",
            _act("Remedy", urgent[0]),
            urgent[0].fingerprint,
        )
    if unverified:
        why = (unverified[0].reason or "no reason given").rstrip(".")
        yield Step(
            Standing.NOT_PROVED,
            f"{plural(len(unverified), 'check')} could not be verified",
            f"Clear what keeps {unverified[0].id} ({unverified[0].title}) from being verified: {why}.",
            "checks",
        )
    if planned:
        needs = "needs" if len(planned) == 1 else "need"
        yield Step(
            Standing.NEEDS_WORK,
            f"{plural(len(planned), 'finding')} {needs} a plan",
            _act("Plan", planned[0]),
            planned[0].fingerprint,
        )


def _schema_steps(documents: Documents) -> Iterator[Step]:
    schemas = documents.schemas
    if schemas is None:
        if documents.application:
            yield Step(
                Standing.NOT_PROVED,
                "the application's schemas were not compared with the database",
                "Run playbooks/schema_audit.yml, or set report_application to false where no application has schemas.",
                "schemas",
            )
        return
    urgent, planned = (schemas.with_priority(priority) for priority in (Priority.P0, Priority.P1))
    if urgent:
        yield Step(
            Standing.NOT_IN_ORDER,
            f"{plural(len(urgent), 'schema difference')} {'makes' if len(urgent) == 1 else 'make'} queries fail",
            f"Mend {urgent[0].thing} ({urgent[0].pair}): {urgent[0].fix.rstrip('.')}.",
            f"schema-{urgent[0].fingerprint}",
        )
    if schemas.verdict not in (CONSISTENT, INCONSISTENT) or schemas.unverified:
        why = (schemas.unverified[0] if schemas.unverified else "no reason was recorded").rstrip(".")
        yield Step(
            Standing.NOT_PROVED,
            "the schema audit could not verify everything",
            f"Clear what stopped the schema audit and run it again: {why}.",
            "schemas",
        )
    if planned or (schemas.verdict == INCONSISTENT and not schemas.findings):
        first = planned[0] if planned else None
        yield Step(
            Standing.NEEDS_WORK,
            f"{plural(len(planned), 'schema difference')} {'needs' if len(planned) == 1 else 'need'} a plan"
            if first
            else "the schemas are inconsistent",
            f"Plan {first.thing} ({first.pair}): {first.fix.rstrip('.')}." if first else "Read the schema audit's own report.",
            f"schema-{first.fingerprint}" if first else "schemas",
        )


def _run_steps(documents: Documents) -> Iterator[Step]:
    run = documents.run or {}
    for name, _, status in phases(run, "run"):
        if status not in ("", "ok"):
            ended = f"the phase “{name}” ended as “{status}”"
            yield Step(Standing.NOT_IN_ORDER, ended, f"Read the output of “{name}” and run it again.", "timings")
    changed = number(run, "reconverge_changed", "run")
    if changed:
        yield Step(
            Standing.NEEDS_WORK,
            f"a second run of site.yml changed {plural(int(changed), 'thing')}",
            "Find the task that reports a change twice: a converged server must stay as it is.",
            "timings",
        )
    if (documents.site or {}).get("restart") == "pending":
        yield Step(
            Standing.NEEDS_WORK,
            "settings wait for a restart of PostgreSQL",
            "Restart PostgreSQL at a quiet hour, then audit again.",
            "configuration",
        )
    errors = sum(int(number(row, "errors", "workload") or 0) for row in rows(documents.workload, "operations", "workload"))
    if errors:
        yield Step(
            Standing.NEEDS_WORK,
            f"the workload met {plural(errors, 'error')}",
            "Look at the errors of the workload in the server's log.",
            "workload",
        )


@dataclass(frozen=True)
class _Proof:
    """Something that proves that the server is in order, for a while."""

    what: str
    playbook: str
    anchor: str
    made: datetime | None
    limit: timedelta


def _proofs(documents: Documents) -> Iterator[_Proof]:
    snapshots = [moment(one, "snapshot_time", "backup") for one in documents.backups or () if not failure(one)]
    if snapshots:
        # Each is the newest of its database: the server stands as the oldest of them does.
        known = [snapshot for snapshot in snapshots if snapshot]
        oldest = min(known) if len(known) == len(snapshots) else None
        yield _Proof("the newest backup", "backup", "backup", oldest, THRESHOLDS.snapshot)
    if documents.drills:
        yield _Proof("the restore drill", "restore_drill", "drill", documents.finished.get("drill"), THRESHOLDS.drill)
    if documents.audit and documents.audit.results:
        yield _Proof("the audit", "audit", "checks", documents.finished.get("audit"), THRESHOLDS.audit)
    if documents.schemas:
        made = documents.finished.get("schema_audit")
        yield _Proof("the schema audit", "schema_audit", "schemas", made, THRESHOLDS.schemas)


def _age_steps(documents: Documents, now: datetime) -> Iterator[Step]:
    """Proofs that are too old, or of unknown age. Their times are absolute, so that the words stay the same from day to day."""
    for proof in _proofs(documents):
        again = f"Run playbooks/{proof.playbook}.yml again"
        said = age(proof.made, proof.limit, now)
        if proof.made is None:
            yield Step(Standing.NOT_PROVED, f"the age of {proof.what} is unknown", f"{again}.", proof.anchor)
        elif said is Age.UNKNOWN:
            yield Step(
                Standing.NOT_PROVED,
                f"{proof.what} is of a time to come, so that its age is unknown",
                f"Set the clocks of controller and server right: {proof.what} is of {proof.made:%Y-%m-%d %H:%M} UTC.",
                proof.anchor,
            )
        elif said is Age.OLD:
            yield Step(
                Standing.NOT_PROVED,
                f"{proof.what} is more than {in_words(proof.limit)} old",
                f"{again}, and see playbooks/status.yml for why its schedule did not: "
                f"{proof.what} is of {proof.made:%Y-%m-%d %H:%M} UTC.",
                proof.anchor,
            )


def _act(verb: str, finding: Finding) -> str:
    return f"{verb} {finding.id} ({finding.subject}): {finding.summary.rstrip('.')}."
