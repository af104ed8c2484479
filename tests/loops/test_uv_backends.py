"""What the adapter asks of a libuv, asked of both directly: its moments, its haste, and what it leaves behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from mqbridge.loops import uv_backends
from mqbridge.loops.uv_backends import GeventLoop, PyuvLoop, backend_for


class Turning:
    """A loop of either kind, and a function that lets it turn once."""

    def __init__(self, kind: str) -> None:
        if kind == "pyuv":
            pyuv = pytest.importorskip("pyuv")
            self.loop: Any = pyuv.Loop()
            self.turn = lambda: self.loop.run(pyuv.UV_RUN_NOWAIT)
            self.once = lambda: self.loop.run(pyuv.UV_RUN_ONCE)
        else:
            self.loop = pytest.importorskip("gevent.libuv.loop").loop(default=False)
            self.turn = lambda: self.loop.run(nowait=True)
            self.once = lambda: self.loop.run(once=True)


@pytest.fixture(params=["pyuv", "gevent"])
def turning(request: pytest.FixtureRequest) -> Iterator[Turning]:
    made = Turning(request.param)
    yield made
    if request.param == "gevent":
        made.loop.destroy()
    else:
        while made.loop.alive:
            made.turn()
        assert made.loop.handles == []


def test_the_class_for_a_loop(turning: Turning) -> None:
    assert backend_for(turning.loop) in (PyuvLoop, GeventLoop)
    with pytest.raises(TypeError, match=r"pyuv\.Loop"):
        backend_for(None)


def test_before_and_after_the_wait(turning: Turning, pipe: tuple[int, int]) -> None:
    events: list[str] = []
    backend = backend_for(turning.loop)(turning.loop, lambda: events.append("before"), lambda: events.append("after"))
    token = backend.watch(pipe[0], lambda error: events.append(f"edge {error}"), True)
    os.write(pipe[1], b"x")
    for _ in range(2):
        events.clear()
        turning.turn()
        assert [event for event in events if event != "before"] == ["edge 0", "after"]
        assert events[0] == "before"
    backend.unwatch(token)
    backend.close()
    events.clear()
    turning.turn()
    assert events == []


def test_haste(turning: Turning, pipe: tuple[int, int]) -> None:
    """In a hurry a loop does not wait, though there is nothing."""
    backend = backend_for(turning.loop)(turning.loop, lambda: None, lambda: None)
    token = backend.watch(pipe[0], lambda error: None, True)
    for _ in range(2):
        backend.hurry()
        backend.hurry()
        for _ in range(5):
            turning.once()
        backend.relax()
        backend.relax()
    backend.unwatch(token)
    backend.close()


def test_only_what_is_watched_keeps_the_loop_running(turning: Turning, pipe: tuple[int, int]) -> None:
    backend = backend_for(turning.loop)(turning.loop, lambda: None, lambda: None)
    backend.hurry()
    turning.loop.run()
    token = backend.watch(pipe[0], lambda error: backend.set_ref(token, False), False)
    turning.loop.run()
    backend.set_ref(token, True)
    os.write(pipe[1], b"x")
    turning.loop.run()
    backend.unwatch(token)
    backend.close()


def test_later_keeps_the_loop_running(turning: Turning) -> None:
    calls: list[bool] = []
    backend_for(turning.loop).later(turning.loop, lambda: calls.append(True))
    assert not calls
    turning.loop.run()
    assert calls == [True]


def test_a_loop_of_gevents_that_was_destroyed(pipe: tuple[int, int]) -> None:
    """Nothing touches what it has freed."""
    loop = Turning("gevent").loop
    backend = GeventLoop(loop, lambda: None, lambda: None)
    token = backend.watch(pipe[0], lambda error: None, True)
    backend.hurry()
    loop.destroy()
    calls: list[bool] = []
    backend.relax()
    backend.set_ref(token, False)
    backend.unwatch(token)
    backend.close()
    backend.later(loop, lambda: calls.append(True))
    assert calls == [True]


@pytest.mark.parametrize("first", [0, 1])
def test_two_who_wrap_gevents_last_moment(first: int) -> None:
    """Whoever goes first, the other one goes on, and nothing is called after that."""
    turning = Turning("gevent")
    alive = turning.loop.timer(1000)
    alive.start(lambda: None)
    calls: list[int] = []
    backends = [GeventLoop(turning.loop, lambda number=number: calls.append(number), lambda: None) for number in (0, 1)]
    turning.turn()
    assert set(calls) == {0, 1}
    backends.pop(first).close()
    calls.clear()
    turning.turn()
    assert set(calls) == {1 - first}
    backends.pop().close()
    calls.clear()
    turning.turn()
    assert calls == []
    turning.loop.destroy()


def test_the_command_is_one_that_is_there() -> None:
    module = uv_backends.COMMAND.rpartition(" ")[2]
    assert __import__(module, fromlist=["main"]).main
