"""The stream transports have the same functions, so that the engine need not know which one it has."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from mqbridge.transports import ipc, tcp
from mqbridge.transports.endpoint import TRANSPORTS
from mqbridge.transports.streams import STREAMS

FUNCTIONS = ("address_of", "bind_addresses", "listen", "bound_text", "accept", "dial", "tune", "close_listener")


def test_each_transport_but_inproc_is_a_stream() -> None:
    assert STREAMS == {"tcp": tcp, "ipc": ipc}
    assert set(STREAMS) == set(TRANSPORTS) - {"inproc"}


@pytest.mark.parametrize("transport", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_has_the_functions_with_the_same_parameters(transport: ModuleType, name: str) -> None:
    found = inspect.signature(getattr(transport, name))
    assert list(found.parameters) == list(inspect.signature(getattr(tcp, name)).parameters)
    assert getattr(transport, name).__doc__
