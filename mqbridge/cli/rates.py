"""What has happened between two snapshots, per second."""

from __future__ import annotations

import dataclasses
from typing import Any

from mqbridge.inspection import PeerState, Snapshot, SocketState

_COUNTS = ("messages_in", "messages_out", "bytes_in", "bytes_out")


@dataclasses.dataclass(frozen=True)
class Rates:
    """Messages and bytes per second."""

    messages_in: float = 0.0
    messages_out: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0


def same_process(one: Snapshot, other: Snapshot) -> bool:
    """Return whether two snapshots are of one process, and not of one and its successor."""
    return (one.pid, one.began) == (other.pid, other.began)


def peer_key(peer: PeerState) -> tuple[Any, ...]:
    """Return what makes a peer the same one in two snapshots."""
    return (peer.endpoint, peer.how, peer.address, peer.routing_id)


class Pace:
    """The rates between an earlier snapshot and a later one; all are None where there is nothing to compare with."""

    def __init__(self, before: Snapshot | None, now: Snapshot) -> None:
        self._seconds = 0.0
        self._sockets: dict[int, SocketState] = {}
        self._peers: dict[int, dict[tuple[Any, ...], PeerState]] = {}
        if before is not None and same_process(before, now):
            self._seconds = now.clock - before.clock
            self._sockets = {each.number: each for each in before.sockets}
            self._peers = {each.number: {peer_key(peer): peer for peer in each.peers} for each in before.sockets}

    def of_socket(self, socket: SocketState) -> Rates | None:
        """Return a socket's rates."""
        return self._between(self._sockets.get(socket.number), socket)

    def of_peer(self, socket: SocketState, peer: PeerState) -> Rates | None:
        """Return the rates of one peer of a socket."""
        return self._between(self._peers.get(socket.number, {}).get(peer_key(peer)), peer)

    def _between(self, before: Any, now: Any) -> Rates | None:
        if before is None or self._seconds <= 0:
            return None
        # What is less than before has begun anew: a connection's bytes after a reconnect.
        found = {name: getattr(now, name) - getattr(before, name) for name in _COUNTS}
        fresh = {name: change if change >= 0 else getattr(now, name) for name, change in found.items()}
        return Rates(**{name: change / self._seconds for name, change in fresh.items()})

    def as_dict(self, now: Snapshot) -> dict[str, dict[str, float]]:
        """Return the sockets' rates by their numbers, for JSON."""
        rates = {str(each.number): self.of_socket(each) for each in now.sockets}
        return {number: dataclasses.asdict(found) for number, found in rates.items() if found is not None}
