"""The blocking face: `ScheduleStore(client)` with the blocking client, same methods, calls wait."""

from recipes.blocking import face
from workers.schedules.store import ScheduleStore as _ScheduleStore

ScheduleStore = face(_ScheduleStore)
