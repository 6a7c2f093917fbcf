"""Small objects: put once, read, list, delete."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .errors import DamagedObjectError, is_missing, reading_body, status_of
from .patience import persist
from .store import Store

PRECONDITION_FAILED = 412
LARGEST_SMALL_OBJECT = 64 * 1024 * 1024


class PutOutcome(StrEnum):
    """What a put that must not overwrite came to."""

    WRITTEN = "written"
    ALREADY_THERE = "already there"
    """Somebody else's object is there; it was not touched."""


@dataclass(frozen=True)
class StoredObject:
    """One line of a listing."""

    key: str
    bytes: int
    modified: datetime


def put_once(store: Store, key: str, body: bytes, content_type: str = "application/octet-stream") -> PutOutcome:
    """Write an object unless one is there (``If-None-Match: *``). Raises StoreError.

    A try that got no answer may have written all the same, and the next then meets its own object: it counts as written when it
    holds exactly ``body``.
    """
    md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    unanswered: list[BaseException] = []

    def put() -> PutOutcome:
        try:
            store.client.put_object(
                Bucket=store.bucket, Key=key, Body=body, ContentMD5=md5, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if status_of(error) != PRECONDITION_FAILED:
                raise
            if unanswered and _read(store, key) == body:
                return PutOutcome.WRITTEN
            return PutOutcome.ALREADY_THERE
        return PutOutcome.WRITTEN

    try:
        return persist(put, store.patience, on_retry=unanswered.append)
    except (BotoCoreError, ClientError, ValueError) as error:
        raise store.explain(error, f"writing {key}") from error


def read_small(store: Store, key: str) -> bytes:
    """The whole object. Raises DamagedObjectError when it does not exist or is too large to be what was asked for."""
    try:
        return persist(lambda: _read(store, key), store.patience)
    except (BotoCoreError, ClientError, ValueError) as error:
        if is_missing(error):
            raise DamagedObjectError(f"{key} does not exist in bucket {store.bucket!r}", "Choose another backup") from error
        raise store.explain(error, f"reading {key}") from error


def _read(store: Store, key: str) -> bytes:
    answer: dict[str, Any] = store.client.get_object(Bucket=store.bucket, Key=key)
    with closing(answer["Body"]) as body:
        if int(answer["ContentLength"]) > LARGEST_SMALL_OBJECT:
            raise DamagedObjectError(
                f"{key} has {answer['ContentLength']} bytes, more than a small object can have", "Look at what lies there"
            )
        with reading_body():
            return bytes(body.read())


def list_objects(store: Store, prefix: str) -> Iterator[StoredObject]:
    """Every object below the prefix, in the order of the keys. Raises StoreError."""
    more: dict[str, str] = {}
    while True:
        page = store.call(
            f"listing {prefix}",
            lambda: store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, **more),  # noqa: B023
        )
        for item in page.get("Contents", []):
            yield StoredObject(key=item["Key"], bytes=int(item["Size"]), modified=item["LastModified"])
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def delete_object(store: Store, key: str) -> None:
    """Remove one object; one that is not there is fine. Raises StoreError."""
    store.call(f"deleting {key}", lambda: store.client.delete_object(Bucket=store.bucket, Key=key))
