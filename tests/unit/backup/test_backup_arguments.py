"""The example inventory's placeholders are refused by name, and never repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pgkeel.backup.arguments import PLACEHOLDER, require_own_values
from pgkeel.errors import PgkeelError

EXAMPLE = Path(__file__).resolve().parents[3] / "inventories" / "example" / "group_vars" / "postgresql"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipients", ["age1good", "AGE-PUBLIC-KEY-OF-THE-DRILL"]),
        ("signing_key", "CHANGE-ME"),
        ("endpoint", "https://ACCOUNT_ID.r2.cloudflarestorage.com"),
        ("push", [{"kind": "healthchecks", "url": "https://hc-ping.com/CHANGE-ME"}]),
    ],
)
def test_a_placeholder_is_named(name: str, value: object) -> None:
    with pytest.raises(PgkeelError, match=rf"^{name} is still the placeholder of the example inventory"):
        require_own_values({"database": "edtech", name: value})


def test_real_values_pass() -> None:
    require_own_values(
        {"recipients": ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"], "keep_days": 30, "x": None}
    )


def test_every_placeholder_of_the_example_is_known() -> None:
    for file in ("main.yml", "vault.yml.example"):
        for line in (EXAMPLE / file).read_text(encoding="utf-8").splitlines():
            value = line.partition("#")[0]
            if re.search(r"\b[A-Z]+[-_][A-Z][A-Z_-]+\b", value):
                assert PLACEHOLDER.search(value), line
