"""Options of transports that are not here."""

from __future__ import annotations

from typing import Any

import pytest

from mqbridge.pyzmq.unused_options import UNUSED


@pytest.mark.parametrize("option", UNUSED)
def test_they_are_kept(zmq: Any, context: Any, option: int) -> None:
    default, least = UNUSED[option]
    with context.socket(zmq.PUB) as socket:
        assert socket.get(option) == default
        socket.set(option, least + 1)
        assert zmq.Socket.shadow(socket).get(option) == least + 1
        with pytest.raises(zmq.ZMQError) as error:
            socket.set(option, least - 1)
        assert error.value.errno == zmq.EINVAL
        with pytest.raises(TypeError):
            socket.set(option, b"1")
