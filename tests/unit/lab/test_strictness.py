"""The proxy refuses what R2 refuses, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pgkeel.lab.faults import Faults
from pgkeel.lab.strictness import MIB, Asked, Strictness, read_request

GOOD = {"Authorization": "AWS4-HMAC-SHA256 Credential=K/20260301/auto/s3/aws4_request, Signature=x", "Content-Length": "5"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def ask(
    strict: Strictness, method: str, target: str, headers: dict | None = None, body: bytes = b"", *, there: bool = False
) -> int:
    refusal = strict.refuse(read_request(method, target, GOOD | (headers or {})), body, lambda _: there)
    return refusal.status if refusal else 0


@pytest.mark.parametrize(
    ("method", "target", "operation", "where"),
    [
        ("PUT", "/b/a/k%20x", "PutObject", "a/k x"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart", "k"),
        ("POST", "/b/k?uploads", "CreateMultipartUpload", "k"),
        ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload", "k"),
        ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload", "k"),
        ("DELETE", "/b/k", "DeleteObject", "k"),
        ("GET", "/b/k", "GetObject", "k"),
        ("HEAD", "/b/k", "HeadObject", "k"),
        ("GET", "/b?list-type=2&prefix=a%2F", "ListObjectsV2", "a/"),
        ("GET", "/b/?uploads&prefix=a%2F", "ListMultipartUploads", "a/"),
    ],
)
def test_operations(method: str, target: str, operation: str, where: str) -> None:
    asked = read_request(method, target, {})
    assert (asked.operation, asked.where, asked.bucket) == (operation, where, "b")


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("PUT", "/b/k", {}, 0),
        ("PUT", "/b/k", {"Content-Encoding": "aws-chunked"}, 501),
        ("PUT", "/b/k", {"X-Amz-Trailer": "x-amz-checksum-crc32"}, 501),
        ("PUT", "/b/k", {"X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 501),
        ("PUT", "/b/k", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, 0),
        ("PUT", "/b/k", {"Expect": "100-continue"}, 417),
        ("PUT", "/b/k", {"x-amz-acl": "private"}, 501),
        ("PUT", "/b/k?tagging", {}, 501),
        ("GET", "/b?versioning", {}, 501),
        ("PUT", "/b/k", {"x-amz-object-lock-mode": "GOVERNANCE"}, 501),
        ("GET", "/b/k", {"Authorization": "AWS4-HMAC-SHA256 Credential=K/20260301/eu-west-1/s3/aws4_request"}, 400),
        ("GET", "/b/k", {"Authorization": "AWS4-HMAC-SHA256 Credential=K/20260301/us-east-1/s3/aws4_request"}, 0),
    ],
)
def test_requests(method: str, target: str, headers: dict, status: int) -> None:
    assert ask(Strictness(), method, target, headers) == status


def test_one_write_a_second_a_key() -> None:
    clock = Clock()
    strict = Strictness(clock=clock)
    assert [ask(strict, "PUT", "/b/k"), ask(strict, "PUT", "/b/k"), ask(strict, "PUT", "/b/other")] == [0, 429, 0]
    clock.now += 1.0
    assert ask(strict, "PUT", "/b/k") == 0


def complete(*sizes: int) -> int:
    strict = Strictness()
    for number, size in enumerate(sizes, start=1):
        assert ask(strict, "PUT", f"/b/k?partNumber={number}&uploadId=u", {"Content-Length": str(size)}) == 0
    parts = "".join(f"<Part><PartNumber>{number}</PartNumber></Part>" for number in range(1, len(sizes) + 1))
    xml = f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{parts}</CompleteMultipartUpload>'
    return ask(strict, "POST", "/b/k?uploadId=u", body=xml.encode())


@pytest.mark.parametrize(
    ("sizes", "status"),
    [
        ((1,), 0),
        ((5 * MIB, 1), 0),
        ((8 * MIB, 8 * MIB, 8 * MIB), 0),
        ((8 * MIB, 9 * MIB, 1), 400),
        ((8 * MIB, 9 * MIB), 400),
        ((4 * MIB, 4 * MIB), 400),
    ],
)
def test_parts_are_equal_and_large_enough(sizes: tuple[int, ...], status: int) -> None:
    assert complete(*sizes) == status


def test_part_numbers() -> None:
    assert ask(Strictness(), "PUT", "/b/k?partNumber=10001&uploadId=u") == 400


@pytest.mark.parametrize(
    ("method", "target", "there", "status"),
    [
        ("PUT", "/b/locked/k", True, 403),
        ("DELETE", "/b/locked/k", True, 403),
        ("PUT", "/b/locked/k", False, 0),
        ("PUT", "/b/free/k", True, 0),
        ("GET", "/b/locked/k", True, 0),
    ],
)
def test_a_locked_prefix(method: str, target: str, *, there: bool, status: int) -> None:
    assert ask(Strictness(locked=["b/locked/"]), method, target, there=there) == status


def strikes(faults: Faults, asked: Callable[[int], Asked], times: int) -> list[str]:
    return [faults.strike(asked(number)) for number in range(times)]


def test_a_fault_strikes_where_it_is_set_and_nowhere_else() -> None:
    faults = Faults()
    faults.configure([{"kind": "500", "prefix": "a/", "operation": "PutObject", "position": 2, "times": 2}])
    put = read_request("PUT", "/b/a/k", {})
    assert strikes(faults, lambda _: put, 5) == ["", "500", "500", "", ""]
    assert faults.strike(read_request("PUT", "/b/c/k", {})) == ""
    assert faults.strike(read_request("GET", "/b/a/k", {})) == ""
    assert faults.seen("a/") == ["PutObject"] * 5 + ["GetObject"]
    faults.configure([{"kind": "none", "prefix": "a/"}])
    assert strikes(faults, lambda _: put, 3) == ["", "", ""]
