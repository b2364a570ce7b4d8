"""Who the members are and where clients reach them, learned from their introductions."""

from coord.node.peers import Introduce
from coord.node.settings import NodeSettings
from coord.requests import MemberStatus


class Directory:
    """Names and addresses of the members, as this node knows them."""

    def __init__(self, settings: NodeSettings) -> None:
        self._names = {node: name for node, (name, _) in settings.members.items()}
        self._peers = {node: address for node, (_, address) in settings.members.items()}
        self._clients = {int(settings.node): settings.client_address}

    @property
    def peer_addresses(self) -> dict[int, str]:
        """Node id to peer address, of every member."""
        return dict(self._peers)

    def learn(self, introduce: Introduce) -> None:
        """Take a peer's word for its name and client address; a stranger's changes nothing."""
        if introduce.sender not in self._peers:
            return
        self._names[introduce.sender] = introduce.name
        self._clients[introduce.sender] = introduce.client_address

    def for_clients(self) -> tuple[tuple[int, str, str], ...]:
        """(node, name, client address) of every member whose client address is known."""
        return tuple(
            (node, self._names.get(node, ""), self._clients[node]) for node in sorted(self._clients)
        )

    def for_status(self, voters: tuple[int, ...]) -> tuple[MemberStatus, ...]:
        """Every member with what is known of it."""
        return tuple(
            MemberStatus(
                node,
                self._names.get(node, ""),
                self._peers.get(node, ""),
                self._clients.get(node, ""),
                node in voters,
            )
            for node in sorted(self._peers)
        )
