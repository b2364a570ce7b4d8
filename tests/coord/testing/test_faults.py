"""Plans: repeatable, within bounds, and cutting the links their names say."""

from random import Random

import pytest

from coord.testing.faults import (
    Partition,
    Shape,
    cut_links,
    draw_plan,
    draw_swarm,
)


def test_the_same_luck_draws_the_same_run() -> None:
    def draw(seed: int) -> object:
        luck = Random(seed)
        swarm = draw_swarm(luck)
        return swarm, draw_plan(luck, swarm)

    assert draw(5) == draw(5)
    assert draw(5) != draw(6)


@pytest.mark.parametrize("seed", range(50))
def test_blows_are_sorted_and_fall_before_the_end(seed: int) -> None:
    luck = Random(seed)
    swarm = draw_swarm(luck)
    moments = [fault.at_ms for fault in draw_plan(luck, swarm)]
    assert moments == sorted(moments)
    assert all(0 <= moment < swarm.fault_ms for moment in moments)
    assert swarm.nodes in {1, 3, 5}
    assert len(swarm.drift) == swarm.nodes


def _links(shape: Shape, target: int = 0, nodes: int = 5, salt: int = 3) -> set[tuple[int, int]]:
    (stage,) = cut_links(Partition(shape, target, 100, salt), target, nodes)
    return set(stage)


def test_isolating_cuts_every_link_of_the_target_and_no_other() -> None:
    links = _links(Shape.ISOLATE, target=2)
    assert len(links) == 8
    assert all(2 in pair for pair in links)


def test_deaf_and_mute_cut_one_direction() -> None:
    assert _links(Shape.DEAF, target=1) == {(other, 1) for other in (0, 2, 3, 4)}
    assert _links(Shape.MUTE, target=1) == {(1, other) for other in (0, 2, 3, 4)}


def test_a_bridge_reaches_everyone_while_the_groups_do_not() -> None:
    links = _links(Shape.BRIDGE, target=4)
    assert links
    assert all(4 not in pair for pair in links)
    assert all((other, one) in links for one, other in links)


def test_one_way_never_cuts_both_directions() -> None:
    links = _links(Shape.ONE_WAY)
    assert links
    assert all((other, one) not in links for one, other in links)


def test_a_swizzle_goes_up_and_comes_down_again() -> None:
    stages = cut_links(Partition(Shape.SWIZZLE, 0, 100, 11), 0, 5)
    sizes = [len(stage) for stage in stages]
    peak = sizes.index(max(sizes))
    assert sizes[: peak + 1] == sorted(sizes[: peak + 1])
    assert sizes[peak:] == sorted(sizes[peak:], reverse=True)
