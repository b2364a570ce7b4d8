"""Records: what is encoded is decoded, and any damage is noticed."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import Corruption
from coord.wal import record
from coord.wal.record import HEADER_BYTES, Link

LINK = Link(log=77, sequence=5, previous=123)


def encoded(*body: bytes, link: Link = LINK) -> bytes:
    buffers, _ = record.encode(body, link)
    return b"".join(buffers)


@given(st.lists(st.binary(max_size=9000), min_size=1, max_size=5).filter(any))
def test_what_is_encoded_is_decoded(body: list[bytes]) -> None:
    data = encoded(*body)
    found, header = record.decode(data, 0, LINK)
    assert found == b"".join(body)
    assert len(data) == HEADER_BYTES + header.padded_bytes
    assert len(data) % 8 == 0


def test_the_next_record_must_name_the_one_before() -> None:
    buffers, link = record.encode([b"one"], LINK)
    data = b"".join(buffers)
    assert link.sequence == 6
    assert link.previous == int.from_bytes(data[:4], "little")
    with pytest.raises(Corruption, match="record 5 found where 6 belongs"):
        record.decode(data, 0, link)


def test_a_large_body_has_the_checksum_of_the_whole() -> None:
    parts = [bytes([number]) * (number * 4000) for number in (1, 5, 200)]
    assert record.checksum(parts) == zlib.crc32(b"".join(parts))


def test_every_flipped_bit_is_noticed() -> None:
    data = encoded(b"a body of some bytes")
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corruption):
            record.decode(bytes(damaged), 0, LINK)


def test_every_cut_is_noticed() -> None:
    data = encoded(b"a body of some bytes")
    for cut in range(len(data)):
        with pytest.raises(Corruption):
            record.decode(data[:cut], 0, LINK)


@pytest.mark.parametrize("body_bytes", [0, record.RECORD_BYTES_MAX + 1, 2**32 - 1])
def test_an_absurd_length_is_refused_before_anything_is_read(body_bytes: int) -> None:
    rest = struct.pack("<IIIQQ", body_bytes, 0, LINK.previous, LINK.sequence, LINK.log)
    data = zlib.crc32(rest).to_bytes(4, "little") + rest
    assert record.decode_header(data, 0) is None


def test_a_record_of_another_log_is_refused() -> None:
    data = encoded(b"body", link=Link(log=78, sequence=5, previous=123))
    with pytest.raises(Corruption):
        record.decode(data, 0, LINK)


def test_a_record_that_follows_another_record_than_the_last_is_refused() -> None:
    data = encoded(b"body", link=Link(log=77, sequence=5, previous=124))
    with pytest.raises(Corruption):
        record.decode(data, 0, LINK)
