"""The manifest comes back as it was written, and nothing else is believed."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgkeel.backup import manifest as module
from pgkeel.backup.catalogue import newest
from pgkeel.backup.contents import Contents, MaterializedView, Sequence, TableContent
from pgkeel.backup.encryption import Plain
from pgkeel.backup.manifest import Manifest, ManifestError, ServerFacts, StoredDump, StoredGlobals, read_manifest, read_signed
from pgkeel.backup.signature import public_key_of
from pgkeel.errors import PgkeelError
from pgkeel.postgres.proving_ground import Locale

TIME = datetime(2026, 3, 1, 3, 0, 0, 123456, tzinfo=UTC)
RUN = "20260301T030000Z-0011aabb"
CONTENTS = Contents(
    tables=(TableContent("public", "User", 3, "7"), TableContent("public", "empty", 0, "7")),
    materialized_views=(MaterializedView("public", "mv", True),),
    sequences=(Sequence("public", "s", None, 1, False), Sequence("public", "t", 7, -1, True)),
    extensions={"plpgsql": "1.0"},
    collations={"database": "2.41"},
    large_objects=1,
    large_objects_hash="5",
    catalog={"relation public.User": "00ff"},
    unvalidated_constraints=("public.User.c",),
)
MANIFEST = Manifest(
    format=2,
    run_id=RUN,
    server_name="db1",
    database="edtech",
    snapshot_time=TIME,
    finished_time=TIME + timedelta(seconds=9),
    database_bytes=1000,
    server=ServerFacts("17.11", 170011, "7423", "postgres", ("pg_stat_statements",), "0/1A2B3C"),
    locale=Locale("UTF8", "libc", "C.UTF-8", "C.UTF-8"),
    dump=StoredDump(17, "a" * 64, Plain(16, "c" * 64), 8, 3, "zstd:3", "pg_dump (PostgreSQL) 17.11"),
    globals=StoredGlobals(5, "b" * 64, Plain(4, "d" * 64)),
    recipients=("age1x",),
    contents=CONTENTS,
)


def read(body: bytes) -> Manifest:
    return read_manifest(body, run_id=RUN, server_name="db1", database="edtech")


def test_round_trip() -> None:
    assert read(MANIFEST.to_bytes()) == MANIFEST


@given(
    st.lists(
        st.builds(TableContent, st.text(min_size=1), st.text(min_size=1), st.integers(0, 2**62), st.text()),
        unique_by=lambda t: (t.schema, t.name),
    ),
    st.dictionaries(st.text(), st.text()),
)
def test_round_trip_of_any_names(tables: list[TableContent], extensions: dict[str, str]) -> None:
    odd = dataclasses.replace(MANIFEST, contents=dataclasses.replace(CONTENTS, tables=tuple(tables), extensions=extensions))
    assert read(odd.to_bytes()) == odd


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict):
        return [path, *(leaf for key in value for leaf in leaves(value[key], (*path, key)))]
    if isinstance(value, list):
        return [path, *(leaf for index in range(len(value)) for leaf in leaves(value[index], (*path, index)))]
    return [path]


RAW = json.loads(MANIFEST.to_bytes())
KEYED = [
    path
    for path in leaves(RAW)
    if path and isinstance(path[-1], str) and path[1:2] not in (("extensions",), ("collations",), ("catalog",))
]


def changed(path: tuple, change: Any) -> bytes:
    raw = json.loads(MANIFEST.to_bytes())
    at = raw
    for step in path[:-1]:
        at = at[step]
    change(at, path[-1])
    return json.dumps(raw).encode()


@pytest.mark.parametrize("path", KEYED, ids=str)
def test_every_field_is_needed(path: tuple) -> None:
    with pytest.raises(ManifestError):
        read(changed(path, lambda at, key: at.pop(key)))


@pytest.mark.parametrize("path", [path for path in leaves(RAW) if path], ids=str)
@pytest.mark.parametrize("wrong", [1.5, [1], {"x": 1}], ids=repr)
def test_every_type_is_checked(path: tuple, wrong: Any) -> None:
    with pytest.raises(ManifestError):
        read(changed(path, lambda at, key: at.__setitem__(key, wrong)))


def test_a_truth_value_is_not_a_number() -> None:
    with pytest.raises(ManifestError, match="not of type int"):
        read(changed(("contents", "tables", 0, "rows"), lambda at, key: at.__setitem__(key, True)))


@pytest.mark.parametrize("path", [(), ("server",), ("dump",), ("contents",), ("contents", "tables", 0)], ids=str)
def test_unknown_fields_are_refused(path: tuple) -> None:
    with pytest.raises(ManifestError, match="surprise"):
        read(changed((*path, "surprise"), lambda at, key: at.__setitem__(key, 1)))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 1, "format 1"),
        (("run_id",), "20260301T030000Z-ffffffff", "another backup"),
        (("run_id",), "../../etc", "run_id"),
        (("server_name",), "db2", "another backup"),
        (("database",), "other", "another backup"),
        (("snapshot_time",), "2026-03-01T04:00:00.000000Z", "finished before"),
        (("snapshot_time",), "2026-03-01T03:00:01.000000Z", "differ"),
        (("snapshot_time",), "2026-03-01T03:00:00.000000+00:00", "not a time"),
        (("dump", "sha256"), "A" * 64, "SHA-256"),
        (("dump", "bytes"), 0, "not positive"),
        (("dump", "bytes"), 25, "do not add up"),
        (("globals", "bytes"), -1, "not positive"),
        (("database_bytes",), -1, "negative"),
        (("server", "wal_position"), "x", "wal_position"),
        (("locale", "provider"), "magic", "provider"),
        (("contents", "tables", 0, "rows"), -1, "negative"),
        (("contents", "tables", 0, "name"), "empty", "twice"),
    ],
    ids=str,
)
def test_the_implausible_is_refused(path: tuple, value: Any, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        read(changed(path, lambda at, key: at.__setitem__(key, value)))


@given(st.integers(0, len(MANIFEST.to_bytes()) - 2))
def test_a_cut_manifest_is_refused(length: int) -> None:
    with pytest.raises(ManifestError):
        read(MANIFEST.to_bytes()[:length])


@given(st.lists(st.integers(0, 10**6), min_size=1), st.randoms())
def test_the_newest_is_by_snapshot_time_whatever_the_order_and_the_names(seconds: list[int], chance: random.Random) -> None:
    manifests = [
        dataclasses.replace(MANIFEST, snapshot_time=TIME + timedelta(seconds=s), run_id=f"{chance.random()}") for s in seconds
    ]
    chance.shuffle(manifests)
    found = newest(manifests)
    assert found is not None
    assert found.snapshot_time == TIME + timedelta(seconds=max(seconds))


def test_no_backup_has_no_newest() -> None:
    assert newest([]) is None


KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()


def read_back(envelope: bytes, keys: list[str], run_id: str = RUN) -> Manifest:
    return read_signed(envelope, keys, run_id=run_id, server_name="db1", database="edtech")


def test_signed_round_trip_also_with_an_older_key() -> None:
    assert read_back(MANIFEST.signed(KEY), [public_key_of(OTHER), public_key_of(KEY)]) == MANIFEST


def test_what_another_key_signed_is_forged() -> None:
    with pytest.raises(ManifestError, match="none of the known keys"):
        read_back(MANIFEST.signed(OTHER), [public_key_of(KEY)])


def test_what_nobody_signed_is_refused() -> None:
    with pytest.raises(ManifestError, match="not a signed document"):
        read_back(MANIFEST.to_bytes(), [public_key_of(KEY)])


def test_the_manifest_of_another_run_is_refused() -> None:
    with pytest.raises(ManifestError, match="another backup"):
        read_back(MANIFEST.signed(KEY), [public_key_of(KEY)], run_id="20260301T030000Z-ffffffff")


@given(st.integers(0, len(MANIFEST.signed(KEY)) - 1), st.integers(0, 7))
def test_no_flipped_bit_changes_what_is_read(position: int, bit: int) -> None:
    """Refused, or, where the bit means nothing (a blank, the name of the key), read as it was signed."""
    envelope = bytearray(MANIFEST.signed(KEY))
    envelope[position] ^= 1 << bit
    with contextlib.suppress(ManifestError):
        assert read_back(bytes(envelope), [public_key_of(KEY)]) == MANIFEST


def test_one_that_nobody_could_read_back_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of thousands of tables: the backup fails, and not every drill after it."""
    signing_key = base64.b64encode(bytes(32)).decode()
    monkeypatch.setattr(module, "LARGEST_SMALL_OBJECT", len(MANIFEST.signed(signing_key)))
    assert MANIFEST.signed(signing_key)
    larger = dataclasses.replace(CONTENTS, catalog={**CONTENTS.catalog, "relation public.one_more": "aa"})
    with pytest.raises(PgkeelError, match="cannot be read back"):
        dataclasses.replace(MANIFEST, contents=larger).signed(signing_key)
