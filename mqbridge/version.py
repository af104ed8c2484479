"""Which mqbridge this is, and which ZeroMQ it behaves like."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = [
    "DRAFT_API",
    "IPC_PATH_MAX_LEN",
    "__version__",
    "has",
    "pyzmq_version",
    "pyzmq_version_info",
    "zmq_version",
    "zmq_version_info",
]

__version__ = "0.1.0"

# What programs written for pyzmq look at before they use a feature.
_ZMQ_VERSION_INFO = (4, 3, 5)
_PYZMQ_VERSION_INFO = (27, 0, 0)

#: Whether draft socket types and options are there.
DRAFT_API = False
#: The longest path of an ipc endpoint, in bytes.
IPC_PATH_MAX_LEN = 107

# Of the names that pyzmq's `has` knows, those that mqbridge has.
_CAPABILITIES: frozenset[str] = frozenset({"ipc"})


def zmq_version_info() -> tuple[int, int, int]:
    """Return the version of libzmq whose behaviour mqbridge offers, as three numbers."""
    return _ZMQ_VERSION_INFO


def zmq_version() -> str:
    """Return the version of libzmq whose behaviour mqbridge offers, as text."""
    return ".".join(map(str, _ZMQ_VERSION_INFO))


def pyzmq_version_info() -> tuple[int, int, int]:
    """Return the version of pyzmq whose names mqbridge offers, as three numbers."""
    return _PYZMQ_VERSION_INFO


def pyzmq_version() -> str:
    """Return the version of pyzmq whose names mqbridge offers, as text."""
    return ".".join(map(str, _PYZMQ_VERSION_INFO))


def has(capability: str) -> bool:
    """Return whether an optional capability such as "ipc", "curve" or "draft" is there.

    A name that nobody knows gives False, as the libzmq manual says at zmq_has.
    """
    name = capability.lower()
    return name in _CAPABILITIES or (name == "curve" and find_spec("nacl") is not None)
