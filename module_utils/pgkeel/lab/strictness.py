"""What Cloudflare R2 refuses and SeaweedFS does not, as pure functions of a request.

Sources: Cloudflare's documentation of R2, "S3 API compatibility", "Limits" and "Error codes".
"""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

MIB = 1024 * 1024
SMALLEST_PART = 5 * MIB
LARGEST_PART = 5 * 1024 * MIB
MOST_PARTS = 10_000
WRITE_INTERVAL = 1.0
"""Seconds between two writes of one key."""
REGIONS = {"auto", "us-east-1", ""}
REGION = re.compile(r"Credential=[^/]+/\d+/([^/]*)/s3/")
UNKNOWN_QUERIES = {
    "acl",
    "versioning",
    "tagging",
    "object-lock",
    "retention",
    "legal-hold",
    "policy",
    "website",
    "requestPayment",
}
UNKNOWN_HEADERS = ("x-amz-acl", "x-amz-grant-", "x-amz-tagging", "x-amz-object-lock-", "x-amz-website-")


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def operation(self) -> str:
        """Its name in the S3 API."""
        query = self.query
        if self.method == "PUT":
            return "UploadPart" if "partNumber" in query else "PutObject" if self.key else "CreateBucket"
        if self.method == "POST":
            return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        if self.method == "DELETE":
            return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject" if self.key else "DeleteBucket"
        if self.method == "HEAD":
            return "HeadObject" if self.key else "HeadBucket"
        if self.key:
            return "GetObject"
        return "ListMultipartUploads" if "uploads" in query else "ListObjectsV2" if self.bucket else "ListBuckets"

    @property
    def where(self) -> str:
        """The key, or the prefix that is listed."""
        return self.key or self.query.get("prefix", "")

    @property
    def writes(self) -> bool:
        """Whether it makes, replaces or removes an object."""
        return self.operation in {"PutObject", "CompleteMultipartUpload", "DeleteObject"}


def read_request(method: str, target: str, headers: Mapping[str, str]) -> Asked:
    """Take a request line and its headers apart (path-style addressing)."""
    parts = urlsplit(target)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    return Asked(method, bucket, key, query, {name.lower(): value for name, value in headers.items()})


@dataclass(frozen=True)
class Refusal:
    """An answer in place of the store's."""

    status: int
    code: str
    message: str


@dataclass
class Strictness:
    """The rules that need a memory: sizes of parts, times of writes, locked prefixes."""

    locked: list[str] = field(default_factory=list)
    """Prefixes under a bucket lock: what exists there is neither replaced nor removed."""
    clock: Callable[[], float] = time.monotonic
    _written: dict[tuple[str, str], float] = field(default_factory=dict)
    _parts: dict[str, dict[int, int]] = field(default_factory=dict)

    def refuse(self, asked: Asked, body: bytes, exists: Callable[[Asked], bool]) -> Refusal | None:  # noqa: PLR0911 - one a rule
        """What R2 would answer where it does not do what is asked; ``body`` of a completion only."""
        headers = asked.headers
        region = REGION.search(headers.get("authorization", ""))
        if region is not None and region[1] not in REGIONS:
            return Refusal(400, "InvalidRegionName", f"The region name {region[1]!r} is not valid; must be auto")
        if "aws-chunked" in headers.get("content-encoding", "") or "x-amz-trailer" in headers:
            return Refusal(501, "NotImplemented", "STREAMING-UNSIGNED-PAYLOAD-TRAILER not implemented")
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            return Refusal(501, "NotImplemented", "Streaming signatures with trailers are not implemented")
        if "expect" in headers:
            return Refusal(417, "ExpectationFailed", "Expect: 100-continue is never answered")
        unknown = UNKNOWN_QUERIES.intersection(asked.query) or {name for name in headers if name.startswith(UNKNOWN_HEADERS)}
        if unknown:
            return Refusal(501, "NotImplemented", f"{', '.join(sorted(unknown))} not implemented")
        if asked.writes and any(f"{asked.bucket}/{asked.key}".startswith(prefix) for prefix in self.locked) and exists(asked):
            return Refusal(403, "AccessDenied", "The object is protected by a bucket lock rule")
        if asked.operation == "UploadPart":
            return self._part(asked)
        if asked.operation == "CompleteMultipartUpload":
            refusal = self._complete(asked, body)
            if refusal is not None:
                return refusal
        if asked.operation in {"PutObject", "CompleteMultipartUpload"}:
            name, now = (asked.bucket, asked.key), self.clock()
            if now - self._written.get(name, -WRITE_INTERVAL) < WRITE_INTERVAL:
                return Refusal(429, "TooManyRequests", "Reduce your rate of simultaneous writes on the same object")
            self._written[name] = now
        return None

    def not_written(self, asked: Asked) -> None:
        """Take back what a request that the store then refused counted as a write."""
        self._written.pop((asked.bucket, asked.key), None)

    def _part(self, asked: Asked) -> Refusal | None:
        number, size = int(asked.query["partNumber"]), int(asked.headers.get("content-length", "0"))
        if not 1 <= number <= MOST_PARTS:
            return Refusal(400, "InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}")
        if size > LARGEST_PART:
            return Refusal(400, "EntityTooLarge", "The part is larger than 5 GiB")
        self._parts.setdefault(asked.query["uploadId"], {})[number] = size
        return None

    def _complete(self, asked: Asked, body: bytes) -> Refusal | None:
        sizes = self._parts.get(asked.query["uploadId"], {})
        numbers = [int(found.text or "0") for found in ET.fromstring(body).iter() if found.tag.endswith("PartNumber")]  # noqa: S314 - the lab's own tests send it
        listed = [sizes[number] for number in numbers if number in sizes]
        if listed[:-1] and (len(set(listed[:-1])) > 1 or listed[-1] > listed[0]):
            return Refusal(400, "InvalidPart", "All non-trailing parts must have the same length.")
        if any(size < SMALLEST_PART for size in listed[:-1]):
            return Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
        return None
