"""Contexts: making sockets, defaults, limits and the end, as pyzmq has them where it has them."""

from __future__ import annotations

import errno
import gc
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

WaitFor = Callable[..., None]
Scaled = Callable[[float], float]
Make = Callable[..., Any]

# A context that hangs should not keep the suite for long.
pytestmark = pytest.mark.timeout(20)


@pytest.fixture(params=["mqbridge", "zmq"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Both libraries: what stock pyzmq does is what the test expects of ours. Ours leaves no descriptor open."""
    if request.param == "mqbridge":
        request.getfixturevalue("no_descriptor_leak")
    return {"mqbridge": mqbridge, "zmq": zmq}[request.param]


@pytest.fixture
def make(library: ModuleType) -> Iterator[Make]:
    """A function that makes a context, destroyed at the end of the test."""
    yield from contexts_of(library)


@pytest.fixture
def make_ours(no_descriptor_leak: None) -> Iterator[Make]:
    """The same for what only mqbridge has."""
    yield from contexts_of(mqbridge)


def contexts_of(library: ModuleType) -> Iterator[Make]:
    made = []

    def make_one(*arguments: Any, **options: Any) -> Any:
        made.append(library.Context(*arguments, **options))
        return made[-1]

    yield make_one
    ends = [threading.Thread(target=context.destroy, kwargs={"linger": 0}, daemon=True) for context in made]
    for end in ends:
        end.start()
    for end in ends:
        end.join(5)
        assert not end.is_alive(), "destroy(linger=0) hangs"


# ---- sockets


def test_a_context_makes_sockets(library: ModuleType, make: Make) -> None:
    context = make()
    with context.socket(library.PUSH) as socket:
        assert isinstance(socket, library.Socket)
        assert socket.context is context
        assert socket.get(library.TYPE) == library.PUSH
    assert socket.closed
    assert not context.closed


def test_socket_class(library: ModuleType, make: Make) -> None:
    class Mine(library.Socket):  # type: ignore[name-defined,misc]
        pass

    class Context(library.Context):  # type: ignore[name-defined,misc]
        pass

    context = make()
    with context.socket(library.PULL, socket_class=Mine) as mine, context.socket(library.PULL) as other:
        assert type(mine) is Mine
        assert type(other) is library.Socket
    with Context() as context, context.socket(library.PULL, Mine) as mine:
        assert mine.context is context


def test_a_socket_made_without_the_context_s_help_belongs_to_it(library: ModuleType, make: Make) -> None:
    context = make()
    socket = library.Socket(context, library.PUSH)
    assert socket.get(library.TYPE) == library.PUSH
    socket.close(0)


def test_no_socket_after_the_end(library: ModuleType, make: Make) -> None:
    context = make()
    context.term()
    with pytest.raises(library.ZMQError) as caught:
        context.socket(library.PUSH)
    assert caught.value.errno == errno.ENOTSUP


@pytest.mark.parametrize("kind", [99, 2**31 - 1])
def test_there_is_no_such_socket_type(library: ModuleType, make: Make, kind: int) -> None:
    with pytest.raises(library.ZMQError) as caught:
        make().socket(kind)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("kind", [99, -1, mqbridge.SERVER])
def test_the_error_names_the_type(make_ours: Make, kind: int) -> None:
    name = kind.name if isinstance(kind, mqbridge.SocketType) else str(kind)
    with pytest.raises(mqbridge.ZMQError, match=rf"socket\({name}\): not a socket type") as caught:
        make_ours().socket(kind)
    assert caught.value.errno == errno.EINVAL


def test_max_sockets(library: ModuleType, make: Make) -> None:
    context = make()
    context.set(library.MAX_SOCKETS, 2)
    assert context.get(library.MAX_SOCKETS) == 2
    sockets = [context.socket(library.PUSH) for _ in range(2)]
    with pytest.raises(library.ZMQError) as caught:
        context.socket(library.PUSH)
    assert caught.value.errno == errno.EMFILE
    for socket in sockets:
        socket.close(0)


def test_a_closed_socket_makes_room_for_another(make_ours: Make) -> None:
    # At once: libzmq's reaper takes its time.
    context = make_ours()
    context.set(mqbridge.MAX_SOCKETS, 1)
    for _ in range(3):
        with context.socket(mqbridge.PUSH), pytest.raises(mqbridge.ZMQError, match="1 sockets at most"):
            context.socket(mqbridge.PUSH)


# ---- io_threads


@pytest.mark.parametrize("io_threads", [-1, -100])
def test_a_negative_number_of_threads_is_refused(library: ModuleType, io_threads: int) -> None:
    with pytest.raises(library.ZMQError) as caught:
        library.Context(io_threads)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("io_threads", [-1, "1", 1.0, None])
def test_the_error_names_the_number_of_threads(io_threads: object) -> None:
    error = mqbridge.ZMQError if io_threads == -1 else TypeError
    with pytest.raises(error, match=re.escape(f"Context({io_threads!r}): io_threads is 0 or")):
        mqbridge.Context(io_threads)  # type: ignore[arg-type]
    gc.collect()  # what was half made goes quietly


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc")
def test_no_threads_means_none(make_ours: Make) -> None:
    # In a process of its own, where nothing else runs; the flusher is the one thread that may start.
    code = (
        "import os, mqbridge\n"
        "context = mqbridge.Context(io_threads=0)\n"
        "push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)\n"
        "port = pull.bind_to_random_port('tcp://127.0.0.1')\n"
        "push.connect(f'tcp://127.0.0.1:{port}')\n"
        "while not push.poll(0, mqbridge.POLLOUT): pull.poll(1)\n"
        "push.send(b'x')\n"
        "while not pull.poll(1): push.poll(1, mqbridge.POLLOUT)\n"
        "assert pull.recv() == b'x'\n"
        "flushers = {open(f'/proc/self/task/{task}/comm').read().strip() for task in os.listdir('/proc/self/task')}\n"
        "print(len(os.listdir('/proc/self/task')) - mqbridge.COMPILED)\n"
        "push.close(0), pull.close(0), context.term()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) <= 1


def test_without_threads_inproc_works(make_ours: Make) -> None:
    context = make_ours(io_threads=0)
    with context.socket(mqbridge.PUSH) as push, context.socket(mqbridge.PULL) as pull:
        push.bind("inproc://a")
        pull.connect("inproc://a")
        push.send(b"x")
        assert pull.recv() == b"x"


def test_the_caretaker_ends_with_its_context(
    make_ours: Make, wait_for: WaitFor, new_threads: Callable[[], set[str]]
) -> None:
    context = make_ours()
    socket = context.socket(mqbridge.PULL)
    socket.bind("tcp://127.0.0.1:*")
    wait_for(new_threads, "the caretaker")
    socket.close()
    context.term()
    wait_for(lambda: not new_threads(), "the caretaker's end")


# ---- options


def test_context_options(library: ModuleType, make: Make) -> None:
    context = make(3)
    assert context.get(library.IO_THREADS) == 3
    assert context.get(library.MAX_SOCKETS) == 1023
    assert context.get(library.SOCKET_LIMIT) >= 1023
    context.set(library.IO_THREADS, 2)
    assert context.get(library.IO_THREADS) == 2


@pytest.mark.parametrize(("option", "value"), [("MAX_SOCKETS", 0), ("MAX_SOCKETS", -1), ("IO_THREADS", -1)])
def test_wrong_context_options(library: ModuleType, make: Make, option: str, value: int) -> None:
    context = make()
    with pytest.raises(library.ZMQError) as caught:
        context.set(getattr(library, option), value)
    assert caught.value.errno == errno.EINVAL


def test_there_is_no_such_context_option(library: ModuleType, make: Make) -> None:
    context = make()
    for call in (lambda: context.set(9999, 1), lambda: context.get(9999)):
        with pytest.raises(library.ZMQError) as caught:
            call()
        assert caught.value.errno == errno.EINVAL


def test_the_error_names_the_context_option(make_ours: Make) -> None:
    context = make_ours()
    with pytest.raises(mqbridge.ZMQError, match=r"set\(9999, 5\)"):
        context.set(9999, 5)
    with pytest.raises(mqbridge.ZMQError, match=r"get\(9999\)"):
        context.get(9999)


def test_io_threads_are_set_before_the_first_socket(make_ours: Make) -> None:
    context = make_ours()
    context.set(mqbridge.IO_THREADS, 0)
    with context.socket(mqbridge.PUSH), pytest.raises(mqbridge.ZMQError, match="set it before them"):
        context.set(mqbridge.IO_THREADS, 1)


@pytest.mark.parametrize("name", ["max_sockets", "MAX_SOCKETS"])
def test_context_options_as_attributes(library: ModuleType, make: Make, name: str) -> None:
    context = make()
    setattr(context, name, 7)
    assert getattr(context, name) == context.get(library.MAX_SOCKETS) == 7


# ---- defaults of sockets


@pytest.mark.parametrize("name", ["linger", "LINGER", "Linger"])
def test_socket_options_of_a_context_are_defaults(library: ModuleType, make: Make, name: str) -> None:
    context = make()
    with context.socket(library.PUSH) as before:
        setattr(context, name, 5)
        assert getattr(context, name) == 5
        assert context.getsockopt(library.LINGER) == 5
        with context.socket(library.PUSH) as after:
            assert (before.linger, after.linger) == (-1, 5)
            after.linger = 6
        assert context.linger == 5


def test_defaults_by_setsockopt(library: ModuleType, make: Make) -> None:
    context = make()
    context.setsockopt(library.RCVTIMEO, 10)
    context.setsockopt(library.ROUTING_ID, b"me")
    with context.socket(library.REQ) as socket:
        assert (socket.rcvtimeo, socket.routing_id) == (10, b"me")


def test_defaults_that_a_type_does_not_have_are_passed_over(library: ModuleType, make: Make) -> None:
    context = make()
    context.setsockopt(library.SUBSCRIBE, b"")
    context.setsockopt(library.LINGER, 0)
    with context.socket(library.PUSH) as socket:
        assert socket.linger == 0


def test_a_default_of_the_wrong_type_is_not(library: ModuleType, make: Make) -> None:
    context = make()
    context.setsockopt(library.LINGER, "never")
    with warnings.catch_warnings():
        # The socket that could not be given its defaults is nobody's.
        warnings.simplefilter("ignore", ResourceWarning)
        try:  # without pytest.raises, which keeps the traceback and so the socket
            context.socket(library.PUSH)
        except TypeError as error:
            refused = str(error)
        gc.collect()
    assert refused


@pytest.mark.parametrize("name", ["no_such_option", "nonsense"])
def test_there_is_no_such_attribute(library: ModuleType, make: Make, name: str) -> None:
    context = make()
    with pytest.raises(AttributeError, match=re.compile(name, re.IGNORECASE)):
        getattr(context, name)
    with pytest.raises(AttributeError, match=re.compile(name, re.IGNORECASE)):
        setattr(context, name, 1)


def test_a_default_not_set_is_no_attribute(library: ModuleType, make: Make) -> None:
    context = make()
    with pytest.raises(AttributeError, match=r"(?i)linger"):
        _ = context.linger
    with pytest.raises(KeyError):
        context.getsockopt(library.LINGER)


def test_a_default_can_be_taken_back(library: ModuleType, make: Make) -> None:
    context = make()
    context.linger = 3
    del context.linger
    with context.socket(library.PUSH) as socket:
        assert socket.linger == -1


def test_a_subclass_may_have_attributes_of_its_own(library: ModuleType) -> None:
    class Mine(library.Context):  # type: ignore[name-defined,misc]
        colour = "none"

    with Mine() as context:
        context.colour = "red"
        assert context.colour == "red"


# ---- the shared one


def test_instance_is_one_for_all(library: ModuleType) -> None:
    first = library.Context.instance()
    assert library.Context.instance() is first
    assert library.Context.instance(2) is first
    first.term()
    second = library.Context.instance()
    assert second is not first
    assert (first.closed, second.closed) == (True, False)
    second.term()


def test_a_subclass_has_an_instance_of_its_own(library: ModuleType) -> None:
    class Mine(library.Context):  # type: ignore[name-defined,misc]
        pass

    mine = Mine.instance()
    assert type(mine) is Mine
    mine.term()


def test_threads_get_the_same_instance(library: ModuleType) -> None:
    found: list[Any] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(library.Context.instance())

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1
    found[0].term()


FORKED = """
import os, sys
import {library} as library
first = library.Context.instance()
child = os.fork()
if child == 0:
    second = library.Context.instance()
    good = second is not first and second is library.Context.instance()
    with second.socket(library.PUSH) as push, second.socket(library.PULL) as pull:
        push.bind("inproc://a"), pull.connect("inproc://a")
        push.send(b"x")
        good = good and pull.recv() == b"x"
    os._exit(0 if good else 1)
_, status = os.waitpid(child, 0)
assert library.Context.instance() is first
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_p35_a_forked_child_gets_a_new_instance(library: ModuleType) -> None:
    code = FORKED.format(library=library.__name__)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert done.returncode == 0, done.stderr


# ---- the end


def test_terminating_twice_does_nothing(library: ModuleType, make: Make) -> None:
    context = make()
    assert not context.closed
    context.term()
    assert context.closed
    context.term()
    context.destroy()
    assert context.closed


def test_a_context_in_a_with_statement_ends(library: ModuleType) -> None:
    with library.Context() as context:
        assert not context.closed
    assert context.closed


@pytest.mark.timeout(20)
def test_a_with_statement_closes_forgotten_sockets(library: ModuleType) -> None:
    with pytest.warns(ResourceWarning, match=r"(?i)unclosed socket"), library.Context() as context:
        socket = context.socket(library.PUSH)
    assert socket.closed and context.closed


def test_destroy_closes_all_sockets(library: ModuleType, make: Make) -> None:
    context = make()
    sockets = [context.socket(kind) for kind in (library.PUSH, library.PULL, library.REQ)]
    sockets[1].close()
    context.destroy()
    assert all(socket.closed for socket in sockets) and context.closed


@pytest.mark.timeout(20)
@pytest.mark.parametrize("how", ["context", "socket", "close", "elapsed"])
def test_linger_at_destroy(library: ModuleType, make: Make, how: str) -> None:
    # A message that nobody takes is dropped, however one says so.
    context = make()
    if how == "context":
        context.linger = 0
    socket = context.socket(library.PUSH)
    socket.connect("tcp://127.0.0.1:9")
    if how in ("socket", "elapsed"):
        socket.linger = 50 if how == "elapsed" else 0
    socket.send(b"x")
    context.destroy(linger=0 if how == "close" else None)
    assert context.closed


def test_term_waits_until_what_was_sent_has_left(library: ModuleType, make: Make) -> None:
    sending, receiving = make(), make()
    pull = receiving.socket(library.PULL)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push = sending.socket(library.PUSH)
    push.connect(f"tcp://127.0.0.1:{port}")
    for number in range(100):
        push.send(b"%d" % number)
    push.close()
    sending.term()
    assert [pull.recv() for _ in range(100)] == [b"%d" % number for number in range(100)]
    pull.close()


def test_p33_term_wakes_who_waits(library: ModuleType, make: Make, wait_for: WaitFor) -> None:
    context = make()
    caught: list[Any] = []
    ready = threading.Barrier(4)

    def wait(kind: int, call: Callable[[Any], object]) -> None:
        socket = context.socket(kind)
        ready.wait()
        try:
            call(socket)
        except library.ZMQError as error:
            caught.append(error)
        finally:
            socket.close(0)

    waits = [
        threading.Thread(target=wait, args=(library.PULL, lambda socket: socket.recv())),
        threading.Thread(target=wait, args=(library.PUSH, lambda socket: socket.send(b"x"))),
        threading.Thread(target=wait, args=(library.PULL, lambda socket: socket.poll())),
    ]
    for thread in waits:
        thread.start()
    ready.wait()
    context.term()  # returns when the threads have closed their sockets
    for thread in waits:
        thread.join()
    assert [type(error) for error in caught] == [library.ContextTerminated] * 3
    assert {error.errno for error in caught} == {library.ETERM}


def test_p33_after_term_has_begun_only_close_works(library: ModuleType, make: Make, wait_for: WaitFor) -> None:
    context = make()
    socket = context.socket(library.PULL)
    thread = threading.Thread(target=context.term)
    thread.start()

    def terminated() -> bool:
        try:
            socket.recv(library.DONTWAIT)
        except library.ContextTerminated as error:
            assert error.errno == library.ETERM
            return True
        except library.Again:
            return False
        raise AssertionError("a message?")

    wait_for(terminated, "ContextTerminated")
    with pytest.raises(library.ContextTerminated):
        socket.send(b"x", library.DONTWAIT)
    with pytest.raises(library.ContextTerminated):
        socket.poll(0)
    assert thread.is_alive()
    socket.close()
    thread.join()
    assert context.closed


def test_p37_ctrl_c_arrives_in_term(library: ModuleType) -> None:
    code = f"""
import os, signal, threading, time
import {library.__name__} as library
context = library.Context()
socket = context.socket(library.PUSH)
socket.connect("tcp://127.0.0.1:9")
socket.linger = -1
socket.send(b"x")
socket.close()

def interrupt():
    while True:
        time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

def once(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, signal.SIG_IGN)
threading.Thread(target=interrupt, daemon=True).start()
try:
    signal.signal(signal.SIGINT, once)
    context.term()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert done.stdout.strip() == "interrupted", done.stderr


def test_a_context_without_threads_delivers_at_term(make_ours: Make) -> None:
    receiving, sending = make_ours(), make_ours(0)
    pull, push = receiving.socket(mqbridge.PULL), sending.socket(mqbridge.PUSH)
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"x")
    push.close()
    sending.term()
    assert pull.recv() == b"x"
    pull.close()


def test_a_forgotten_context_ends_by_itself(wait_for: WaitFor, new_threads: Callable[[], set[str]]) -> None:
    context = mqbridge.Context()
    with context.socket(mqbridge.PULL) as socket:
        socket.bind("tcp://127.0.0.1:*")
        wait_for(new_threads, "the caretaker")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del socket, context
        gc.collect()
    wait_for(lambda: not new_threads(), "the caretaker's end")


# ---- repr


def test_repr(make_ours: Make) -> None:
    class Mine(mqbridge.Context):
        pass

    context = make_ours()
    assert re.fullmatch(r"<Context at 0x[0-9a-f]+, 0 sockets>", repr(context))
    with context.socket(mqbridge.PUSH):
        assert "1 sockets" in repr(context) or "1 socket>" in repr(context)
    context.term()
    assert " closed" in repr(context)
    with Mine() as mine:
        assert repr(mine).startswith("<Mine at")
