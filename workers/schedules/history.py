"""The edits of a schedule, numbered from 1, and which version an undo brings back."""

from collections.abc import Sequence

from attrs import frozen

from coord.model import KeyValue
from recipes.mirror import read_all
from recipes.port import KeyStore
from workers.schedules.codec import decode
from workers.schedules.errors import NothingToUndo
from workers.schedules.places import SchedulePlaces
from workers.schedules.values import Edit


@frozen
class Version:
    """One edit with its number; `revision` is the store's that wrote it."""

    number: int
    revision: int
    edit: Edit


async def read_history(client: KeyStore, places: SchedulePlaces, name: str) -> tuple[Version, ...]:
    """Return the edits of a schedule, oldest first; none where there never was one."""
    kvs, _ = await read_all(client, places.history(name), prefix=True)
    in_order = [kvs[key] for key in sorted(kvs)]
    return tuple(
        Version(number, kv.mod_revision, edit)
        for number, (kv, edit) in enumerate(map(_decoded, in_order), 1)
        if edit is not None
    )


def version_before(history: Sequence[Version]) -> int:
    """Return the number of the version an undo brings back; 0 stands for "there was none".

    An undo after an undo goes one further back; after any other edit it begins anew.

    Raises:
        NothingToUndo: there is nothing before.
    """
    if not history:
        raise NothingToUndo("it was never edited")
    last = history[-1].edit
    shown = history[-1].number if last.restores is None else last.restores
    if shown == 0:
        raise NothingToUndo("there is no version before the first")
    before = find_version(history, shown - 1) if shown > 1 else None
    if before is not None and before.edit.restores is not None:
        return before.edit.restores
    return shown - 1


def find_version(history: Sequence[Version], number: int) -> Version:
    """Return a version by its number.

    Raises:
        NothingToUndo: there is none of it.
    """
    for version in history:
        if version.number == number:
            return version
    raise NothingToUndo(f"no version {number}; there are {len(history)}")


def _decoded(kv: KeyValue) -> tuple[KeyValue, Edit | None]:
    return kv, decode(kv.value, Edit)
