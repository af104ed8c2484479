"""An adapter's context: its own instance, and one that stands for an ordinary context of either library."""

from __future__ import annotations

from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.loops.asyncio import Context, Socket
from mqbridge.loops.trio import Context as TrioContext


def test_each_adapter_has_its_own_instance() -> None:
    one = Context.instance()
    other = TrioContext.instance()
    assert Context.instance() is one and TrioContext.instance() is other
    assert len({id(context.context) for context in (one, other)} | {id(mqbridge.Context.instance())}) == 3
    one.term()
    again = Context.instance()
    assert again is not one and not again.closed
    for context in (again, other, mqbridge.Context.instance()):
        context.term()


@pytest.mark.parametrize("library", [mqbridge, zmq])
def test_a_context_of_an_ordinary_one(library: Any) -> None:
    ordinary = library.Context()
    for context in (Context(ordinary), Context(shadow=ordinary), Context.shadow(ordinary), Context(Context(ordinary))):
        assert context.context is ordinary
        context.linger = 3
        assert ordinary.linger == context.linger == 3
        with context.socket(zmq.PULL) as socket:
            assert type(socket) is Socket and isinstance(socket.socket, library.Socket)
            assert socket.linger == 3 and socket.context is context
        del context.linger
    assert "Context of" in repr(context)
    context.term()
    assert ordinary.closed and context.closed


@pytest.mark.parametrize("library", [mqbridge, zmq])
def test_destroy_closes_the_sockets(library: Any) -> None:
    context = Context(library.Context())
    socket = context.socket(zmq.PULL)
    context.destroy(0)
    assert socket.closed and context.closed


def test_the_end_of_a_with_statement_names_what_is_not_closed() -> None:
    with pytest.warns(ResourceWarning, match="unclosed socket"), Context() as context:
        socket = context.socket(mqbridge.PULL)
    assert socket.closed
