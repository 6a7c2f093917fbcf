"""The optimization log, in the application's table and in pgkeel's own."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from pgkeel.advisor.log_table import find_log_table
from pgkeel.advisor.model import Kind, Measured, Recommendation, State
from pgkeel.advisor.optimization_log import OptimizationLog, indexes_in_force
from pgkeel.errors import PgkeelError
from pgkeel.postgres.index_declaration import IndexDeclaration, IndexKey

EDTECH = Path(__file__).resolve().parents[2] / "files" / "edtech" / "tables.sql"
ONE = Recommendation(
    kind=Kind.CREATE_INDEX,
    subject='"public"."BehaviorLog"',
    ddl='CREATE INDEX CONCURRENTLY "x" ON "public"."BehaviorLog" ("userId");',
    undo='DROP INDEX CONCURRENTLY "public"."x";',
    reason="It serves the dashboard.",
    source="heuristic",
    statements=(7, -9),
    statement='SELECT * FROM "BehaviorLog" WHERE "userId" = $1',
    index=IndexDeclaration("x", "BehaviorLog", (IndexKey(column="userId"),)),
    confidence=91.26,
    estimated_gain=0.8,
    metadata={"pair": ("a", "b")},
)
TWO = replace(ONE, subject='"public"."User"', ddl="CREATE INDEX CONCURRENTLY y …", statement="")
PROOF = Measured(0.4, 0.3, 1.05, 1.02, 8192, 5)
SHAPES = {
    "prisma": "",  # files/edtech
    "own": None,
    "snake": """
        CREATE SCHEMA app; CREATE TABLE app.optimization_logs (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(), query_text varchar(40) NOT NULL, recommendation text NOT NULL,
          performance_gain numeric, confidence real NOT NULL, source varchar(20) NOT NULL, metadata json,
          created_at timestamptz NOT NULL DEFAULT now(), applied_at timestamptz, updated_at timestamptz NOT NULL)""",
    "serial, without metadata": """
        CREATE TABLE "OptimizationLog" (id serial PRIMARY KEY, "queryText" text NOT NULL, recommendation text NOT NULL,
          "performanceGain" float8, confidence float8 NOT NULL, source text NOT NULL, "createdAt" timestamp NOT NULL,
          "appliedAt" timestamp)""",
}


@pytest.fixture(params=SHAPES)
def home(request, connection, database):
    """A database with a log table of that shape."""
    opened = connection(database("log"))
    ddl = SHAPES[request.param]
    if ddl is not None:
        opened.execute(ddl or EDTECH.read_text())
    return opened


@pytest.fixture
def prisma(connection, database):
    opened = connection(database("log"))
    opened.execute(EDTECH.read_text())
    return opened


def rows(connection, log):
    columns = {name: column.name for name, column in log.table.columns.items()}
    wanted = ["querytext", "recommendation", "performancegain", "confidence", "source", "createdat", "appliedat"]
    names = ", ".join(f'"{columns[name]}"' for name in wanted)
    return connection.execute(f"SELECT {names} FROM {log.table.described} ORDER BY 2 DESC").fetchall()


def test_a_recommendation_is_one_row_whatever_the_shape(home):
    catalog = (
        "SELECT md5(string_agg(attrelid::regclass || attname || atttypid, ',' ORDER BY attrelid, attnum)) FROM pg_attribute a "
    )
    theirs = (
        catalog + "JOIN pg_class c ON c.oid = attrelid WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('app'))"
    )
    before = home.execute(theirs).fetchone()
    log = OptimizationLog(home)
    assert [one.state for one in log.record([ONE, TWO])] == [State.PROPOSED, State.PROPOSED]
    (first, second) = rows(home, log)
    assert first[1] == TWO.ddl
    assert second[0] == ONE.statement[: log.table.columns["querytext"].length]
    assert first[0] == TWO.subject
    assert second[2] is None
    assert float(second[3]) == pytest.approx(91.3)
    assert second[4:5] == ("heuristic",)
    written = second[5] if second[5].tzinfo else second[5].replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert second[6] is None
    log.record([ONE, TWO])
    assert rows(home, log) == [first, second]
    assert home.execute(theirs).fetchone() == before  # never DDL on the application's tables


def test_from_proposed_to_kept_and_back(home):
    log = OptimizationLog(home)
    log.record([ONE])
    (proved,) = log.record([replace(ONE, state=State.PROVED, state_reason="Faster 5 times of 5", measured=PROOF)])
    assert proved.state is State.PROVED
    fingerprint = ONE.fingerprint
    (row,) = rows(home, log)
    assert float(row[2]) == 60.0
    with pytest.raises(PgkeelError, match="proved cannot become kept"):
        log.move(fingerprint, State.KEPT, "")
    for state in (State.APPLIED, State.WATCHING):
        log.move(fingerprint, state, "built in 3 s")
    (row,) = rows(home, log)
    assert row[6] is not None
    assert indexes_in_force(home) == {("public", "x")}
    (again,) = log.record([ONE])  # the next run does not see what is in force as new
    assert again.state is State.WATCHING
    assert log.move(fingerprint, State.REVERTED, "slower").state is State.REVERTED
    assert indexes_in_force(home) == frozenset()
    (again,) = log.record([replace(ONE, state=State.PROVED)])
    assert again.state is State.REVERTED
    (past,) = log.past(kind=Kind.CREATE_INDEX, states=[State.REVERTED])
    assert past.fingerprint == fingerprint
    assert past.details["reason"] == "slower"
    assert log.past(kind=Kind.REWRITE) == ()
    with pytest.raises(PgkeelError, match="was ever logged"):
        log.move("0" * 16, State.PROVED, "")


def test_the_applications_metadata_stays_its_own(prisma):
    log = OptimizationLog(prisma)
    log.record([ONE])
    prisma.execute("""UPDATE "OptimizationLog" SET metadata = metadata || '{"reviewed": true}'""")
    log.record([replace(ONE, state=State.PROVED, measured=PROOF)])
    (metadata,) = prisma.execute('SELECT metadata FROM "OptimizationLog"').fetchone()
    assert metadata["reviewed"] is True
    assert metadata["pgkeel"]["state"] == "proved"
    assert metadata["pgkeel"]["fingerprint"] == ONE.fingerprint
    assert metadata["pgkeel"]["statements"] == ["7", "-9"]


def test_a_lost_register_finds_its_rows_again_and_a_lost_row_comes_back(prisma):
    log = OptimizationLog(prisma)
    log.record([ONE, TWO])
    prisma.execute("DROP SCHEMA pgkeel CASCADE")
    log = OptimizationLog(prisma)
    log.record([ONE, TWO])
    assert len(rows(prisma, log)) == 2
    prisma.execute('DELETE FROM "OptimizationLog"')
    log.record([ONE])
    assert len(rows(prisma, log)) == 1


@pytest.mark.parametrize("position", range(1, 9))
def test_a_run_that_breaks_off_anywhere_is_finished_by_the_next(prisma, connection, position):
    log = OptimizationLog(prisma)
    prisma.execute(f"CREATE TABLE crash AS SELECT {position} AS wanted; CREATE SEQUENCE step")
    prisma.execute(
        """
        CREATE FUNCTION stumble() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN IF nextval('public.step') = (SELECT wanted FROM public.crash) THEN RAISE 'cut off'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER a BEFORE INSERT OR UPDATE ON "OptimizationLog" FOR EACH ROW EXECUTE FUNCTION stumble();
        CREATE TRIGGER b BEFORE INSERT OR UPDATE ON pgkeel.recommendation FOR EACH ROW EXECUTE FUNCTION stumble();
        """
    )
    three = [ONE, TWO, replace(ONE, subject="third", state=State.PROVED, measured=PROOF)]
    with pytest.raises(psycopg.errors.RaiseException):
        log.record(three)
    whole = prisma.execute('SELECT count(*), (SELECT count(*) FROM pgkeel.recommendation) FROM "OptimizationLog"').fetchone()
    assert whole[0] == whole[1] == (position - 1) // 3
    states = [one.state for one in OptimizationLog(connection(prisma.info.dbname)).record(three)]
    assert states == [State.PROPOSED, State.PROPOSED, State.PROVED]
    assert len(rows(prisma, log)) == 3


def test_what_nobody_came_to_again_expires(prisma):
    log = OptimizationLog(prisma)
    log.record([ONE, TWO, replace(ONE, subject="third", state=State.REJECTED)])
    prisma.execute("UPDATE pgkeel.recommendation SET seen_at = now() - interval '40 days'")
    log.record([TWO])
    assert log.expire(datetime.now(UTC) - timedelta(days=35)) == (ONE.fingerprint,)
    assert log.entry(ONE.fingerprint).state is State.EXPIRED
    assert log.record([ONE])[0].state is State.PROPOSED


def test_a_table_that_only_has_the_name_is_refused_before_anything_is_made(connection, database):
    opened = connection(database("log"))
    opened.execute('CREATE TABLE "OptimizationLog" (id text PRIMARY KEY, "queryText" text)')
    with pytest.raises(PgkeelError, match=r'"public"."OptimizationLog" has the name .* it has no column recommendation'):
        OptimizationLog(opened)
    assert opened.execute("SELECT to_regnamespace('pgkeel')").fetchone() == (None,)
    opened.execute('DROP TABLE "OptimizationLog"')
    for schema in ("one", "two"):
        opened.execute(f"CREATE SCHEMA {schema}")
        opened.execute(SHAPES["serial, without metadata"].replace('"OptimizationLog"', f'{schema}."OptimizationLog"'))
    with pytest.raises(PgkeelError, match="several tables"):
        find_log_table(opened)
    opened.execute('ALTER TABLE two."OptimizationLog" RENAME TO optimization_log')
    assert find_log_table(opened).schema == "one"


def test_two_runs_at_once_write_one_row(prisma, connection):
    log = OptimizationLog(prisma)
    other = OptimizationLog(connection(prisma.info.dbname))
    for _ in range(3):
        log.record([ONE])
        other.record([ONE])
    assert len(rows(prisma, log)) == 1


def test_the_module_foretells_records_and_repeats(server, prisma):
    given = [ONE.as_dict(), replace(TWO, state=State.PROVED, measured=PROOF).as_dict()]

    def run(rows=given, **more):
        return server.module("pg_optimization_log", {"login_db": prisma.info.dbname, "recommendations": rows}, **more)

    would = run(check=True, diff=True)
    assert would["changed"], would
    assert prisma.execute("SELECT to_regnamespace('pgkeel')").fetchone() == (None,)
    assert prisma.execute('SELECT count(*) FROM "OptimizationLog"').fetchone() == (0,)
    did = run(diff=True)
    assert (did["recorded"], did["diff"], did["table"]) == (would["recorded"], would["diff"], '"public"."OptimizationLog"')
    assert [(one["before"], one["after"]) for one in did["recorded"]] == [("", "proposed"), ("", "proved")]
    assert not run()["changed"]
    assert not run(check=True)["changed"]
    measured_again = [given[0], {**given[1], "measured_gain": 0.5}]
    assert not run(measured_again)["changed"]
    assert prisma.execute('SELECT max("performanceGain") FROM "OptimizationLog"').fetchone() == (50.0,)
    refused = run([{"ddl": "x"}])
    assert refused["failed"]
    assert "A recommendation has no advice" in refused["msg"]
    prisma.execute('ALTER TABLE "OptimizationLog" ADD CONSTRAINT sure CHECK (confidence > 99) NOT VALID')
    refused = run([{**given[0], "fingerprint": "0" * 16}])
    assert refused["failed"]
    assert refused["msg"].startswith('The table "public"."OptimizationLog" could not be read or written: new row for relation')
    assert given[0]["statement"] not in refused["msg"]


PLAY = """
- hosts: postgresql
  gather_facts: false
  vars:
    backup_optimize_result: {result}
    wanted: {failures}
  tasks:
    - ansible.builtin.include_role:
        name: backup
        tasks_from: optimize_log
    - ansible.builtin.assert:
        that: backup_optimize_result.failures == wanted
"""


def test_the_playbook_logs_what_it_can_and_names_what_it_cannot(server, prisma, connection, database, tmp_path):
    broken = connection(database("log"))
    broken.execute('CREATE TABLE "OptimizationLog" (id text PRIMARY KEY)')
    rows = [{**ONE.as_dict(), "database": one.info.dbname} for one in (prisma, broken)]
    sentence = (
        f'{broken.info.dbname}: The table "public"."OptimizationLog" has the name of an optimization log, and it has no column '
        "querytext. Give it the columns that docs/architect.md lists, or rename it: pgkeel then keeps a log of its own."
    )
    play = tmp_path / "play.yml"
    result = json.dumps({"recommendations": rows, "failures": ["before"]})
    play.write_text(PLAY.format(result=result, failures=json.dumps(["before", sentence])))
    first = server.playbook(str(play))
    assert first.returncode == 0, first.stdout[-3000:]
    assert prisma.execute('SELECT count(*) FROM "OptimizationLog"').fetchone() == (1,)
    again = server.playbook(str(play))
    assert again.stats[server.name]["changed"] == 0
