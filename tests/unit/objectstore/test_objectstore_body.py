"""A body that breaks in the middle is asked for again, whatever broke it."""

from __future__ import annotations

import hashlib
import io
import ssl
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody
from pgkeel.objectstore.download import download
from pgkeel.objectstore.errors import StoreError
from pgkeel.objectstore.objects import read_small
from pgkeel.objectstore.patience import Patience
from pgkeel.objectstore.store import Store, StoreAddress
from urllib3.exceptions import SSLError

DATA = bytes(range(256)) * 8
HALF = len(DATA) // 2


class BadRecord(io.BytesIO):
    """As urllib3 gives the body of a connection on which a TLS record was damaged."""

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        if not found:
            raise SSLError(ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac"))
        return found


class Client:
    """A store whose first ``broken`` answers break after ``whole`` bytes."""

    def __init__(self, broken: int, whole: int) -> None:
        self.broken, self.whole = broken, whole
        self.asked: list[str] = []

    def get_object(self, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:  # noqa: N803 - S3's word
        self.asked.append(Range)
        rest = DATA[int(Range.removeprefix("bytes=").removesuffix("-")) :]
        raw = io.BytesIO(rest) if len(self.asked) > self.broken else BadRecord(rest[: self.whole])
        return {"ETag": "x", "ContentLength": len(rest), "Body": StreamingBody(raw, len(rest))}


def store(client: Client) -> Store:
    return Store(client, StoreAddress("https://store", "b", "k", "s"), Patience(tries=2, seconds=20, first_delay=0.01))


def fetch(client: Client, target: Path) -> bytes:
    download(store(client), "k", target, expected_bytes=len(DATA), expected_sha256=hashlib.sha256(DATA).hexdigest())
    return target.read_bytes()


def test_a_download_is_taken_up_after_a_bad_tls_record(tmp_path: Path) -> None:
    client = Client(broken=1, whole=HALF)
    assert fetch(client, tmp_path / "x") == DATA
    assert client.asked == ["bytes=0-", f"bytes={HALF}-"]


def test_a_connection_that_only_breaks_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the connection to the store broke"):
        fetch(Client(broken=9, whole=0), tmp_path / "x")


def test_a_small_object_is_read_again() -> None:
    client = Client(broken=1, whole=0)
    assert read_small(store(client), "k") == DATA
    assert len(client.asked) == 2
