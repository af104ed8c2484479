"""Which mqbridge this is, and which ZeroMQ it behaves like."""

from __future__ import annotations

__all__ = ["__version__", "has", "zmq_version", "zmq_version_info"]

__version__ = "0.1.0"

# What programs written for pyzmq look at before they use a feature.
_ZMQ_VERSION_INFO = (4, 3, 5)

# Of the names that pyzmq's `has` knows, those that mqbridge has.
_CAPABILITIES: frozenset[str] = frozenset({"ipc"})


def zmq_version_info() -> tuple[int, int, int]:
    """Return the version of libzmq whose behaviour mqbridge offers, as three numbers."""
    return _ZMQ_VERSION_INFO


def zmq_version() -> str:
    """Return the version of libzmq whose behaviour mqbridge offers, as text."""
    return ".".join(map(str, _ZMQ_VERSION_INFO))


def has(capability: str) -> bool:
    """Return whether an optional capability such as "ipc", "curve" or "draft" is there.

    A name that nobody knows gives False, as the libzmq manual says at zmq_has.
    """
    return capability.lower() in _CAPABILITIES
