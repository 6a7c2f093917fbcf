"""What can go wrong at an object store, in sentences.

Codes: the S3 API reference, "Error responses", and R2's own table of error codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, of every failure to reach the store
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from urllib3.exceptions import SSLError as BadRecordError

from ..errors import PgkeelError

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
TRANSIENT_CODES = frozenset(
    {
        "TooManyRequests",
        "SlowDown",
        "RequestTimeout",
        "InternalError",
        "ServiceUnavailable",
        "ConditionalRequestConflict",
        # The body changed on the way; it is sent again from memory.
        "BadDigest",
        "IncompleteBody",
    }
)
WRONG_KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "InvalidToken", "ExpiredToken"})
FULL_STORE_WORDS = ("no writable volumes", "no free volumes", "not enough space", "quota exceeded", "no space left")


class StoreError(PgkeelError):
    """The store refused, or could not be asked."""


class DamagedObjectError(StoreError):
    """An object is missing, cut or changed: what it should hold is known, and it does not hold it."""


def code_of(error: BaseException) -> str:
    """The S3 error code, ``""`` when the store gave no answer."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def status_of(error: BaseException) -> int:
    """The HTTP status, 0 when the store gave no answer."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return 0


def is_missing(error: BaseException) -> bool:
    """Whether the object or upload asked for does not exist; a missing bucket is another matter."""
    return code_of(error) in {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}


@contextmanager
def reading_body() -> Iterator[None]:
    """Whatever breaks the body of an answer is botocore's error, also a bad TLS record, the one thing that it does not wrap."""
    try:
        yield
    except BadRecordError as error:
        raise ResponseStreamingError(error=error) from error


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, SSLError):
        return "certificate" not in str(error).lower()
    if isinstance(error, ClientError):
        return status_of(error) in TRANSIENT_STATUS or code_of(error) in TRANSIENT_CODES
    return isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError))


def explain(error: BaseException, *, endpoint: str, bucket: str, doing: str) -> StoreError:  # noqa: PLR0911 - one a cause
    """The error of the S3 library as a sentence; ``doing`` completes "While ...". It never holds a key."""
    code, status = code_of(error), status_of(error)
    where = f"While {doing} in bucket {bucket!r} at {endpoint}"
    text = str(error).lower()
    if isinstance(error, SSLError):
        if "certificate" in text:
            return StoreError(
                f"{where}: the certificate of the store is not trusted",
                "Name the file of its certificate authority (backup_s3_ca_file), or correct the endpoint's host name",
            )
        return StoreError(f"{where}: the TLS connection failed", "Check that the endpoint speaks TLS on this port")
    if isinstance(error, ConnectionError):
        return StoreError(
            f"{where}: the store cannot be reached", "Check the endpoint's name and port, the network and the firewall"
        )
    if isinstance(error, ReadTimeoutError):
        return StoreError(f"{where}: the store did not answer in time", "Check the network, then run it again")
    if isinstance(error, (HTTPClientError, IncompleteReadError, ResponseStreamingError)):
        return StoreError(f"{where}: the connection to the store broke", "Check the network, then run it again")
    if isinstance(error, ClientError):
        return _explain_answer(where, code, status, text)
    if isinstance(error, (BotoCoreError, ValueError)):
        return StoreError(f"{where}: the request cannot be made ({error})", "Check endpoint, bucket and region")
    return StoreError(f"{where}: {type(error).__name__}: {error}", "Run it again; if it stays, this is worth a bug report")


def _explain_answer(where: str, code: str, status: int, text: str) -> StoreError:  # noqa: PLR0911 - one a cause
    answer = f"HTTP {status}{f' {code}' if code else ''}"
    if any(words in text for words in FULL_STORE_WORDS) or status == 507:  # noqa: PLR2004
        return StoreError(f"{where}: the store is full ({answer})", "Free space there or raise its quota, then run it again")
    if code == "NoSuchBucket":
        return StoreError(f"{where}: the bucket does not exist", "Create it, or correct the bucket's name")
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"{where}: this server's clock is too far from the store's",
            "Synchronise the clock (systemd-timesyncd or chrony), then run it again",
        )
    if code in WRONG_KEYS or status == 401:  # noqa: PLR2004
        return StoreError(f"{where}: the store does not accept the access key or its secret ({answer})", "Check both keys")
    if status == 403:  # noqa: PLR2004
        return StoreError(
            f"{where}: the store denies it ({answer})",
            "Check the keys, that they may read and write this bucket, and that no bucket lock covers the prefix",
        )
    if is_missing_code(code, status):
        return StoreError(f"{where}: the object does not exist ({answer})", "Check the prefix, or choose another backup")
    if status == 429:  # noqa: PLR2004
        return StoreError(f"{where}: the store asks for fewer requests ({answer})", "Wait a minute, then run it again")
    if status in TRANSIENT_STATUS:
        return StoreError(f"{where}: the store is in trouble ({answer}), also after retries", "Run it again later")
    return StoreError(f"{where}: the store refused the request ({answer})", "Check the bucket and the rights of the keys")


def is_missing_code(code: str, status: int) -> bool:
    """Whether an answer means that the object does not exist."""
    return code in {"NoSuchKey", "NoSuchUpload"} or status == 404  # noqa: PLR2004
