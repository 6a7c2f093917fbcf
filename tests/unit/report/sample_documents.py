"""Documents as the playbooks write them: a server with real troubles, thirty checks, and names chosen by an enemy."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from pgkeel.report.finding import CheckResult, Finding, Level, Priority, Status

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""When these documents are read: a few hours after they were made."""
HOSTILE_TABLE = '"Evil"<script>alert("owned")</script><img src=x onerror=alert(1)>'
HOSTILE_REMEDY = 'DROP TABLE "x"; -- </pre></style><script>document.title="owned"</script>\n```\n$(touch /tmp/owned) `id`'
LONG_NAME = "BehaviorLog_userId_eventType_actionCategory_sessionId_timestamp_partial_recent_idx_" + "x" * 60
TERMINAL = "red\x1b[31m\x1b]0;owned\x07 alert\u202egnp.exe"


def _finding(check: str, priority: str, subject: str, summary: str, remedy: str = "", **evidence: Any) -> Finding:
    effort, risk = evidence.pop("effort", Level.LOW), evidence.pop("risk", Level.LOW)
    return Finding(check, Priority(priority), subject, summary, evidence, remedy, effort, risk)


_FOUND = {
    "H01": [
        _finding(
            "H01",
            "P0",
            "edtech",
            "Transaction ids run out: autovacuum will soon stop all writes to protect the data.",
            'VACUUM (FREEZE, VERBOSE) public."BehaviorLog";\nVACUUM (FREEZE, VERBOSE) public."ChatMessage";',
            effort=Level.MEDIUM,
            xid_age=1_812_400_233,
            freeze_max_age=200_000_000,
            used_ratio=0.8439,
            oldest_table="BehaviorLog",
        )
    ],
    "H06": [
        _finding(
            "H06",
            "P1",
            "replication slot analytics_old",
            "An inactive replication slot holds back write-ahead log; the disk fills until somebody drops it.",
            "SELECT pg_drop_replication_slot('analytics_old');",
            risk=Level.MEDIUM,
            retained_bytes=7_512_366_080,
            inactive_seconds=777_600,
            slot_type="logical",
        )
    ],
    "I02": [
        _finding(
            "I02",
            "P1",
            'public."BehaviorLog_eventType_userId_idx"',
            "An index build failed and left an INVALID index, which costs on every write and serves no query.",
            'REINDEX INDEX CONCURRENTLY public."BehaviorLog_eventType_userId_idx";',
            size_bytes=31_203_328,
            index_valid=False,
            writes_per_hour=12_833,
        )
    ],
    "I03": [
        _finding(
            "I03",
            "P2",
            f'public."{LONG_NAME}"',
            "Two indexes have the same columns; one of them is enough.",
            f'DROP INDEX CONCURRENTLY public."{LONG_NAME}";',
            size_bytes=18_874_368,
            duplicate_of='public."BehaviorLog_userId_timestamp_idx"',
            scans=0,
        ),
        _finding(
            "I03",
            "P2",
            f"public.{HOSTILE_TABLE}",
            f"The index on {HOSTILE_TABLE} is the prefix of another.",
            HOSTILE_REMEDY,
            size_bytes=90_112,
            note=TERMINAL,
            tables=[{"table": HOSTILE_TABLE, "size_bytes": 90_112}],
        ),
    ],
    "I05": [
        _finding(
            "I05",
            "P1",
            'public."ChatMessage"."threadId"',
            "A foreign key has no index: each delete of a thread reads the whole table.",
            'CREATE INDEX CONCURRENTLY "ChatMessage_threadId_idx" ON public."ChatMessage" ("threadId");',
            referencing_rows=184_220,
            table_bytes=61_194_240,
            sequential_scans=412,
        )
    ],
    "C04": [
        _finding(
            "C04",
            "P2",
            "shared_buffers",
            "PostgreSQL caches with its out-of-the-box 128 MB on a machine with far more memory.",
            "Set postgresql_settings.shared_buffers to a quarter of the memory and restart at a quiet hour",
            setting="128MB",
            memory_bytes=25_165_824_000,
        )
    ],
    "C07": [
        _finding(
            "C07",
            "P1",
            "max_wal_size",
            "Most checkpoints were forced by full WAL instead of by the clock.",
            "ALTER SYSTEM SET max_wal_size = '4GB';\nSELECT pg_reload_conf();",
            requested=128,
            timed=31,
            requested_ratio=0.805,
        )
    ],
    "Q01": [
        _finding(
            "Q01",
            "P2",
            "query -8311542013770112345",
            "One statement takes more than half of the time of all statements.",
            "EXPLAIN (ANALYZE, BUFFERS) the statement on a restored copy; the architect can propose an index",
            effort=Level.HIGH,
            query='SELECT "eventType", count(*) FROM "BehaviorLog" WHERE "timestamp" > $1 GROUP BY 1 ORDER BY 2 DESC LIMIT $2',
            calls=18_221,
            mean_ms=87.4412,
            total_seconds=1593.2,
            share_ratio=0.5331,
        )
    ],
    "Q03": [
        _finding(
            "Q03",
            "P2",
            "query 5512012345",
            "A sort spills to disk on every call.",
            "ALTER ROLE edtech_analytics SET work_mem = '64MB';",
            temp_bytes_per_call=44_040_192,
            calls=902,
        )
    ],
    "S02": [
        _finding(
            "S02",
            "P0",
            "pg_hba.conf line 14",
            "Anybody on the network logs in as any role: the line says trust for a whole network.",
            "Replace trust with scram-sha-256 in line 14 of pg_hba.conf, then reload",
            address="10.0.0.0/8",
            method="trust",
        )
    ],
    "S05": [
        _finding(
            "S05",
            "P2",
            'public."auditLogin"(text)',
            "A SECURITY DEFINER function runs with the caller's search_path, so a caller can slip in objects of their own.",
            'ALTER FUNCTION public."auditLogin"(text) SET search_path = pg_catalog, pg_temp;',
            owner="postgres",
        )
    ],
}

_TITLES = {
    "H01": ("Transaction id age", "health"),
    "H02": ("Multixact age", "health"),
    "H03": ("Sessions idle in transaction", "health"),
    "H04": ("Prepared transactions left behind", "health"),
    "H05": ("Dead rows that autovacuum does not catch up with", "health"),
    "H06": ("Replication slots that hold WAL", "health"),
    "H07": ("Data checksum failures", "health"),
    "H08": ("Free disk space", "health"),
    "H09": ("Integer sequences near their end", "health"),
    "I01": ("Tables without a primary key", "indexes"),
    "I02": ("Invalid indexes", "indexes"),
    "I03": ("Duplicate and redundant indexes", "indexes"),
    "I04": ("Unused indexes", "indexes"),
    "I05": ("Foreign keys without an index", "indexes"),
    "I06": ("Declared indexes are there, valid and used", "indexes"),
    "I07": ("jsonb searched without a GIN index", "indexes"),
    "C01": ("Durability is on", "configuration"),
    "C02": ("pg_stat_statements collects everything", "configuration"),
    "C03": ("Settings that wait for a restart", "configuration"),
    "C04": ("Memory settings fit the machine", "configuration"),
    "C05": ("Timeouts for the application's roles", "configuration"),
    "C06": ("Settings shadowed by ALTER SYSTEM", "configuration"),
    "C07": ("Checkpoints come by the clock", "configuration"),
    "Q01": ("Statements that take the most time", "queries"),
    "Q02": ("Statements with a poor cache hit ratio", "queries"),
    "Q03": ("Statements that spill to disk", "queries"),
    "S01": ("Passwords are SCRAM", "security"),
    "S02": ("No trust over the network", "security"),
    "S03": ("Superusers that can log in", "security"),
    "S05": ("SECURITY DEFINER functions pin their search_path", "security"),
}
_UNVERIFIED = {
    "H08": "The audit's role may not run df on the server: permission denied for function pg_ls_waldir",
    "Q02": "pg_stat_statements was reset 3 minutes ago; there is nothing to judge yet",
}
_NOT_APPLICABLE = {"H02": "No multixact has been used in this cluster"}


def _difference(kind: str, priority: str, thing: tuple[str, str], expected: str, actual: str, **more: str) -> dict[str, Any]:
    """As ``schema_audit.json`` has a finding, without what the report does not read."""
    table, column = thing
    number = {"missing_column": "T04", "extra_column": "T05", "type": "T06", "index": "T13", "unique": "T11"}[kind]
    return {
        "id": number,
        "priority": priority,
        "pair": "prisma-drizzle",
        "kind": kind,
        "table": table,
        "column": column,
        "expected": expected,
        "actual": actual,
        "impact": "Every insert fails: it is not null, has no default and cannot be given (23502).",
        "fix": f"src/db/schema.ts:41: write {column}",
        "fingerprint": hashlib.sha256(f"{number}{table}{column}".encode()).hexdigest()[:16],
        **more,
    }


_PAIRS = ("prisma-drizzle", "prisma-kysely", "prisma-live", "drizzle-kysely", "drizzle-live", "kysely-live")


def consistent() -> dict[str, Any]:
    """A schema audit that found nothing."""
    return {
        "verdict": "consistent",
        "type_safety_percent": 100.0,
        "pairs": [{"pair": pair, "verdict": "consistent", "differences": 0, "unverified": []} for pair in _PAIRS],
        "findings": [],
        "checklist": [
            {
                "criterion": "No manual SQL: a migration made every object",
                "status": "yes",
                "evidence": "Nothing in the database is missing from the migrations.",
                "objects": ["extension pg_stat_statements (ours, database_extensions)"],
            }
        ],
        "could_not_verify": [],
        "finished": "2026-03-02T03:02:11Z",
    }


def drifted() -> dict[str, Any]:
    """A schema audit with faults of every priority, a column that it could not see, and hostile names."""
    document = consistent()
    document |= {"verdict": "inconsistent", "type_safety_percent": 97.4}
    document["pairs"][0] |= {"verdict": "inconsistent", "differences": 4}
    document["pairs"][1] |= {"verdict": "could not verify"}
    document["findings"] = [
        _difference("missing_column", "P0", ("User", "passwordHash"), "text not null", "(absent)"),
        _difference("type", "P1", ("User", "id"), "text", "uuid"),
        _difference("unique", "P1", (HOSTILE_TABLE, LONG_NAME), f"unique btree ({LONG_NAME})", "(absent)", fix=HOSTILE_REMEDY),
        _difference("index", "P2", ("Post", "createdAt"), "(absent)", "btree (createdAt)", pair="prisma-live"),
    ]
    document["checklist"] = [
        {"criterion": "Prisma owns the migrations", "status": "yes", "evidence": "All 12 are applied.", "objects": []},
        {"criterion": "Drizzle mirrors Prisma", "status": "no", "evidence": f"4 differences: {LONG_NAME}", "objects": []},
        {
            "criterion": "No manual SQL: a migration made every object",
            "status": "no",
            "evidence": "In the database, but not in the migrations: index by_hand on Post.",
            "objects": [
                "index BehaviorLog_payload_idx on BehaviorLog (ours, database_indexes; no migration file yet, "
                "99999999999999_pgkeel_indexes_001/migration.sql is to be written)",
                "index by_hand on Post",
                f"view {HOSTILE_TABLE}",
            ],
        },
        {
            "criterion": "Zero N+1 queries",
            "status": "could not verify",
            "evidence": "pg_stat_statements cannot be read there.",
            "objects": [],
        },
    ]
    document["could_not_verify"] = ["prisma-kysely: prisma-kysely leaves out Post.search: it cannot be compared"]
    return document


def _result(check: str) -> dict[str, Any]:
    title, area = _TITLES[check]
    status, reason = Status.OK, ""
    if check in _FOUND:
        status = Status.FINDING
    elif check in _UNVERIFIED:
        status, reason = Status.COULD_NOT_VERIFY, _UNVERIFIED[check]
    elif check in _NOT_APPLICABLE:
        status, reason = Status.NOT_APPLICABLE, _NOT_APPLICABLE[check]
    return CheckResult(check, title, area, status, tuple(_FOUND.get(check, ())), reason, 0.0113).as_dict()


def troubled() -> dict[str, Any]:
    """Thirty checks, twelve findings, two checks that could not be verified, a drill that passed."""
    results = [_result(check) for check in _TITLES]
    return {
        "site": {
            "postgresql": {
                "version": "17.11",
                "port": 5432,
                "preloaded": ["pg_stat_statements", "auto_explain"],
                "changes": [
                    {"name": "shared_buffers", "old": "128MB", "new": "6GB", "needs": "restart"},
                    {"name": "primary_conninfo", "old": "", "new": "host=db password=canary-of-a-setting", "needs": "reload"},
                ],
                "shadowed": [
                    {
                        "name": "work_mem",
                        "wanted": "16MB",
                        "effective": "4MB",
                        "file": "/var/lib/postgresql/17/main/postgresql.auto.conf",
                    }
                ],
                "restart": "done",
            },
            "database": {
                "roles": ["edtech_app", {"name": "read", "password": "canary-of-a-role"}],
                "databases": ["edtech"],
                "indexes": 8,
            },
            "pgbouncer": {"port": 6432, "restart": "none"},
            "settings": {"pg_stat_statements.track": "all", "pg_stat_statements.max": 10000},
        },
        "audit": {
            "finished": "2026-03-02T03:01:02Z",
            "checks": len(results),
            "findings_by_priority": {"P0": 2, "P1": 4, "P2": 6},
            "could_not_verify": 2,
            "results": results,
            "waived": [
                {
                    **_FOUND["C07"][0].as_dict(),
                    "id": "C09",
                    "waived_until": "2026-06-30",
                    "waived_because": "Moves with the disks <b>",
                }
            ],
            "declared_indexes": [
                {
                    "name": "BehaviorLog_userId_timestamp_idx",
                    "table": "public.BehaviorLog",
                    "present": True,
                    "valid": True,
                    "drift": "",
                    "scans": 18_220,
                    "size_bytes": 21_004_288,
                },
                {
                    "name": "BehaviorLog_eventType_userId_idx",
                    "table": "public.BehaviorLog",
                    "present": True,
                    "valid": False,
                    "drift": "",
                    "scans": 0,
                    "size_bytes": 31_203_328,
                },
                {
                    "name": "User_metadata_idx",
                    "table": "public.User",
                    "present": False,
                    "valid": False,
                    "drift": "",
                    "scans": 0,
                    "size_bytes": 0,
                },
            ],
            "server": {"version": "17.11", "uptime_seconds": 93_211},
            "seconds": 0.8123,
        },
        "backup": {
            "database": "edtech",
            "backup_id": "20260302T030004Z-4f1c9a",
            "bytes": 41_203_311,
            "database_bytes": 287_309_824,
            "seconds": 4.2181,
            "bytes_per_second": 68_113_566,
            "tables": 21,
            "rows": 912_344,
            "snapshot_time": "2026-03-02T03:00:04+00:00",
            "finished": "2026-03-02T03:00:09Z",
            "manifest_key": "pgkeel/edtech-db1/edtech/20260302T030004Z-4f1c9a/manifest.json",
        },
        "drill": {
            "finished": "2026-03-02T03:00:58Z",
            "verdict": "PASS",
            "database": "edtech",
            "backup_id": "20260302T030004Z-4f1c9a",
            "checks": [
                {"name": "row counts", "verdict": "PASS", "evidence": {"tables": 21, "rows": 912_344, "different": 0}},
                {"name": "sequences", "verdict": "PASS", "evidence": "4 of 4 at or beyond the saved value"},
                {"name": "extensions", "verdict": "PASS", "evidence": ["pg_stat_statements 1.11", "plpgsql 1.0"]},
                {"name": "unvalidated constraints", "verdict": "COULD NOT VERIFY", "evidence": None},
            ],
            "phases": {"locate": 0.112, "fetch": 0.91, "prepare": 1.4, "restore": 6.92, "verify": 1.73, "clean": 0.31},
            "rto_seconds": 11.072,
            "rpo_seconds": 42.2,
            "tables_compared": 21,
            "rows_compared": 912_344,
            "negative_control": {"table": "public.User", "rows_deleted": 1, "detected": True},
            "reason": "",
            "rto_budget_seconds": 15.0,
            "rpo_budget_seconds": 90_000.0,
            "history": drills(),
        },
        "workload": {
            "operations": {
                "log_in": {"count": 2000, "p50_ms": 3.12, "p95_ms": 9.881, "errors": 0, "first_error": ""},
                "record_event": {"count": 12_000, "p50_ms": 0.812, "p95_ms": 2.204, "errors": 0, "first_error": ""},
                "recent_logs": {"count": 4000, "p50_ms": 1.92, "p95_ms": 6.5, "errors": 3, "first_error": "57014 canceled"},
                "weekly_analytics": {"count": 12, "p50_ms": 812.3, "p95_ms": 1204.9, "errors": 0, "first_error": ""},
            }
        },
        "load": {"rows": {"BehaviorLog": 500_000, "ChatMessage": 184_220, "User": 2000, HOSTILE_TABLE: 3}, "seconds": 14.332},
        "run": {
            "title": "make demo",
            "host": "edtech-db1",
            "started": "2026-03-02T02:57:11Z",
            "phases": [
                {"name": "lab", "seconds": 38.21, "status": "ok"},
                {"name": "site", "seconds": 71.5, "status": "ok"},
                {"name": "load", "seconds": 14.33, "status": "ok"},
                {"name": "workload", "seconds": 20.02, "status": "ok"},
                {"name": "audit", "seconds": 4.9, "status": "ok"},
                {"name": "backup", "seconds": 9.2, "status": "ok"},
                {"name": "drill", "seconds": 15.1, "status": "ok"},
                {"name": "site again", "seconds": 19.8, "status": "ok"},
            ],
            "reconverge_changed": 0,
        },
        "schema_audit": drifted(),
    }


def drills() -> list[dict[str, Any]]:
    """Nine weeks: the data grow, one drill found damage, one had no store, one took longer than it may."""
    history = []
    for week, (verdict, rto) in enumerate(
        [("PASS", 6.1), ("PASS", 6.4), ("FAIL", None), ("PASS", 7.2), ("COULD NOT VERIFY", None),
         ("PASS", 8.9), ("PASS", 9.4), ("FAIL", 16.2), ("PASS", 11.072)]
    ):  # fmt: skip
        history.append(
            {
                "database": "edtech",
                "backup_id": f"2026{week:04d}T030004Z-4f1c9a1e",
                "time": f"{datetime(2026, 1, 4, 4, 0, 3, tzinfo=UTC) + timedelta(weeks=week):%Y-%m-%dT%H:%M:%S.000000Z}",
                "verdict": verdict,
                "reason": "",
                "rto_seconds": rto,
                "rpo_seconds": 3_600.0 + 100 * week,
                "phases": {"locate": 0.1, "restore": rto} if rto else {"locate": 0.1},
                "rows_compared": 800_000 + 10_000 * week if rto else 0,
                "database_bytes": 180_000_000 + 12_000_000 * week,
            }
        )
    return history


def healthy() -> dict[str, Any]:
    """The same server with all of it remedied."""
    documents = troubled()
    for result in documents["audit"]["results"]:
        result.update(status="ok", findings=[], reason="")
    documents["drill"]["checks"].pop()
    documents["schema_audit"] = consistent()
    documents["workload"]["operations"]["recent_logs"]["errors"] = 0
    return documents


def many(findings: int = 60) -> dict[str, Any]:
    """A server in such a state that the page gets long."""
    documents = troubled()
    result = documents["audit"]["results"][0]
    result["findings"] = [
        _finding(
            "H01",
            f"P{number % 3}",
            f'public."Table{number:03d}"',
            f"Table {number} has waited too long for a vacuum.",
            f'VACUUM public."Table{number:03d}";',
            dead_rows=1000 * number,
        ).as_dict()
        for number in range(findings)
    ]
    return documents
