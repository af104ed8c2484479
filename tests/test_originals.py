"""The engine's threads, locks and sockets are real ones, also under gevent's monkey patching."""

from __future__ import annotations

import _socket
import _thread
import importlib.util
import os
import select
import subprocess
import sys

import pytest

from mqbridge import _originals

needs_gevent = pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None, reason="gevent is not installed: pip install gevent"
)

# What gevent does, as far as the originals are concerned: it puts its own things in place, takes `select.epoll` away,
# and keeps what was there in `gevent.monkey.saved`.
FAKE_PATCH = """
import _thread, select, sys, types

saved = {}
monkey = types.ModuleType("gevent.monkey")
monkey.saved = saved
sys.modules["gevent"] = types.ModuleType("gevent")
sys.modules["gevent.monkey"] = monkey

def patch(module, name):
    original = saved.setdefault(module.__name__, {})[name] = getattr(module, name)

    def replacement(*arguments):
        # The import system uses these too, and may. Compiled code has no frame: then the program itself seems to call.
        caller = sys._getframe(1).f_globals["__name__"]
        assert caller != "__main__" and not caller.startswith("mqbridge"), f"{caller} uses the replaced {name}"
        return original(*arguments)

    setattr(module, name, replacement)
    return original

def patch_all():
    real = [patch(_thread, name) for name in ("allocate_lock", "get_ident", "start_new_thread")]
    real += [patch(select, name) for name in ("epoll", "poll")]
    del select.epoll
    return real
"""

CHECK_FAKE = """
from mqbridge import _originals as found
names = [found.allocate_lock, found.get_ident, found.start_thread, found.epoll, found.poll_object]
assert names == real, names
assert not hasattr(select, "epoll") and _thread.allocate_lock is not real[0]
"""

# The same program must be able to fail: it uses a replacement itself.
USE_FAKE = """
try:
    _thread.allocate_lock()
except AssertionError as error:
    print(error)
"""

# A round trip with all that needs a thread, a lock or a poll: the caretaker accepts, a thread answers.
ROUND_TRIP = """
import mqbridge
from mqbridge import _originals
context = mqbridge.Context()
rep, req = context.socket(mqbridge.REP), context.socket(mqbridge.REQ)
port = rep.bind_to_random_port("tcp://127.0.0.1")
req.connect(f"tcp://127.0.0.1:{port}")
finished = _originals.allocate_lock()
finished.acquire()

def answer():
    rep.send(rep.recv().upper())
    finished.release()

_originals.start_thread(answer, ())
req.send(b"hello")
assert req.poll(10_000) == mqbridge.POLLIN
assert req.recv() == b"HELLO"
assert finished.acquire(True, 10)
context.destroy(linger=0)
print("done")
"""


def run(code: str, *options: str) -> str:
    """Run a program in a process of its own; return what it prints."""
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_gevent_they_are_the_standard_library_s() -> None:
    if "gevent.monkey" in sys.modules:
        pytest.skip("this process has loaded gevent")
    assert _originals.allocate_lock is _thread.allocate_lock
    assert _originals.get_ident is _thread.get_ident
    assert _originals.start_thread is _thread.start_new_thread
    assert _originals.socket is _socket.socket
    assert _originals.getaddrinfo is _socket.getaddrinfo
    assert _originals.epoll is getattr(select, "epoll", None)
    assert _originals.poll_object is select.poll


def test_importing_mqbridge_imports_no_gevent() -> None:
    assert run("import sys, mqbridge; print([name for name in sys.modules if name.startswith('gevent')])") == "[]"


def test_the_fake_notices_who_uses_it() -> None:
    assert run(f"{FAKE_PATCH}\npatch_all()\n{USE_FAKE}") == "__main__ uses the replaced allocate_lock"


def test_patched_before_the_import() -> None:
    run(f"{FAKE_PATCH}\nreal = patch_all()\n{CHECK_FAKE}")


def test_patched_after_the_import() -> None:
    # `from mqbridge import _originals` finds it imported: what it has, it keeps.
    run(f"{FAKE_PATCH}\nimport mqbridge\nreal = patch_all()\n{CHECK_FAKE}")


def test_loaded_but_not_patched() -> None:
    run(
        f"{FAKE_PATCH}\nreal = (_thread.allocate_lock, select.epoll)\n"
        "from mqbridge import _originals as found\nassert (found.allocate_lock, found.epoll) == real"
    )


def test_what_the_platform_lacks_is_none() -> None:
    run(
        "import select\nif hasattr(select, 'epoll'): del select.epoll\n"
        "from mqbridge import _originals as found\nassert found.epoll is None"
    )


@pytest.mark.parametrize("when", ["before", "after"])
def test_sockets_work_when_the_standard_library_is_patched(when: str) -> None:
    first = "import mqbridge\n" if when == "after" else ""
    assert run(f"{first}{FAKE_PATCH}\npatch_all()\n{ROUND_TRIP}") == "done"


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
"""

GREENLETS_GO_ON = """
import gevent, threading, time
assert threading.get_ident() != 0 and not hasattr(__import__("select"), "epoll")
ticks = []
greenlet = gevent.spawn(lambda: ticks.append(time.sleep(0)))
greenlet.join(10)
assert ticks == [None]
"""


@needs_gevent
@pytest.mark.parametrize("when", ["before", "after"])
def test_sockets_work_under_gevent(when: str) -> None:
    programs = {"before": GEVENT + "import mqbridge\n", "after": "import mqbridge\n" + GEVENT}
    assert run(programs[when] + ROUND_TRIP + GREENLETS_GO_ON) == "done"


@needs_gevent
@pytest.mark.parametrize("when", ["before", "after"])
def test_originals_under_gevent(when: str) -> None:
    real = "import _thread, select\nreal = (_thread.allocate_lock, _thread.get_ident, select.epoll, select.poll)\n"
    programs = {"before": real + GEVENT, "after": real + "import mqbridge\n" + GEVENT}
    check = (
        "from mqbridge import _originals as found\n"
        "names = (found.allocate_lock, found.get_ident, found.epoll, found.poll_object)\n"
        "assert names == real, names\n"
    )
    run(programs[when] + check)
