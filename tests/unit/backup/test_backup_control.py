"""The negative control notices damage, and notices a drill that would not."""

from __future__ import annotations

import base64

import pytest
from pgkeel.backup import control
from pgkeel.backup.control import refusals
from pgkeel.backup.drill_request import DrillRequest
from pgkeel.backup.drill_result import DrillResult, check_budgets
from pgkeel.backup.encryption import encrypt, make_identity, recipient_of
from pgkeel.backup.keys import Shelf
from pgkeel.backup.manifest import KIND
from pgkeel.backup.signature import public_key_of, sign

KEY = base64.b64encode(bytes(range(32))).decode()
IDENTITY = make_identity()
MANIFEST = sign(b'{"format": 2}', KIND, KEY)
SEALED = encrypt(b"CREATE ROLE app;", [recipient_of(IDENTITY)])


def detected() -> list[bool]:
    return [entry["detected"] for entry in refusals(MANIFEST, SEALED, IDENTITY, (public_key_of(KEY),))]


def test_every_damage_is_found() -> None:
    assert detected() == [True, True, True]


def test_a_drill_that_believes_any_manifest_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "verify", lambda *_: b"")
    assert detected() == [False, True, True]


def test_a_drill_that_decrypts_anything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "decrypt", lambda *_: b"")
    assert detected() == [True, False, False]


@pytest.mark.parametrize(
    ("rto", "rpo", "verdicts"),
    [(0, 0, []), (60, 0, ["PASS"]), (59, 0, ["FAIL"]), (60, 3600, ["PASS", "PASS"]), (0, 3599, ["FAIL"])],
)
def test_budgets(tmp_path, rto: float, rpo: float, verdicts: list[str]) -> None:
    request = DrillRequest(
        shelf=Shelf("p", "s", "d"), base_dir=tmp_path, bin_dir=tmp_path, rto_budget_seconds=rto, rpo_budget_seconds=rpo
    )
    result = DrillResult(rto_seconds=60.0, rpo_seconds=3600.0)
    assert [check.verdict.value for check in check_budgets(result, request)] == verdicts
