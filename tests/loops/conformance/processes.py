"""What is done in a process of its own: `processes.py RIG WHAT`; it ends well, or with an error."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

import mqbridge

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from conformance.rigs import RIGS, Rig

LIMIT = float(os.environ.get("MQBRIDGE_TEST_SCALE", "1")) * 10


def sockets(library: Any) -> tuple[Any, Any, Any]:
    """Return a context with two connected sockets."""
    context = library.Context()
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.bind("tcp://127.0.0.1:*")
    pull.connect(push.getsockopt_string(zmq.LAST_ENDPOINT))
    return context, push, pull


async def asleep(rig: Rig, reader: Any) -> Any:
    """Return a task that waits for a message."""
    task = rig.spawn(rig.recv(reader))
    for _ in range(5):
        await rig.turn()
    return task


def fork(rig: Rig) -> None:
    """A child is forked inside the loop, closes and collects; the parent's loop goes on."""
    for ending in ("exits", "collects", "closes"):
        context, push, pull = sockets(mqbridge)

        async def script(push: Any = push, pull: Any = pull, ending: str = ending) -> None:
            reader = rig.add(pull)
            for number in range(5):
                task = await asleep(rig, reader)
                child = os.fork()
                if not child:
                    if ending == "closes":
                        pull.close()
                        push.close()
                    elif ending == "collects":
                        gc.collect()
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
                push.send(b"%d" % number)
                assert await task.join() == b"%d" % number

        rig.run(script)
        context.destroy(linger=0)


def later(*calls: Callable[[], object]) -> threading.Thread:
    """Make these calls in another thread, soon, one after the other."""

    def make() -> None:
        for call in calls:
            threading.Event().wait(0.05)
            call()

    thread = threading.Thread(target=make)
    thread.start()
    return thread


def handled(rig: Rig) -> None:
    """A signal comes while the loop sleeps; its handler runs, and the wait goes on."""
    seen: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    for library in (mqbridge, zmq):
        context, push, pull = sockets(library)

        async def script(push: Any = push, pull: Any = pull) -> bytes:
            task = await asleep(rig, rig.add(pull))
            thread = later(lambda: os.kill(os.getpid(), signal.SIGUSR1), lambda: push.send(b"message"))
            message: bytes = await task.join()
            thread.join()
            return message

        assert rig.run(script) == b"message"
        context.destroy(linger=0)
    assert seen == [signal.SIGUSR1] * 2


def interrupted(rig: Rig) -> None:
    """Ctrl-C ends the loop; where a loop in C sleeps through signals, as soon as it is woken."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    context, push, pull = sockets(mqbridge)
    threads: list[threading.Thread] = []

    async def script() -> None:
        reader = rig.add(pull)
        task = await asleep(rig, reader)
        threads.append(later(lambda: os.kill(os.getpid(), signal.SIGINT), lambda: push.send(b"message")))
        await task.join()
        await rig.sleep(LIMIT)

    try:
        rig.run(script)
    except BaseException as error:
        # trio has it in a group.
        while not isinstance(error, KeyboardInterrupt):
            (error,) = error.exceptions  # type: ignore[attr-defined]
    else:
        raise AssertionError("KeyboardInterrupt did not arrive")
    threads[0].join()
    context.destroy(linger=0)


if __name__ == "__main__":
    (declared,) = [each for each in RIGS if each.name == sys.argv[1]]
    made = declared.make()
    made.limit = LIMIT
    {"fork": fork, "handled": handled, "interrupted": interrupted}[sys.argv[2]](made)
