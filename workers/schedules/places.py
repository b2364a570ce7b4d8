"""Where schedules stand in the store.

schedule/spec/NAME           what it is                                  value: Schedule
schedule/state/NAME          what became of its due times                value: State
schedule/history/NAME/SEQ    each edit, in order                         value: Edit
schedule/fired/NAME/N/ID     the last jobs it enqueued, N its number     value: Firing
schedule/backfill/NAME       due times to fire anew                      value: Backfill
unique/schedule.NAME/ID      the job of it that has not ended, unless it allows overlap

SEQ and ID come from the store. State and history outlive their schedule.
"""

from attrs import frozen

from workers.model.places import Places

FIRINGS_KEPT = 10


@frozen
class SchedulePlaces:
    """The keys of all schedules of a space."""

    space: Places

    @property
    def specs(self) -> bytes:
        """The prefix of all schedules."""
        return self.space.schedules + b"spec/"

    @property
    def states(self) -> bytes:
        """The prefix of all states."""
        return self.space.schedules + b"state/"

    @property
    def backfills(self) -> bytes:
        """The prefix of what is to be fired anew."""
        return self.space.schedules + b"backfill/"

    @property
    def standings(self) -> bytes:
        """The prefix of all jobs of schedules that have not ended."""
        return self.space.unique(unique_of(""))[:-1]

    def spec(self, name: str) -> bytes:
        """Return the key of one schedule."""
        return self.specs + name.encode()

    def state(self, name: str) -> bytes:
        """Return the key of its state."""
        return self.states + name.encode()

    def history(self, name: str) -> bytes:
        """Return the prefix of its edits."""
        return self.space.schedules + b"history/" + name.encode() + b"/"

    def firings(self, name: str) -> bytes:
        """Return the prefix of its last firings."""
        return self.space.schedules + b"fired/" + name.encode() + b"/"

    def firing(self, name: str, number: int) -> bytes:
        """Return the prefix of one of them."""
        return self.firings(name) + b"%016x/" % number

    def backfill(self, name: str) -> bytes:
        """Return the key that asks for due times to be fired anew."""
        return self.backfills + name.encode()

    def standing(self, name: str) -> bytes:
        """Return the prefix under which stands its job that has not ended."""
        return self.space.unique(unique_of(name))


def unique_of(name: str) -> str:
    """Return the unique key of a schedule's jobs; no hash looks like it."""
    return f"schedule.{name}"
