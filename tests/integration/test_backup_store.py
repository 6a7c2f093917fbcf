"""The client of the object store against a real one; answers are lost and connections broken on our side of the wire."""

from __future__ import annotations

import hashlib
import io
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError, ResponseStreamingError
from pgkeel.errors import PgkeelError
from pgkeel.objectstore.download import download
from pgkeel.objectstore.errors import DamagedObjectError, StoreError
from pgkeel.objectstore.objects import PutOutcome, delete_object, list_objects, put_once, read_small
from pgkeel.objectstore.parts import MIB, PartPlan
from pgkeel.objectstore.patience import Patience
from pgkeel.objectstore.store import Store, StoreAddress, open_store
from pgkeel.objectstore.upload import abort_stale, probe_writable, upload_stream

ROOT = Path(__file__).resolve().parents[2]
QUICK = Patience(tries=4, seconds=20, first_delay=0.05)
PLAN = PartPlan(5 * MIB, 3)


@pytest.fixture(scope="module")
def address() -> Iterator[StoreAddress]:
    found = StoreAddress(
        endpoint=os.environ["PGKEEL_TEST_S3_ENDPOINT"],
        bucket=f"it-store-{secrets.token_hex(4)}",
        access_key=os.environ["PGKEEL_TEST_S3_ACCESS_KEY"],
        secret_key=os.environ["PGKEEL_TEST_S3_SECRET_KEY"],
        ca_file=os.environ["PGKEEL_TEST_S3_CA_FILE"],
    )
    store = open_store(found)
    store.client.create_bucket(Bucket=found.bucket)
    yield found
    for item in list_objects(store, ""):
        delete_object(store, item.key)
    store.client.delete_bucket(Bucket=found.bucket)


@pytest.fixture
def store(address: StoreAddress) -> Store:
    return open_store(address, patience=QUICK)


@pytest.fixture
def key() -> str:
    return f"p/{secrets.token_hex(4)}"


def stream(data: bytes) -> Any:

    return io.BytesIO(data)


def nothing() -> None:
    pass


def unfinished(store: Store, key: str) -> list[dict]:
    return store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=key).get("Uploads", [])


def lose_answers(store: Store, operation: str, times: int) -> list[int]:
    """The store does what was asked, and the answer does not arrive."""
    lost: list[int] = []

    def lose(**_: Any) -> None:
        if len(lost) < times:
            lost.append(1)
            raise ReadTimeoutError(endpoint_url="lost by the test")

    store.client.meta.events.register(f"after-call.s3.{operation}", lose)
    return lost


def refuse(store: Store, operation: str, times: int) -> list[int]:
    """The request never reaches the store."""
    refused: list[int] = []

    def cut(**_: Any) -> None:
        if len(refused) < times:
            refused.append(1)
            raise ReadTimeoutError(endpoint_url="cut by the test")

    store.client.meta.events.register(f"before-send.s3.{operation}", cut)
    return refused


@pytest.mark.parametrize("length", [1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 23 * MIB + 7])
def test_a_stream_arrives_whole(store: Store, key: str, length: int, tmp_path: Path) -> None:
    data = random.Random(length).randbytes(length)
    sent = upload_stream(store, key, stream(data), PLAN, nothing)
    assert (sent.bytes, sent.sha256, sent.parts) == (length, hashlib.sha256(data).hexdigest(), -(-length // PLAN.part_bytes))
    download(store, key, tmp_path / "x", expected_bytes=length, expected_sha256=sent.sha256)
    assert (tmp_path / "x").read_bytes() == data
    assert not unfinished(store, key)


def test_all_parts_but_the_last_are_equal_whatever_the_reads(store: Store, key: str) -> None:
    sizes: list[tuple[int, int]] = []

    def note(params: dict, **_: Any) -> None:
        sizes.append((params["PartNumber"], len(params["Body"])))

    store.client.meta.events.register("provide-client-params.s3.UploadPart", note)

    class Dribble:
        left = 12 * MIB + 5

        def readinto(self, buffer: memoryview) -> int:
            count = min(len(buffer), self.left, random.randint(1, 99_999))
            self.left -= count
            return count

    upload_stream(store, key, Dribble(), PLAN, nothing)
    assert sorted(sizes) == [(1, 5 * MIB), (2, 5 * MIB), (3, 2 * MIB + 5)]


class ProducerError(Exception):
    pass


class Breaking:
    """A stream that fails after so many bytes."""

    def __init__(self, good: int) -> None:
        self.left = good

    def readinto(self, buffer: memoryview) -> int:
        if not self.left:
            raise ProducerError
        count = min(len(buffer), self.left)
        self.left -= count
        return count


@pytest.mark.parametrize("good", [0, 3 * MIB, 17 * MIB])
def test_a_producer_that_fails_leaves_nothing(store: Store, key: str, good: int) -> None:
    with pytest.raises(ProducerError):
        upload_stream(store, key, Breaking(good), PLAN, nothing)
    assert not unfinished(store, key)
    assert not list(list_objects(store, key))


def test_what_is_refused_before_the_commit_leaves_nothing(store: Store, key: str) -> None:
    def refuse_it() -> None:
        assert unfinished(store, key), "the upload stands at this moment"
        raise ProducerError

    with pytest.raises(ProducerError):
        upload_stream(store, key, stream(b"x" * 6 * MIB), PLAN, refuse_it)
    assert not unfinished(store, key)
    assert not list(list_objects(store, key))


def test_an_empty_stream_is_refused(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="is empty"):
        upload_stream(store, key, stream(b""), PLAN, nothing)
    assert not unfinished(store, key)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject"])
@pytest.mark.parametrize("how", [lose_answers, refuse])
def test_a_lost_request_or_answer_is_made_good(
    store: Store, key: str, operation: str, how: Callable[..., list[int]], tmp_path: Path
) -> None:
    happened = how(store, operation, 2)
    data = random.Random(1).randbytes(11 * MIB)
    sent = upload_stream(store, key, stream(data), PLAN, nothing)
    assert len(happened) == 2
    download(store, key, tmp_path / "x", expected_bytes=len(data), expected_sha256=sent.sha256)
    assert not unfinished(store, key)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_a_store_that_stays_silent_is_a_loud_failure(store: Store, key: str, operation: str) -> None:
    refuse(store, operation, 99)
    with pytest.raises(PgkeelError, match="did not answer in time"):
        upload_stream(store, key, stream(b"x" * 11 * MIB), PLAN, nothing)
    assert not unfinished(store, key)
    assert not list(list_objects(store, key))


def test_a_part_changed_on_the_way_is_refused_by_the_store_and_sent_again(store: Store, key: str, tmp_path: Path) -> None:
    spoilt: list[int] = []

    def spoil(request: Any, **_: Any) -> None:
        if len(spoilt) < 2:
            spoilt.append(1)
            body = bytearray(request.body)
            body[7] ^= 1
            request.body = bytes(body)

    store.client.meta.events.register("before-send.s3.UploadPart", spoil)
    data = random.Random(2).randbytes(6 * MIB)
    sent = upload_stream(store, key, stream(data), PLAN, nothing)
    assert len(spoilt) == 2
    download(store, key, tmp_path / "x", expected_bytes=len(data), expected_sha256=sent.sha256)


def test_put_once_never_overwrites(store: Store, key: str) -> None:
    assert put_once(store, key, b"first") is PutOutcome.WRITTEN
    assert put_once(store, key, b"second") is PutOutcome.ALREADY_THERE
    assert put_once(store, key, b"first") is PutOutcome.ALREADY_THERE
    assert read_small(store, key) == b"first"


def test_put_once_knows_its_own_object_after_a_lost_answer(store: Store, key: str) -> None:
    lost = lose_answers(store, "PutObject", 1)
    assert put_once(store, key, b"mine") is PutOutcome.WRITTEN
    assert lost == [1]


def test_put_once_knows_a_foreign_object_after_a_lost_request(store: Store, address: StoreAddress, key: str) -> None:
    put_once(open_store(address), key, b"theirs")
    refuse(store, "PutObject", 1)
    assert put_once(store, key, b"mine") is PutOutcome.ALREADY_THERE
    assert read_small(store, key) == b"theirs"


def test_only_one_of_many_writers_wins(address: StoreAddress, key: str) -> None:
    outcomes: list[PutOutcome] = []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(put_once(open_store(address), key, str(n).encode())))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [PutOutcome.ALREADY_THERE] * 5 + [PutOutcome.WRITTEN]


def test_a_download_is_taken_up_where_it_broke(store: Store, key: str, tmp_path: Path) -> None:
    data = random.Random(3).randbytes(9 * MIB)
    sent = upload_stream(store, key, stream(data), PLAN, nothing)
    ranges: list[str] = []

    def note(params: dict, **_: Any) -> None:
        ranges.append(params.get("Range", ""))

    def break_off(parsed: dict, **_: Any) -> None:
        body = parsed["Body"]
        whole = body.iter_chunks

        def chunks(size: int) -> Iterator[bytes]:
            for number, chunk in enumerate(whole(size)):
                if number == 2 and len(ranges) <= 3:
                    raise ResponseStreamingError(error="broken by the test")
                yield chunk

        body.iter_chunks = chunks

    store.client.meta.events.register("provide-client-params.s3.GetObject", note)
    store.client.meta.events.register("after-call.s3.GetObject", break_off)
    download(store, key, tmp_path / "x", expected_bytes=len(data), expected_sha256=sent.sha256)
    assert (tmp_path / "x").read_bytes() == data
    assert ranges == ["", f"bytes={2 * MIB}-", f"bytes={4 * MIB}-", f"bytes={6 * MIB}-"]


@pytest.mark.parametrize(
    ("length", "sha256", "words"),
    [(10, "0" * 64, "damaged"), (9, "", "the store holds 10 bytes"), (11, "", "the store holds 10 bytes"), (0, "", "damaged")],
)
def test_a_download_that_is_not_what_was_expected_is_refused(
    store: Store, key: str, tmp_path: Path, *, length: int, sha256: str, words: str
) -> None:
    put_once(store, key, b"0123456789")
    with pytest.raises(DamagedObjectError, match=words):
        download(store, key, tmp_path / "x", expected_bytes=length, expected_sha256=sha256)


def test_a_missing_object_is_damage_and_a_missing_bucket_is_not(
    store: Store, address: StoreAddress, key: str, tmp_path: Path
) -> None:
    with pytest.raises(DamagedObjectError, match="missing"):
        download(store, key, tmp_path / "x", expected_bytes=1, expected_sha256="")
    with pytest.raises(DamagedObjectError, match="does not exist"):
        read_small(store, key)
    elsewhere = open_store(replace(address, bucket=f"not-there-{secrets.token_hex(4)}"), patience=QUICK)
    with pytest.raises(StoreError, match="bucket does not exist") as caught:
        read_small(elsewhere, key)
    assert not isinstance(caught.value, DamagedObjectError)


def test_a_full_disk_has_a_sentence(store: Store, key: str) -> None:
    put_once(store, key, b"x" * 100_000)
    with pytest.raises(PgkeelError, match="The disk is full"):
        download(store, key, Path("/dev/full"), expected_bytes=100_000, expected_sha256="")


def test_listing_goes_beyond_one_page(store: Store, key: str) -> None:
    original = store.client.list_objects_v2
    store.client.list_objects_v2 = lambda **options: original(**options, MaxKeys=2)
    for number in range(5):
        put_once(store, f"{key}/{number}", b"x")
    assert [item.key for item in list_objects(store, f"{key}/")] == [f"{key}/{number}" for number in range(5)]


def test_stale_uploads_are_aborted_below_the_prefix_only(store: Store, key: str) -> None:
    for number in range(3):
        store.client.create_multipart_upload(Bucket=store.bucket, Key=f"{key}/a/{number}")
    store.client.create_multipart_upload(Bucket=store.bucket, Key=f"{key}/b")
    assert abort_stale(store, f"{key}/a/") == 3
    assert [upload["Key"] for upload in unfinished(store, key)] == [f"{key}/b"]
    assert abort_stale(store, key) == 1


def test_the_probe_stores_nothing(store: Store, key: str) -> None:
    probe_writable(store, key)
    assert not unfinished(store, key)
    assert not list(list_objects(store, key))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"access_key": "canary-access"}, "does not accept the access key"),
        ({"secret_key": "canary-secret"}, "does not accept the access key"),
        ({"bucket": f"not-there-{secrets.token_hex(4)}"}, "bucket does not exist"),
        ({"endpoint": "https://127.0.0.1:9"}, "cannot be reached"),
        ({"endpoint": "https://does-not-exist.invalid"}, "cannot be reached"),
        ({"ca_file": ""}, "is not trusted"),
    ],
    ids=str,
)
def test_each_wrong_address_has_its_sentence_soon(address: StoreAddress, key: str, change: dict, words: str) -> None:
    store = open_store(replace(address, **change), patience=QUICK)
    begun = time.monotonic()
    with pytest.raises(StoreError, match=words) as caught:
        probe_writable(store, key)
    assert time.monotonic() - begun < 20
    assert "canary" not in str(caught.value)


MEMORY_PROGRAM = """
import os, sys
from pgkeel.objectstore.parts import plan_parts
from pgkeel.objectstore.store import StoreAddress, open_store
from pgkeel.objectstore.upload import upload_stream

class Endless:
    left = int(sys.argv[3])
    block = os.urandom(1 << 20)
    def readinto(self, buffer):
        count = min(len(buffer), self.left, len(self.block))
        buffer[:count] = self.block[:count]
        self.left -= count
        return count

environment = os.environ
store = open_store(StoreAddress(environment["PGKEEL_TEST_S3_ENDPOINT"], sys.argv[1], environment["PGKEEL_TEST_S3_ACCESS_KEY"],
    environment["PGKEEL_TEST_S3_SECRET_KEY"], ca_file=environment["PGKEEL_TEST_S3_CA_FILE"]))
sent = upload_stream(store, "memory", Endless(), plan_parts(int(sys.argv[2])), lambda: None)
# Not ru_maxrss: it begins with that of the process that forked this one.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(sent.bytes, sent.parts, int(peak.split()[1]) * 1024)
"""


@pytest.mark.parametrize(
    ("estimate", "length"), [(1 << 30, 1 << 30), (600 << 30, 1 << 28)], ids=["a gigabyte", "parts for 600 GiB"]
)
def test_memory_is_bounded(
    store: Store, estimate: int, length: int, record_testsuite_property: Callable[[str, int], None]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_PROGRAM, store.bucket, str(estimate), str(length)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "module_utils")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent, parts, peak = map(int, done.stdout.split())
    record_testsuite_property(f"peak of {parts} parts, MiB", peak // MIB)
    assert sent == length
    assert peak < 300 * MIB
    delete_object(store, "memory")
