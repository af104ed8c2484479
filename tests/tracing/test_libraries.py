"""The adapters of pyzmq and mqbridge are seen, and go on as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mqbridge.loops import available
from mqbridge.tracing.analysis import analyse

ECHO = """
import asyncio
import {library} as zmq, {adapter} as adapter, {loop}
async def main():
    with adapter.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.REQ) as req:
        rep.bind("tcp://127.0.0.1:*")
        req.connect(rep.LAST_ENDPOINT)
        async def serve():
            for _ in range(20):
                await rep.send_multipart(await rep.recv_multipart())
        serving = asyncio.ensure_future(serve())
        for _ in range(20):
            await req.send(b"hello")
            assert await req.recv() == b"hello"
        await serving
{run}(main())
"""
GREEN = """
import gevent, {adapter} as zmq
with zmq.Context() as context, context.socket(zmq.REP) as rep, context.socket(zmq.REQ) as req:
    rep.bind("tcp://127.0.0.1:*")
    req.connect(rep.LAST_ENDPOINT)
    def serve():
        for _ in range(20):
            rep.send_multipart(rep.recv_multipart())
    serving = gevent.spawn(serve)
    for _ in range(20):
        req.send_multipart([b"hello", b"you"])
        assert req.recv_multipart() == [b"hello", b"you"]
    serving.join()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("library", "adapter"), [("zmq", "zmq.asyncio"), ("mqbridge", "mqbridge.loops.asyncio")])
def test_asyncio(trace: Callable[..., Any], library: str, adapter: str, loop: str) -> None:
    pytest.importorskip(loop)
    done = trace(ECHO.format(library=library, adapter=adapter, loop=loop, run=f"{loop}.run"))
    assert (done.status, done.errors) == (0, "")
    assert sum("r" not in event for event in done.told("send")) == 40
    assert any(loop in event["api"] for event in done.told("wait"))
    assert analyse(done.recording) == []


@pytest.mark.parametrize("adapter", ["zmq.green", "mqbridge.loops.gevent"])
def test_gevent(trace: Callable[..., Any], adapter: str) -> None:
    if not any(each.module == "mqbridge.loops.gevent" and not each.problem for each in available()):
        pytest.skip("gevent is not installed")
    done = trace(GREEN.format(adapter=adapter))
    assert (done.status, done.errors) == (0, "")
    assert sum("r" not in event for event in done.told("send")) >= 40
    assert {event["api"] for event in done.told("wait")} == ({"zmq.green"} if adapter == "zmq.green" else set())
    assert analyse(done.recording) == []


def test_what_mqbridges_adapters_want_is_told(trace: Callable[..., Any]) -> None:
    done = trace(ECHO.format(library="mqbridge", adapter="mqbridge.loops.asyncio", loop="asyncio", run="asyncio.run"))
    assert {event["mask"] for event in done.told("want")} >= {0, 1}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_p06_zmq_asyncio_sleeps_when_another_object_has_looked(trace: Callable[..., Any], loop: str) -> None:
    pytest.importorskip(loop)
    code = """
import asyncio, LOOP, zmq, zmq.asyncio
async def main():
    context = zmq.asyncio.Context()
    pull = context.socket(zmq.PULL)
    pull.bind("inproc://place")
    push = zmq.Context.shadow(context.underlying).socket(zmq.PUSH)
    push.connect("inproc://place")
    other = zmq.Socket.shadow(pull.underlying)
    receiving = asyncio.ensure_future(pull.recv())
    await asyncio.sleep(0.01)
    push.send(b"hello")
    assert other.get(zmq.EVENTS) & zmq.POLLIN
    print(await asyncio.wait([receiving], timeout=0.2))
    receiving.cancel()
    pull.close(0)
    push.close(0)
    context.term()
LOOP.run(main())
"""
    found = analyse(trace(code.replace("LOOP", loop)).recording)
    assert [(each.level, each.pitfall) for each in found] == [("missed", "P6")]


def test_a_library_that_was_only_looked_for_is_seen_when_it_is_imported(trace: Callable[..., Any]) -> None:
    code = "import importlib.util\nimportlib.util.find_spec('zmq')\nimport zmq\nzmq.Context().socket(zmq.PUB).EVENTS\n"
    assert len(trace(code).told("events")) == 1
