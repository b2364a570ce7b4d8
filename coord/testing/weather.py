"""From a run's character to what the in-memory network understands."""

from coord.testing.faults import Swarm
from transport.memory import Weather

STILL = Weather(delay_min_ms=0.2, delay_mean_ms=0.5)


def weather_of(swarm: Swarm) -> Weather:
    """Return the weather of the faulty part of a run."""
    return Weather(
        loss=swarm.loss,
        duplicate=swarm.duplicate,
        breaks=swarm.loss / 20,
        delay_min_ms=swarm.delay_min_ms,
        delay_mean_ms=swarm.delay_mean_ms,
        straggler=swarm.straggler,
    )
