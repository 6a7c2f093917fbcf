"""One object to a file, checked on the way."""

from __future__ import annotations

import errno
import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from ..errors import PgkeelError
from .errors import DamagedObjectError, StoreError, code_of, is_missing, reading_body, status_of
from .patience import persist
from .store import Store

CHUNK = 1024 * 1024
RANGE_NOT_SATISFIABLE = 416
PRECONDITION_FAILED = 412


def download(store: Store, key: str, target: Path, *, expected_bytes: int, expected_sha256: str) -> None:
    """Fetch the object; a connection that breaks is taken up again where it broke.

    Raises DamagedObjectError when the object is missing or is not what was expected, StoreError when the store cannot be asked,
    PgkeelError when the disk is full. The file may then hold a part: the caller removes it.
    """
    state = _Progress()
    try:
        with target.open("wb") as file:
            while state.bytes < expected_bytes or not state.etag:
                try:
                    # A try that moved on starts with fresh patience: only a standstill ends the download.
                    persist(lambda: _fetch_some(store, key, file, state, expected_bytes), store.patience)
                except _MovedOn:
                    continue
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise PgkeelError(
                f"The disk is full: {target.parent} could not take {key} ({expected_bytes} bytes)",
                "Free space there, or give the drill a directory on a larger disk",
            ) from error
        raise PgkeelError(f"{target} cannot be written: {error.strerror}", "Check the directory's owner and mode") from error
    except (BotoCoreError, ClientError, ValueError) as error:
        if is_missing(error) or status_of(error) in {RANGE_NOT_SATISFIABLE, PRECONDITION_FAILED}:
            raise DamagedObjectError(
                f"{key} is missing, shorter than its manifest says, or was changed while it was read ({code_of(error)})",
                "Choose another backup, and find out who writes below this prefix",
            ) from error
        raise store.explain(error, f"downloading {key}") from error
    found = state.digest.hexdigest()
    if state.bytes != expected_bytes or found != expected_sha256:
        raise DamagedObjectError(
            f"{key} is damaged: {state.bytes} bytes with sha256 {found[:16]}..., "
            f"its manifest says {expected_bytes} bytes with sha256 {expected_sha256[:16]}...",
            "Choose another backup, and find out what changed the object",
        )


class _MovedOn(Exception):  # noqa: N818 - a turn of the loop, not an error
    """The connection broke after some bytes."""


class _Progress:
    def __init__(self) -> None:
        self.bytes = 0
        self.digest = hashlib.sha256()
        self.etag = ""


def _fetch_some(store: Store, key: str, file: BinaryIO, state: _Progress, expected_bytes: int) -> None:
    before = state.bytes
    options: dict[str, Any] = {}
    if state.bytes:
        options = {"Range": f"bytes={state.bytes}-", "IfMatch": state.etag}
    answer = store.client.get_object(Bucket=store.bucket, Key=key, **options)
    state.etag = str(answer["ETag"])
    length = state.bytes + int(answer["ContentLength"])
    if length != expected_bytes:
        # Said before the disk is filled with something that will be refused anyway.
        raise DamagedObjectError(
            f"{key} is damaged: the store holds {length} bytes, its manifest says {expected_bytes}",
            "Choose another backup, and find out what changed the object",
        )
    with closing(answer["Body"]) as body:
        try:
            with reading_body():
                for chunk in body.iter_chunks(CHUNK):
                    file.write(chunk)
                    state.digest.update(chunk)
                    state.bytes += len(chunk)
        except (BotoCoreError, HTTPClientError) as error:
            if state.bytes > before:
                raise _MovedOn from error
            raise
    if state.bytes < expected_bytes:
        raise StoreError(f"The store ended {key} early, at {state.bytes} of {expected_bytes} bytes", "Run it again")
