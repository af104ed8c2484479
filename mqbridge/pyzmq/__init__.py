"""A backend for pyzmq: with PYZMQ_BACKEND=mqbridge.pyzmq in the environment, programs built on pyzmq run on mqbridge.

Here are the names that `zmq.backend` asks for, and nothing else. Nothing below imports pyzmq while it is imported
itself: it may come first, or in the middle of `import zmq`.
"""

from mqbridge.pyzmq.context import Context as Context
from mqbridge.pyzmq.devices import monitored_queue as monitored_queue
from mqbridge.pyzmq.devices import proxy as proxy
from mqbridge.pyzmq.devices import proxy_steerable as proxy_steerable
from mqbridge.pyzmq.errors import strerror as strerror
from mqbridge.pyzmq.errors import zmq_errno as zmq_errno
from mqbridge.pyzmq.frame import Frame as Frame
from mqbridge.pyzmq.keys import curve_keypair as curve_keypair
from mqbridge.pyzmq.keys import curve_public as curve_public
from mqbridge.pyzmq.poll import zmq_poll as zmq_poll
from mqbridge.pyzmq.socket import Socket as Socket
from mqbridge.version import IPC_PATH_MAX_LEN as IPC_PATH_MAX_LEN
from mqbridge.version import has as has
from mqbridge.version import zmq_version_info as zmq_version_info

#: Whether sockets of libzmq's draft types are there.
PYZMQ_DRAFT_API = False

Message = Frame

__all__ = [
    "IPC_PATH_MAX_LEN",
    "PYZMQ_DRAFT_API",
    "Context",
    "Frame",
    "Message",
    "Socket",
    "curve_keypair",
    "curve_public",
    "has",
    "monitored_queue",
    "proxy",
    "proxy_steerable",
    "strerror",
    "zmq_errno",
    "zmq_poll",
    "zmq_version_info",
]
