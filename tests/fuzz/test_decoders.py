"""Every decoder, fed arbitrary bytes: a value or its one error.

A short run of what fuzz_decoders.py does at length.
"""

from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.testing import decoder_targets
from coord.testing.decoder_targets import TARGETS

GOLDEN = Path(__file__).parents[1] / "golden"
WIRE = ("client_frame", "node_frame", "peer_message", "batch")
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused_or_understood(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_good_bytes_are_refused_or_understood(name: str) -> None:
    luck = Random(name)
    good = decoder_targets.seeds(name, GOLDEN)
    for _ in range(60):
        if good:
            TARGETS[name](decoder_targets.damaged(luck, luck.choice(good)))


@pytest.mark.parametrize("name", WIRE)
@settings(max_examples=100, deadline=None)
@given(fields=st.lists(VALUES, max_size=8), tag=st.integers(0, 14))
def test_well_formed_messages_of_the_wrong_shape_are_refused_or_understood(
    name: str, fields: list[object], tag: int
) -> None:
    encoded = msgspec.msgpack.encode([tag, *fields])
    TARGETS[name](b"\x01" + encoded if name == "batch" else encoded)


@pytest.mark.parametrize("name", WIRE)
@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",  # four billion elements, none there
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,  # a hundred thousand lists in each other
        b"\x95\x02\x01\x00\x00" + b"\x91" * 100_000,
        b"\x95\x02\x01\x00\x00\xdd\x00\x00\x10\x01" + b"\xc0" * 4097,
        b"\x98\x05\x01\x02\x03\x04\x05\x06\xdd\x7f\xff\xff\xff",
    ],
    ids=lambda data: data[:12].hex(),
)
def test_huge_and_deep_claims_are_refused_at_once(name: str, data: bytes) -> None:
    TARGETS[name](data)
    TARGETS[name](b"\x01" + data)
