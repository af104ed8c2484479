"""The endpoint: who can open it, what it answers, and that it is in nobody's way, also in forks and at the exit."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.inspection import Inspector, Snapshot, serve
from mqbridge.inspection import server as module

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/inspect"


def test_it_answers_any_zeromq_socket(endpoint: str) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PUB), serve(context, endpoint) as server:
        assert server.endpoint == endpoint
        stock: Any = zmq.Context()
        with stock, stock.socket(zmq.REQ) as asking:
            asking.linger = 0
            asking.connect(endpoint)
            for _ in range(3):
                asking.send(b"snapshot")
                found = Snapshot.from_json(asking.recv())
                assert [each.type for each in found.sockets] == ["PUB"]
            asking.send_multipart([b"something", b"else"])
            assert "snapshot" in json.loads(asking.recv())["error"]


def test_the_file_is_for_this_user_alone_whatever_the_umask(endpoint: str) -> None:
    path = endpoint.removeprefix("ipc://")
    before = os.umask(0)
    try:
        with mqbridge.Context() as context, serve(context, endpoint):
            mode = os.stat(path).st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o600
    finally:
        os.umask(before)
    assert not os.path.exists(path)


def test_its_own_sockets_are_in_no_snapshot(endpoint: str) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP):
        with serve(None, endpoint), Inspector(endpoint) as inspector:
            found = inspector.snapshot(10_000)
            assert [each.type for each in found.sockets] == ["REP"]
            assert not [each for each in found.sockets if any("inspect" in at.endpoint for at in each.endpoints)]


def test_tcp_by_loopback_only() -> None:
    with serve(None, "tcp://127.0.0.1:*") as server:
        assert not server.endpoint.endswith(":*")
        with Inspector(server.endpoint) as inspector:
            assert inspector.snapshot(10_000).pid == os.getpid()
    for wide in ("tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://192.0.2.1:5555", "inproc://x"):
        with pytest.raises(mqbridge.ZMQError, match="for your user alone") as caught:
            serve(None, wide)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("broken", ["", "nonsense", "ipc://", "ipc://@abstract", "tcp://127.0.0.1"])
def test_endpoints_that_are_refused(broken: str) -> None:
    with pytest.raises(mqbridge.ZMQError):
        serve(None, broken)


def test_what_is_no_context_is_refused(endpoint: str) -> None:
    with pytest.raises(TypeError):
        serve(3, endpoint)


def test_an_endpoint_in_use_and_one_left_over(endpoint: str) -> None:
    with serve(None, endpoint):
        with pytest.raises(mqbridge.ZMQError, match="inspect") as caught:
            serve(None, endpoint)
        assert caught.value.errno == errno.EADDRINUSE
        # It has not been taken away from its owner.
        with Inspector(endpoint) as inspector:
            inspector.snapshot(10_000)
    code = f"from mqbridge.inspection import serve; import os; s = serve(None, {endpoint!r}); os._exit(0)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert os.path.exists(endpoint.removeprefix("ipc://"))
    with serve(None, endpoint), Inspector(endpoint) as inspector:
        assert inspector.snapshot(10_000).pid == os.getpid()


def test_a_file_that_somebody_else_has_put_there_stays(endpoint: str) -> None:
    path = Path(endpoint.removeprefix("ipc://"))
    with serve(None, endpoint):
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"
    with pytest.raises(mqbridge.ZMQError):
        serve(None, endpoint)
    assert path.read_text() == "mine"


def test_term_does_not_wait_for_it(endpoint: str) -> None:
    context = mqbridge.Context()
    with serve(context, endpoint), Inspector(endpoint) as inspector:
        inspector.snapshot(10_000)
        ended = threading.Thread(target=context.term)
        ended.start()
        ended.join(10)
        assert not ended.is_alive()
        # The context is gone, and so are its sockets.
        assert inspector.snapshot(10_000).sockets == ()
        del context
        assert inspector.snapshot(10_000).sockets == ()


def test_closing_twice(endpoint: str) -> None:
    server = serve(None, endpoint)
    server.close()
    server.close()
    with serve(None, endpoint):
        pass


PROGRAM = """
import os, sys, mqbridge
from mqbridge.inspection import serve
context = mqbridge.Context()
{body}
"""


def run(body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM.format(body=body), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_it_keeps_no_process_alive_and_tidies_up(endpoint: str) -> None:
    done = run("server = serve(context, sys.argv[1]); context.term()", endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not os.path.exists(endpoint.removeprefix("ipc://"))


FORKING = """
server = serve(None, sys.argv[1])
pull = context.socket(mqbridge.PULL)
child = os.fork()
if child == 0:
    server.close()
    other = mqbridge.Context()
    made = other.socket(mqbridge.PUSH)
    from mqbridge.inspection import snapshot
    types = [each.type for each in snapshot().sockets]
    made.close(); other.term()
    os._exit(0 if types == ["PUSH"] else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
from mqbridge.inspection import Inspector
with Inspector(sys.argv[1]) as inspector:
    print(status, [each.type for each in inspector.snapshot(10_000).sockets])
pull.close()
context.term()
server.close()
"""


def test_a_forked_child_has_nothing_of_it_and_disturbs_nothing(endpoint: str) -> None:
    done = run(FORKING, endpoint)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 ['PULL']\n", "")


def test_a_child_closes_its_copies_of_the_descriptors(endpoint: str) -> None:
    body = """
server = serve(None, sys.argv[1])
path = sys.argv[1].removeprefix("ipc://")
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    os.write(tell, b"x")
    os.read(0, 1)
    os._exit(0)
os.read(ready, 1)
server.close()
import socket
probe = socket.socket(socket.AF_UNIX)
assert not os.path.exists(path)
held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
print(len([name for name in held if name.startswith("socket:")]))
os.kill(child, 9); os.waitpid(child, 0)
probe.close()
context.term()
"""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell which descriptors a process has")
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", PROGRAM.format(body=body), endpoint],
            stdin=reader,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_nobody_stops_it_by_what_he_sends(endpoint: str, wait_for: Callable[..., None]) -> None:
    with serve(None, endpoint), mqbridge.Context() as context:
        with context.socket(mqbridge.DEALER) as hostile:
            hostile.linger = 0
            hostile.connect(endpoint)
            for message in ([b""], [b"snapshot"], [b"", b"x" * 5000], [b"a", b"b", b"c"]):
                hostile.send_multipart(message)
            with Inspector(endpoint) as inspector:
                assert inspector.snapshot(10_000).pid == os.getpid()


def test_the_servers_of_a_process_are_known_while_they_are_there(endpoint: str) -> None:
    with serve(None, endpoint) as server:
        assert server in module._servers
    del server
