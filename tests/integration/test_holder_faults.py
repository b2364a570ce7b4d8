"""Holders of locks and offices that are killed, frozen past their lease, or cut off.

Real processes; `python -m tests.bench.holder_faults` prints the figures that are judged here.
"""

import asyncio
from itertools import product
from pathlib import Path

import pytest

from coord.testing.local_cluster import started_cluster
from tests.bench.holder_faults import FAULTS, KINDS, Outcome, struck

pytestmark = pytest.mark.integration

CASES = tuple(product(KINDS, FAULTS))


async def _all_at_once(endpoints: str) -> list[Outcome]:
    return await asyncio.gather(*(struck(endpoints, kind, fault) for kind, fault in CASES))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome]:
    """Let every fault strike a holder of its own, all in one cluster of three."""
    folder: Path = tmp_path_factory.mktemp("cluster")
    with started_cluster(folder) as cluster:
        found = asyncio.run(_all_at_once(cluster.endpoints))
    return {(one.kind, one.fault): one for one in found}


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_the_next_one_holds_within_the_lease_and_a_second_and_the_old_one_can_do_no_harm(
    outcomes: dict[tuple[str, str], Outcome], kind: str, fault: str
) -> None:
    outcome = outcomes[kind, fault]
    assert outcome.is_good, outcome
