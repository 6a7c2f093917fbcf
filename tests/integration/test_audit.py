"""Every check of the audit on real servers: it catches its fault, and stays silent on a healthy one.

Faults that would harm a server are made in two throwaway clusters on the lab server: `good`, configured as it should be, with the
databases `healthy` and later `faulty`; and `bad`, configured as it should not be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from integration.audit_bench import (
    BAD,
    BAD_HBA,
    DECLARED,
    DECLARED_FAULTY,
    FAULTY,
    GOOD,
    GOOD_HBA,
    HAIR,
    HEALTHY,
    IDS,
    PASSWORD,
    SHARP,
    TODAY,
    Cluster,
    collide,
    damage_a_block,
    read_badly,
    stand_in_the_way,
    start,
    wait_true,
)
from pgkeel.audit.checks import ALL
from pgkeel.audit.declared import parse_declared, read_declared_states
from pgkeel.audit.run import AuditReport, Options, run_audit
from pgkeel.audit.summary import summarize
from pgkeel.audit.waivers import Waiver
from pgkeel.errors import PgkeelError
from pgkeel.report.finding import CheckResult, Status


@pytest.fixture(scope="module")
def good(server: Any) -> Iterator[Cluster]:
    with ExitStack() as stack:
        cluster = start(
            server,
            stack,
            "good",
            initdb="--data-checksums --locale-provider=icu --icu-locale=en-US",
            configuration=GOOD,
            hba=GOOD_HBA,
            port=5432,
        )
        cluster.script("postgres", "CREATE DATABASE healthy;\nALTER DATABASE healthy SET timezone = 'UTC';\n")
        cluster.script("healthy", "CREATE EXTENSION pg_stat_statements;\n" + HEALTHY.format(password=PASSWORD))
        yield cluster


@pytest.fixture(scope="module")
def bad(server: Any) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield start(server, stack, "bad", initdb="", configuration=BAD, hba=BAD_HBA, port=25432)


@pytest.fixture(scope="module")
def silent(good: Cluster) -> AuditReport:
    """The healthy server, before any fault is made."""
    return good.audit(SHARP, declared_indexes=parse_declared(DECLARED, "healthy"))


@pytest.fixture(scope="module")
def caught(good: Cluster, silent: AuditReport) -> AuditReport:  # noqa: ARG001 - silent must have looked before
    """The same server with the database `faulty` and sessions that misbehave."""
    good.script("postgres", "CREATE DATABASE faulty;\n")
    good.script("faulty", FAULTY.format(password=PASSWORD))
    main = good.connect("faulty")
    read_badly(main)
    damage_a_block(good, main)
    collide(good)
    stand_in_the_way(good)
    # As a new C library would leave it.
    main.execute("UPDATE pg_database SET datcollversion = '0' WHERE datname = 'faulty'")
    main.execute("SELECT pg_stat_force_next_flush()")
    wait_true(main, "count(*) > 0 FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL")
    wait_true(main, "deadlocks > 0 FROM pg_stat_database WHERE datname = 'faulty'")
    return good.audit({**SHARP, **HAIR}, declared_indexes=parse_declared([*DECLARED, *DECLARED_FAULTY], "healthy"))


@pytest.fixture(scope="module")
def caught_bad(bad: Cluster) -> AuditReport:
    """A server with every setting wrong."""
    with bad.connect() as session:
        session.execute("SELECT pg_create_physical_replication_slot('unlimited', true)")
        session.execute("ALTER SYSTEM SET max_connections = 601")
        session.execute("ALTER SYSTEM SET work_mem = '5MB'")
        session.execute("SELECT pg_reload_conf()")
        session.execute("SELECT pg_switch_wal()")
        wait_true(session, "count(*) > 0 FROM pg_settings WHERE pending_restart")
        wait_true(session, "failed_count > 0 FROM pg_stat_archiver")
    assert result(bad.audit(checks=("C05",)), "C05").status is Status.OK  # what waits for a restart is no error
    bad.append("postgresql.conf", "no_such_setting = 1\n")
    bad.append("pg_hba.conf", "host all all nobody\n")
    return bad.audit(HAIR)


@pytest.fixture(scope="module")
def caught_statistics(bad: Cluster, caught_bad: AuditReport) -> tuple[AuditReport, AuditReport]:  # noqa: ARG001 - comes first
    """The same server with pg_stat_statements half configured: without the extension, then with it and too many statements."""
    bad.server.run(f"cd {bad.folder}/data && sed -i /no_such_setting/d postgresql.conf && sed -i /nobody/d pg_hba.conf")
    bad.append(
        "postgresql.conf",
        "shared_preload_libraries = pg_stat_statements\npg_stat_statements.max = 100\npg_stat_statements.track = top\n",
    )
    bad.restart()
    without = bad.audit(HAIR, checks=("C03", "Q05"))
    with bad.connect() as session:
        session.execute("CREATE EXTENSION pg_stat_statements")
        for number in range(150):
            session.execute(f"SELECT {', '.join('1' * (number + 1))}")
    return without, bad.audit(HAIR, checks=("C03", "Q05"))


WITH_STATISTICS = "statistics"
HBA = "pg_hba.conf: "
CATCHES: dict[str, tuple[str, set[str]]] = {
    "H01": ("good", {'database "faulty"', 'database "template0"'}),
    "H02": ("good", {'database "faulty"'}),
    "H03": ("good", {"role postgres on faulty (idler)"}),
    "H04": ("good", {"role postgres on faulty (worker)", "role postgres on faulty (waiter)"}),
    "H05": ("good", {"role postgres on faulty (idler)"}),
    "H06": ("good", {"prepared transaction left-over"}),
    "H07": ("good", {"slot nobody"}),
    "H08": ("good", {'faulty: "public"."dead"'}),
    "H09": ("good", {'faulty: "public"."never_analyzed"'}),
    "H10": ("good", {'faulty: "public"."stale"', 'faulty: "public"."dead"'}),
    "H11": ("good", {'faulty: "public"."dead"'}),
    "H12": ("good", {"database faulty"}),
    "H13": ("good", {"database faulty"}),
    "H14": ("good", {"database faulty"}),
    "H15": ("good", {"max_wal_size"}),
    "H16": ("good", {"max_connections"}),
    "H17": ("good", {'faulty: "public"."counter_id_seq"', 'faulty: "public"."wide_seq"'}),
    "H18": ("bad", {"data_checksums"}),
    "H19": ("good", {'database "faulty"'}),
    "H20": ("bad", {"WAL archiver"}),
    "H21": ("good", {"faulty: default collation"}),
    "H22": ("module", set()),
    "H23": ("good", {'faulty: "public"."forgetful"'}),
    "I01": ("good", {'faulty: "public"."broken_unique"'}),
    "I02": ("good", {f'faulty: "public"."{name}"' for name in ("dup_two", "dup_of_key", "parted_two")}),
    "I03": ("good", {'faulty: "public"."short_one"', 'faulty: "public"."dup_of_key"'}),
    "I04": (
        "good",
        {f'faulty: "public"."{name}"' for name in ("idle_one", "dup_of_key", "dup_one", "dup_two", "short_one", "long_one")},
    ),
    "I05": ("good", {'faulty: "public"."No Key"."no_index"'}),
    "I06": ("good", {'faulty: "public"."No Key"', 'faulty: "public"."parted"'}),
    "I07": ("good", {'faulty: "public"."indexed"'}),
    "I08": ("good", {f'faulty: "public"."{name}"' for name in ("declared_missing", "declared_drifted", "broken_unique")}),
    "I09": ("good", {f'faulty: "public"."{name}"' for name in ("declared_idle", "declared_drifted")}),
    "I10": ("good", {'faulty: "public"."docs"."body"'}),
    "C01": ("bad", {"fsync", "full_page_writes", "synchronous_commit"}),
    "C02": ("bad", {"autovacuum", "track_counts"}),
    "C03": ("bad", {"shared_preload_libraries"}),
    "C04": ("bad", {"max_connections"}),
    "C05": ("bad", set()),
    "C06": ("bad", {"work_mem", "max_connections"}),
    "C07": ("bad", {"shared_buffers"}),
    "C08": ("good", {"faulty: role app_wild"}),
    "C09": ("bad", {"max_connections"}),
    "C10": ("bad", {"log_checkpoints", "log_lock_waits", "log_min_duration_statement", "log_temp_files", "track_io_timing"}),
    "C11": ("bad", {"max_slot_wal_keep_size"}),
    "Q01": ("good", set()),
    "Q02": ("good", set()),
    "Q03": ("good", set()),
    "Q04": ("good", set()),
    "Q05": ("statistics", {"pg_stat_statements.max"}),
    "S01": (
        "bad",
        {
            HBA + "local all all trust",
            HBA + "host all all 127.0.0.1/255.255.255.255 trust",
            HBA + "host all all 233.252.0.0/255.255.255.0 trust",
        },
    ),
    "S02": (
        "bad",
        {HBA + "host all all 198.51.100.0/255.255.255.0 md5", HBA + "host all all 203.0.113.0/255.255.255.0 password"},
    ),
    "S03": ("bad", set()),
    "S04": ("bad", {"password_encryption"}),
    "S05": ("good", {"role app_old"}),
    "S06": ("good", {"role second_super"}),
    "S07": ("good", {'faulty: "public"'}),
    "S08": ("good", {'faulty: "public"."loose"(name text)'}),
    "S09": ("bad", {"ssl"}),
    "S10": ("good", {'faulty: "untrusted_sample"'}),
    "S11": ("good", {"database faulty"}),
    "S12": ("good", {'faulty: "public"."parent"'}),
    "S13": ("good", {"role program_runner"}),
    "S14": ("good", {"role app_wild", "role app_old"}),
}
# The subject holds a path or a query id; the summary tells.
TOLD: dict[str, str] = {
    "C05": "unrecognized configuration parameter",
    "S03": "is refused",
    "Q01": "pg_sleep",
    "Q02": "pg_sleep",
    "Q03": "generate_series",
    "Q04": "FROM indexed WHERE id =",
}
# Other databases of the server fulfil these with such thresholds too.
EVERYWHERE = {"H01", "H02", "H12"}


def result(report: AuditReport, check: str) -> CheckResult:
    return next(one for one in report.results if one.id == check)


def test_every_check_has_a_case() -> None:
    assert set(CATCHES) == set(IDS)
    assert {check for check, (_, subjects) in CATCHES.items() if not subjects} == {*TOLD, "H22"}


@pytest.mark.parametrize("check", [check for check in IDS if check != "H22"])
def test_silent_when_healthy(silent: AuditReport, check: str) -> None:
    found = result(silent, check)
    assert not found.findings, found.findings
    assert (found.status, found.reason) == (Status.OK, "")


@pytest.mark.parametrize("check", [check for check in IDS if CATCHES[check][0] != "module"])
def test_catches_its_fault(request: pytest.FixtureRequest, check: str) -> None:
    where, subjects = CATCHES[check]
    if where == "good":
        report = request.getfixturevalue("caught")
    elif where == "bad":
        report = request.getfixturevalue("caught_bad")
    else:
        report = request.getfixturevalue("caught_statistics")[1]
    found = result(report, check)
    assert found.status is Status.FINDING, found.reason
    assert {finding.id for finding in found.findings} == {check}
    seen = {finding.subject for finding in found.findings}
    if check in TOLD:
        assert any(TOLD[check] in finding.summary for finding in found.findings), found.findings
    elif check in EVERYWHERE:
        assert subjects <= seen
    else:
        assert seen == subjects
    for finding in found.findings:
        assert finding.evidence
        assert finding.remedy
        assert finding.priority >= next(one.priority for one in ALL if one.id == check)


def test_priorities_follow_the_danger(caught: AuditReport, caught_bad: AuditReport) -> None:
    def priorities(report: AuditReport, check: str) -> dict[str, str]:
        return {finding.subject: finding.priority.value for finding in result(report, check).findings}

    assert priorities(caught_bad, "C01") == {"fsync": "P0", "full_page_writes": "P0", "synchronous_commit": "P1"}
    assert priorities(caught_bad, "S01") == {
        HBA + "local all all trust": "P1",
        HBA + "host all all 127.0.0.1/255.255.255.255 trust": "P1",
        HBA + "host all all 233.252.0.0/255.255.255.0 trust": "P0",
    }
    assert priorities(caught, "H17") == {'faulty: "public"."counter_id_seq"': "P0", 'faulty: "public"."wide_seq"': "P1"}
    assert priorities(caught, "H16") == {"max_connections": "P1"}
    assert set(priorities(caught, "H01").values()) == {"P1"}
    ages = [{one.subject: one.evidence["age_transactions"] for one in result(caught, check).findings} for check in ("H01", "H02")]
    assert 0 < ages[1]['database "faulty"'] < ages[0]['database "faulty"']
    assert caught.findings_by_priority["P0"] == sum(one.priority.value == "P0" for one in caught.findings) > 0
    assert [one.priority for one in caught.findings] == sorted(one.priority for one in caught.findings)


def test_half_configured_pg_stat_statements(caught_statistics: tuple[AuditReport, AuditReport]) -> None:
    without, with_extension = caught_statistics
    assert {finding.subject for finding in result(without, "C03").findings} == {
        "extension pg_stat_statements",
        "pg_stat_statements.max",
        "pg_stat_statements.track",
    }
    assert result(without, "Q05").status is Status.COULD_NOT_VERIFY
    assert {finding.subject for finding in result(with_extension, "C03").findings} == {
        "pg_stat_statements.max",
        "pg_stat_statements.track",
    }


def test_nothing_secret_in_the_report(caught: AuditReport) -> None:
    shown = summarize(caught) + repr([one.as_dict() for one in caught.results])
    assert "@>" in shown
    for secret in ("SECRET-LITERAL", PASSWORD, "SCRAM-SHA-256$"):
        assert secret not in shown


def test_declared_indexes_are_listed(caught: AuditReport) -> None:
    states = {state.declared.name: state.as_dict() for state in caught.declared_indexes}
    assert set(states) == {item["name"] for item in [*DECLARED, *DECLARED_FAULTY] if "state" not in item}
    assert not any(state["unverified"] for state in states.values())
    assert states["another_name"]["index"] == "log_at_user"
    assert states["log_payload"]["valid"]
    assert not states["broken_unique"]["valid"]
    assert not states["declared_missing"]["present"]


DOC = {"column": "doc", "opclass": "jsonb_path_ops"}
DIFFERENT = {
    "other_class": ("CREATE INDEX other_class ON t USING gin (doc)", {"method": "gin", "columns": [DOC]}),
    "other_expression": ("CREATE INDEX other_expression ON t (upper(k))", {"columns": [{"expression": "lower(k)"}]}),
    "other_predicate": ("CREATE INDEX other_predicate ON t (k) WHERE n > 1", {"columns": ["k"], "where": "n > 2"}),
    "other_include": ("CREATE INDEX other_include ON t (k) INCLUDE (n)", {"columns": ["k"], "include": ["id"]}),
    "other_order": ("CREATE INDEX other_order ON t (k, n)", {"columns": ["k", {"column": "n", "order": "desc"}]}),
    "other_storage": ("CREATE INDEX other_storage ON t (n)", {"columns": ["n"], "storage": {"fillfactor": 70}}),
}
SAME = {
    "same_class": ("CREATE INDEX same_class ON t USING gin (doc jsonb_path_ops)", {"method": "gin", "columns": [DOC]}),
    "same_expression": ("CREATE INDEX same_expression ON t (lower(k))", {"columns": [{"expression": "LOWER( k )"}]}),
    "same_predicate": ("CREATE INDEX same_predicate ON t (k) WHERE n > 2", {"columns": ["k"], "where": "(n>2)"}),
    "same_include": ("CREATE INDEX same_include ON t (k) INCLUDE (n)", {"columns": ["k"], "include": ["n"]}),
    "same_function": ("CREATE INDEX same_function ON t (shortened(k))", {"columns": [{"expression": "shortened(k)"}]}),
    "other_name": ("CREATE INDEX by_the_orm ON t (n, k)", {"columns": ["n", "k"]}),
}


@pytest.fixture
def compared(good: Cluster) -> Iterator[Cluster]:
    """A database with indexes that are, and that are not quite, as declared."""
    with good.connect() as admin:
        admin.execute("CREATE DATABASE compared TEMPLATE template0")
        good.script("compared", "CREATE TABLE t (id int PRIMARY KEY, k text, n int, doc jsonb)")
        good.script("compared", "CREATE FUNCTION shortened(text) RETURNS text IMMUTABLE RETURN left($1, 3)")
        for statement, _ in [*DIFFERENT.values(), *SAME.values()]:
            good.script("compared", statement)
        yield good
        admin.execute("DROP DATABASE compared WITH (FORCE)")


def _declare(indexes: dict[str, Any]) -> Any:
    return parse_declared([{"name": name, "table": "t", **rest} for name, (_, rest) in indexes.items()], "compared")


def test_a_definition_is_compared_as_postgresql_prints_it(compared: Cluster) -> None:
    listing = "SELECT oid, relname FROM pg_class WHERE relnamespace <> 'pg_toast'::regnamespace ORDER BY 1"
    with compared.connect("compared") as session:
        before = session.execute(listing).fetchall()
        report = compared.audit(databases=("compared",), checks=("I08",), declared_indexes=_declare({**DIFFERENT, **SAME}))
        assert session.execute(listing).fetchall() == before
    assert {one.subject for one in report.findings} == {f'compared: "public"."{name}"' for name in DIFFERENT}
    assert not report.unverified
    drift = {state.declared.name: state.drift for state in report.declared_indexes}
    assert drift["other_class"] == "it is gin (doc), and gin (doc jsonb_path_ops) is declared"
    assert {state.actual.name for state in report.declared_indexes if state.actual} == {*DIFFERENT, *SAME, "by_the_orm"} - {
        "other_name"
    }


def test_what_cannot_be_compared_could_not_be_verified(compared: Cluster) -> None:
    refused = {"same_predicate": ("", {"columns": ["k"], "where": "nope > 2"})}
    report = compared.audit(databases=("compared",), checks=("I08",), declared_indexes=_declare({**DIFFERENT, **refused}))
    assert {one.subject for one in report.findings} == {f'compared: "public"."{name}"' for name in DIFFERENT}
    assert [gap.reason for gap in report.unverified] == [
        "same_predicate: PostgreSQL refuses the declared index public.same_predicate on public.t: "
        'column "nope" does not exist. Correct the declaration; no index was touched'
    ]
    alone = compared.audit(databases=("compared",), checks=("I08", "I09"), declared_indexes=_declare(refused))
    assert result(alone, "I08").status is Status.COULD_NOT_VERIFY
    missing = compared.audit(
        databases=("compared",),
        checks=("I08",),
        declared_indexes=_declare({"nowhere": ("", {"table": "none", "columns": ["k"]})}),
    )
    assert [one.summary for one in missing.findings] == ["The declared index nowhere on none is missing."]


def test_a_standby_and_a_role_without_privileges_compare_nothing(compared: Cluster) -> None:
    with compared.connect("compared") as session:
        states = read_declared_states(session, _declare(SAME), in_recovery=True)
        assert {state.unverified for state in states} == {"a standby cannot compare definitions; its primary can"}
        session.execute("SET ROLE pg_monitor")
        states = read_declared_states(session, _declare(SAME), in_recovery=False)
        assert {state.unverified for state in states} == {
            "PostgreSQL refuses the temporary copy that its definition is read from: permission denied for table t"
        }
        assert session.read_only, "the session goes back to reading only"


def test_young_statistics_are_no_verdict(good: Cluster, caught: AuditReport) -> None:  # noqa: ARG001 - makes the faults
    report = good.audit(
        {**SHARP, "statistics_minimum_days": 14},
        checks=("I04", "I09"),
        declared_indexes=parse_declared(DECLARED_FAULTY, "faulty"),
    )
    assert {one.status for one in report.results} == {Status.COULD_NOT_VERIFY}
    assert report.could_not_verify == 2
    assert all("14 are needed" in gap.reason for gap in report.unverified)


def test_a_waiver_hides_until_its_day(good: Cluster, caught: AuditReport) -> None:
    fingerprint = result(caught, "H23").findings[0].fingerprint
    until_today = Waiver(fingerprint, TODAY, "a cache")
    options = Options(checks=("H23",), waivers=(until_today,))
    report = run_audit(good.login, options, TODAY)
    assert [item.finding.fingerprint for item in report.waived] == [fingerprint]
    assert report.findings == ()
    assert "a cache" in result(report, "H23").reason
    assert len(run_audit(good.login, options, TODAY + timedelta(days=1)).findings) == 1


def test_a_blocked_check_is_no_verdict_and_the_others_go_on(good: Cluster, caught: AuditReport) -> None:  # noqa: ARG001
    with good.connect("faulty") as locker, locker.transaction():
        locker.execute("LOCK TABLE forgetful IN ACCESS EXCLUSIVE MODE")
        report = good.audit(checks=("H23", "S12"), databases=("faulty", "healthy"), lock_timeout_seconds=0.1)
    assert result(report, "H23").status is Status.COULD_NOT_VERIFY
    assert result(report, "H23").reason.startswith(
        "database faulty: PostgreSQL answered: canceling statement due to lock timeout"
    )
    assert result(report, "S12").status is Status.FINDING


def test_a_slow_check_is_cut_off(good: Cluster, caught: AuditReport) -> None:  # noqa: ARG001
    with good.connect("faulty") as locker, locker.transaction():
        locker.execute("LOCK TABLE forgetful IN ACCESS EXCLUSIVE MODE")
        report = good.audit(checks=("H23",), databases=("faulty",), lock_timeout_seconds=30, check_timeout_seconds=0.2)
    assert result(report, "H23").reason == ("database faulty: PostgreSQL answered: canceling statement due to statement timeout")


def test_without_privileges_nothing_is_called_ok_that_was_not_seen(good: Cluster) -> None:
    with good.connect() as session:
        session.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        session.execute("GRANT stranger TO postgres")
    good.append("pg_ident.conf", "lab postgres stranger\nlab postgres postgres\n")
    good.server.run(f"sed -i '1i local all stranger peer map=lab' {good.folder}/data/pg_hba.conf")
    with good.connect() as session:
        session.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 60
    while True:
        try:
            report = run_audit(replace(good.login, user="stranger"), Options(databases=("postgres",)), TODAY)
            break
        except PgkeelError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    blind = {one.id for one in report.results if one.status is Status.COULD_NOT_VERIFY}
    assert blind >= {
        "H03",
        "H04",
        "H05",
        "H09",
        "H16",
        "C03",
        "C05",
        "C06",
        "C08",
        "S01",
        "S02",
        "S03",
        "S05",
        "S14",
        "Q01",
        "Q05",
    }
    assert not {one.id for one in report.results if one.status is Status.FINDING} & blind
    assert all(one.reason for one in report.results if one.id in blind)


def test_the_audit_writes_nothing(good: Cluster) -> None:
    with good.connect("healthy") as session:
        before = session.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]
        good.audit(databases=("healthy",))
        assert session.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0] == before + 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checks": ("H99",)}, "Unknown audit check 'H99'"),
        ({"areas": ("colour",)}, "Unknown audit area 'colour'"),
        ({"databases": ("nowhere",)}, "no database 'nowhere'"),
        (
            {"declared_indexes": parse_declared([{"name": "i", "table": "t", "columns": ["c"]}], "gone")},
            "'gone', which does not exist",
        ),
    ],
)
def test_bad_options_are_refused(good: Cluster, options: dict[str, Any], words: str) -> None:
    with pytest.raises(PgkeelError, match=words):
        good.audit(**options)


def test_the_module(server: Any) -> None:
    plain = server.module("pg_audit", {"checks": ["H22", "C01"], "thresholds": {"disk_free_ratio": 0.000001}})
    assert not plain["failed"], plain
    assert not plain["changed"]
    assert plain["checks"] == 2
    assert [one["status"] for one in plain["results"]] == ["ok", "ok"], plain["results"]
    assert plain["findings_by_priority"] == {"P0": 0, "P1": 0, "P2": 0}
    full = server.module(
        "pg_audit",
        {"checks": ["H22"], "thresholds": {"disk_free_ratio": 1, "disk_critical_free_ratio": 0}, "fail_on": "P1"},
        check=True,
    )
    assert full["failed"]
    assert full["findings_by_priority"] == {"P0": 0, "P1": 1, "P2": 0}
    assert full["results"][0]["findings"][0]["subject"] == "disk of the data directory"
    assert "1 P1" in full["msg"]


def test_the_module_refuses_bad_input(server: Any) -> None:
    refused = server.module("pg_audit", {"thresholds": {"disk_free_ratio": 7}})
    assert refused["failed"]
    assert refused["msg"] == "Audit threshold disk_free_ratio is 7. Give a number from 0 to 1."


def test_on_a_standby(good: Cluster, caught: AuditReport) -> None:  # noqa: ARG001 - last: it ends the primary
    good.sh(f"touch {good.folder}/data/standby.signal")
    with good.connect("faulty") as session:
        session.execute("ROLLBACK PREPARED 'left-over'")
    good.restart()
    report = good.audit(SHARP)
    assert report.server.in_recovery
    assert {one.id for one in report.results if one.status is Status.NOT_APPLICABLE} >= {"H08", "H10", "H15", "H20"}
    assert report.unverified == () or {gap.check for gap in report.unverified} <= {"H22", "I04", "I09"}
    assert result(report, "S12").status is Status.FINDING
