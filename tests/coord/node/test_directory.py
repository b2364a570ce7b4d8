"""Members are known by name at once, by client address once they introduced themselves."""

from coord.ids import ClusterId, NodeId
from coord.node.directory import Directory
from coord.node.peers import Introduce
from coord.node.settings import NodeSettings

_SETTINGS = NodeSettings(
    cluster=ClusterId(9),
    node=NodeId(1),
    name="n1",
    client_address="tcp://h:1",
    members={1: ("n1", "tcp://h:11"), 2: ("n2", "tcp://h:12")},
)


def test_clients_are_told_only_of_members_they_can_reach() -> None:
    directory = Directory(_SETTINGS)
    assert directory.for_clients() == ((1, "n1", "tcp://h:1"),)
    directory.learn(Introduce(9, 1, 2, 1, "n2", "tcp://h:2"))
    assert directory.for_clients() == ((1, "n1", "tcp://h:1"), (2, "n2", "tcp://h:2"))


def test_a_status_names_every_member_and_who_votes() -> None:
    members = Directory(_SETTINGS).for_status((1,))
    assert [(m.node, m.name, m.peer, m.client, m.voter) for m in members] == [
        (1, "n1", "tcp://h:11", "tcp://h:1", True),
        (2, "n2", "tcp://h:12", "", False),
    ]


def test_a_stranger_does_not_become_a_member_by_introducing_itself() -> None:
    directory = Directory(_SETTINGS)
    directory.learn(Introduce(9, 1, 3, 1, "n3", "tcp://elsewhere:1"))
    assert directory.for_clients() == ((1, "n1", "tcp://h:1"),)
    assert len(directory.for_status((1, 2))) == 2
