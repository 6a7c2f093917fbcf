"""Rolling indexes on a real server: built, left, rolled on, cut off in the middle."""

import pytest

ROLLING = {"column": "at", "keep": "30 days"}
INDEX = {"name": "Log_recent", "table": "Log", "columns": ["user", "at"], "rolling": ROLLING}
TYPES = ("timestamp(3)", "timestamptz", "date")


@pytest.fixture(params=TYPES)
def log(request, connection, database):
    opened = connection(database("roll"))
    opened.execute(
        f"""
        CREATE TABLE "Log" ("user" int, at {request.param}, kind text);
        INSERT INTO "Log" SELECT n % 100, now() - n * interval '1 hour', 'k' || n % 3 FROM generate_series(1, 3000) n
        """
    )
    opened.execute('VACUUM ANALYZE "Log"')
    return opened


@pytest.fixture
def plain(connection, database):
    opened = connection(database("roll"))
    opened.execute('CREATE TABLE "Log" ("user" int, at timestamptz, kind text)')
    return opened


def converge(server, log, index=INDEX, **more):
    return server.module("pg_index", {"login_db": log.info.dbname, "indexes": [index]}, **more)


def definitions(log):
    query = "SELECT relname, pg_get_indexdef(oid) FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace"
    return dict(log.execute(query).fetchall())


def rebuilt_with(log, days):
    """Put an index in place whose cut-off is that many days behind."""
    old = definitions(log)["Log_recent"]
    (cutoff,) = log.execute("SELECT substring(%s FROM '''([^'']+)''')", [old]).fetchone()
    (older,) = log.execute("SELECT (%s::timestamptz - %s * interval '1 day')::text", [cutoff, days]).fetchone()
    log.execute('DROP INDEX "Log_recent"')
    log.execute(old.replace(cutoff, older))


def test_built_left_and_rolled_on(server, log):
    would = converge(server, log, check=True, diff=True)
    assert would["changed"]
    assert "at >= '" in would["diff"]["after"]
    assert definitions(log) == {}
    did = converge(server, log)
    assert did["indexes"][0]["state"] == "built", did
    assert did["indexes"][0]["cutoff"].endswith("00:00:00 UTC")
    size = log.execute("SELECT reltuples FROM pg_class WHERE relname = 'Log_recent'").fetchone()[0]
    assert 719 <= size <= 745  # one fewer where midnight came in between
    assert not converge(server, log)["changed"]

    rebuilt_with(log, 2)  # within a tenth of 30 days
    assert not converge(server, log)["changed"]
    rebuilt_with(log, 2)
    before = definitions(log)
    would = converge(server, log, check=True, diff=True)
    assert (would["changed"], would["indexes"][0]["state"]) == (True, "rebuilt")
    assert definitions(log) == before
    did = converge(server, log)
    assert did["executed_queries"] == would["executed_queries"]
    assert "its cut-off is" in did["indexes"][0]["reason"]
    assert set(definitions(log)) == {"Log_recent"}
    assert definitions(log) != before
    assert not converge(server, log)["changed"]


def test_used_with_a_literal_and_never_with_now(server, log):
    converge(server, log)

    def plan(bound):
        log.execute("SET enable_seqscan = off")
        return str(log.execute(f'EXPLAIN SELECT kind FROM "Log" WHERE "user" = 7 AND at >= {bound}').fetchall())

    (literal,) = log.execute("SELECT quote_literal(now() - interval '29 days')").fetchone()
    assert "Log_recent" in plan(literal)
    assert "Log_recent" not in plan("now() - interval '29 days'")
    (early,) = log.execute("SELECT quote_literal(now() - interval '60 days')").fetchone()
    assert "Log_recent" not in plan(early)


def test_a_longer_period_or_another_column_builds_anew_and_a_condition_stays(server, plain):
    partial = {**INDEX, "where": "kind IS NOT NULL"}
    assert converge(server, plain, partial)["indexes"][0]["state"] == "built"
    assert "kind IS NOT NULL" in definitions(plain)["Log_recent"]
    assert not converge(server, plain, partial)["changed"]
    longer = {**partial, "rolling": {**ROLLING, "keep": "60 days"}}
    assert converge(server, plain, longer)["indexes"][0]["state"] == "rebuilt"
    shorter = {**partial, "rolling": {**ROLLING, "keep": "12 hours", "lag": 0.2}}
    assert converge(server, plain, shorter)["indexes"][0]["state"] == "rebuilt"
    assert not converge(server, plain, shorter)["changed"]


@pytest.mark.parametrize("cut_off_after", ["build", "swap"])
def test_a_run_cut_off_is_finished_by_the_next(server, plain, cut_off_after):
    converge(server, plain)
    rebuilt_with(plain, 10)
    new, swap_old, swap_new, drop = (
        query for query in converge(server, plain, check=True)["executed_queries"] if query not in {"BEGIN", "COMMIT"}
    )
    plain.execute(new)
    if cut_off_after == "swap":
        plain.execute(f"BEGIN; {swap_old}; {swap_new}; COMMIT")
    did = converge(server, plain)
    assert not any(query.startswith("CREATE") for query in did["executed_queries"]), did
    assert did["executed_queries"][-1] == drop
    assert set(definitions(plain)) == {"Log_recent"}
    assert not converge(server, plain)["changed"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rolling": {"column": "kind", "keep": "30 days"}}, "which is of type text"),
        ({"rolling": {"column": "nowhere", "keep": "30 days"}}, "which the table does not have"),
        ({"rolling": {"column": "at", "keep": "soon"}}, "is to keep 'soon'"),
        ({"unique": True}, "rolling and unique"),
    ],
)
def test_bad_declarations_touch_nothing(server, plain, changes, sentence):
    refused = converge(server, plain, {**INDEX, **changes})
    assert refused["failed"]
    assert sentence in refused["msg"]
    assert definitions(plain) == {}


def test_the_audit_sees_no_drift_while_it_lags_a_little(server, plain):
    converge(server, plain)
    declared = [{**INDEX, "database": plain.info.dbname}]

    def drift():
        result = server.module("pg_audit", {"databases": [plain.info.dbname], "declared_indexes": declared})
        (state,) = result["declared_indexes"]
        assert not state["unverified"], state
        return state["drift"]

    assert drift() == ""
    rebuilt_with(plain, 2)
    assert drift() == ""
    rebuilt_with(plain, 3)
    assert "is declared" in drift()
