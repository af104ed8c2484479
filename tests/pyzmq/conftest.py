"""A second pyzmq beside the stock one, on the backend: the fixture `zmq`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

_copy: dict[str, ModuleType] = {}


def _is_pyzmq(name: str) -> bool:
    return name == "zmq" or name.startswith("zmq.")


def _swap(others: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """Put other modules in the place of pyzmq's; return those that were there."""
    former = {name: module for name, module in sys.modules.items() if _is_pyzmq(name)}
    for name in former:
        del sys.modules[name]
    sys.modules.update(others)
    return former


@pytest.fixture
def zmq() -> Iterator[Any]:
    """pyzmq on the backend, for as long as a test runs."""
    stock = _swap(_copy)
    backend = os.environ.get("PYZMQ_BACKEND")
    os.environ["PYZMQ_BACKEND"] = "mqbridge.pyzmq"
    try:
        yield importlib.import_module("zmq")
    finally:
        if backend is None:
            del os.environ["PYZMQ_BACKEND"]
        else:
            os.environ["PYZMQ_BACKEND"] = backend
        _copy.update(_swap(stock))


@pytest.fixture
def context(zmq: Any, no_descriptor_leak: None) -> Iterator[Any]:
    """A context of that pyzmq; the test leaves no descriptor open."""
    with zmq.Context() as made:
        yield made
        made.destroy(0)


@pytest.fixture(params=["inproc", "tcp", "ipc"])
def pair(zmq: Any, context: Any, request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Two PAIR sockets that are connected."""
    one, two = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    one.rcvtimeo = two.rcvtimeo = one.sndtimeo = two.sndtimeo = 10_000
    one.bind({"inproc": "inproc://pair", "tcp": "tcp://127.0.0.1:*", "ipc": "ipc://*"}[request.param])
    two.connect(one.last_endpoint.decode())
    return one, two
