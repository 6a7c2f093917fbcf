"""No literal survives: whatever the statement, however it was cut."""

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgkeel.advisor.redaction import redact, understand
from pgkeel.advisor.tree import column_name, nodes
from pgkeel.audit.redaction import strip_literals
from pglast import ast

SECRET = "hunter2"

# Each leaves a literal where pg_stat_statements does not replace it, or where it does.
STATEMENTS = [
    "SELECT * FROM t WHERE a = {}",
    "SELECT {} || b FROM t WHERE c IN ({}, {}) LIMIT 5",
    "INSERT INTO t VALUES (1, {}), (2, {}) ON CONFLICT DO NOTHING",
    "UPDATE t SET a = {} WHERE b = 7",
    "DELETE FROM t WHERE a LIKE {}",
    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = {}",
    "PREPARE p AS SELECT * FROM t WHERE a = {} AND b = $1",
    "EXECUTE p({}, 5)",
    "DECLARE c CURSOR FOR SELECT * FROM t WHERE a = {}",
    "DO {}",
    "COPY t TO {} WITH (DELIMITER {})",
    "COPY (SELECT * FROM t WHERE a = {}) TO STDOUT",
    "SET app.token = {}",
    "SET app.token TO hunter2",
    "SET SESSION app.token = hunter2",
    "SELECT 1; SET app.token = hunter2",
    "SET TIME ZONE hunter2",
    "ALTER FUNCTION f() SET app.token TO hunter2",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.token = hunter2 AS {}",
    "ALTER SYSTEM SET app.token = {}",
    "ALTER ROLE a SET app.token = {}",
    "CREATE ROLE a PASSWORD {}",
    "COMMENT ON TABLE t IS {}",
    "EXPLAIN SELECT * FROM t WHERE a = {}",
    "CREATE TABLE t (a text DEFAULT {})",
    "CREATE VIEW v AS SELECT {}::text",
    "CALL f({})",
    "NOTIFY a, {}",
    "CREATE SUBSCRIPTION s CONNECTION {} PUBLICATION p",
    "CREATE USER MAPPING FOR a SERVER s OPTIONS (password {})",
    "SELECT 1 /* hunter2 */",
    "/* hunter2 */ SELECT 1 -- hunter2",
    "SELECT a FROM t; SELECT {}",
    "not a statement at all {} -- hunter2",
]


def quoted(value: str) -> list[str]:
    """The ways in which SQL writes a string that holds the value."""
    plain = value.replace("'", "''")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return [f"'{plain}'", f"E'{escaped}'", f"$q${value}$q$", f"U&'{plain.replace(chr(92), chr(92) * 2)}'", f"N'{plain}'"]


text = st.text(st.characters(exclude_characters="\x00$", exclude_categories=["Cs"]), max_size=8)


@given(st.sampled_from(STATEMENTS), st.tuples(text, text, st.integers(0, 4)))
@settings(max_examples=400, deadline=None)
def test_no_string_survives(template, around):
    before, after, form = around
    literal = quoted(f"{before}{SECRET}{after}")[form]
    assert SECRET not in redact(template.replace("{}", literal))


@given(st.sampled_from(STATEMENTS), st.tuples(text, st.integers(0, 4)), st.integers(1, 200))
@settings(max_examples=400, deadline=None)
def test_none_survives_where_the_text_was_cut(template, around, length):
    after, form = around
    literal = quoted(f"{SECRET}{after}")[form]
    shown = redact(template.replace("{}", literal)[:length])
    # A bare word of SET that is cut before its value has none, and one that is cut within it shows no more than the cut left.
    assert SECRET not in shown


@pytest.mark.parametrize(
    "cut",
    [
        "/* a /* b */ hunter2 */ SELECT 'x",
        "/* a /* b */ hunter2 SELECT 'x",
        "SELECT E'a'\n  'b\\'hunter2' FROM t WHERE a = 'x",
        "SELECT E'it\\'s hunter2\\",
    ],
)
def test_comments_within_comments_and_strings_in_pieces_hold_nothing_back(cut):
    assert SECRET not in redact(cut)
    assert SECRET not in strip_literals(cut)


@given(st.integers(10**6, 10**30), st.sampled_from(["{}", "-{}", "{}.5", "{}e3", "0x{}", "({})::bigint"]))
def test_no_number_survives(number, form):
    literal = form.format(number)
    for statement in ("SELECT a FROM t WHERE b = {}", "SELECT a FROM t LIMIT {}", "PREPARE p AS SELECT {} FROM t", "SELECT {"):
        assert str(number) not in redact(statement.replace("{}", literal))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('SELECT "a  b" FROM t WHERE c = $1', 'SELECT "a  b" FROM t WHERE c = $1'),
        (
            "SELECT a, count(*)\n  FROM t WHERE b = 'ä' GROUP BY 1 ORDER BY 2",
            "SELECT a, count(*) FROM t WHERE b = $1 GROUP BY 1 ORDER BY 2",
        ),
        ("SELECT 'äöü', a FROM t ORDER BY 2, 1 LIMIT 3", "SELECT $1, a FROM t ORDER BY 2, 1 LIMIT $2"),
        ("SELECT a::numeric(10, 2) FROM t WHERE b = 10", "SELECT a::numeric(10, 2) FROM t WHERE b = $1"),
        ("SELECT DISTINCT ON (1) a, b FROM t WHERE b = 1", "SELECT DISTINCT ON (1) a, b FROM t WHERE b = $1"),
        (
            "SELECT a, b, sum(3) FROM t GROUP BY ROLLUP ((1, 2)), GROUPING SETS ((1), ())",
            "SELECT a, b, sum($1) FROM t GROUP BY ROLLUP ((1, 2)), GROUPING SETS ((1), ())",
        ),
        ("SELECT a FROM t WHERE b < CURRENT_TIMESTAMP(3) - '1 d'", "SELECT a FROM t WHERE b < CURRENT_TIMESTAMP(3) - $1"),
        ("SELECT a::float(24) FROM t ORDER BY 123456789", "SELECT a::float(24) FROM t ORDER BY $1"),
        ("SELECT a FROM t WHERE b = $3 AND c = 'x'", "SELECT a FROM t WHERE b = $3 AND c = $4"),
        ("PREPARE p AS SELECT a FROM t WHERE b = $1 AND c = 'x'", "SELECT a FROM t WHERE b = $1 AND c = $2"),
    ],
)
def test_what_is_no_data_stays(statement, expected):
    assert redact(statement) == expected


def test_redacting_again_changes_nothing():
    for statement in STATEMENTS:
        once = redact(statement.replace("{}", "'x'"))
        assert redact(once) == once


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_is_read(statement):
    understand(statement)


def test_fingerprint_is_the_same_for_lists_of_any_length_and_another_for_another_table():
    of = [
        understand(f"SELECT a FROM t WHERE b IN ({', '.join(f'${n}' for n in range(1, 1 + count))})").fingerprint
        for count in (2, 9)
    ]
    assert of[0] == of[1] != ""
    assert understand("SELECT a FROM u WHERE b IN ($1, $2)").fingerprint != of[0]


def test_relations_leave_out_what_with_defines():
    found = understand('WITH a AS (SELECT * FROM s.b) SELECT * FROM a JOIN "C" ON true WHERE EXISTS (SELECT FROM d)')
    assert found.relations == {("s", "b"), ("", "C"), ("", "d")}


def test_deep_nesting_is_no_disaster():
    understand("SELECT " + "(" * 20000 + "1" + ")" * 20000)
    understand("SELECT a FROM t WHERE " + " OR ".join(f"b = ${n}" for n in range(1, 3000)))


ARMS = 1000


def test_a_thousand_arms_break_nothing_and_leak_nothing():
    deep = " UNION ALL ".join([f"SELECT a FROM t WHERE b = 4711 AND c = '{SECRET}'"] * ARMS) + " ORDER BY 1"
    text = redact(deep)
    assert SECRET not in text
    assert "4711" not in text


def test_nodes_come_in_the_order_of_the_text_however_deep_they_are():
    (parsed,) = pglast.parse_sql("SELECT (a + b) * f(c, (SELECT d FROM t WHERE e = g)) FROM u, v WHERE h IN (i, j)")
    assert [column_name(one)[0] for one in nodes(parsed, ast.ColumnRef)] == list("abcdeghij")
    (deep,) = pglast.parse_sql(" UNION ALL ".join(f"SELECT a{number}" for number in range(ARMS)))
    assert [column_name(one)[0] for one in nodes(deep, ast.ColumnRef)] == [f"a{number}" for number in range(ARMS)]
