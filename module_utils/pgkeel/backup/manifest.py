"""The manifest: what a committed backup is. It is written last; what has none does not exist."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import PgkeelError
from ..objectstore.errors import DamagedObjectError
from ..objectstore.objects import LARGEST_SMALL_OBJECT
from ..postgres.proving_ground import Locale
from .contents import Contents
from .encryption import Plain
from .keys import RUN_ID
from .signature import SignatureError, sign, verify

FORMAT = 2
KIND = "application/vnd.pgkeel.manifest+json"
SHA256 = re.compile(r"[0-9a-f]{64}")
WAL_POSITION = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}")


class ManifestError(DamagedObjectError):
    """A manifest that cannot be believed."""


@dataclass(frozen=True)
class ServerFacts:
    """The server the backup was taken from."""

    version: str
    version_num: int
    system_identifier: str
    superuser: str
    """Name of the bootstrap superuser."""
    shared_preload_libraries: tuple[str, ...]
    wal_position: str


@dataclass(frozen=True)
class StoredDump:
    """The object with the custom-format dump, an age file."""

    bytes: int
    sha256: str
    plain: Plain
    """What it decrypts to."""
    part_bytes: int
    parts: int
    compression: str
    program: str
    """Version line of pg_dump."""


@dataclass(frozen=True)
class StoredGlobals:
    """The object with roles, their password verifiers, memberships and tablespaces: an age file."""

    bytes: int
    sha256: str
    plain: Plain


@dataclass(frozen=True)
class Manifest:
    """One committed backup."""

    format: int
    run_id: str
    server_name: str
    database: str
    snapshot_time: datetime
    """UTC; the backup holds what was committed before."""
    finished_time: datetime
    database_bytes: int
    server: ServerFacts
    locale: Locale
    dump: StoredDump
    globals: StoredGlobals
    recipients: tuple[str, ...]
    """Public age keys; the private key of any of them decrypts."""
    contents: Contents

    def signed(self, signing_key: str) -> bytes:
        """As it is stored. Raises PgkeelError when the key is none, or when it is too large to be read back."""
        envelope = sign(self.to_bytes(), KIND, signing_key)
        if len(envelope) > LARGEST_SMALL_OBJECT:
            raise PgkeelError(
                f"The manifest would have {len(envelope)} bytes, and one of more than {LARGEST_SMALL_OBJECT} cannot be read back",
                "It grows with the number of tables, columns and routines: divide the database",
            )
        return envelope

    def to_bytes(self) -> bytes:
        """What is signed: JSON, one key order, UTF-8."""
        return (json.dumps(_encoded(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_signed(envelope: bytes, verify_keys: Iterable[str], *, run_id: str, server_name: str, database: str) -> Manifest:
    """Read a manifest as it is stored. Raises ManifestError unless one of the keys signed it and it can be believed."""
    try:
        payload = verify(envelope, KIND, verify_keys)
    except SignatureError as error:
        raise ManifestError(
            f"The manifest of {run_id} cannot be believed: {error}",
            "Find out who writes there; if the signing key was changed, name the old public key in backup_verify_keys",
        ) from error
    return read_manifest(payload, run_id=run_id, server_name=server_name, database=database)


def read_manifest(body: bytes, *, run_id: str, server_name: str, database: str) -> Manifest:
    """Read a manifest found under these names. Raises ManifestError unless every field is there, of its type, and plausible."""
    where = f"The manifest of {run_id}"
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ManifestError(
            f"{where} is not JSON ({error})", "Find out who wrote it; remove it if the backup is worthless"
        ) from error
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise ManifestError(
            f"{where} has format {value.get('format')!r}, this version of pgkeel reads {FORMAT}", "Use the version that wrote it"
        )
    try:
        manifest = typing.cast(Manifest, _decoded(Manifest, value, "manifest"))
        _require_plausible(manifest)
    except ValueError as error:
        raise ManifestError(
            f"{where} cannot be believed: {error}", "Find out who wrote it; remove it if the backup is worthless"
        ) from error
    expected = (run_id, server_name, database)
    if (manifest.run_id, manifest.server_name, manifest.database) != expected:
        raise ManifestError(
            f"{where} belongs to another backup: it names run {manifest.run_id!r} of database {manifest.database!r} "
            f"on {manifest.server_name!r}",
            "Find out who copied it there",
        )
    return manifest


def _require_plausible(manifest: Manifest) -> None:
    def require(holds: bool, what: str) -> None:
        if not holds:
            raise ValueError(what)

    require(RUN_ID.fullmatch(manifest.run_id) is not None, "run_id is not one of ours")
    require(manifest.finished_time >= manifest.snapshot_time, "it was finished before it was begun")
    require(f"{manifest.snapshot_time:%Y%m%dT%H%M%SZ}" == manifest.run_id[:16], "run_id and snapshot_time differ")
    for name, stored in (("dump", manifest.dump), ("globals", manifest.globals)):
        require(SHA256.fullmatch(stored.sha256) is not None, f"{name}.sha256 is not a SHA-256")
        require(SHA256.fullmatch(stored.plain.sha256) is not None, f"{name}.plain.sha256 is not a SHA-256")
        require(stored.bytes > 0 and stored.plain.bytes > 0, f"{name}.bytes is not positive")
    dump = manifest.dump
    require(dump.part_bytes > 0 and dump.parts == -(-dump.bytes // dump.part_bytes), "the parts of the dump do not add up")
    require(manifest.database_bytes >= 0, "database_bytes is negative")
    require(WAL_POSITION.fullmatch(manifest.server.wal_position) is not None, "server.wal_position is not one")
    require(manifest.locale.provider in {"libc", "icu", "builtin"}, "locale.provider is unknown")
    require(bool(manifest.recipients), "it is encrypted to nobody")
    contents = manifest.contents
    require(contents.large_objects >= 0 and all(table.rows >= 0 for table in contents.tables), "a count is negative")
    for name in ("tables", "materialized_views", "sequences"):
        labels = [(item.schema, item.name) for item in getattr(contents, name)]
        require(len(set(labels)) == len(labels), f"contents.{name} names one twice")


def _encoded(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    if dataclasses.is_dataclass(value):
        return {field.name: _encoded(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


def _decoded(kind: Any, value: Any, path: str) -> Any:  # noqa: ANN401 - by the type hint of each field
    """``value`` as ``kind``; ValueError names the path of what is missing, unknown or of another type."""
    if dataclasses.is_dataclass(kind):
        fields = typing.get_type_hints(kind)
        if not isinstance(value, dict) or set(value) != set(fields):
            odd = sorted(set(value) ^ set(fields)) if isinstance(value, dict) else []
            raise ValueError(f"{path} is missing or has unexpected fields: {', '.join(odd) or 'it is not an object'}")
        return kind(**{name: _decoded(fields[name], value[name], f"{path}.{name}") for name in fields})  # type: ignore[operator]  # it is a class
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{path} is not a list")
        return tuple(_decoded(arguments[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{path} is not an object")
        return {key: _decoded(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if origin in {types.UnionType, typing.Union}:
        return None if value is None else _decoded(arguments[0], value, path)
    if kind is datetime:
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except (TypeError, ValueError):
            raise ValueError(f"{path} is not a time in UTC") from None
    # type(), for bool passes as int.
    if type(value) is not kind:
        raise ValueError(f"{path} is not of type {kind.__name__}")
    return value
