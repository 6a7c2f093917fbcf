"""Declarations of partitioned tables."""

from __future__ import annotations

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.postgres.partitions import parse_partitioned

ROW = {"table": "Visit", "column": "at", "interval": "1 month"}


def test_defaults() -> None:
    (one,) = parse_partitioned([ROW])
    assert (one.name, one.ahead, one.keep) == ("public.Visit", 4, "")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [([{**ROW, "ahead": 0}], "0 partitions ahead"), ([{**ROW, "ahead": 61}], "1 to 60"), ([ROW, ROW], "declared 2 times")],
)
def test_what_makes_no_sense_is_refused(rows: list[dict[str, object]], sentence: str) -> None:
    with pytest.raises(PgkeelError, match=sentence):
        parse_partitioned(rows)
