"""ZeroMQ for gevent: sockets whose blocking calls block only the greenlet that makes them.

    import mqbridge.loops.gevent as zmq

is used as `import zmq.green as zmq` is: here are mqbridge's public names, with `Context`, `Socket`, `Poller`, `select`,
`proxy` and `device` for greenlets. Nothing needs to be monkey-patched. How it differs from zmq.green is told in
docs/gevent.md.
"""

from mqbridge import errors as error  # noqa: F401  (pyzmq's name for that module)
from mqbridge.constants import *
from mqbridge.errors import *
from mqbridge.frame import COPY_THRESHOLD as COPY_THRESHOLD
from mqbridge.frame import Frame as Frame
from mqbridge.frame import Message as Message
from mqbridge.frame import MessageTracker as MessageTracker
from mqbridge.loops.gevent.context import Context as Context
from mqbridge.loops.gevent.monitor import Monitor as Monitor
from mqbridge.loops.gevent.poller import Poller as Poller
from mqbridge.loops.gevent.poller import select as select
from mqbridge.loops.gevent.proxy import device as device
from mqbridge.loops.gevent.proxy import proxy as proxy
from mqbridge.loops.gevent.proxy import proxy_steerable as proxy_steerable
from mqbridge.loops.gevent.socket import Socket as Socket
from mqbridge.monitor import MonitorEvent as MonitorEvent
from mqbridge.monitor import Peer as Peer
from mqbridge.proxy import LoopProxy as LoopProxy
from mqbridge.sodium import curve_keypair as curve_keypair
from mqbridge.sodium import curve_public as curve_public
from mqbridge.version import *
