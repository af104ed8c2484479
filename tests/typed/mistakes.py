"""Mistakes in a user's program that a type checker is to find: each line that ends with `# wrong`, and no other."""

from __future__ import annotations

import mqbridge
import mqbridge.loops.asyncio
import mqbridge.loops.libevent
from mqbridge.loops.selectors import Selector


async def mistakes(context: mqbridge.Context, socket: mqbridge.Socket) -> None:
    context.socket("REP")  # wrong
    socket.bind(5555)  # wrong
    socket.poll("long")  # wrong
    socket.recv_into(bytearray(5), size=4)  # wrong
    count: str = socket.send_many([b"one"])  # wrong
    socket.subscribe()  # wrong
    for event in mqbridge.Monitor(socket):
        event.happened()  # wrong
    with Selector() as selector:
        selector.select("now")  # wrong
    waiting = mqbridge.loops.asyncio.Context().socket(mqbridge.PULL)
    for _ in waiting:  # wrong
        pass
    mqbridge.loops.libevent.EventBase().dispatch("now")  # wrong
    mqbridge.LoopProxy(socket)  # wrong
    print(mqbridge.NOT_THERE)  # wrong
    print(count)
