"""One key as a sequential object, for the linearizability checker.

Answers carry revisions, which prune the search: a state is a value, the revision that wrote it
(0 where an unanswered write leaves it open), and the newest revision any answer has shown.
Values must be unique over a history, or a stale read could pass as a fresh one.
"""

import attrs

State = tuple[bytes | None, int, int]
"""(value or None when absent, its mod revision or 0 when not known, newest revision seen)."""


@attrs.frozen
class PutCall:
    """Write `value`."""

    value: bytes


@attrs.frozen
class DeleteCall:
    """Remove the key."""


@attrs.frozen
class GetCall:
    """Read the key."""


@attrs.frozen
class SwapCall:
    """Write `value` if the key stands at `expected` (None: if it is absent)."""

    expected: bytes | None
    value: bytes


@attrs.frozen
class Written:
    """A write's answer: the store's revision after it, and whether it changed anything."""

    revision: int
    changed: bool


@attrs.frozen
class Found:
    """A read's answer: the store's revision, and the key as it stood (None: absent)."""

    revision: int
    value: bytes | None
    mod_revision: int


Call = PutCall | DeleteCall | GetCall | SwapCall
Answer = Written | Found


class Register:
    """The model: a key that can be put, deleted, read and swapped."""

    def initial(self) -> State:
        """An absent key in an empty store."""
        return (None, 0, 0)

    def step(self, state: State, call: Call, answer: Answer | None) -> State | None:
        """See Model.step."""
        if isinstance(call, GetCall):
            return self._read(state, answer)
        assert answer is None or isinstance(answer, Written)
        value, _, _ = state
        if isinstance(call, PutCall):
            return self._write(state, call.value, answer, changes=True)
        if isinstance(call, DeleteCall):
            return self._write(state, None, answer, changes=value is not None)
        if value == call.expected:
            return self._write(state, call.value, answer, changes=True)
        return self._write(state, value, answer, changes=False)

    @staticmethod
    def _read(state: State, answer: Answer | None) -> State | None:
        if answer is None:
            return state
        assert isinstance(answer, Found)
        value, mod_revision, newest = state
        if answer.value != value or answer.revision < newest:
            return None
        if value is not None:
            if mod_revision not in {0, answer.mod_revision}:
                return None
            if answer.mod_revision > answer.revision:
                return None
            mod_revision = answer.mod_revision
        return (value, mod_revision, answer.revision)

    @staticmethod
    def _write(
        state: State, value: bytes | None, answer: Written | None, *, changes: bool
    ) -> State | None:
        before, mod_revision, newest = state
        if answer is None:
            return (value, 0, newest + 1) if changes else state
        if answer.changed != changes or answer.revision < newest + changes:
            return None
        if changes:
            return (value, 0 if value is None else answer.revision, answer.revision)
        return (before, mod_revision, answer.revision)
