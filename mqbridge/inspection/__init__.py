"""Inspection: what the sockets of a running program are doing, from inside it and, if it allows that, from outside.

`snapshot()` tells of this process's sockets. `serve()` answers the same question for other processes, at an endpoint
of its own; the environment variable MQBRIDGE_INSPECT does that for a program that is not changed. `Inspector` asks
such an endpoint, and so does `mqbridge top`.
"""

from mqbridge.inspection.client import Inspector, NoAnswer
from mqbridge.inspection.look import snapshot
from mqbridge.inspection.server import Server, serve
from mqbridge.inspection.state import EndpointState, PeerState, Snapshot, SocketState

__all__ = [
    "EndpointState",
    "Inspector",
    "NoAnswer",
    "PeerState",
    "Server",
    "Snapshot",
    "SocketState",
    "serve",
    "snapshot",
]
