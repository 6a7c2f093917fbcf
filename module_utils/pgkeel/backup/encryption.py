"""Encryption to age recipients, on the way to the store and back.

Format: age-encryption.org/v1. A file is a header and chunks of 64 KiB, each authenticated with its position and whether it is the
last: what is cut, swapped or changed does not decrypt. Plaintext handed out before the last chunk was checked is worth nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage

from ..errors import PgkeelError
from ..objectstore.errors import DamagedObjectError
from ..objectstore.upload import Source

BLOCK = 1024 * 1024
PIPE_BYTES = 1024 * 1024
READ_BACK = "Choose another backup, and find out what changed the object"


@dataclass(frozen=True)
class Plain:
    """What was encrypted: its length in bytes and its SHA-256, hex."""

    bytes: int
    sha256: str


def recipients_of(texts: Iterable[str]) -> list[Any]:
    """Public keys, ``age1...``. Raises PgkeelError when there is none or one is not a key."""
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError as error:
            raise PgkeelError(
                f"{text!r} is not an age recipient", "Give public keys, which begin with age1: age-keygen -y FILE prints one"
            ) from error
    if not found:
        raise PgkeelError(
            "No age recipient is named, and a backup is never stored unencrypted",
            "Make a key pair with age-keygen, keep it off the server, and name its public key in backup_age_recipients",
        )
    return found


def identity_of(text: str) -> Any:  # noqa: ANN401 - pyrage has no types
    """A private key, ``AGE-SECRET-KEY-1...``. Raises PgkeelError, which does not repeat it."""
    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError:
        raise PgkeelError(
            "The drill's age identity is missing or is not one" if text else "The drill has no age identity to decrypt with",
            "Make one with age-keygen, put it into the vault as backup_drill_identity, and take a new backup",
        ) from None


def recipient_of(identity: str) -> str:
    """The public key of a private one. Raises PgkeelError."""
    return str(identity_of(identity).to_public())


def make_identity() -> str:
    """A new private key."""
    return str(pyrage.x25519.Identity.generate())


def encrypt(plain: bytes, recipients: Iterable[str]) -> bytes:
    """A small text as an age file. Raises PgkeelError."""
    return bytes(pyrage.encrypt(plain, recipients_of(recipients)))


def decrypt(sealed: bytes, identity: str, what: str) -> bytes:
    """The text of a small age file. Raises DamagedObjectError."""
    key = identity_of(identity)
    try:
        return bytes(pyrage.decrypt(sealed, [key]))
    except pyrage.DecryptError as error:
        raise _refused(what, error) from error


class Encrypting:
    """A stream encrypted as it is read; a context manager that leaves no thread behind.

    Left from the inside out: first the program that feeds it must have ended.
    """

    def __init__(self, recipients: Iterable[str]) -> None:
        self._recipients = recipients_of(recipients)
        self._out, self._in = os.pipe()
        with suppress(OSError):
            # A convenience: fewer switches between the threads.
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._reader: _HashedReader | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="encrypt")

    def begin(self, source: Source) -> Encrypting:
        """Start encrypting ``source``; returns itself, to be read from."""
        self._reader = _HashedReader(source)
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            with os.fdopen(self._in, "wb", buffering=BLOCK) as writer:
                pyrage.encrypt_io(self._reader, writer, self._recipients)
        except BaseException as error:
            # Raised again where the stream is read.
            self._failure = error

    def readinto(self, buffer: memoryview, /) -> int:
        """Some of the age file; 0 at its end. Raises what the source raised."""
        count = os.readv(self._out, [buffer])
        if not count:
            self.plain()
        return count

    def plain(self) -> Plain:
        """What went in, once the end was reached. Raises what the source raised, PgkeelError when encrypting failed."""
        self._thread.join()
        reader = self._reader
        if reader is not None and reader.failure is not None:
            raise reader.failure
        if self._failure is not None or reader is None:
            raise PgkeelError(f"Encrypting failed: {self._failure}", "Run it again; if it stays, this is worth a bug report")
        return Plain(reader.bytes, reader.digest.hexdigest())

    def __enter__(self) -> Encrypting:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        if self._reader is None:
            os.close(self._in)
        else:
            self._thread.join()


class _HashedReader:
    """What pyrage reads from, 8 KiB at a time; the source is asked for more at once."""

    def __init__(self, source: Source) -> None:
        self.bytes = 0
        self.digest = hashlib.sha256()
        self.failure: BaseException | None = None
        self._source = source
        self._block = memoryview(bytearray(BLOCK))
        self._begin = self._end = 0

    def read(self, size: int) -> bytes:
        if self._begin == self._end:
            try:
                self._end = self._source.readinto(self._block) or 0
            except BaseException as error:
                self.failure = error
                raise
            self._begin = 0
            self.digest.update(self._block[: self._end])
            self.bytes += self._end
        piece = bytes(self._block[self._begin : min(self._begin + size, self._end)])
        self._begin += len(piece)
        return piece


def decrypt_file(sealed: Path, target: Path, identity: str, expected: Plain) -> None:
    """Decrypt one file to another, which is worthless unless this returns.

    Raises DamagedObjectError when it does not decrypt or is not what was encrypted, PgkeelError when it cannot be written.
    """
    key = identity_of(identity)
    writer = _HashedWriter(target)
    try:
        with writer, sealed.open("rb", buffering=BLOCK) as reader:
            pyrage.decrypt_io(reader, writer, [key])
    except (OSError, pyrage.DecryptError) as error:
        # pyrage reports damage in the middle of a file as an OSError without a number.
        disk = writer.failure or (error if isinstance(error, OSError) and error.errno else None)
        if disk is not None:
            raise PgkeelError(f"{target} cannot be written: {disk.strerror}", "Free space there, then run it again") from error
        raise _refused(sealed.name, error) from error
    found = Plain(writer.bytes, writer.digest.hexdigest())
    if found != expected:
        raise DamagedObjectError(
            f"{sealed.name} decrypts to {found.bytes} bytes with sha256 {found.sha256[:16]}..., "
            f"its manifest says {expected.bytes} bytes with sha256 {expected.sha256[:16]}...",
            READ_BACK,
        )


class _HashedWriter:
    def __init__(self, target: Path) -> None:
        self.bytes = 0
        self.digest = hashlib.sha256()
        self.failure: OSError | None = None
        self._file = target.open("wb", buffering=0)

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        try:
            # A disk that is nearly full takes a part without an error: only the next write has one.
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.failure = error
            raise
        self.digest.update(data)
        self.bytes += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def __enter__(self) -> _HashedWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _refused(what: str, error: BaseException) -> DamagedObjectError:
    if "no matching keys" in str(error).lower():
        return DamagedObjectError(
            f"{what} is not encrypted to the drill's identity",
            "Give the drill the identity whose public key is among the recipients, or take a new backup",
        )
    return DamagedObjectError(f"{what} does not decrypt ({error}): it was cut or changed", READ_BACK)
