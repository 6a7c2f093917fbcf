"""Texts of pg_stat_statements become statements again."""

from __future__ import annotations

import time

import pytest
from pgkeel.advisor.cures import LONGEST_TEXT, cure, substituted


@pytest.mark.parametrize(
    ("text", "cured"),
    [
        ("SELECT 1 FROM a WHERE t > now() - interval $1", "SELECT 1 FROM a WHERE t > now() - CAST($1 AS interval)"),
        (
            "SELECT 1 FROM a WHERE t > timestamp with time zone $1",
            "SELECT 1 FROM a WHERE t > CAST($1 AS timestamp with time zone)",
        ),
        (
            "SELECT 1 FROM a WHERE t < date $1 + interval $2 month",
            "SELECT 1 FROM a WHERE t < CAST($1 AS date) + CAST($2 AS interval)",
        ),
        ("SELECT interval $1 day to second(3), b FROM a", "SELECT CAST($1 AS interval), b FROM a"),
        ("SELECT 1 FROM a WHERE t > timestamp(3) $1", "SELECT 1 FROM a WHERE t > CAST($1 AS timestamp(3))"),
        (
            "SELECT 1 FROM a WHERE t > timestamp(3) with time zone $1",
            "SELECT 1 FROM a WHERE t > CAST($1 AS timestamp(3) with time zone)",
        ),
        (
            "SELECT numeric(10, 2) $1, double precision $2 FROM a",
            "SELECT CAST($1 AS numeric(10, 2)), CAST($2 AS double precision) FROM a",
        ),
        (
            "SELECT 1 FROM a WHERE c = character varying $1 AND d = json $2",
            "SELECT 1 FROM a WHERE c = CAST($1 AS character varying) AND d = CAST($2 AS json)",
        ),
        ('SELECT a."month" FROM a WHERE b IN ($1) AND c > $2', 'SELECT a."month" FROM a WHERE b IN ($1) AND c > $2'),
        ("SELECT 1 FROM a WHERE p = public.money_type $1", "SELECT 1 FROM a WHERE p = CAST($1 AS public.money_type)"),
        ("SELECT 1 FROM a WHERE d = date $1 AND ü = $2", "SELECT 1 FROM a WHERE d = CAST($1 AS date) AND ü = $2"),
        ("SELECT 1 FROM a WHERE t > now() - $1", "SELECT 1 FROM a WHERE t > now() - CAST($1 AS interval)"),
        (
            "SELECT 1 FROM a WHERE t > CURRENT_TIMESTAMP - $2",
            "SELECT 1 FROM a WHERE t > CURRENT_TIMESTAMP - CAST($1 AS interval)",
        ),
        (
            "SELECT date_trunc($1, t), count(*) FROM a GROUP BY date_trunc($2, t) ORDER BY date_trunc($3, t)",
            "SELECT date_trunc($1, t), count(*) FROM a GROUP BY date_trunc($1, t) ORDER BY date_trunc($1, t)",
        ),
        (
            "SELECT upper(left(n, $1)) || $2 FROM a GROUP BY left(n, $3)",
            "SELECT upper(left(n, $1)) || $2 FROM a GROUP BY left(n, $1)",
        ),
        (
            "SELECT g, b FROM generate_series($1, $2) g LEFT JOIN a ON a.c = g",
            "SELECT g, b FROM generate_series(CAST($1 AS integer), CAST($2 AS integer)) g LEFT JOIN a ON a.c = g",
        ),
        (
            "SELECT g FROM generate_series($1::date, now(), $2) g",
            "SELECT g FROM generate_series($1::date, now(), $2) g",
        ),
        ("EXPLAIN (ANALYZE) SELECT 1 FROM a WHERE b = $1", "SELECT 1 FROM a WHERE b = $1"),
        ("PREPARE q AS SELECT 1 FROM a WHERE b = $3", "SELECT 1 FROM a WHERE b = $1"),
        ("COPY (SELECT b FROM a) TO STDOUT", "SELECT b FROM a"),
        ("DECLARE c CURSOR FOR SELECT b FROM a", "SELECT b FROM a"),
        ("SELECT extract($1 FROM t) FROM a", "SELECT extract(epoch FROM t) FROM a"),
        ("SELECT '$9' FROM a WHERE b = $4;", "SELECT '$9' FROM a WHERE b = $1"),
        ("SELECT 'é', b FROM a WHERE é = $2 -- $7\n AND c = $5", "SELECT 'é', b FROM a WHERE é = $1 -- $7\n AND c = $2"),
    ],
)
def test_what_cannot_be_planned_is_cured(text: str, cured: str) -> None:
    found = cure(text)
    assert found is not None
    assert found.sql == cured


@pytest.mark.parametrize(("expression", "parameters"), [("round(a{0}, ${1})", 400), ("round(a, ${1})", 1)])
def test_many_expressions_of_group_by_are_compared_in_a_moment(expression: str, parameters: int) -> None:
    shown = ", ".join(expression.format(number, number + 1) for number in range(400))
    groups = ", ".join(expression.format(number, number + 401) for number in range(400))
    begun = time.process_time()
    found = cure(f"SELECT {shown} FROM a GROUP BY {groups}")
    assert time.process_time() - begun < 2, "comparing each with each takes twice as long and more"
    assert found is not None
    assert found.parameters == parameters


def test_different_expressions_keep_different_parameters() -> None:
    found = cure("SELECT round(x, $1), round(y, $2) FROM a GROUP BY round(x, $3), round(y, $4)")
    assert found is not None
    assert found.sql == "SELECT round(x, $1), round(y, $2) FROM a GROUP BY round(x, $1), round(y, $2)"
    assert found.parameters == 2


@pytest.mark.parametrize(
    "text", ["VACUUM a", "BEGIN", "SELECT FROM WHERE", "SELECT 1; SELECT 2", "", "SELECT " + "1," * LONGEST_TEXT]
)
def test_what_is_no_query_is_refused(text: str) -> None:
    assert cure(text) is None


def test_a_plain_statement_stays_as_it_is() -> None:
    text = "SELECT  a , b FROM t WHERE c = $1 /* kept */ AND d IN ($2, $3)"
    found = cure(text)
    assert found is not None
    assert (found.sql, found.parameters, found.cures) == (text, 3, ())


def test_substitution_leaves_strings_and_comments() -> None:
    assert (
        substituted("SELECT $1, '$1', $$ $1 $$ /* $1 */", lambda _at, number: f"<{number}>")
        == "SELECT <1>, '$1', $$ $1 $$ /* $1 */"
    )
