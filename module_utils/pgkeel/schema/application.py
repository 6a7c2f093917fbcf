"""The application's files on the controller: what its ORMs say, and its migrations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PgkeelError
from .node import install, read_sides


@dataclass(frozen=True)
class Application:
    """Where its schemas are; None for a side that it does not have. Each may be a file or a folder."""

    prisma: Path | None = None
    drizzle: Path | None = None
    kysely: Path | None = None
    migrations: Path | None = None
    """Prisma's folder of migrations; None to look beside the Prisma schema."""
    drizzle_casing: str = ""
    """As drizzle.config.ts has it: ``snake_case``, ``camelCase`` or empty."""
    kysely_type: str = ""
    """The exported type of the whole database; empty to find it."""


def read_application(application: Application, package: Path, cache: Path) -> dict[str, Any]:
    """What `Declarations.from_mapping` takes, and `migrations`: SQL by name, None where there are none.

    Raises PgkeelError when Node is missing, or a path does not exist.
    """
    given = {"prisma": application.prisma, "drizzle": application.drizzle, "kysely": application.kysely}
    for name, path in given.items():
        if path is not None and not path.exists():
            raise PgkeelError(f"{path} does not exist", f"Correct schema_audit_{name}")
    request = {name: str(path) for name, path in given.items() if path is not None}
    options = {"casing": application.drizzle_casing, "kysely_type": application.kysely_type}
    sides = read_sides(install(package, cache), {**request, **options}) if request else {}
    return {**sides, "migrations": read_migrations(application)}


def read_migrations(application: Application) -> Mapping[str, str] | None:
    """SQL by the name of the migration's folder; None where the application has no such folder."""
    folder = application.migrations
    if folder is not None:
        return migrations_in(folder) or None
    if application.prisma is not None:
        start = application.prisma if application.prisma.is_dir() else application.prisma.parent
        # Beside the schema, or beside the folder that a multi-file schema is in.
        folder = next((one for one in (start / "migrations", start.parent / "migrations") if one.is_dir()), None)
    return (migrations_in(folder) or None) if folder else None


def migrations_in(folder: Path) -> Mapping[str, str]:
    """SQL by the name of the migration's folder. Raises PgkeelError when `folder` is none, or holds a file that is no text."""
    if not folder.is_dir():
        raise PgkeelError(f"{folder} is not a folder", "Give Prisma's folder of migrations, usually prisma/migrations")
    try:
        return {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*/migration.sql"))}
    except (OSError, UnicodeDecodeError) as error:
        raise PgkeelError(f"A migration in {folder} cannot be read: {error}", "Mend the file or its permissions") from error
