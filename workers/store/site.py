"""What every part of the job store works with: whom to ask, where things stand, what time it is."""

from attrs import field, frozen

from workers.model.places import Places
from workers.port import JobClient
from workers.result_leases import ResultLeases
from workers.store.slots import FreeSlots
from workers.timer import Timer

TRIES_MAX = 100  # moves that others were faster with, before Contended is raised


@frozen
class Site:
    """One space of one cluster, as one client sees it."""

    client: JobClient
    places: Places
    timer: Timer
    leases: ResultLeases
    slots: FreeSlots = field(init=False)

    @slots.default
    def _no_slots(self) -> FreeSlots:
        return FreeSlots(self.places)
