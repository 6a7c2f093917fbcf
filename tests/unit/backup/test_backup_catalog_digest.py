"""Two spellings of one definition are one; two definitions are two."""

from __future__ import annotations

import pglast
import pytest
from pgkeel.backup.catalog_digest import OWN, QUERIES, ROLES, digest, read_roles

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


def query(kind: str) -> str:
    (found,) = [one for one in QUERIES if f"'{kind}'" in one]
    return found


def test_every_query_is_sql() -> None:
    for one in (*(OWN + query for query in QUERIES), ROLES):
        pglast.parse_sql(one)


def test_a_publication_knows_its_columns_by_name_and_its_schemas() -> None:
    """A restore counts the columns anew: after DROP COLUMN the same one has another number there."""
    words = query("publication")
    assert "prattrs," not in words
    assert "pg_publication_namespace" in words


def test_the_order_of_options_does_not_count() -> None:
    """A view's WITH CHECK OPTION is restored as the last one, wherever it was."""
    words = query("relation")
    assert "\n      reloptions" not in words
    assert 'array_agg(o ORDER BY o COLLATE "C") FROM unnest(reloptions)' in words


def test_where_a_column_was_defined_in_the_log_does_not_count() -> None:
    """PostgreSQL 17.12 notes the position among the column's options, and a restore has another one."""
    assert "NOT starts_with(o, 'pg_attver=')" in query("column")


def test_a_replica_identity_by_an_index_that_is_gone_is_the_usual_one() -> None:
    """The table still says 'i' after DROP INDEX, and no dump has a word of it."""
    words = query("relation")
    assert "relreplident, " not in words
    assert "WHERE i.indrelid = rel.oid AND i.indisreplident" in words


def test_foreign_keys_that_another_one_brings_along_are_not_compared() -> None:
    """pg_dump leaves them out; a restore names them anew, in the order of the partitions' bounds."""
    assert "contype <> 'f' OR conparentid = 0" in query("constraint")


def test_columns_of_a_table_that_inherits_have_no_order() -> None:
    """Those of partitions do: pg_dump writes them out."""
    assert "relispartition OR NOT EXISTS (SELECT FROM pg_inherits" in query("column")


@pytest.mark.parametrize("left_out", ["'pg_catalog.pg_subscription'::regclass", "pg_temp_[0-9]+[.]", "<> 'schema public'"])
def test_comments_on_what_is_not_restored_do_not_count(left_out: str) -> None:
    """Temporary tables LIKE another INCLUDING ALL have its comments; a schema public that was made anew may have one."""
    assert left_out in query("comment on")


class Session:
    """Answers any query with these rows."""

    def __init__(self, *rows: tuple[str, ...]) -> None:
        self.rows = rows

    def execute(self, _query: str) -> tuple[tuple[str, ...], ...]:
        return self.rows


def test_two_objects_that_share_a_label_both_count_in_any_order() -> None:
    """Schema a, table b.c and schema a.b, table c: which comes last is chance."""
    one, other, third = ("relation", "a.b.c", "r"), ("relation", "a.b.c", "v"), ("relation", "a.b.c", "f")
    found = read_roles(Session(one, other))  # type: ignore[arg-type]
    assert found == read_roles(Session(other, one))  # type: ignore[arg-type]
    assert found != read_roles(Session(third, other))  # type: ignore[arg-type]
    assert found != read_roles(Session(other))  # type: ignore[arg-type]
    assert read_roles(Session(one)) == {"relation a.b.c": digest(["r"])}  # type: ignore[arg-type]
