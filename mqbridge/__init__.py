"""mqbridge: ZeroMQ for programs that already have an event loop, under pyzmq's names.

Here are the public names, and the switch between the compiled and the interpreted modules; nothing else.
"""

import importlib.machinery as _machinery
import os as _os
import sys as _python
from types import ModuleType as _ModuleType


def _prefer_source(package: str) -> None:
    """Let imports below the package's directory see only source files, whatever was built beside them."""

    def finder(path: str) -> _machinery.FileFinder:
        if path != package and not path.startswith(package + _os.sep):
            raise ImportError(f"{path} is not below {package}")
        return _machinery.FileFinder(path, (_machinery.SourceFileLoader, _machinery.SOURCE_SUFFIXES))

    _python.path_hooks.insert(0, finder)
    _python.path_importer_cache.clear()


if _os.environ.get("MQBRIDGE_PURE", "0") not in ("", "0"):
    _prefer_source(__path__[0])

# isort: split
from . import _sys
from . import errors as error  # noqa: F401  (pyzmq's name for that module)
from .constants import *
from .context import Context as Context
from .context import SyncContext as SyncContext
from .errors import *
from .frame import COPY_THRESHOLD as COPY_THRESHOLD
from .frame import Frame as Frame
from .frame import Message as Message
from .frame import MessageTracker as MessageTracker
from .monitor import Monitor as Monitor
from .monitor import MonitorEvent as MonitorEvent
from .monitor import Peer as Peer
from .poller import Poller as Poller
from .poller import select as select
from .proxy import LoopProxy as LoopProxy
from .proxy import device as device
from .proxy import proxy as proxy
from .proxy import proxy_steerable as proxy_steerable
from .socket import Socket as Socket
from .socket import SyncSocket as SyncSocket
from .sodium import *
from .version import *

#: Whether the hot modules in use are compiled. All of them are, or none.
COMPILED: bool = not str(_sys.__file__).endswith(".py")

# Only where it is asked for: a program that nobody inspects has nothing of it.
if _os.environ.get("MQBRIDGE_INSPECT"):
    from .inspection import environment as _environment

    _environment.watch()

# All names above without an underscore. Modules are not among them: one imports those by name. Type checkers take what
# is imported above to be public; an `__all__` that they see, and cannot compute, would hide most of it.
globals()["__all__"] = [
    "__version__",
    *(name for name, thing in globals().items() if name[0] != "_" and not isinstance(thing, _ModuleType)),
]
