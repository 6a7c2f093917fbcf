"""What every test of the schema audit needs: the playbook as an operator runs it, an application, a database it migrated."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "fixtures" / "schema_audit" / "app"
EDTECH = ROOT / "files" / "edtech"
MIGRATION = Path("prisma/migrations/20250101000000_init/migration.sql")

Fact = tuple[str, str, str, str]
"""Pair, kind, table and column; empty for none."""


class Audit:
    """Runs the playbook as an operator does."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def __call__(self, app: Path, live: str = "", **more: Any) -> dict[str, Any]:
        sides = {f"schema_audit_{name}": str(app / name) for name in ("prisma", "drizzle", "kysely") if (app / name).exists()}
        reports = self.folder / "report"
        run = self.server.playbook(
            "playbooks/schema_audit.yml",
            {
                **sides,
                "schema_audit_live": bool(live),
                "schema_audit_database": live or "postgres",
                "schema_audit_report_dir": str(reports),
                **more,
            },
        )
        assert run.returncode == 0, run.stdout
        assert not run.changed_tasks, run.changed_tasks
        found: dict[str, Any] = json.loads((reports / "schema_audit.json").read_text())
        return found


@pytest.fixture
def audit(server: Any, tmp_path: Path) -> Audit:
    return Audit(server, tmp_path)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return Path(shutil.copytree(APP, tmp_path / "app"))


@pytest.fixture
def live(database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> tuple[str, psycopg.Connection]:
    """A database that the application's migration made, as Prisma leaves it."""
    name = database("school")
    opened = connection(name)
    opened.execute("CREATE EXTENSION pg_stat_statements")
    opened.execute((APP / MIGRATION).read_bytes())
    opened.execute((EDTECH / "prisma_migrations.sql").read_bytes())
    opened.execute(
        'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES (1, 1, %s, now())',
        [MIGRATION.parent.name],
    )
    return name, opened


def facts(result: dict[str, Any]) -> set[Fact]:
    found = [(one["pair"], one["kind"], one["table"] or "", one["column"] or "") for one in result["findings"]]
    assert len(found) == len(set(found)), "one finding a fact"
    for one in result["findings"]:
        assert one["impact"], one
        assert one["fix"], one
        assert one["expected"] != one["actual"], one
    return set(found)


def swap(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        text = text.replace(old, new)
    path.write_text(text)


def criteria(result: dict[str, Any]) -> dict[str, str]:
    return {one["criterion"]: one["status"] for one in result["checklist"]}
