"""Signed documents: who can write to the bucket can still not forge a manifest.

Ed25519 in a DSSE envelope (Dead Simple Signing Envelope, secure-systems-lab): the signature covers the very bytes that are then
read, so that nothing depends on how JSON is written. Who verifies needs the public key only, and can sign nothing with it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..errors import PgkeelError

KEY_BYTES = 32


class SignatureError(ValueError):
    """A document that nobody signed who may."""


def public_key_of(signing_key: str) -> str:
    """The public key, base64, of a private one. Raises PgkeelError."""
    return base64.b64encode(_private(signing_key).public_key().public_bytes_raw()).decode()


def _private(signing_key: str) -> Ed25519PrivateKey:
    try:
        raw = base64.b64decode(signing_key, validate=True)
        if len(raw) != KEY_BYTES:
            raise ValueError  # noqa: TRY301 - both are the same to the operator
        return Ed25519PrivateKey.from_private_bytes(raw)
    except ValueError:
        raise PgkeelError(
            "The signing key of the backups is missing or is not 32 bytes in base64",
            "Draw one with `openssl rand -base64 32` and put it into the vault as backup_signing_key",
        ) from None


def _public(key: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
    except ValueError:
        raise PgkeelError(
            f"{key!r} is not a public key of 32 bytes in base64", "Correct the verify keys of the backups"
        ) from None


def key_id(public_key: str) -> str:
    """A short name of a public key, for people; it proves nothing."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:16]


def _signed_bytes(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: a signature of one kind of document is none of another kind."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode("ascii"), len(payload), payload)


def sign(payload: bytes, kind: str, signing_key: str) -> bytes:
    """The envelope, JSON. ``kind`` is a media type. Raises PgkeelError when the key is none."""
    signature = _private(signing_key).sign(_signed_bytes(kind, payload))
    envelope = {
        "payloadType": kind,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(public_key_of(signing_key)), "sig": base64.b64encode(signature).decode()}],
    }
    return (json.dumps(envelope, indent=1) + "\n").encode()


def verify(envelope: bytes, kind: str, public_keys: Iterable[str]) -> bytes:
    """The payload, signed by one of the keys. Raises SignatureError."""
    try:
        found = json.loads(envelope)
        payload = base64.b64decode(_text(found, "payload"), validate=True)
        signatures = [base64.b64decode(_text(entry, "sig"), validate=True) for entry in found["signatures"]]
        stated = _text(found, "payloadType")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureError("it is not a signed document") from error
    if stated != kind:
        raise SignatureError(f"it is of another kind ({stated!r})")
    for key in public_keys:
        for signature in signatures:
            try:
                _public(key).verify(signature, _signed_bytes(kind, payload))
            except InvalidSignature:
                continue
            return payload
    raise SignatureError("none of the known keys signed it: it was changed, forged, or signed with a key that is not configured")


def _text(value: Any, name: str) -> str:  # noqa: ANN401 - any JSON
    text = value[name]
    if not isinstance(text, str):
        raise TypeError(name)
    return text
