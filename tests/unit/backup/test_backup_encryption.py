"""What is stored opens for its recipients, as it was, or not at all."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgkeel.backup.encryption import (
    Encrypting,
    Plain,
    _HashedWriter,
    decrypt,
    decrypt_file,
    encrypt,
    identity_of,
    make_identity,
    recipient_of,
    recipients_of,
)
from pgkeel.errors import PgkeelError
from pgkeel.objectstore.errors import DamagedObjectError

CHUNK = 64 * 1024
OPERATOR, DRILL, STRANGER = make_identity(), make_identity(), make_identity()
RECIPIENTS = [recipient_of(OPERATOR), recipient_of(DRILL)]
DATA = random.Random(1).randbytes(5 * CHUNK + 77)


def seal(data: bytes) -> tuple[bytes, Plain]:
    sealed = io.BytesIO()
    with Encrypting(RECIPIENTS) as stream:
        stream.begin(io.BytesIO(data))
        buffer = memoryview(bytearray(100_000))
        while count := stream.readinto(buffer):
            sealed.write(buffer[:count])
        return sealed.getvalue(), stream.plain()


SEALED, PLAIN = seal(DATA)
HEADER = len(SEALED) - len(DATA) - 16 * 6 - 16


def open_again(tmp_path: Path, sealed: bytes, identity: str = DRILL, expected: Plain = PLAIN) -> bytes:
    (tmp_path / "x.age").write_bytes(sealed)
    decrypt_file(tmp_path / "x.age", tmp_path / "x", identity, expected)
    return (tmp_path / "x").read_bytes()


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3_000_000])
@pytest.mark.parametrize("identity", [OPERATOR, DRILL], ids=["operator", "drill"])
def test_round_trip_for_each_recipient(tmp_path: Path, length: int, identity: str) -> None:
    data = random.Random(length).randbytes(length)
    sealed, plain = seal(data)
    assert plain == Plain(length, hashlib.sha256(data).hexdigest())
    assert open_again(tmp_path, sealed, identity, plain) == data


def test_a_stranger_cannot_open_it(tmp_path: Path) -> None:
    with pytest.raises(DamagedObjectError, match="not encrypted to the drill's identity"):
        open_again(tmp_path, SEALED, STRANGER)
    with pytest.raises(DamagedObjectError, match="not encrypted to"):
        decrypt(encrypt(b"x", RECIPIENTS), STRANGER, "it")


@pytest.mark.parametrize("chunks", range(6))
@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_truncation_at_every_chunk_boundary_is_refused(tmp_path: Path, chunks: int, beside: int) -> None:
    cut = SEALED[: HEADER + 16 + chunks * (CHUNK + 16) + beside]
    assert len(cut) < len(SEALED)
    with pytest.raises(DamagedObjectError, match="cut or changed"):
        open_again(tmp_path, cut)


def test_swapped_chunks_are_refused(tmp_path: Path) -> None:
    begin, size = HEADER + 16, CHUNK + 16
    first, second = SEALED[begin : begin + size], SEALED[begin + size : begin + 2 * size]
    with pytest.raises(DamagedObjectError):
        open_again(tmp_path, SEALED[:begin] + second + first + SEALED[begin + 2 * size :])


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    damaged = bytearray(SEALED)
    damaged[position] ^= 1 << bit
    with pytest.raises(DamagedObjectError):
        open_again(tmp_path_factory.mktemp("bit"), bytes(damaged))


def test_another_text_well_encrypted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedObjectError, match="its manifest says"):
        open_again(tmp_path, seal(DATA[:-1])[0])


def test_a_full_disk_is_not_damage(tmp_path: Path) -> None:
    (tmp_path / "x.age").write_bytes(SEALED)
    with pytest.raises(PgkeelError, match="No space left on device") as caught:
        decrypt_file(tmp_path / "x.age", Path("/dev/full"), DRILL, PLAIN)
    assert not isinstance(caught.value, DamagedObjectError)


class Breaking:
    def __init__(self, good: int) -> None:
        self.left = good

    def readinto(self, buffer: memoryview) -> int:
        if not self.left:
            raise PgkeelError("The producer broke", "Mend it")
        count = min(len(buffer), self.left)
        self.left -= count
        return count


@pytest.mark.parametrize("good", [0, 10, 3_000_000])
def test_what_the_source_raises_is_raised_to_the_reader(good: int) -> None:
    buffer = memoryview(bytearray(1_000_000))

    def drain(stream: Encrypting) -> None:
        while stream.readinto(buffer):
            pass

    with Encrypting(RECIPIENTS) as stream, pytest.raises(PgkeelError, match="The producer broke"):
        drain(stream.begin(Breaking(good)))


def test_a_reader_that_leaves_early_leaves_nothing_behind() -> None:
    with Encrypting(RECIPIENTS) as stream:
        stream.begin(io.BytesIO(bytes(20_000_000)))
        stream.readinto(memoryview(bytearray(10)))
    with Encrypting(RECIPIENTS):
        pass


@pytest.mark.parametrize("recipients", [[], ["age1nonsense"], [DRILL], [""]], ids=["none", "nonsense", "private", "empty"])
def test_without_a_recipient_nothing_is_encrypted(recipients: list[str]) -> None:
    with pytest.raises(PgkeelError, match="recipient"):
        recipients_of(recipients)


@pytest.mark.parametrize("identity", ["", "canary-secret", RECIPIENTS[0]])
def test_a_wrong_identity_has_a_sentence_that_does_not_repeat_it(identity: str) -> None:
    with pytest.raises(PgkeelError, match="identity") as caught:
        identity_of(identity)
    assert "canary" not in str(caught.value)


class _NearlyFull:
    """A file that takes ten bytes at a time, as a disk does of which so many are left, and has no error."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> int:
        self.written += bytes(data[:10])
        return len(data[:10])

    def close(self) -> None:
        pass


def test_what_a_file_took_in_part_is_written_whole(tmp_path: Path) -> None:
    """Else the sum of what should be there would be right, and the file short."""
    with _HashedWriter(tmp_path / "dump") as writer:
        writer._file.close()
        writer._file = disk = _NearlyFull()  # type: ignore[assignment]
        assert writer.write(DATA[:1234]) == 1234
    assert disk.written == DATA[:1234]
    assert writer.digest.hexdigest() == hashlib.sha256(DATA[:1234]).hexdigest()
