"""Items: what is encoded is decoded; any other bytes are Corruption."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import Corruption
from coord.raft.messages import Entry, EntryKind, HardState, Membership, SnapshotMeta
from coord.wal import items
from coord.wal.items import Marked, Seal, SnapshotMark, decode_items

NUMBERS = st.integers(0, 2**63 - 1)
POSITIVE = st.integers(1, 2**63 - 1)
ENTRIES = st.builds(Entry, POSITIVE, POSITIVE, st.sampled_from(EntryKind), st.binary(max_size=99))
MARK = SnapshotMark(SnapshotMeta(7, 3, Membership((1, 2), (3,), (4,))), 99, b"d" * 32, "name")


@given(
    st.lists(ENTRIES | st.builds(HardState, NUMBERS, NUMBERS, NUMBERS) | st.just(Seal())),
    st.booleans(),
)
def test_what_is_encoded_is_decoded(
    wanted: list[Entry | HardState | Seal], keep_suffix: bool
) -> None:
    parts = [items.encode_mark(MARK, keep_suffix)]
    for item in wanted:
        if isinstance(item, Entry):
            parts += [items.encode_entry_head(item), item.payload]
        elif isinstance(item, HardState):
            parts.append(items.encode_hard_state(item))
        else:
            parts += [bytes(piece) for piece in items.SEAL_BODY]
    found = list(decode_items(memoryview(b"".join(parts))))
    assert found == [Marked(MARK, keep_suffix), *wanted]


@given(st.binary())
def test_any_bytes_are_items_or_corruption(data: bytes) -> None:
    try:
        list(decode_items(memoryview(data)))
    except Corruption:
        return


@pytest.mark.parametrize(
    "item",
    [
        items.encode_hard_state(HardState(1, 2, 3)),
        items.encode_entry_head(Entry(1, 1, EntryKind.NORMAL, b"payload")) + b"payload",
        items.encode_mark(MARK, True),
    ],
)
def test_an_item_cut_anywhere_is_corruption(item: bytes) -> None:
    for cut in range(1, len(item)):
        with pytest.raises(Corruption):
            list(decode_items(memoryview(item[:cut])))
