"""MQBRIDGE_INSPECT: programs that know nothing of it, also on pyzmq, forked ones, and when it does not work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mqbridge.inspection import Inspector, Snapshot

# Each makes sockets, says that it is there, and ends when its input does.
MQBRIDGE = "import mqbridge as zmq, sys; c = zmq.Context()"
PYZMQ = "import zmq, sys; c = zmq.Context()"
BODY = """
with c, c.socket(zmq.PULL) as pull:
    pull.bind("tcp://127.0.0.1:*")
    print("ready", flush=True)
    sys.stdin.read()
"""
FORKED = """
import os
child = os.fork()
if child == 0:
    c = zmq.Context()
    made = c.socket(zmq.PUB)
os.write(1, b"%d" % os.getpid() + bytes([10]))
sys.stdin.read()
if child == 0:
    made.close(); c.term(); os._exit(0)
os.waitpid(child, 0)
c.term()
"""


@contextmanager
def program(code: str, endpoint: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        env={**os.environ, "MQBRIDGE_INSPECT": endpoint, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")


def look(endpoint: str) -> Snapshot:
    with Inspector(endpoint) as inspector:
        return inspector.snapshot(20_000)


@pytest.mark.parametrize(
    ("code", "backend"), [(MQBRIDGE + BODY, ""), (PYZMQ + BODY, "mqbridge.pyzmq")], ids=["mqbridge", "pyzmq"]
)
def test_a_program_that_knows_nothing_of_it(code: str, backend: str, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/inspect"
    more = {"PYZMQ_BACKEND": backend} if backend else {}
    with program(code, endpoint, **more) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found = look(endpoint)
        assert found.pid == process.pid
        assert [each.type for each in found.sockets] == ["PULL"]
    assert not (tmp_path / "inspect").exists()


def test_each_process_by_its_number(tmp_path: Path) -> None:
    with program(MQBRIDGE + FORKED, f"ipc://{tmp_path}/{{pid}}") as process:
        assert process.stdout is not None
        for number in {int(process.stdout.readline()) for _ in range(2)}:
            found = look(f"ipc://{tmp_path}/{number}")
            assert found.pid == number
            assert [each.type for each in found.sockets] == ([] if number == process.pid else ["PUB"])


def test_a_forked_child_leaves_the_one_endpoint_alone(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/inspect"
    with program(MQBRIDGE + FORKED, endpoint) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        assert look(endpoint).pid == process.pid


@pytest.mark.parametrize("endpoint", ["nonsense", "ipc:///there/is/no/such/directory/x", "tcp://*:5555"])
def test_what_does_not_work_is_said_and_disturbs_nothing(endpoint: str) -> None:
    code = MQBRIDGE + "; s = c.socket(zmq.PUB); s.close(); c.term(); print('done'); sys.stdin.read()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "MQBRIDGE_INSPECT": endpoint},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("mqbridge: MQBRIDGE_INSPECT: ")
    assert done.stderr.endswith("; this process is not inspected\n")


def test_a_process_without_a_context_serves_nothing(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/inspect"
    with program(f"import mqbridge, os; assert not os.path.exists(r'{tmp_path}/inspect')", endpoint):
        pass


def test_without_the_variable_nothing_of_it_is_imported() -> None:
    code = "import sys, mqbridge; mqbridge.Context().term(); print([n for n in sys.modules if 'inspection' in n])"
    environment = {name: value for name, value in os.environ.items() if name != "MQBRIDGE_INSPECT"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")
