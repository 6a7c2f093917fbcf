"""Two spellings of one definition are one; two definitions are two."""

from __future__ import annotations

import pytest
from pgkeel.backup.catalog_digest import digest

BEFORE = "CHECK (((c)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))"
AFTER = "CHECK (((c)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))"


def test_the_casts_that_a_restore_moves_do_not_count() -> None:
    assert digest([BEFORE]) == digest([AFTER])


@pytest.mark.parametrize("other", [BEFORE.replace("'b'", "'c'"), BEFORE.replace("ANY", "ALL"), BEFORE.replace("(c)", "(d)")])
def test_another_meaning_counts(other: str) -> None:
    assert digest([BEFORE]) != digest([other])


def test_parts_do_not_run_into_each_other() -> None:
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest([None]) != digest([])
