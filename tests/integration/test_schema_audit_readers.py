"""What the readers cannot read is never called consistent: files that do not parse, tools that drop or say nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pgkeel.errors import PgkeelError
from pgkeel.schema.application import Application, read_application

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "tests" / "fixtures" / "schema_audit" / "app"
HEADER = 'datasource db {\n  provider = "postgresql"\n}\n'
MODEL = "model A {\n  id Int @id\n}\n"


def read(**sides: Path) -> dict[str, Any]:
    return read_application(Application(**sides), ROOT / "files" / "orm", ROOT / "build" / "orm")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEADER + "model A {\n  id Strin @id\n}\n", "Strin"),
        (HEADER + "model A {", "Error"),
        (HEADER, "no model"),
        ("model A {\n  id Int @id\n}\n", "no datasource"),
        ('datasource db {\n  provider = "mysql"\n}\n' + MODEL, "mysql"),
    ],
)
def test_a_prisma_schema_that_says_nothing_is_a_problem(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in read(prisma=written(tmp_path / "schema.prisma", text))["prisma"]["problem"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("export const a = pgTable(", "ERROR"),
        ("export const a = 1;", "no exported pgTable"),
        ('import { pgTable } from "drizzle-orm/pg-core"; const a = pgTable("A", {});', "no exported pgTable"),
        ('import { make } from "not-installed"; export const a = make("A");', "not installed"),
        ('import { Pool } from "not-installed"; export const a = new Pool();', "not installed"),
        ('import "./missing"; export const a = 1;', "missing"),
        ("process.exit(3);", "status 3"),
    ],
)
def test_a_drizzle_schema_that_says_nothing_is_a_problem(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]["problem"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("export type DB = { A: ", "types.ts:1"),
        ("export type Other = { A: { id: string } };", "No exported type"),
        ("export type DB = {};", "no table"),
        ('import type { A } from "gone"; export type DB = A & { B: { id: string } };', "cannot be resolved"),
        ('import type { A } from "./gone"; export type DB = { A: A };', "cannot be resolved"),
    ],
)
def test_kysely_types_that_say_nothing_are_a_problem(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in read(kysely=written(tmp_path / "types.ts", text))["kysely"]["problem"]


def test_the_application_gets_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    text = """
        import { pgTable, text } from "drizzle-orm/pg-core";
        export const a = pgTable(process.env.SECRET_TOKEN ? "leaked" : "kept", { id: text("id") });
    """
    found = read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]
    assert [table["table"] for table in found["tables"]] == ["kept"]


def test_snake_case_names_come_from_the_casing(tmp_path: Path) -> None:
    text = 'import { pgTable, text } from "drizzle-orm/pg-core"; export const a = pgTable("a", { firstName: text() });'
    application = Application(drizzle=written(tmp_path / "schema.ts", text), drizzle_casing="snake_case")
    found = read_application(application, ROOT / "files" / "orm", ROOT / "build" / "orm")["drizzle"]
    assert found["tables"][0]["columns"][0]["column"] == "first_name"
    assert '"first_name" text' in found["sql"]


def test_a_path_to_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    prisma, other = written(tmp_path / "schema.prisma", HEADER + MODEL), written(tmp_path / "types.ts", "export type DB = {};")
    assert read(prisma=other)["prisma"]["problem"] == f"{other} is no .prisma file"
    found = read(drizzle=prisma, kysely=prisma)
    assert {found[side]["problem"] for side in found if side != "migrations"} == {f"{prisma} is no TypeScript file"}


def test_a_schema_with_the_connection_in_its_file_is_read(tmp_path: Path) -> None:
    """The driver is beside the application's drizzle-orm and not beside ours."""
    package = tmp_path / "node_modules" / "pg"
    package.mkdir(parents=True)
    written(package / "index.js", "exports.Pool = class {};")
    text = """
        import { drizzle } from "drizzle-orm/node-postgres";
        import { pgTable, text } from "drizzle-orm/pg-core";
        import { Pool } from "pg";
        export const a = pgTable("a", { id: text("id") });
        export const db = drizzle({ client: new Pool(), schema: { a } });
    """
    found = read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]
    assert [table["table"] for table in found.get("tables", [found])] == ["a"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PgkeelError, match="schema_audit_prisma"):
        read(prisma=tmp_path / "none.prisma")


def test_without_node_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PgkeelError, match="Install Node 20"):
        read(prisma=APP / "prisma")


def test_an_old_node_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        written(tmp_path / name, "#!/bin/sh\necho v18.19.0\n").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PgkeelError, match=r"Node is v18\.19\.0"):
        read(prisma=APP / "prisma")


def test_an_installation_that_was_interrupted_is_done_again(tmp_path: Path) -> None:
    """Only the marker says that npm came to its end: what lies there without it is not used."""
    cache = ROOT / "build" / "orm"
    read(prisma=APP / "prisma")
    installed = next(one for one in cache.iterdir() if (one / ".installed").exists())
    copy = tmp_path / "cache" / installed.name
    (copy / "node_modules").mkdir(parents=True)
    (copy / "node_modules" / "half").touch()
    found = read_application(Application(prisma=APP / "prisma"), ROOT / "files" / "orm", tmp_path / "cache")
    assert "problem" not in found["prisma"]
    assert not (copy / "node_modules" / "half").exists()
    shutil.rmtree(tmp_path / "cache")


def test_roles_and_policies_do_not_stand_in_the_way(tmp_path: Path) -> None:
    """They are not compared, and their roles are not in the throwaway database."""
    text = """
        import { sql } from "drizzle-orm";
        import { pgPolicy, pgRole, pgTable, pgView, text } from "drizzle-orm/pg-core";
        export const staff = pgRole("staff");
        const own = pgPolicy("own", { as: "permissive", to: staff, for: "select", using: sql`true` });
        export const a = pgTable("a", { id: text("id") }, () => [own]);
        export const v = pgView("v").as((query) => query.select().from(a));
    """
    found = read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]
    assert 'CREATE TABLE "a"' in found["sql"]
    assert not any(word in found["sql"] for word in ("CREATE ROLE", "CREATE POLICY", "CREATE VIEW"))
    assert found["views"] == ["v"]


def test_a_default_of_drizzle_that_is_a_bigint_is_read(tmp_path: Path) -> None:
    text = """
        import { bigint, pgTable } from "drizzle-orm/pg-core";
        export const a = pgTable("a", { n: bigint({ mode: "bigint" }).default(9007199254740993n) });
    """
    assert "DEFAULT 9007199254740993" in read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]["sql"]


def test_a_file_that_hands_on_what_another_declares_declares_nothing_twice(tmp_path: Path) -> None:
    """drizzle-kit ends at the second index of one name."""
    written(
        tmp_path / "users.ts",
        """
        import { index, pgTable, text } from "drizzle-orm/pg-core";
        export const users = pgTable("users", { id: text("id") }, (t) => [index("by_id").on(t.id)]);
        """,
    )
    written(
        tmp_path / "all.ts",
        """
        import { pgTable, text } from "drizzle-orm/pg-core";
        export * from "./users";
        export { users as people } from "./users";
        export const posts = pgTable("posts", { id: text("id") });
        """,
    )
    found = read(drizzle=tmp_path)["drizzle"]
    assert found["sql"].count('CREATE INDEX "by_id"') == 1
    assert sorted(table["table"] for table in found["tables"]) == ["posts", "users"]


def test_enums_and_schemas_of_exported_tables_need_no_export(tmp_path: Path) -> None:
    """An application that migrates with Prisma runs without; drizzle-kit alone leaves them out of its SQL."""
    text = """
        import { pgEnum, pgSchema, pgTable, text } from "drizzle-orm/pg-core";
        const own = pgSchema("own");
        const kind = own.enum("kind", ["A"]);
        const role = pgEnum("role", ["B"]);
        const unused = pgEnum("unused", ["C"]);
        export const a = own.table("a", { kind: kind(), roles: role().array() });
    """
    found = read(drizzle=written(tmp_path / "schema.ts", text))["drizzle"]["sql"]
    for made in ('CREATE SCHEMA "own"', 'CREATE TYPE "own"."kind"', 'CREATE TYPE "public"."role"'):
        assert made in found
    assert "unused" not in found


def test_types_from_packages_that_are_not_installed_are_named_and_what_is_beside_them_is_read(tmp_path: Path) -> None:
    text = """
        import type { Generated } from "kysely";
        import type { Base, Id, Money } from "not-installed";
        type Cents = Money;
        type U = { id: Generated<Id>; price: Cents | null; ids: Id[]; plain: string; loose: any };
        interface V extends Base { id: number }
        export type DB = { U: U; V: V; W: Base };
    """
    found = read(kysely=written(tmp_path / "types.ts", text))["kysely"]
    assert found["unresolved"] == ["V", "W"]
    assert {one["column"]: (one["type"], one["nullable"], one["generated"]) for one in found["tables"][0]["columns"]} == {
        "id": ("unresolved Id", False, True),
        "price": ("unresolved Cents", True, False),
        "ids": ("unresolved Id[]", False, False),
        "plain": ("string", False, False),
        "loose": ("any", False, False),
    }


def test_enums_are_found_in_the_file_that_the_types_import_them_from(tmp_path: Path) -> None:
    """Under the short name of a folder too."""
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": {"paths": {"@/*": ["./source/*"]}}} // a comment is allowed')
    source = tmp_path / "source"
    source.mkdir()
    written(source / "enums.ts", 'export type Role = "A" | "B";')
    types = 'import type { Role } from "@/enums"; export type DB = { User: { role: Role } };'
    found = read(kysely=written(source / "types.ts", types))["kysely"]
    assert found["tables"][0]["columns"][0]["type"] == '"A" | "B"'
    assert [(one["enum"], one["values"]) for one in found["enums"]] == [("Role", ["A", "B"])]
