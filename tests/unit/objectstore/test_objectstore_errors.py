"""Every failure of the store has a sentence with its cause and its cure."""

from __future__ import annotations

import io

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError, SSLError
from pgkeel.objectstore.errors import explain, is_transient
from pgkeel.objectstore.store import StoreAddress, StoreError, open_store


def answer(status: int, code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Put")


URL = "https://store"


@pytest.mark.parametrize(
    ("error", "cause", "cure"),
    [
        (answer(403, "InvalidAccessKeyId"), "does not accept the access key", "Check both keys"),
        (answer(403, "SignatureDoesNotMatch"), "does not accept the access key", "Check both keys"),
        (answer(401, "Unauthorized"), "does not accept the access key", "Check both keys"),
        (answer(403, "AccessDenied"), "denies it", "read and write this bucket"),
        (answer(404, "NoSuchBucket"), "bucket does not exist", "Create it"),
        (answer(403, "RequestTimeTooSkewed"), "clock", "Synchronise"),
        (answer(500, "InternalError", "No writable volumes"), "store is full", "Free space"),
        (answer(507, "InsufficientStorage"), "store is full", "Free space"),
        (answer(503, "SlowDown"), "in trouble", "later"),
        (answer(429, "TooManyRequests"), "fewer requests", "Wait"),
        (answer(404, "NoSuchKey"), "object does not exist", "prefix"),
        (answer(400, "Weird"), "refused the request (HTTP 400 Weird)", "rights"),
        (EndpointConnectionError(endpoint_url=URL), "cannot be reached", "firewall"),
        (ReadTimeoutError(endpoint_url=URL), "did not answer in time", "network"),
        (SSLError(endpoint_url=URL, error="CERTIFICATE_VERIFY_FAILED"), "not trusted", "certificate authority"),
    ],
    ids=repr,
)
def test_sentence(error: Exception, cause: str, cure: str) -> None:
    found = explain(error, endpoint=URL, bucket="b", doing="writing x")
    assert cause in found.cause
    assert cure in found.cure
    assert "bucket 'b' at https://store" in found.cause


def test_a_bad_certificate_is_not_tried_again_and_a_broken_handshake_is() -> None:
    assert not is_transient(SSLError(endpoint_url=URL, error="CERTIFICATE_VERIFY_FAILED"))
    assert is_transient(SSLError(endpoint_url=URL, error="EOF occurred in violation of protocol"))


@pytest.mark.parametrize(
    ("endpoint", "bucket", "ca_file"),
    [
        ("store.example", "b", ""),
        ("ftp://store.example", "b", ""),
        ("https://store.example/bucket", "b", ""),
        (URL, "", ""),
        (URL, "a/b", ""),
        (URL, "b", "/nonexistent/ca.pem"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_sent(endpoint: str, bucket: str, ca_file: str) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(StoreAddress(endpoint, bucket, "canary-key", "canary-secret", ca_file=ca_file))
    assert "canary" not in str(caught.value)


def test_the_client_obeys_the_rules_of_r2() -> None:
    store = open_store(StoreAddress("https://store.example:8443", "b", "k", "s"))
    config = store.client.meta.config
    assert config.s3["addressing_style"] == "path"
    assert config.request_checksum_calculation == config.response_checksum_validation == "when_required"
    assert config.retries["total_max_attempts"] == 1
    assert store.client.meta.region_name == "auto"
    assert "canary" not in repr(StoreAddress("e", "b", "canary", "canary"))


def test_no_expect_header_and_no_trailer_leave() -> None:
    store = open_store(StoreAddress("https://store.example", "b", "k", "s"))
    sent = []

    class StopHereError(Exception):
        pass

    def stop(request, **_):
        sent.append(request)
        raise StopHereError

    store.client.meta.events.register("before-send.s3", stop)
    with pytest.raises(StopHereError):
        # A file-like body is what makes botocore ask for 100-continue.
        store.client.put_object(Bucket="b", Key="k", Body=io.BytesIO(b"x"))
    headers = {name.lower(): value for name, value in sent[0].headers.items()}
    assert "expect" not in headers
    assert "x-amz-trailer" not in headers
    assert "content-encoding" not in headers
    assert sent[0].url == "https://store.example/b/k"


@pytest.mark.parametrize("end", ["\n", " ", "\u00e9"])
@pytest.mark.parametrize("which", ["access", "secret"])
def test_a_key_with_a_line_break_at_its_end_is_said_to_have_one(which: str, end: str) -> None:
    """As echo and a block in the vault leave it; the library would say that the connection broke."""
    keys = {"access_key": "canary-key", "secret_key": "canary-secret"}
    keys[f"{which}_key"] += end
    with pytest.raises(StoreError, match=f"{which} key holds") as caught:
        open_store(StoreAddress(URL, "b", **keys))
    assert "canary" not in str(caught.value)
