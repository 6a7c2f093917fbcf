"""The negative control: damage that a drill must find. A drill that would pass anything has verified nothing."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any, Protocol

import psycopg
from psycopg import sql

from ..objectstore.errors import DamagedObjectError
from .check import Check, Verdict
from .compare import compare_rows, compare_tables
from .content_hash import ALIAS, row_hash
from .contents import Contents, Session, TableContent, read_table
from .encryption import decrypt
from .manifest import KIND
from .signature import SignatureError, verify

NAME = "negative control"


class Result(Protocol):
    """Where the outcome is noted."""

    negative_control: dict[str, Any]


def refusals(manifest: bytes, sealed: bytes, identity: str, verify_keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Damage that must be refused before anything is restored: a changed manifest, a cut object, a changed object.

    ``manifest`` is the signed one, ``sealed`` a whole age file of the same backup.
    """
    envelope = json.loads(manifest)
    payload = bytearray(base64.b64decode(envelope["payload"]))
    payload[len(payload) // 2] ^= 1
    forged = json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}).encode()
    outcomes = []
    try:
        verify(forged, KIND, verify_keys)
        refused = False
    except SignatureError:
        refused = True
    outcomes.append({"damage": "one bit of the manifest changed", "detected": refused})
    for damage, damaged in (
        ("the last byte of an object cut off", sealed[:-1]),
        ("one bit of an object changed", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        try:
            decrypt(damaged, identity, "the negative control")
            refused = False
        except DamagedObjectError:
            refused = True
        outcomes.append({"damage": damage, "detected": refused})
    return outcomes


def negative_control(
    session: Session, expected: Contents, found: Contents, controls: list[dict[str, Any]], result: Result
) -> Check:
    """Damage the copy by one row: the comparisons that have just been made must find it, each by itself."""
    wanted = {(table.schema, table.name): table for table in expected.tables}
    victims = [table for table in found.tables if table.rows and wanted.get((table.schema, table.name)) == table]
    for victim in sorted(victims, key=lambda table: (table.rows, table.label)):
        damaged_table = _without_a_row(session, victim)
        if damaged_table is None:
            continue
        damaged = dataclasses.replace(found, tables=tuple(damaged_table if table == victim else table for table in found.tables))
        for compare in (compare_tables, compare_rows):
            before, after = compare(expected, found), compare(expected, damaged)
            detected = after.verdict is Verdict.FAIL and victim.label in after.evidence and victim.label not in before.evidence
            controls = [
                *controls,
                {"damage": f"one row of {victim.label} deleted", "found_by": after.name, "detected": detected},
            ]
        result.negative_control = {
            "table": victim.label,
            "rows_deleted": 1,
            "damages": controls,
            "detected": all(control["detected"] for control in controls),
        }
        missed = [
            f"{control['damage']} ({control.get('found_by', 'refusal')})" for control in controls if not control["detected"]
        ]
        if missed:
            return Check(NAME, Verdict.COULD_NOT_VERIFY, f"not noticed: {'; '.join(missed)}")
        return Check(NAME, Verdict.PASS, f"all {len(controls)} damages found, a row deleted from {victim.label} among them")
    result.negative_control = {"table": "", "rows_deleted": 0, "damages": controls, "detected": False}
    return Check(NAME, Verdict.COULD_NOT_VERIFY, "no intact table with rows to damage: the comparison itself could not be tested")


def _without_a_row(session: Session, victim: TableContent) -> TableContent | None:
    """The table as it is with one row less; the copy stays as it was. None where no row of it can be deleted.

    Of a row without columns, or of nulls alone, the hash is 0: it is no part of the sum, and only another one will do.
    """
    try:
        with session.transaction(force_rollback=True):
            # No trigger, foreign key or rule shall have a say in this.
            session.execute("SET LOCAL session_replication_role = replica")
            deleted = session.execute(
                sql.SQL(
                    "DELETE FROM ONLY {0} WHERE ctid ="
                    " (SELECT ctid FROM ONLY {0} AS {1} WHERE pg_catalog.hash_record_extended({2}, 0) <> 0 LIMIT 1)"
                ).format(sql.Identifier(victim.schema, victim.name), ALIAS, row_hash(session, victim.schema, victim.name))
            ).rowcount
            return read_table(session, victim.schema, victim.name) if deleted == 1 else None
    except psycopg.errors.ObjectNotInPrerequisiteState:
        # A publication that publishes deletes, and no replica identity that it could tell rows apart by.
        return None
    except (psycopg.OperationalError, psycopg.InterfaceError):
        # The server is in trouble.
        raise
    except psycopg.Error:
        # A trigger that is enabled ALWAYS forbids it, as it may in whatever words.
        return None
