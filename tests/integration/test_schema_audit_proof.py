"""What the audit calls broken breaks, and what it calls consistent works: real Drizzle, Kysely and Prisma 7 queries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgkeel.schema.application import Application, read_application
from pgkeel.schema.node import install

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "fixtures" / "schema_audit" / "app"
PROVE = ROOT / "tests" / "fixtures" / "schema_audit" / "proof" / "prove.mjs"
PACKAGE = ROOT / "files" / "orm"
CACHE = ROOT / "build" / "orm"
MIGRATION = "prisma/migrations/20250101000000_init/migration.sql"

# One row of each table through each client, with only what its types demand.
INSERTS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "drizzle": {"User": [{"email": "d@example.org", "passwordHash": "x"}], "Post": [{"authorId": "1", "body": "d"}]},
    "kysely": {
        "User": [{"id": "1", "email": "k@example.org", "passwordHash": "x", "updatedAt": "2025-01-01"}],
        "courses": [{"title": "k", "level": "EASY"}],
    },
    "prisma": {"user": [{"email": "p@example.org", "passwordHash": "x"}], "course": [{"title": "p", "level": "HARD"}]},
}


@pytest.fixture(scope="module")
def programs() -> Path:
    """The readers, beside which Prisma's client and the drivers are installed too."""
    return install(PACKAGE, CACHE, development=True)


@pytest.fixture(scope="module")
def client(programs: Path) -> str:
    """Prisma 7's client for the application's schema, made by prisma generate; it has no use for an engine binary."""
    folder = programs / "client"
    shutil.rmtree(folder, ignore_errors=True)
    # Prisma looks for its client from where the schema is.
    schema = programs / "proof.prisma"
    own = "\n".join((APP / "prisma" / name).read_text() for name in ("main.prisma", "school.prisma"))
    own = own.replace('provider = "prisma-kysely"', 'provider = "prisma-client-js"').replace('"../kysely"', f'"{folder}"')
    schema.write_text("\n".join(line for line in own.splitlines() if "fileName" not in line and "DATABASE_URL" not in line))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(programs),
        "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true",
        "CHECKPOINT_DISABLE": "1",
        "PRISMA_HIDE_UPDATE_MESSAGE": "1",
    }
    command = ["node", str(programs.parent / "node_modules/prisma/build/index.js"), "generate", "--schema", str(schema)]
    done = subprocess.run(command, cwd=programs, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(folder)


@pytest.fixture
def prove(server: Any, programs: Path, client: str, tmp_path: Path) -> Callable[[Path, str], dict[str, str]]:
    shutil.copyfile(PROVE, programs / PROVE.name)

    def run(app: Path, database: str) -> dict[str, str]:
        declared = read_application(Application(drizzle=app / "drizzle", kysely=app / "kysely"), PACKAGE, CACHE)
        types = {table["table"]: [column["column"] for column in table["columns"]] for table in declared["kysely"]["tables"]}
        asked, answered = tmp_path / "asked.json", tmp_path / "answered.json"
        connection = {"host": server.socket_dir, "port": 5432, "user": "postgres", "database": database}
        asked.write_text(
            json.dumps(
                {
                    "drizzle": [path for path in declared["drizzle"]["files"] if path.endswith(".ts")],
                    "kysely": types,
                    "client": client,
                    "connection": connection,
                    "inserts": INSERTS,
                }
            )
        )
        done = subprocess.run(
            ["node", str(programs / PROVE.name), str(asked), str(answered)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, str] = json.loads(answered.read_text())
        return found

    return run


@pytest.fixture
def school(database: Callable[..., str], connection: Callable[..., psycopg.Connection]) -> tuple[str, psycopg.Connection]:
    name = database("proof")
    opened = connection(name)
    opened.execute((APP / MIGRATION).read_bytes())
    return name, opened


def test_what_is_called_consistent_works(
    prove: Callable[[Path, str], dict[str, str]], school: tuple[str, psycopg.Connection]
) -> None:
    school[1].execute("""INSERT INTO "User" (id, email, "passwordHash", "updatedAt") VALUES ('1', 'a@example.org', 'x', now())""")
    outcome = prove(APP, school[0])
    # The row above has the key that Kysely's insert gives: the database says so, and nothing else fails.
    assert outcome.pop("kysely insert User") == "23505"
    assert set(outcome.values()) == {"ok"}, outcome
    assert len(outcome) == 5 + 2 + 5 + 1 + 4 + 2


def test_what_is_called_broken_breaks(
    prove: Callable[[Path, str], dict[str, str]], school: tuple[str, psycopg.Connection], tmp_path: Path
) -> None:
    """Each of these is a finding of test_schema_audit.py with the impact that is shown here."""
    app = Path(shutil.copytree(APP, tmp_path / "app"))
    people, types = app / "drizzle/tables/people.ts", app / "kysely/types.ts"
    text = people.read_text()
    text = text.replace('passwordHash: text("passwordHash")', 'password: text("password")')
    text = text.replace(
        '"Post",\n  {\n    id: text("id").primaryKey().$defaultFn(() => createId())',
        '"Post",\n  {\n    id: text("id").primaryKey()',
    )
    people.write_text(text)
    (app / "drizzle/extra.ts").write_text(
        'import { pgTable, text } from "drizzle-orm/pg-core";\n'
        'export const legacy = pgTable("Legacy", { id: text("id").primaryKey() });\n'
    )
    types.write_text(types.read_text().replace("    body: string;\n", "    body: string;\n    likes: number;\n"))
    school[1].execute("""INSERT INTO "User" (id, email, "passwordHash", "updatedAt") VALUES ('1', 'a@example.org', 'x', now())""")
    school[1].execute('ALTER TABLE "Lesson" DROP COLUMN seconds')
    school[1].execute("""ALTER TABLE courses ALTER credits DROP DEFAULT""")
    outcome = prove(app, school[0])
    broken = {name: code for name, code in outcome.items() if code != "ok"}
    assert broken == {
        "drizzle select User": "42703",
        # Drizzle inserts what it knows of: no passwordHash, and a column that is not there.
        "drizzle insert User": "42703",
        "drizzle insert Post": "23502",
        "drizzle select Legacy": "42P01",
        "drizzle select Lesson": "42703",
        "kysely select Post": "42703",
        "kysely select Lesson": "42703",
        "kysely insert User": "23505",
        "kysely insert courses": "23502",
        "prisma select lesson": "42703",
    }
