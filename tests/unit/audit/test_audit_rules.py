"""Rules inside checks that are pure functions."""

import base64
import hashlib
import hmac

import pytest
from pgkeel.audit.checks.authentication import fits
from pgkeel.audit.checks.configuration import _limits
from pgkeel.audit.checks.index_coverage import _contains

# The exchange of RFC 7677, section 3: user `user`, password `pencil`.
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
AUTH_MESSAGE = (
    "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    f"s={SALT},i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="


def stored_key_of_the_rfc():
    """The stored key that accepts the proof of the RFC, found from the client key that password and salt give."""
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(SALT), 4096)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    signature = hmac.digest(stored, AUTH_MESSAGE.encode(), "sha256")
    assert bytes(a ^ b for a, b in zip(client, signature, strict=True)) == base64.b64decode(PROOF)
    return base64.b64encode(stored).decode()


def test_a_scram_verifier_fits_its_password_only():
    verifier = f"SCRAM-SHA-256$4096:{SALT}${stored_key_of_the_rfc()}:c2VydmVy"
    assert fits(verifier, "user", "pencil")
    assert not fits(verifier, "user", "user")


def test_an_md5_verifier_fits_its_password_and_role_only():
    verifier = "md5" + hashlib.md5(b"secretuser").hexdigest()
    assert fits(verifier, "user", "secret")
    assert not fits(verifier, "other", "secret")
    assert not fits(verifier, "user", "user")


def test_an_unknown_verifier_fits_nothing():
    assert not fits("plain", "user", "plain")


@pytest.mark.parametrize(
    ("value", "limits"), [("60s", True), ("60000", True), ("0.5min", True), ("0", False), ("0ms", False), ("-1", False)]
)
def test_a_timeout_limits(value, limits):
    assert _limits({"t": value}, "t") is limits
    assert _limits({}, "t") is False


@pytest.mark.parametrize(
    ("statement", "hit"),
    [
        ('SELECT * FROM "User" WHERE metadata @> $1', True),
        ('SELECT * FROM public."User" u WHERE u."metadata" @> $1::jsonb', True),
        ('SELECT * FROM "User" WHERE (metadata)@>$1', True),
        ('SELECT * FROM "User" WHERE metadata::jsonb @> $1', True),
        ('SELECT * FROM "UserProgress" WHERE metadata @> $1', False),
        ('SELECT * FROM "User" WHERE old_metadata @> $1', False),
        ('SELECT * FROM "User" WHERE $1 @> metadata', False),
        ('SELECT metadata FROM "User" WHERE tags @> $1', False),
    ],
)
def test_containment_on_a_column_is_seen(statement, hit):
    assert _contains(statement, "User", "metadata") is hit
