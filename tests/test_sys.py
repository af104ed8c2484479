"""The door to the operating system: the compiled module and its interpreted twin are one in names and behaviour."""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import importlib.util
import inspect
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import greenlet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mqbridge
from mqbridge import _originals, _sys

PACKAGE = Path(mqbridge.__file__).parent
MILLISECOND = 1_000_000
CHUNK = 65536

WaitFor = Callable[..., None]
Scaled = Callable[[float], float]

pytestmark = pytest.mark.timeout(60)


def load_interpreted() -> ModuleType:
    """Load the twin from its source, whatever is in use."""
    spec = importlib.util.spec_from_file_location("interpreted_sys", PACKAGE / "_sys.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TWINS = {"interpreted": load_interpreted()}
if mqbridge.COMPILED:
    TWINS["compiled"] = _sys

needs_compiled = pytest.mark.skipif(not mqbridge.COMPILED, reason="nothing is compiled here: make build")


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest, no_descriptor_leak: None) -> ModuleType:
    """Each of the twins. The test leaves no descriptor open."""
    return TWINS[request.param]


# ---- names, signatures and docstrings


def public_names(module: ModuleType) -> set[str]:
    """Return what a module offers, without what it has imported for itself."""
    return {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and not isinstance(thing, ModuleType) and thing is not Any
    }


def public_classes(module: ModuleType) -> dict[str, type]:
    return {name: thing for name, thing in vars(module).items() if isinstance(thing, type) and name in OWN_CLASSES}


def tree_of(source: str) -> ast.Module:
    return ast.parse(source)


OWN_CLASSES = [node.name for node in tree_of((PACKAGE / "_sys.py").read_text()).body if isinstance(node, ast.ClassDef)]

# A function of the .pyx that Python sees: its indentation, name and parameters.
_FUNCTION = re.compile(
    r"(?<!@property\n)^( *)(?:def|cpdef|cdef inline)\s+(?:[\w.]+\s+)*?(\w+)\(([^)]*)\)[^\n]*:\n", re.MULTILINE
)
_CLASS = re.compile(r"^(?:cdef )?class (\w+)[^\n]*:\n", re.MULTILINE)
_DOCSTRING = re.compile(r'\s+"""(.*?)"""', re.DOTALL)


def declared_in_pyx(source: str) -> dict[str, list[str]]:
    """Return the parameters of each function and method of a .pyx that Python sees, by qualified name."""
    classes = [(found.start(), found[1]) for found in _CLASS.finditer(source)]
    declared = {}
    for found in _FUNCTION.finditer(source):
        name = found[2]
        if found[1]:
            name = [owner for start, owner in classes if start < found.start()][-1] + "." + name
        # `int64_t timeout`, `list items`, `fd: int`: the name is the last word before a colon.
        words = [part.partition(":")[0].partition("=")[0].split() for part in found[3].split(",")]
        declared[name] = [parts[-1] for parts in words if parts]
    return declared


def declared_in_py(source: str) -> dict[str, list[str]]:
    """The same of a .py; of functions that are defined in two branches the last one counts."""
    declared = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                arguments = node.args
                assert not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs)
                declared[prefix + node.name] = [argument.arg for argument in arguments.args]
            elif isinstance(node, ast.ClassDef):
                visit(node.body, node.name + ".")
            elif isinstance(node, ast.If):
                visit(node.body, prefix)
                visit(node.orelse, prefix)

    visit(tree_of(source).body, "")
    return declared


def visible(declared: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: names for name, names in declared.items() if not name.rpartition(".")[2].startswith("_")}


def test_the_sources_have_the_same_functions() -> None:
    compiled = visible(declared_in_pyx((PACKAGE / "_sys.pyx").read_text()))
    # Some of what compiled modules call is inline, in the .pxd.
    compiled |= visible(declared_in_pyx((PACKAGE / "_sys.pxd").read_text()))
    interpreted = visible(declared_in_py((PACKAGE / "_sys.py").read_text()))
    # A builtin function does for the clock.
    interpreted["clock"] = []
    assert compiled == interpreted


def test_the_sources_have_the_same_constructors() -> None:
    compiled = declared_in_pyx((PACKAGE / "_sys.pyx").read_text())
    interpreted = declared_in_py((PACKAGE / "_sys.py").read_text())
    for name in OWN_CLASSES:
        made = compiled.get(f"{name}.__init__", ["self"])
        assert made == interpreted[f"{name}.__init__"], name
        assert compiled.get(f"{name}.__cinit__", made) in (made, ["self"]), name


PYX = """
cdef extern from "x.h":
    int hidden(int a)
cpdef int64_t clock() noexcept:
    pass
cdef class A:
    def __init__(self, Py_ssize_t size):
        pass
    cpdef bytes recv(self, Py_ssize_t limit):
        pass
    cdef hidden(self, int b):
        pass
def poll(list items, int64_t timeout) -> list:
    pass
def close(fd: int = 1) -> None:
    pass
"""


def test_declarations_are_read() -> None:
    # Else the comparisons above could compare nothing.
    assert declared_in_pyx(PYX) == {
        "clock": [],
        "A.__init__": ["self", "size"],
        "A.recv": ["self", "limit"],
        "poll": ["items", "timeout"],
        "close": ["fd"],
    }
    both = "class A:\n  def f(self, a): pass\nif 1:\n  def g(b): pass\nelse:\n  def g(c): pass\n"
    assert declared_in_py(both) == {"A.f": ["self", "a"], "g": ["c"]}


@needs_compiled
def test_the_modules_have_the_same_names() -> None:
    interpreted, compiled = (public_names(TWINS[name]) for name in ("interpreted", "compiled"))
    # What is inline is for compiled modules only.
    inline = {name for name in declared_in_pyx((PACKAGE / "_sys.pxd").read_text()) if "." not in name}
    assert compiled == interpreted - (inline - compiled)
    assert set(OWN_CLASSES) < compiled
    for name in ("READ", "WRITE", "ERROR", "HANGUP", "ONESHOT"):
        assert getattr(TWINS["compiled"], name) == getattr(TWINS["interpreted"], name)


@needs_compiled
@pytest.mark.parametrize("name", OWN_CLASSES)
def test_the_classes_have_the_same_names_and_signatures(name: str) -> None:
    interpreted, compiled = (getattr(TWINS[twin], name) for twin in ("interpreted", "compiled"))
    names = {each for each in dir(interpreted) if not each.startswith("_")}
    # A base that only the interpreted one needs is not what it is for.
    names -= set(dir(bytearray)) if issubclass(interpreted, bytearray) else set()
    # What is inline is for compiled modules only.
    names -= {each.partition(".")[2] for each in declared_in_pyx((PACKAGE / "_sys.pxd").read_text()) if name in each}
    assert {each for each in dir(compiled) if not each.startswith("_")} == names
    for each in names:
        method = getattr(interpreted, each)
        if inspect.isfunction(method):
            expected = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(compiled, each)).parameters) == expected, each


@needs_compiled
@pytest.mark.parametrize("name", ["chance", "breathe", "poll", "timerfd", "timerfd_arm", "close"])
def test_the_functions_have_the_same_signatures(name: str) -> None:
    interpreted, compiled = (getattr(TWINS[twin], name) for twin in ("interpreted", "compiled"))
    assert list(inspect.signature(compiled).parameters) == list(inspect.signature(interpreted).parameters)


# Only the compiled one comes back early after a signal, and stays awake.
OWN_DOCSTRINGS = {"Pollset.wait", "Pollset.expects"}


def documented(source: str) -> dict[str, str]:
    """Return the docstrings of a .py or .pyx by qualified name; of classes the first sentence."""
    texts: dict[str, str] = {}
    owners = {}
    for found in _CLASS.finditer(source):
        owners[found.start()] = found[1]
        text = _DOCSTRING.match(source, found.end())
        texts[found[1]] = inspect.cleandoc(text[1]).partition(".")[0] if text else ""
    for found in _FUNCTION.finditer(source):
        # The functions of the .py in the branches of an `if` are indented too.
        owner = [name for start, name in owners.items() if start < found.start()][-1:] if found[1] else []
        text = _DOCSTRING.match(source, found.end())
        texts[".".join([*owner, found[2]])] = inspect.cleandoc(text[1]) if text else ""
    return texts


def test_the_docstrings_are_the_same() -> None:
    compiled, interpreted = (documented((PACKAGE / name).read_text()) for name in ("_sys.pyx", "_sys.py"))
    for name in ("timerfd", "timerfd_arm"):
        interpreted[name] = interpreted[f"{OWN_CLASSES[-1]}.{name}"]
    wanted = {*OWN_CLASSES, *visible(declared_in_pyx((PACKAGE / "_sys.pyx").read_text()))} - {"clock"}
    assert len(wanted) > 30
    for name in wanted:
        assert compiled[name], name
        if name not in OWN_DOCSTRINGS:
            assert compiled[name] == interpreted[name], name


def test_what_comes_from_elsewhere_is_the_originals() -> None:
    for module in TWINS.values():
        for name in ("allocate_lock", "get_ident", "getaddrinfo", "socket", "start_thread"):
            assert getattr(module, name) is getattr(_originals, name)


def test_flushing_is_what_differs() -> None:
    assert TWINS["interpreted"].HAS_FLUSHER is False
    if mqbridge.COMPILED:
        assert TWINS["compiled"].HAS_FLUSHER is True


# ---- clock


def test_the_clock_is_the_monotonic_one(twin: ModuleType) -> None:
    before = time.monotonic_ns()
    now = twin.clock()
    assert before <= now <= time.monotonic_ns()


# ---- locks


def test_a_lock(twin: ModuleType) -> None:
    lock = twin.Lock()
    assert not lock.held()
    assert lock.acquire() is True
    assert lock.held()
    assert lock.try_acquire() is False
    lock.release()
    assert not lock.held()
    assert lock.try_acquire() is True
    assert lock.held()
    lock.release()


def test_taking_a_lock_twice_is_an_error_with_advice(twin: ModuleType) -> None:
    lock = twin.Lock()

    def handler(wanted: Any) -> None:
        wanted.acquire()

    lock.acquire()
    with pytest.raises(RuntimeError, match=r"inside this socket already.*must not use the socket.*set a flag"):
        handler(lock)
    assert lock.held()
    lock.release()
    lock.acquire()
    lock.release()


def test_a_lock_that_a_signal_handler_left_behind_is_taken_over(twin: ModuleType) -> None:
    """P37: interpreted, an exception strikes also between the taking and the `try` after it."""
    if twin is not TWINS["interpreted"]:
        pytest.skip("compiled, no signal handler runs inside a socket")
    lock = twin.Lock()

    def struck() -> None:
        lock.acquire()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        struck()
    assert lock.held()
    assert lock.acquire()
    lock.release()
    assert not lock.held()
    # Where the handler's exception came before it was taken again.
    assert not lock.give()


def test_a_lock_that_was_left_behind_can_be_given_back(twin: ModuleType) -> None:
    made = twin.Lock()
    made.acquire()
    # Nobody who uses it is on the stack (by the names that such have), and other threads may have to.
    made.recover()
    assert made.held() == (twin is not TWINS["interpreted"])
    made.release()


def test_a_lock_that_is_in_use_is_not_given_back(twin: ModuleType) -> None:
    lock = twin.Lock()

    def somewhere(other: Any) -> None:
        other.recover()

    lock.recover()
    lock.acquire()
    somewhere(lock)
    assert lock.held()
    lock.release()


def test_a_lock_that_another_greenlet_uses_is_not_taken_over(twin: ModuleType) -> None:
    lock = twin.Lock()

    def uses() -> None:
        lock.acquire()
        greenlet.getcurrent().parent.switch()
        lock.release()

    def wants(wanted: Any) -> None:
        wanted.acquire()

    other = greenlet.greenlet(uses)
    other.switch()
    with pytest.raises(RuntimeError, match="inside this socket already"):
        wants(lock)
    other.switch()
    assert not lock.held()


def test_a_lock_knows_its_owner(twin: ModuleType) -> None:
    lock = twin.Lock()
    lock.acquire()
    seen = []
    thread = threading.Thread(target=lambda: seen.extend([lock.held(), lock.try_acquire()]))
    thread.start()
    thread.join()
    assert seen == [False, False]
    lock.release()


def test_who_waits_for_a_lock_gets_it_after_the_release(twin: ModuleType) -> None:
    lock = twin.Lock()
    order: list[Any] = []
    started = threading.Barrier(9)

    def wait(number: int) -> None:
        started.wait()
        lock.acquire()
        order.append(number)
        assert lock.held()
        lock.release()

    lock.acquire()
    threads = [threading.Thread(target=wait, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    started.wait()
    for _ in range(50):  # the others get the GIL, and could take the lock if it let them
        time.sleep(0)
    order.append("released")
    lock.release()
    for thread in threads:
        thread.join()
    assert order[0] == "released"
    assert sorted(order[1:]) == list(range(8))
    assert not lock.held()


def test_a_lock_locks(twin: ModuleType, eager_threads: None) -> None:
    lock = twin.Lock()
    count = 0
    inside = 0
    rounds, threads = 2000, 4

    def work(tries: bool) -> None:
        nonlocal count, inside
        for _ in range(rounds):
            if not tries or not lock.try_acquire():
                lock.acquire()
            inside += 1
            assert inside == 1
            now = count
            count = now + 1
            inside -= 1
            lock.release()

    working = [threading.Thread(target=work, args=(number % 2 == 0,)) for number in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    assert count == rounds * threads


def test_locks_come_and_go(twin: ModuleType) -> None:
    for number in range(1000):
        lock = twin.Lock()
        if number % 2:
            lock.acquire()


# ---- large frames


def test_growing(twin: ModuleType) -> None:
    growing = twin.Growing(10)
    assert (growing.size, growing.missing) == (10, 10)
    growing.append(b"--abcdef--", 2, 8)
    assert (growing.size, growing.missing) == (10, 4)
    with pytest.raises(ValueError, match="4 of 10 bytes are missing"):
        growing.finish()
    growing.append(b"", 0, 0)
    growing.append(b"ghij", 0, 4)
    whole = growing.finish()
    assert (whole, type(whole)) == (b"abcdefghij", bytes)


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 4), (2, 1), (0, 6), (5, 6)])
def test_growing_takes_nothing_from_outside_and_no_more_than_is_missing(
    twin: ModuleType, start: int, stop: int
) -> None:
    growing = twin.Growing(3)
    with pytest.raises(ValueError, match=re.escape(f"append({start}, {stop}): outside the data, or more than the 3 ")):
        growing.append(b"abcde", start, stop)
    growing.append(b"abcde", 1, 4)
    assert growing.finish() == b"bcd"


def test_growing_of_nothing(twin: ModuleType) -> None:
    assert twin.Growing(0).finish() == b""


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.integers(0, 100_000), max_size=12))
def test_growing_in_pieces(pieces: list[int]) -> None:
    data = random.Random(1).randbytes(sum(pieces))
    for module in TWINS.values():
        growing = module.Growing(len(data))
        at = 0
        for size in pieces:
            growing.append(data, at, at + size)
            at += size
            assert growing.missing == len(data) - at
        assert growing.finish() == data


def test_memory_is_given_for_what_has_come_only(twin: ModuleType) -> None:
    growing = twin.Growing(1 << 60)
    growing.append(bytes(1 << 20), 0, 1 << 20)
    assert growing.missing == (1 << 60) - (1 << 20)


# ---- streams


class Wire:
    """A stream, the socket at its other end, and the eventfd the flusher signals."""

    def __init__(self, module: ModuleType, ours: socket.socket, peer: socket.socket) -> None:
        self.peer = peer
        self.wake = module.EventFd()
        self.stream = module.Stream(ours.detach(), self.wake.fd)

    def close(self) -> None:
        self.stream.close()
        self.peer.close()
        self.wake.close()


def small_pair() -> tuple[socket.socket, socket.socket]:
    """A socket pair whose buffers are soon full."""
    ours, peer = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return ours, peer


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        return ours, peer


MakeWire = Callable[..., Wire]


def wires_of(module: ModuleType) -> Iterator[MakeWire]:
    made: list[Wire] = []

    def make(pair: tuple[socket.socket, socket.socket] | None = None) -> Wire:
        made.append(Wire(module, *(pair or socket.socketpair())))
        made[-1].peer.settimeout(20)
        return made[-1]

    try:
        yield make
    finally:
        for wire in made:
            wire.close()


@pytest.fixture
def make_wire(twin: ModuleType) -> Iterator[MakeWire]:
    """A function that makes a wire, closed at the end of the test."""
    yield from wires_of(twin)


@pytest.fixture
def wire(make_wire: MakeWire) -> Wire:
    """A wire."""
    return make_wire()


def receive_exactly(peer: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = peer.recv(min(size, 1 << 20))
        assert part, f"the connection ended with {size} bytes missing"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def is_readable(fd: int, timeout: float = 0) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(timeout * 1000))


def test_recv(wire: Wire) -> None:
    assert wire.stream.recv(100) is None
    wire.peer.sendall(b"hello")
    assert wire.stream.recv(2) == b"he"
    assert wire.stream.recv(100) == b"llo"
    assert wire.stream.recv(100) is None
    wire.peer.close()
    assert wire.stream.recv(100) == b""
    assert wire.stream.recv(100) == b""


def test_recv_takes_one_chunk_at_most(make_wire: MakeWire) -> None:
    wire = make_wire(tcp_pair())
    data = random.Random(2).randbytes(300_000)
    sender = threading.Thread(target=wire.peer.sendall, args=(data,))
    sender.start()
    received = b""
    while len(received) < len(data):
        is_readable(wire.stream.fd, 10)
        part = wire.stream.recv(1 << 20)
        assert part and len(part) <= CHUNK
        received += part
    sender.join()
    assert received == data


def test_recv_from_a_broken_connection_raises(make_wire: MakeWire) -> None:
    wire = make_wire(tcp_pair())
    wire.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    wire.peer.close()
    assert is_readable(wire.stream.fd, 10)
    with pytest.raises(ConnectionResetError):
        wire.stream.recv(100)


def test_recv_growing(twin: ModuleType, make_wire: MakeWire) -> None:
    wire = make_wire(tcp_pair())
    data = random.Random(3).randbytes(3_000_000)
    growing = twin.Growing(len(data))
    assert wire.stream.recv_growing(growing) == -1
    sender = threading.Thread(target=wire.peer.sendall, args=(data + b"next",))
    sender.start()
    received = 0
    while growing.missing:
        count = wire.stream.recv_growing(growing)
        if count == -1:
            assert is_readable(wire.stream.fd, 10)
            continue
        assert count > 0
        received += count
        assert growing.missing == len(data) - received
    sender.join()
    assert growing.finish() == data
    # What is behind the frame is not touched.
    assert wire.stream.recv(100) == b"next"
    wire.peer.close()
    assert wire.stream.recv_growing(twin.Growing(10)) == 0


def test_recv_growing_goes_on_after_an_append(twin: ModuleType, wire: Wire) -> None:
    growing = twin.Growing(100_000)
    growing.append(b"--" + bytes(70_000), 2, 70_002)
    wire.peer.sendall(b"x" * 30_000)
    while growing.missing:
        assert wire.stream.recv_growing(growing) > 0
    assert growing.finish() == bytes(70_000) + b"x" * 30_000


def test_recv_growing_from_a_broken_connection_raises(twin: ModuleType, make_wire: MakeWire) -> None:
    wire = make_wire(tcp_pair())
    wire.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    wire.peer.close()
    assert is_readable(wire.stream.fd, 10)
    with pytest.raises(ConnectionResetError):
        wire.stream.recv_growing(twin.Growing(10))


def test_put_and_flush(wire: Wire) -> None:
    stream = wire.stream
    assert (stream.unwritten(), stream.holds(), stream.blocked) == (0, False, False)
    assert stream.flush() is True
    assert stream.put(b"he", b"llo") == 5
    assert stream.put(b"", b"") == 5
    assert stream.put(b"a longer head", b"") == 18
    assert stream.unwritten() == 18
    assert not is_readable(wire.peer.fileno())
    assert stream.flush() is True
    assert (stream.unwritten(), stream.blocked) == (0, False)
    assert wire.peer.recv(100) == b"helloa longer head"


def test_a_stream_counts_its_bytes(twin: ModuleType, wire: Wire) -> None:
    stream = wire.stream
    assert (stream.received, stream.written) == (0, 0)
    wire.peer.sendall(b"x" * 10)
    assert is_readable(stream.fd, 10)
    stream.recv(4)
    assert stream.received == 4
    growing = twin.Growing(100)
    stream.recv_growing(growing)
    assert stream.received == 10
    assert stream.recv(10) is None
    stream.put(b"he", b"llo")
    assert stream.written == 0
    stream.flush()
    assert stream.written == 5
    stream.put(b"", b"y")
    stream.hold(b"head", b"body")
    assert stream.flush()
    assert stream.written == 5 + 1 + 8
    # What is not taken is not written.
    size = 1 << 25
    stream.hold(b"", bytes(size))
    assert not stream.flush()
    assert stream.written == 14 + size - stream.unwritten()
    # What was counted is known also after the end.
    stream.close()
    assert stream.received == 10


def test_a_held_part(wire: Wire) -> None:
    stream = wire.stream
    stream.put(b"be", b"fore")
    stream.hold(b"he", b"body")
    assert (stream.holds(), stream.unwritten()) == (True, 12)
    for call in (lambda: stream.put(b"", b"x"), lambda: stream.hold(b"", b"x")):
        with pytest.raises(RuntimeError, match="behind a held part"):
            call()
    assert stream.flush() is True
    assert (stream.holds(), stream.unwritten()) == (False, 0)
    stream.put(b"be", b"hind")
    stream.flush()
    assert wire.peer.recv(100) == b"beforehebodybehind"


def test_a_held_part_alone(wire: Wire) -> None:
    wire.stream.hold(b"", b"body")
    assert wire.stream.flush() is True
    assert wire.peer.recv(100) == b"body"


def test_a_held_part_that_is_lent(make_wire: MakeWire, twin: ModuleType) -> None:
    wire = make_wire(small_pair())
    data = bytearray(1_000_000)
    lent = twin.Lent(data)
    assert (len(lent), bytes(lent)) == (1_000_000, bytes(data))
    wire.stream.hold(b"head", lent)
    del lent
    assert wire.stream.unwritten() == 1_000_004
    assert wire.stream.flush() is False
    # What is there when it is written is what is sent.
    data[-1] = 1
    received = 0
    while not wire.stream.flush():
        with pytest.raises(BufferError):
            data.append(0)
        received += sum(wire.peer.recv(1 << 20)[4 if not received else 0 :])
    while not received & 1:
        received += wire.peer.recv(1 << 20)[-1]
    # Not needed any more, but not given back either, until somebody says that it may be.
    with pytest.raises(BufferError):
        data.append(0)
    twin.give_back()
    data.append(0)


def test_what_cannot_be_lent(twin: ModuleType) -> None:
    for wrong in ("text", 5, None):
        with pytest.raises(TypeError):
            twin.Lent(wrong)
    assert bytes(twin.Lent(b"")) == b""
    assert bytes(twin.Lent(memoryview(b"abc"))) == b"abc"
    twin.give_back()
    twin.give_back()


def test_a_held_part_is_kept_until_it_is_written(make_wire: MakeWire) -> None:
    wire = make_wire(small_pair())
    size = 1_000_000
    # The only reference is the stream's.
    wire.stream.hold(b"head", bytes([7]) * size)
    received = 0
    while not wire.stream.flush():
        assert wire.stream.blocked and wire.stream.holds()
        received += wire.peer.recv(1 << 20).count(7)
    received += receive_exactly(wire.peer, size - received).count(7) if received < size else 0
    rest = b""
    wire.peer.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        rest = wire.peer.recv(100)
    assert received + rest.count(7) == size


def test_a_full_kernel_buffer_blocks(make_wire: MakeWire) -> None:
    wire = make_wire(small_pair())
    data = random.Random(4).randbytes(500_000)
    assert wire.stream.put(b"", data) == len(data)
    assert wire.stream.flush() is False
    assert wire.stream.blocked
    assert 0 < wire.stream.unwritten() < len(data)
    # What comes now goes behind.
    waiting = wire.stream.unwritten()
    assert wire.stream.put(b"be", b"hind") == waiting + 6
    received = b""
    while not wire.stream.flush():
        received += wire.peer.recv(1 << 20)
    assert not wire.stream.blocked
    received += receive_exactly(wire.peer, len(data) + 6 - len(received))
    assert received == data + b"behind"


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from([0, 1, 100, 5000, 70_000])),
        st.tuples(st.just("hold"), st.sampled_from([1, 8192, 200_000])),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("read"), st.sampled_from([1, 1000, 65536, 1 << 20])),
        st.tuples(st.just("schedule"), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS, seed=st.integers(0, 1000))
def test_whatever_the_order_the_bytes_are_the_same(name: str, operations: list[tuple[str, int]], seed: int) -> None:
    source = random.Random(seed)
    sent, received = bytearray(), bytearray()
    wires = wires_of(TWINS[name])
    wire = next(wires)(small_pair())
    stream = wire.stream
    wire.peer.setblocking(False)

    def read(size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            received.extend(wire.peer.recv(size))

    for operation, size in operations:
        if operation == "flush":
            assert stream.flush() is (stream.unwritten() == 0)
        elif operation == "read":
            read(size)
        elif operation == "schedule":
            assert stream.schedule(TWINS[name].clock() - MILLISECOND) is TWINS[name].HAS_FLUSHER
        elif not stream.holds():
            head, body = source.randbytes(source.choice([0, 2, 9])), source.randbytes(size)
            with contextlib.suppress(RuntimeError):
                stream.put(head, body) if operation == "put" else stream.hold(head, body)
                sent += head + body
        assert stream.unwritten() <= len(sent) - len(received)
    while not stream.flush():
        read(1 << 20)
    assert (stream.unwritten(), stream.holds()) == (0, False)
    while len(received) < len(sent):
        assert is_readable(wire.peer.fileno(), 10)
        read(1 << 20)
    assert received == sent
    assert not is_readable(wire.peer.fileno())
    assert next(wires, None) is None


@pytest.mark.parametrize("held", [False, True])
def test_writing_to_a_broken_connection_raises(make_wire: MakeWire, held: bool) -> None:
    wire = make_wire()
    wire.peer.close()
    if held:
        wire.stream.hold(b"he", b"llo")
    else:
        wire.stream.put(b"he", b"llo")
    with pytest.raises(BrokenPipeError) as caught:
        wire.stream.flush()
    assert caught.value.errno == errno.EPIPE
    with pytest.raises(BrokenPipeError):
        wire.stream.flush()


SIGPIPE = """
import importlib.util, select, signal, socket, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if sys.argv[1] == "compiled":
    from mqbridge import _sys as module
else:
    spec = importlib.util.spec_from_file_location("interpreted_sys", sys.argv[2])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
for way in ("put", "hold", "schedule"):
    ours, peer = socket.socketpair()
    wake = module.EventFd()
    stream = module.Stream(ours.detach(), wake.fd)
    peer.close()
    if way == "hold":
        stream.hold(b"he", b"llo")
    else:
        stream.put(b"he", b"llo")
    if way == "schedule" and stream.schedule(module.clock()):
        assert select.select([wake.fd], [], [], 10)[0], "the flusher has not met the error"
    try:
        stream.flush()
    except BrokenPipeError:
        print(way)
    stream.close()
naive, peer = socket.socketpair()
peer.close()
sys.stdout.flush()
import os
os.write(naive.fileno(), b"x")  # without MSG_NOSIGNAL: this kills
print("alive")
"""


@pytest.mark.parametrize("name", TWINS)
def test_p41_no_signal_for_a_broken_connection(name: str) -> None:
    command = [sys.executable, "-c", SIGPIPE, name, str(PACKAGE / "_sys.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.stdout.split() == ["put", "hold", "schedule"], done.stderr
    assert done.returncode == -signal.SIGPIPE


def test_close(wire: Wire) -> None:
    fd = wire.stream.fd
    wire.stream.put(b"he", b"llo")
    wire.stream.close()
    assert (wire.stream.fd, wire.stream.unwritten(), wire.stream.holds()) == (-1, 0, False)
    with pytest.raises(OSError):
        os.fstat(fd)
    assert wire.peer.recv(100) == b""
    wire.stream.close()
    wire.stream.abandon()
    wire.stream.shutdown_write()


def test_close_with_a_held_part(make_wire: MakeWire) -> None:
    wire = make_wire(small_pair())
    wire.stream.hold(b"head", bytes(1_000_000))
    assert wire.stream.flush() is False
    wire.stream.close()
    assert (wire.stream.unwritten(), wire.stream.holds()) == (0, False)


def test_a_closed_stream_touches_no_descriptor(wire: Wire) -> None:
    fd = wire.stream.fd
    ours, other = socket.socketpair()
    with ours, other:
        wire.stream.close()
        # The number is another file's by now.
        os.dup2(ours.fileno(), fd)
        try:
            other.sendall(b"not for the stream")
            with pytest.raises(OSError):
                wire.stream.recv(100)
            wire.stream.close()
            wire.stream.abandon()
            os.fstat(fd)
        finally:
            os.close(fd)


def test_close_after_the_peer(make_wire: MakeWire) -> None:
    for pair in (socket.socketpair(), tcp_pair()):
        wire = make_wire(pair)
        wire.peer.close()
        wire.stream.shutdown_write()
        wire.stream.close()
        assert wire.stream.fd == -1


def test_shutdown_write(make_wire: MakeWire) -> None:
    wire = make_wire(tcp_pair())
    wire.stream.put(b"la", b"st")
    wire.stream.flush()
    wire.stream.shutdown_write()
    assert receive_exactly(wire.peer, 4) == b"last"
    assert wire.peer.recv(100) == b""
    wire.peer.sendall(b"still here")
    assert is_readable(wire.stream.fd, 10)
    assert wire.stream.recv(100) == b"still here"
    wire.stream.shutdown_write()


def in_child(act: Callable[[], object]) -> int:
    """Call `act` in a forked child; return the child's exit status."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("pair", [socket.socketpair, tcp_pair])
def test_p35_abandon_is_not_felt_by_the_peer(
    make_wire: MakeWire, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    wire = make_wire(pair())
    wire.stream.put(b"he", b"llo")
    assert in_child(wire.stream.abandon) == 0
    assert not is_readable(wire.peer.fileno(), 0.02)
    wire.stream.flush()
    assert receive_exactly(wire.peer, 5) == b"hello"
    # A child that closes properly ends the parent's connection: what abandon is for.
    assert in_child(wire.stream.close) == 0
    assert is_readable(wire.peer.fileno(), 10)
    assert wire.peer.recv(100) == b""


def test_abandon_closes_the_descriptor(wire: Wire) -> None:
    fd = wire.stream.fd
    wire.stream.hold(b"he", b"llo")
    wire.stream.abandon()
    assert wire.stream.fd == -1
    with pytest.raises(OSError):
        os.fstat(fd)
    wire.stream.abandon()
    wire.stream.close()


def test_p35_abandon_where_the_fork_met_another_thread_in_a_write() -> None:
    # In the child nobody comes back from that write to let go of the buffer.
    for make in wires_of(TWINS["interpreted"]):
        stream = make().stream
        stream.put(b"he", b"llo")
        with memoryview(stream._buffer):
            stream.abandon()
        assert (stream.fd, stream.unwritten()) == (-1, 0)


def test_a_glance_is_expected_to_find_something_while_it_does(no_descriptor_leak: None) -> None:
    pollset, event = _sys.Pollset(), _sys.EventFd()
    pollset.add(event.fd, _sys.READ)
    if _sys.HAS_FLUSHER and len(os.sched_getaffinity(0)) > 1:
        # Now and then it is a try.
        assert [pollset.expects() for _ in range(32)] == [False] * 31 + [True]
        event.signal()
        assert [entry >> 32 for entry in pollset.glance()] == [event.fd]
        assert pollset.expects()
        event.drain()
        assert pollset.glance() == []
    assert not any(pollset.expects() for _ in range(31))
    pollset.close()
    event.close()


# ---- the flusher


def test_without_a_flusher_nothing_is_scheduled() -> None:
    for make in wires_of(TWINS["interpreted"]):
        stream = make().stream
        stream.put(b"he", b"llo")
        assert stream.schedule(time.monotonic_ns()) is False
        assert (stream.scheduled(), stream.flushed(), stream.unwritten()) == (False, 0, 5)


def test_interpreted_a_message_is_put_behind_what_somebody_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TWINS["interpreted"], "_GATHERS", 10 * 10**9)
    for make in wires_of(TWINS["interpreted"]):
        stream = make().stream
        assert stream.put_frame(b"nobody was told") == -1
        stream.put(b"\0\1", b"a")
        assert stream.put_frame(b"nobody was told") == -1
        stream.schedule(time.monotonic_ns())
        assert stream.put_frame(b"bc") == 7
        assert stream.put_frame(b"x" * 300) == 7 + 309
        assert stream.flush()
        assert stream.put_frame(b"all is written") == -1


@pytest.fixture
def flushed_wire(no_descriptor_leak: None) -> Iterator[MakeWire]:
    """A function that makes a wire whose module has a flusher."""
    if not _sys.HAS_FLUSHER:
        pytest.skip("nothing is compiled here: make build")
    yield from wires_of(_sys)


def put_and_schedule(wire: Wire, head: bytes, body: bytes) -> None:
    wire.stream.put(head, body)
    assert wire.stream.schedule(_sys.clock()) is True


def test_a_message_is_put_where_the_flusher_writes(flushed_wire: MakeWire) -> None:
    wire = flushed_wire()
    assert wire.stream.put_frame(b"nobody would write it") == -1
    assert wire.stream.unwritten() == 0
    sent = b""
    for size in (*range(260), 1000, 4096, 16383):
        body = bytes([size & 0xFF]) * size
        head = b"\0" + bytes([size]) if size < 256 else b"\2" + size.to_bytes(8, "big")
        if wire.stream.put_frame(body) < 0:
            put_and_schedule(wire, head, body)
        sent += head + body
    assert receive_exactly(wire.peer, len(sent)) == sent
    put_and_schedule(wire, b"--", b"")
    # -1 if it has written already.
    assert wire.stream.put_frame(b"x" * 255) in (259, 257, -1)
    with pytest.raises(ValueError, match="16384 bytes; the most are 16383"):
        wire.stream.put_frame(b"x" * 16384)
    wire.stream.hold(b"h", b"held")
    assert wire.stream.put_frame(b"behind a held part") == -1


def test_breathing_lets_signal_handlers_run(twin: ModuleType) -> None:
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append("handled"))
    try:
        signal.raise_signal(signal.SIGUSR1)
        twin.breathe()
        assert seen == ["handled"]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_what_is_scheduled_leaves_by_itself(flushed_wire: MakeWire, wait_for: WaitFor) -> None:
    wire = flushed_wire()
    assert (wire.stream.scheduled(), wire.stream.flushed()) == (False, 0)
    for number in range(5):
        before = _sys.clock()
        put_and_schedule(wire, b"%02d" % number, b"hello")
        assert receive_exactly(wire.peer, 7) == b"%02dhello" % number
        # The bytes are here before the flusher has noted that they are gone.
        wait_for(lambda: not wire.stream.scheduled(), "the end of it")
        assert wire.stream.unwritten() == 0
        assert before < wire.stream.flushed() <= _sys.clock()
    assert not is_readable(wire.wake.fd)


def test_what_comes_while_it_is_scheduled_leaves_with_it(flushed_wire: MakeWire) -> None:
    wire = flushed_wire()
    # Put in at any moment of the flusher's round, also between its last look and its sleep.
    for start in range(0, 3000, 50):
        sent = b""
        for number in range(start, start + 50):
            body = b"%06d" % number
            wire.stream.put(b"--", body)
            sent += b"--" + body
            if not wire.stream.scheduled():
                wire.stream.schedule(_sys.clock())
        # In between, since many small writes fill the kernel's buffer, and the flusher leaves it at that.
        assert receive_exactly(wire.peer, len(sent)) == sent


# Says when the last of `size` bytes has come, by the clock that all processes share.
NOTE_ARRIVAL = """
import socket, sys, time
peer = socket.socket(fileno=int(sys.argv[1]))
peer.setblocking(True)
print("ready", flush=True)
for size in map(int, sys.argv[2:]):
    while size:
        size -= len(peer.recv(size))
    print(time.monotonic_ns(), flush=True)
"""


@contextlib.contextmanager
def in_other_process(wire: Wire, program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program that has the wire's other end."""
    command = [sys.executable, "-c", program, str(wire.peer.fileno()), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[wire.peer.fileno()]) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def keep_the_gil(duration: float) -> Callable[[], object]:
    """Return a call of about that many seconds into C code that never lets go of the GIL."""
    numbers = [random.random() for _ in range(20_000)]
    began = time.thread_time()
    sorted(numbers)
    numbers *= max(1, int(duration / (time.thread_time() - began)))
    random.shuffle(numbers)
    return lambda: sorted(numbers)


def test_p44_bytes_leave_while_a_c_call_keeps_the_gil(flushed_wire: MakeWire, scaled: Scaled) -> None:
    wire = flushed_wire()
    call = keep_the_gil(scaled(1))
    with in_other_process(wire, NOTE_ARRIVAL, 5, 5) as peer:
        assert line_of(peer) == "ready"
        # Without being scheduled they do not leave: the call does keep the GIL, and nobody else writes.
        wire.stream.put(b"he", b"llo")
        call()
        returned = _sys.clock()
        wire.stream.flush()
        assert int(line_of(peer)) > returned
        put_and_schedule(wire, b"he", b"llo")
        call()
        returned = _sys.clock()
        assert int(line_of(peer)) < returned


def test_a_full_kernel_buffer_wakes_the_driver(flushed_wire: MakeWire) -> None:
    wire = flushed_wire(small_pair())
    data = random.Random(5).randbytes(300_000)
    put_and_schedule(wire, b"", data)
    assert is_readable(wire.wake.fd, 10)
    assert wire.stream.blocked
    assert not wire.stream.scheduled()
    assert 0 < wire.stream.unwritten() < len(data)
    received = b""
    while not wire.stream.flush():
        received += wire.peer.recv(1 << 20)
    assert received + receive_exactly(wire.peer, len(data) - len(received)) == data


def test_a_blocked_stream_is_left_to_its_driver(flushed_wire: MakeWire, wait_for: WaitFor) -> None:
    wire = flushed_wire(small_pair())
    data = bytes(300_000)
    wire.stream.put(b"", data)
    assert wire.stream.flush() is False
    waiting = wire.stream.unwritten()
    wire.stream.schedule(_sys.clock())
    wait_for(lambda: not wire.stream.scheduled(), "the flusher's look")
    assert wire.stream.unwritten() == waiting


def test_a_held_part_is_flushed_too(flushed_wire: MakeWire, wait_for: WaitFor) -> None:
    wire = flushed_wire()
    wire.stream.put(b"be", b"fore")
    wire.stream.hold(b"he", b"body")
    wire.stream.schedule(_sys.clock())
    assert receive_exactly(wire.peer, 12) == b"beforehebody"
    wait_for(lambda: not wire.stream.holds(), "the part's release")
    wire.stream.put(b"", b"behind")
    wire.stream.flush()
    assert receive_exactly(wire.peer, 6) == b"behind"


def test_a_broken_connection_wakes_the_driver(flushed_wire: MakeWire) -> None:
    wire = flushed_wire()
    wire.peer.close()
    put_and_schedule(wire, b"he", b"llo")
    assert is_readable(wire.wake.fd, 10)
    with pytest.raises(BrokenPipeError):
        wire.stream.flush()


def test_many_streams_are_flushed(flushed_wire: MakeWire) -> None:
    wires = [flushed_wire() for _ in range(150)]
    for turn in range(3):
        for number, wire in enumerate(wires):
            put_and_schedule(wire, b"%d" % turn, b"%04d" % number)
        for number, wire in enumerate(wires):
            assert receive_exactly(wire.peer, 5) == b"%d%04d" % (turn, number)


def test_streams_end_while_they_are_scheduled(flushed_wire: MakeWire) -> None:
    source = random.Random(6)
    for number in range(300):
        ours, peer = socket.socketpair()
        with peer:
            wake = _sys.EventFd()
            stream = _sys.Stream(ours.detach(), wake.fd)
            stream.put(b"he", b"llo")
            stream.schedule(_sys.clock() - source.choice([0, MILLISECOND]))
            if source.random() < 0.5:
                time.sleep(source.random() / 5000)
            if number % 3 == 0:
                stream.abandon()
            elif number % 3 == 1:
                stream.close()
            else:
                stream.close()
                del stream
            peer.settimeout(20)
            assert peer.recv(100) in (b"", b"hello")
            wake.close()


DIGEST = """
import hashlib, socket, sys
peer = socket.socket(fileno=int(sys.argv[1]))
peer.setblocking(True)
seen, count = hashlib.sha256(), 0
print("ready", flush=True)
while True:
    data = peer.recv(1 << 16)
    if not data:
        break
    seen.update(data)
    count += len(data)
print(count, seen.hexdigest(), flush=True)
"""


@pytest.mark.parametrize("pair", [socket.socketpair, small_pair, tcp_pair])
def test_the_driver_and_the_flusher_write_together(
    flushed_wire: MakeWire, pair: Callable[[], tuple[socket.socket, socket.socket]]
) -> None:
    frames = 200_000 if pair is not small_pair else 30_000
    wire = flushed_wire(pair())
    stream, clock = wire.stream, _sys.clock
    source = random.Random(7)
    bodies = [source.randbytes(source.choice([0, 1, 10, 60])) for _ in range(1000)]
    sent = []

    def make_room() -> None:
        while not stream.flush():
            assert _sys.poll([(stream.fd, _sys.WRITE)], 10_000 * MILLISECOND)

    with in_other_process(wire, DIGEST) as peer:
        assert line_of(peer) == "ready"
        for number in range(frames):
            head = number.to_bytes(4 if number % 3 else 3, "big")
            body = bodies[number % 1000]
            sent.append(head)
            sent.append(body)
            waiting = stream.put(head, body)
            if waiting > CHUNK or number % 97 == 0:
                make_room()
            elif number % 3001 == 0:
                make_room()
                large = bodies[number % 7] * 5000
                stream.hold(b"large", large)
                sent += [b"large", large]
                stream.schedule(clock())
                while stream.holds():
                    make_room()
            else:
                stream.schedule(clock())
        # The last ones are left to the flusher, unless the kernel is full.
        while stream.unwritten():
            if stream.blocked:
                make_room()
            stream.schedule(clock())
        stream.shutdown_write()
        data = b"".join(sent)
        assert line_of(peer).split() == [str(len(data)), hashlib.sha256(data).hexdigest()]


def test_p35_a_fork_while_a_batch_is_scheduled(flushed_wire: MakeWire) -> None:
    wire = flushed_wire()
    source = random.Random(8)

    def child() -> None:
        # What was scheduled is the parent's to write; the child's own streams get a flusher of their own.
        assert not wire.stream.scheduled()
        wire.stream.abandon()
        for make in wires_of(_sys):
            own = make()
            put_and_schedule(own, b"mi", b"ne")
            assert receive_exactly(own.peer, 4) == b"mine"

    for number in range(20):
        put_and_schedule(wire, b"%02d" % number, b"hello")
        if source.random() < 0.5:
            time.sleep(source.random() / 4000)
        assert in_child(child) == 0
        assert receive_exactly(wire.peer, 7) == b"%02dhello" % number
        assert not is_readable(wire.peer.fileno())


def test_the_flusher_takes_no_signals(flushed_wire: MakeWire) -> None:
    wire = flushed_wire()
    put_and_schedule(wire, b"he", b"llo")
    receive_exactly(wire.peer, 5)
    seen = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(threading.get_ident()))
    try:
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert set(seen) == {threading.main_thread().ident}


# ---- pollsets


@pytest.fixture
def pollset(twin: ModuleType) -> Iterator[Any]:
    """A pollset, closed at the end of the test."""
    pollset = twin.Pollset()
    yield pollset
    pollset.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


Sockets = tuple[socket.socket, socket.socket]


def found(entries: list[int]) -> dict[int, int]:
    """Take what a wait returns to pieces: descriptor -> mask."""
    return {entry >> 32: entry & 0xFFFFFFFF for entry in entries}


def test_a_pollset_is_level_triggered(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    pollset.add(one.fileno(), twin.READ)
    assert pollset.wait(0) == []
    assert pollset.ready() is False
    other.send(b"x")
    for _ in range(3):
        assert found(pollset.wait(-1)) == {one.fileno(): twin.READ}
        assert pollset.ready() is True
    one.recv(10)
    assert pollset.wait(0) == []
    assert not pollset.ready()


def test_what_a_descriptor_is_watched_for_can_change(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    other.send(b"x")
    pollset.add(one.fileno(), 0)
    assert pollset.wait(0) == []
    pollset.modify(one.fileno(), twin.WRITE)
    assert found(pollset.wait(0)) == {one.fileno(): twin.WRITE}
    pollset.modify(one.fileno(), twin.READ | twin.WRITE)
    assert found(pollset.wait(0)) == {one.fileno(): twin.READ | twin.WRITE}
    pollset.remove(one.fileno())
    assert pollset.wait(0) == []


def test_oneshot_fires_once_until_modified(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    pollset.add(one.fileno(), twin.READ | twin.ONESHOT)
    other.send(b"x")
    for _ in range(2):
        assert found(pollset.wait(-1)) == {one.fileno(): twin.READ}
        assert pollset.wait(0) == []
        pollset.modify(one.fileno(), twin.READ | twin.ONESHOT)


def test_a_hangup_is_always_reported(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    pollset.add(one.fileno(), 0)
    other.close()
    assert found(pollset.wait(-1)) == {one.fileno(): twin.HANGUP}


def test_an_error_is_always_reported(twin: ModuleType, pollset: Any) -> None:
    reading, writing = os.pipe()
    pollset.add(writing, 0)
    os.close(reading)
    assert found(pollset.wait(-1)) == {writing: twin.ERROR}
    pollset.remove(writing)
    os.close(writing)


def test_a_wait_returns_64_at_most_and_nobody_is_left_out(twin: ModuleType, pollset: Any) -> None:
    signalers = [twin.EventFd() for _ in range(150)]
    for signaler in signalers:
        signaler.signal()
        pollset.add(signaler.fd, twin.READ | twin.ONESHOT)
    rounds = []
    while ready := found(pollset.wait(0)):
        rounds.append(set(ready))
    assert [len(ready) for ready in rounds] == [64, 64, 22]
    assert set().union(*rounds) == {signaler.fd for signaler in signalers}
    for signaler in signalers:
        signaler.close()


@pytest.mark.parametrize("milliseconds", [0.001, 1, 30])
def test_a_wait_ends_in_time_and_not_before(
    twin: ModuleType, pollset: Any, scaled: Scaled, milliseconds: float
) -> None:
    timeout = int(milliseconds * MILLISECOND)
    for wait in (pollset.wait, lambda timeout: twin.poll([], timeout)):
        began = time.monotonic_ns()
        assert wait(timeout) == []
        elapsed = time.monotonic_ns() - began
        # The kernel counts in milliseconds: rounded up, or a short wait would spin.
        assert timeout * 0.95 <= elapsed < timeout + scaled(20) * 1000 * MILLISECOND
        if milliseconds < 1:
            assert elapsed > 0.8 * MILLISECOND


def test_very_long_waits_are_possible(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    other.send(b"x")
    pollset.add(one.fileno(), twin.READ)
    assert found(pollset.wait((1 << 63) - 1)) == {one.fileno(): twin.READ}
    assert twin.poll([(one.fileno(), twin.READ)], (1 << 63) - 1) == [(one.fileno(), twin.READ)]


def test_a_wait_lets_other_threads_go_on(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    pollset.add(one.fileno(), twin.READ)
    for wait in (lambda: found(pollset.wait(-1)), lambda: dict(twin.poll([(one.fileno(), twin.READ)], -1))):
        thread = threading.Timer(0.01, other.send, [b"x"])
        thread.start()
        assert wait() == {one.fileno(): twin.READ}
        thread.join()
        one.recv(10)


def test_wrong_descriptors_are_errors(twin: ModuleType, pollset: Any, pair: Sockets, tmp_path: Path) -> None:
    one, other = pair
    pollset.add(one.fileno(), twin.READ)
    with pytest.raises(FileExistsError):
        pollset.add(one.fileno(), twin.READ)
    for call in (lambda: pollset.remove(other.fileno()), lambda: pollset.modify(other.fileno(), twin.READ)):
        with pytest.raises(FileNotFoundError):
            call()
    with open(tmp_path / "file", "w") as file, pytest.raises(PermissionError):
        pollset.add(file.fileno(), twin.READ)
    number = other.fileno()
    other.close()
    with pytest.raises(OSError) as caught:
        pollset.add(number, twin.READ)
    assert caught.value.errno == errno.EBADF


def test_pollsets_nest(twin: ModuleType, pollset: Any, pair: Sockets) -> None:
    one, other = pair
    inner = twin.Pollset()
    inner.add(one.fileno(), twin.READ)
    pollset.add(inner.fd, twin.READ)
    assert pollset.wait(0) == []
    other.send(b"x")
    assert found(pollset.wait(-1)) == {inner.fd: twin.READ}
    pollset.remove(inner.fd)
    inner.close()


def test_a_pollset_is_closed_once(twin: ModuleType) -> None:
    pollset = twin.Pollset()
    fd = pollset.fd
    assert not os.get_inheritable(fd)
    pollset.close()
    assert pollset.fd == -1
    with pytest.raises(OSError):
        os.fstat(fd)
    pollset.close()


class Interrupted(Exception):
    pass


@contextlib.contextmanager
def alarm(handler: Callable[..., object], after: float, every: float = 0) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, after, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("call", ["wait", "poll"])
def test_p37_a_signal_handler_that_raises_ends_the_wait(
    twin: ModuleType, pollset: Any, pair: Sockets, call: str
) -> None:
    one, _ = pair
    pollset.add(one.fileno(), twin.READ)
    calls = {"wait": lambda: pollset.wait(-1), "poll": lambda: twin.poll([(one.fileno(), twin.READ)], -1)}

    def interrupt(*_: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted), alarm(interrupt, 0.02):
        calls[call]()


@pytest.mark.parametrize("call", ["wait", "poll"])
def test_p37_a_signal_handler_that_returns_has_run(twin: ModuleType, pollset: Any, pair: Sockets, call: str) -> None:
    one, other = pair
    pollset.add(one.fileno(), twin.READ)
    calls: dict[str, Callable[[], dict[int, int]]] = {
        "wait": lambda: found(pollset.wait(-1)),
        "poll": lambda: dict(twin.poll([(one.fileno(), twin.READ)], -1)),
    }
    with alarm(lambda *_: other.send(b"x"), 0.02):
        # A wait may come back with nothing, but not before the handler has run.
        answer = calls[call]() or calls[call]()
    assert answer == {one.fileno(): twin.READ}


# ---- poll


def test_poll(twin: ModuleType, pair: Sockets) -> None:
    one, other = pair
    both = twin.READ | twin.WRITE
    assert twin.poll([(one.fileno(), twin.READ)], 0) == []
    assert twin.poll([(one.fileno(), twin.READ), (other.fileno(), twin.WRITE)], 0) == [(other.fileno(), twin.WRITE)]
    other.send(b"x")
    assert twin.poll([(one.fileno(), both)], -1) == [(one.fileno(), both)]
    other.close()
    (ready,) = twin.poll([(one.fileno(), 0)], -1)
    assert ready == (one.fileno(), twin.HANGUP)


def test_poll_of_a_descriptor_named_twice(twin: ModuleType, pair: Sockets) -> None:
    one, other = pair
    other.send(b"x")
    answers = twin.poll([(one.fileno(), twin.READ), (one.fileno(), twin.WRITE)], 0)
    assert {fd for fd, _ in answers} == {one.fileno()}
    together = 0
    for _, mask in answers:
        together |= mask
    assert together == twin.READ | twin.WRITE


def test_poll_names_closed_descriptors(twin: ModuleType) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.close(writing)
    assert twin.poll([(reading, twin.READ)], -1) == [(reading, 32)]  # POLLNVAL


# ---- eventfds


def test_an_eventfd(twin: ModuleType) -> None:
    event = twin.EventFd()
    assert not os.get_inheritable(event.fd)
    assert not os.get_blocking(event.fd)
    assert not is_readable(event.fd)
    event.drain()
    for _ in range(3):
        event.signal()
    assert is_readable(event.fd)
    event.drain()
    assert not is_readable(event.fd)
    event.signal()
    assert is_readable(event.fd)
    event.close()


def test_a_full_eventfd_stays_readable(twin: ModuleType) -> None:
    event = twin.EventFd()
    os.write(event.fd, ((1 << 64) - 2).to_bytes(8, sys.byteorder))
    event.signal()
    assert is_readable(event.fd)
    event.drain()
    assert not is_readable(event.fd)
    event.close()


def test_a_closed_eventfd_takes_signals_and_does_nothing(twin: ModuleType) -> None:
    event = twin.EventFd()
    fd = event.fd
    event.close()
    assert event.fd == -1
    event.signal()
    event.drain()
    event.close()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_p24_signals_never_reach_the_next_file_of_that_number(twin: ModuleType, eager_threads: None) -> None:
    for _ in range(100):
        event = twin.EventFd()
        stop = threading.Event()

        def signal_on(event: Any = event, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                event.signal()

        thread = threading.Thread(target=signal_on)
        thread.start()
        number = event.fd
        event.close()
        one, other = socket.socketpair()
        reused = number in (one.fileno(), other.fileno())
        stop.set()
        thread.join()
        assert not is_readable(one.fileno()) and not is_readable(other.fileno()), f"number reused: {reused}"
        one.close()
        other.close()


# ---- timers


@pytest.fixture
def timer(twin: ModuleType) -> Iterator[int]:
    """A timerfd, closed at the end of the test."""
    if not twin.HAS_TIMERFD:
        pytest.skip("this platform has no timerfd")
    fd = twin.timerfd()
    yield fd
    twin.close(fd)


def test_a_timer(twin: ModuleType, timer: int) -> None:
    assert not os.get_inheritable(timer)
    assert not os.get_blocking(timer)
    assert not is_readable(timer)
    began = time.monotonic_ns()
    twin.timerfd_arm(timer, 20 * MILLISECOND)
    early = is_readable(timer)
    assert not early or time.monotonic_ns() - began >= 20 * MILLISECOND
    assert is_readable(timer, 10)
    assert time.monotonic_ns() - began >= 20 * MILLISECOND


def test_a_timer_of_more_than_a_second(twin: ModuleType, timer: int) -> None:
    # Seconds and nanoseconds go in apart.
    twin.timerfd_arm(timer, 3_000_000_005)
    assert not is_readable(timer, 0.01)
    twin.timerfd_arm(timer, 1)
    assert is_readable(timer, 10)


@pytest.mark.parametrize("after", [0, 10_000_000_000])
def test_arming_clears_an_expiry(twin: ModuleType, timer: int, after: int) -> None:
    twin.timerfd_arm(timer, 1)
    assert is_readable(timer, 10)
    twin.timerfd_arm(timer, after)
    assert not is_readable(timer)


def test_a_timer_can_be_disarmed(twin: ModuleType, timer: int) -> None:
    twin.timerfd_arm(timer, 5 * MILLISECOND)
    twin.timerfd_arm(timer, 0)
    assert not is_readable(timer, 0.02)


def test_a_negative_time_is_an_error(twin: ModuleType, timer: int) -> None:
    with pytest.raises(OSError) as caught:
        twin.timerfd_arm(timer, -1)
    assert caught.value.errno == errno.EINVAL


def test_arming_what_is_no_timer_is_an_error(twin: ModuleType) -> None:
    event = twin.EventFd()
    with pytest.raises(OSError) as caught:
        twin.timerfd_arm(event.fd, 1)
    assert caught.value.errno == errno.EINVAL
    event.close()


# ---- descriptors


def test_close_a_descriptor(twin: ModuleType) -> None:
    reading, writing = os.pipe()
    twin.close(reading)
    twin.close(writing)
    with pytest.raises(OSError) as caught:
        twin.close(writing)
    assert caught.value.errno == errno.EBADF
