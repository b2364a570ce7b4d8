"""When to look at which schedule next: names by time, the soonest first."""

import heapq


class Agenda:
    """Each name has one time at most; the newest counts."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._times)

    def put(self, name: str, unix_ms: int) -> None:
        """Look at `name` at a time, instead of when it was to be looked at before."""
        if self._times.get(name) != unix_ms:
            self._times[name] = unix_ms
            heapq.heappush(self._heap, (unix_ms, name))
            if len(self._heap) > 2 * len(self._times) + 64:
                self._heap = [(when, who) for who, when in self._times.items()]
                heapq.heapify(self._heap)

    def has(self, name: str) -> bool:
        """Tell whether `name` is to be looked at at all."""
        return name in self._times

    def drop(self, name: str) -> None:
        """Look at `name` no more."""
        self._times.pop(name, None)

    @property
    def soonest_unix_ms(self) -> int | None:
        """The first time there is; None where there is none."""
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_unix_ms: int, names_max: int) -> list[str]:
        """Return the names whose time has come, the soonest first, and forget their times."""
        taken: list[str] = []
        while len(taken) < names_max:
            soonest = self.soonest_unix_ms
            if soonest is None or soonest > now_unix_ms:
                break
            name = heapq.heappop(self._heap)[1]
            del self._times[name]
            taken.append(name)
        return taken
