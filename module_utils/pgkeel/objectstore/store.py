"""One S3 client, configured once for everything that R2 asks of a client."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..errors import PgkeelError
from .errors import StoreError, explain
from .patience import Patience, persist

T = TypeVar("T")
CONNECT_SECONDS = 10
READ_SECONDS = 60


@dataclass(frozen=True)
class StoreAddress:
    """Where the bucket is, and the keys to it."""

    endpoint: str
    """URL without the bucket."""
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "auto"
    ca_file: str = ""
    """PEM file of the authority that signed the store's certificate; empty for the system's."""


@dataclass(frozen=True)
class Store:
    """A bucket that can be talked to."""

    client: Any
    address: StoreAddress
    patience: Patience = field(default_factory=Patience)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.address.bucket

    def explain(self, error: BaseException, doing: str) -> PgkeelError:
        """The error as a sentence; a sentence stays as it is."""
        if isinstance(error, PgkeelError):
            return error
        return explain(error, endpoint=self.address.endpoint, bucket=self.bucket, doing=doing)

    def call(self, doing: str, operation: Callable[[], T], patience: Patience | None = None) -> T:
        """Call the client with retries. Raises StoreError."""
        try:
            return persist(operation, patience or self.patience)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise self.explain(error, doing) from error


def open_store(address: StoreAddress, *, connections: int = 8, patience: Patience | None = None) -> Store:
    """Make the client; nothing is sent yet. Raises StoreError when the address itself is wrong."""
    parts = urlsplit(address.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise StoreError(
            f"The store's endpoint {address.endpoint!r} is not a URL of scheme, host and port",
            "Give it as https://host or https://host:port, without the bucket",
        )
    if not address.bucket or "/" in address.bucket:
        raise StoreError(f"{address.bucket!r} is not a bucket's name", "Give the name alone; folders belong to the prefix")
    for what, key in (("access key", address.access_key), ("secret key", address.secret_key)):
        # The store would say that it does not know the key, or the S3 library that the connection broke.
        if not key.isascii() or not key.isprintable() or " " in key:
            raise StoreError(
                f"The store's {what} holds a blank, a line break or another character that no key has",
                "Encrypt it without the line break at its end: printf %s, not echo",
            )
    if address.ca_file and not os.access(address.ca_file, os.R_OK):
        raise StoreError(f"The store's CA file {address.ca_file} cannot be read", "Put it there, readable for this OS user")
    return Store(client=make_client(address, connections=connections), address=address, patience=patience or Patience())


def make_client(address: StoreAddress, *, connections: int = 8) -> Any:  # noqa: ANN401 - boto3's clients have no types
    """A boto3 client that does everything R2 asks of one. Raises StoreError."""
    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path"},
        "retries": {"total_max_attempts": 1},
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "max_pool_connections": connections,
    }
    # boto3 >= 1.36 would send CRC trailers, which R2 refuses; older ones do not know these two options.
    for option in ("request_checksum_calculation", "response_checksum_validation"):
        if option in Config.OPTION_DEFAULTS:
            options[option] = "when_required"
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=address.endpoint,
            region_name=address.region,
            aws_access_key_id=address.access_key,
            aws_secret_access_key=address.secret_key,
            verify=address.ca_file or True,
            config=Config(**options),
        )
    except (BotoCoreError, ValueError) as error:
        raise explain(error, endpoint=address.endpoint, bucket=address.bucket, doing="making the client") from error
    client.meta.events.register("before-sign.s3", _drop_expect)
    return client


def _drop_expect(request: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's own untyped hook
    """R2 does not answer ``Expect: 100-continue``: botocore would wait a second for every part."""
    del request.headers["Expect"]
