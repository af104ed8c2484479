"""Each loop serves all that comes, and ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

import mqbridge
from mqbridge.cli.demo import running
from mqbridge.cli.demo.loops import LOOPS
from mqbridge.loops import available

ADAPTERS = {adapter.name: adapter for adapter in available()}
LIMIT = 60


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_serves_tcp_clients_who_come_and_go(
    name: str, scaled: Callable[[float], float], wait_for: Callable[..., None]
) -> None:
    if ADAPTERS[LOOPS[name].adapter].problem:
        pytest.skip(ADAPTERS[LOOPS[name].adapter].problem)
    deadline = running.time.monotonic() + scaled(20)
    with running.Child("server", "loops.py", name, str(LIMIT), deadline=deadline) as server, mqbridge.Context() as ctx:
        rep, _, lines = (server.line().split()[1] for _ in range(3))
        host, _, port = lines.rpartition(":")
        requests = running.Requests(ctx, rep, server)
        for _ in range(3):
            with socket.create_connection((host, int(port)), timeout=scaled(10)) as connection:
                connection.sendall(b"one\r\ntwo\nunfin")
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile("rb") as answers:
                    assert answers.read() == b"ONE\nTWO\n"
        wait_for(lambda: requests.statistics()["clients"] == 0, "the end of the clients")
        assert requests.statistics()["lines"] == 6
        requests.socket.close()


def test_a_server_that_is_forgotten_ends_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mqbridge.cli.demo.loops", "asyncio", "0.01"], capture_output=True, timeout=LIMIT
    )
    assert done.returncode == -signal.SIGALRM


def test_only_known_loops() -> None:
    done = subprocess.run([sys.executable, "-m", "mqbridge.cli.demo.loops", "x"], capture_output=True, timeout=LIMIT)
    assert done.returncode == 1 and done.stderr.startswith(
        b"usage: python -m mqbridge.cli.demo.loops selectors|asyncio|"
    )


def test_each_adapter_has_a_loop() -> None:
    assert {loop.adapter for loop in LOOPS.values()} == set(ADAPTERS)
