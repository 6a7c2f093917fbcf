"""The lab's own keys and certificates, made once and kept with its state."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..atomic_file import PRIVATE, replace_file
from ..backup.encryption import make_identity, recipient_of
from .identity import Lab

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class StoreKeys:
    """The S3 credentials of the lab's store."""

    access_key: str
    secret_key: str


def ensure_ssh_key(lab: Lab) -> bool:
    """Make the key pair that logs in on the lab's servers; True if it was missing."""
    private = lab.state / "ssh" / "id_ed25519"
    if private.exists():
        return False
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    private.with_suffix(".pub").write_bytes(public + b" pgkeel-lab\n")
    replace_file(
        private,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()),
        PRIVATE,
    )
    return True


def ensure_store_keys(lab: Lab) -> StoreKeys:
    """Return the store's credentials, drawn at random the first time."""
    path = lab.state / "store" / "keys"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, f"LAB{secrets.token_hex(8).upper()}\n{secrets.token_urlsafe(30)}\n".encode(), PRIVATE)
    access_key, secret_key = path.read_text().split()
    return StoreKeys(access_key, secret_key)


@dataclass(frozen=True)
class BackupKeys:
    """What the lab's backups are encrypted to and signed with.

    An operator keeps the first offline; the lab has nobody to hide it from.
    """

    operator_identity: str
    drill_identity: str
    signing_key: str

    @property
    def recipients(self) -> list[str]:
        """The public age keys of both."""
        return [recipient_of(self.operator_identity), recipient_of(self.drill_identity)]


def ensure_backup_keys(lab: Lab) -> BackupKeys:
    """Return the keys of the lab's backups, drawn at random the first time."""
    path = lab.state / "backup" / "keys"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = [make_identity(), make_identity(), base64.b64encode(secrets.token_bytes(32)).decode()]
        replace_file(path, "".join(f"{key}\n" for key in keys).encode(), PRIVATE)
    return BackupKeys(*path.read_text().split())


def ensure_certificates(lab: Lab) -> bool:
    """Make the lab's authority and the store's certificate for its address; True if they were missing or for another address."""
    folder = lab.state / "tls"
    if (folder / "store.pem").exists() and (folder / "address").read_text() == str(lab.gateway):
        return False
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = datetime.now(UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pgkeel lab {lab.id}")])
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    store_key = ec.generate_private_key(ec.SECP256R1())
    store = (
        _certificate(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "object store")]), authority_name, store_key.public_key(), now
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(str(lab.gateway)))]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    replace_file(
        folder / "store.key",
        store_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        PRIVATE,
    )
    (folder / "address").write_text(str(lab.gateway))
    (folder / "store.pem").write_bytes(store.public_bytes(serialization.Encoding.PEM))  # last: its presence means "complete"
    return True


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _DAY)
    )


def _key_usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
