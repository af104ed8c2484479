"""`async for event in monitor`, in asyncio and in trio; what is in the events is tested in test_monitor.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.constants import Event
from mqbridge.loops import asyncio as aio
from mqbridge.monitor import MonitorEvent


def run_in_asyncio(main: Any) -> Any:
    import asyncio

    return asyncio.run(main(aio))


def run_in_trio(main: Any) -> Any:
    trio = pytest.importorskip("trio")
    from mqbridge.loops import trio as adapter

    return trio.run(main, adapter)


@pytest.fixture(params=[run_in_asyncio, run_in_trio], ids=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    with mqbridge.Context(0) as made:
        yield made


def test_it_ends_with_the_socket(run: Any, context: mqbridge.Context) -> None:
    async def main(adapter: Any) -> list[MonitorEvent]:
        pull = adapter.Context(context).socket(mqbridge.PULL)
        async with adapter.Monitor(pull, Event.LISTENING | Event.CLOSED) as monitor:
            pull.bind("tcp://127.0.0.1:*")
            pull.close()
            found = [event async for event in monitor]
            assert [event async for event in monitor] == []
        return found

    found = run(main)
    assert [event.event.name for event in found] == ["LISTENING", "CLOSED", "MONITOR_STOPPED"]
    assert all(isinstance(event, MonitorEvent) for event in found)


def test_it_ends_when_the_monitor_is_closed(run: Any, context: mqbridge.Context) -> None:
    async def main(adapter: Any) -> None:
        with context.socket(mqbridge.PULL) as pull:
            monitor = adapter.Monitor(pull)
            pull.bind("tcp://127.0.0.1:*")
            async for event in monitor:
                assert event.event == Event.LISTENING
                monitor.close()
            assert not pull._driver.sinks

    run(main)


def test_one_event_at_a_time(run: Any, context: mqbridge.Context) -> None:
    async def main(adapter: Any) -> None:
        with context.socket(mqbridge.PULL) as pull, adapter.Monitor(pull, limit=1) as monitor:
            for _ in range(3):
                with pull.bind("tcp://127.0.0.1:*"):
                    pass
            assert (await monitor.recv()).event == Event.LISTENING
            missed = await monitor.recv()
            assert (missed.event, missed.value) == (mqbridge.monitor.MISSED, 5)
            with pytest.raises(mqbridge.Again):
                await monitor.recv(timeout=0)

    run(main)


def test_a_terminated_context_is_told(run: Any) -> None:
    async def main(adapter: Any) -> None:
        import threading

        context = mqbridge.Context()
        pull = context.socket(mqbridge.PULL)
        monitor = adapter.Monitor(pull)
        ending = threading.Thread(target=context.term)
        ending.start()
        with pytest.raises(mqbridge.ContextTerminated):
            async for _ in monitor:
                pass
        monitor.close()
        pull.close()
        ending.join(20)
        assert not ending.is_alive()

    run(main)


@pytest.mark.parametrize("wrong", [None, 5, "socket"])
def test_what_is_no_socket(run: Any, wrong: Any) -> None:
    async def main(adapter: Any) -> None:
        with pytest.raises(TypeError, match="expected a socket"):
            adapter.Monitor(wrong)

    run(main)
