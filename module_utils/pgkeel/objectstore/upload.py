"""A stream of unknown length to one object: multipart, bounded memory, all or nothing."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import PgkeelError
from ..postgres.interruption import uninterrupted
from .errors import DamagedObjectError, StoreError, is_missing
from .parts import MOST_PARTS, PartPlan
from .patience import Patience, persist
from .store import Store

# Giving up must not take as long as trying did.
BRIEF = Patience(tries=3, seconds=20.0)


class Source(Protocol):
    """A raw binary stream."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer; 0 at the end."""


@dataclass(frozen=True)
class Uploaded:
    """An object as it was sent."""

    key: str
    bytes: int
    sha256: str
    """Of the whole stream, hex."""
    part_bytes: int
    """Of every part but the last."""
    parts: int


def upload_stream(store: Store, key: str, source: Source, plan: PartPlan, before_commit: Callable[[], None]) -> Uploaded:
    """Send the stream; the object appears only at the end, whole, or not at all.

    ``before_commit`` is called when everything has been sent and before the object appears: what it raises cancels the upload.
    Each part carries its MD5, which the store verifies. After any exception, a signal's included, no unfinished upload stays.

    Raises StoreError, and whatever ``source`` and ``before_commit`` raise.
    """
    arguments = {"Bucket": store.bucket, "Key": key}
    started_again: list[BaseException] = []
    try:
        upload_id = str(
            persist(
                lambda: store.client.create_multipart_upload(**arguments, ContentType="application/octet-stream"),
                store.patience,
                on_retry=started_again.append,
            )["UploadId"]
        )
    except BaseException as error:
        with uninterrupted():
            _abort_all(store, key)
        if isinstance(error, (BotoCoreError, ClientError, ValueError)):
            raise store.explain(error, f"starting the upload of {key}") from error
        raise
    try:
        sent = _send_parts(store, key, upload_id, source, plan)
        before_commit()
        _complete(store, key, upload_id, sent)
    except BaseException as error:
        with uninterrupted():
            _abort_all(store, key, upload_id)
        if isinstance(error, (BotoCoreError, ClientError, ValueError)):
            raise store.explain(error, f"uploading {key}") from error
        raise
    if started_again:
        # A start that timed out may have begun an upload whose id never came back.
        _abort_all(store, key)
    return Uploaded(key=key, bytes=sent.bytes, sha256=sent.sha256, part_bytes=plan.part_bytes, parts=len(sent.etags))


@dataclass(frozen=True)
class _Sent:
    bytes: int
    sha256: str
    etags: tuple[str, ...]


def _send_parts(store: Store, key: str, upload_id: str, source: Source, plan: PartPlan) -> _Sent:
    digest = hashlib.sha256()
    total = 0
    etags: list[str] = []
    stop = threading.Event()
    flying: deque[tuple[Future[str], bytearray]] = deque()
    # The same few buffers are used again and again: garbage that waits for its collection would cost as much once more.
    buffers = [bytearray(plan.part_bytes) for _ in range(plan.in_flight + 1)]

    def land() -> None:
        future, buffer = flying.popleft()
        etags.append(future.result())
        buffers.append(buffer)

    with ThreadPoolExecutor(plan.in_flight, thread_name_prefix="upload") as pool:
        try:
            while True:
                buffer = buffers.pop()
                filled = _fill(source, buffer)
                if not filled and total:
                    break
                if not filled:
                    raise StoreError(  # noqa: TRY301 - this very block cleans up
                        f"The stream for {key} is empty", "Check the program that writes it; nothing was stored"
                    )
                number = len(etags) + len(flying) + 1
                if number > MOST_PARTS:
                    raise StoreError(  # noqa: TRY301 - this very block cleans up
                        f"The stream for {key} is longer than the {plan.capacity} bytes that its parts can hold",
                        "Give a larger estimate of its size",
                    )
                # Only the last part is shorter than its buffer.
                part = buffer if filled == plan.part_bytes else buffer[:filled]
                digest.update(part)
                total += filled
                flying.append((pool.submit(_send_part, store, key, upload_id, number, part, stop=stop), buffer))
                if filled < plan.part_bytes:
                    break
                if not buffers:
                    land()
            while flying:
                land()
        except BaseException:
            stop.set()
            for future, _ in flying:
                future.cancel()
            raise
    return _Sent(bytes=total, sha256=digest.hexdigest(), etags=tuple(etags))


def _fill(source: Source, buffer: bytearray) -> int:
    """Fill the buffer, less only at the end of the stream; returns the number of bytes."""
    filled = 0
    with memoryview(buffer) as view:
        while filled < len(buffer):
            count = source.readinto(view[filled:])
            if not count:
                break
            filled += count
    return filled


def _send_part(store: Store, key: str, upload_id: str, number: int, part: bytearray, *, stop: threading.Event) -> str:
    md5 = base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()

    def send() -> Any:  # noqa: ANN401 - boto3 answers untyped mappings
        return store.client.upload_part(
            Bucket=store.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=part, ContentMD5=md5
        )

    return str(persist(send, store.patience, stop=stop)["ETag"])


def _complete(store: Store, key: str, upload_id: str, sent: _Sent) -> None:
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(sent.etags, start=1)]
    retried: list[BaseException] = []
    try:
        persist(
            lambda: store.client.complete_multipart_upload(
                Bucket=store.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            ),
            store.patience,
            on_retry=retried.append,
        )
    except ClientError as error:
        # A first try that timed out may have succeeded all the same: then the upload is gone and the object is there.
        if not (retried and is_missing(error)):
            raise
    head = persist(lambda: store.client.head_object(Bucket=store.bucket, Key=key), store.patience)
    if int(head["ContentLength"]) != sent.bytes:
        raise DamagedObjectError(
            f"The store holds {head['ContentLength']} bytes of {key} where {sent.bytes} were sent", "Run it again"
        )


def _abort_all(store: Store, key: str, upload_id: str = "") -> None:
    """Leave no unfinished upload of this key, as far as the store can be reached; the caller's own error matters more."""
    if upload_id:
        with suppress(BotoCoreError, ClientError):
            persist(lambda: store.client.abort_multipart_upload(Bucket=store.bucket, Key=key, UploadId=upload_id), BRIEF)
    with suppress(BotoCoreError, ClientError, PgkeelError):
        abort_stale(store, key, BRIEF)


def abort_stale(store: Store, prefix: str, patience: Patience | None = None) -> int:
    """Abort every unfinished upload whose key begins with ``prefix``; the caller knows that none of them is alive.

    Returns how many. Raises StoreError.
    """
    aborted = 0
    markers: dict[str, str] = {}
    while True:
        page = store.call(
            "looking for unfinished uploads",
            lambda: store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=prefix, **markers),  # noqa: B023
            patience,
        )
        for upload in page.get("Uploads", []):
            # Stores differ in how they read the prefix; what is outside it is somebody else's.
            if upload["Key"].startswith(prefix):
                _abort_one(store, upload["Key"], upload["UploadId"], patience)
                aborted += 1
        if not page.get("IsTruncated"):
            return aborted
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def _abort_one(store: Store, key: str, upload_id: str, patience: Patience | None) -> None:
    def abort() -> None:
        try:
            store.client.abort_multipart_upload(Bucket=store.bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if not is_missing(error):
                raise

    store.call(f"aborting an unfinished upload of {key}", abort, patience)


def probe_writable(store: Store, key: str) -> None:
    """Begin an upload and abort it: proves that keys, bucket and right to write are good, and stores nothing.

    Raises StoreError.
    """
    brief = Patience(tries=3, seconds=30.0)
    # Some stores begin an upload in a bucket that does not exist.
    store.call("looking", lambda: store.client.list_objects_v2(Bucket=store.bucket, Prefix=key, MaxKeys=1), brief)
    answer = store.call(
        "checking that it can be written", lambda: store.client.create_multipart_upload(Bucket=store.bucket, Key=key), brief
    )
    _abort_one(store, key, str(answer["UploadId"]), brief)
