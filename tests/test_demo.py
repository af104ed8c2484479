"""The demo has a row for each loop, and judges rightly; test_examples.py has the server that it began with."""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mqbridge
from mqbridge.loops import Adapter, available

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
MODULES = ("clients", "demo", "demo_loops", "demo_run", "server", "service")
ADAPTERS = {adapter.name: adapter for adapter in available()}
LIMIT = 60

sys.path.insert(0, str(EXAMPLES))
try:
    LOOPS: dict[str, Any] = importlib.import_module("demo_loops").LOOPS
finally:
    sys.path.remove(str(EXAMPLES))
    for module in MODULES:
        sys.modules.pop(module, None)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module examples/demo.py, which finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    assert not any(name in sys.modules for name in MODULES)
    yield importlib.import_module("demo")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def run(demo: ModuleType) -> ModuleType:
    """The module examples/demo_run.py, as the demo has it."""
    return sys.modules["demo_run"]


def rows(output: str) -> dict[str, list[str]]:
    """Return the cells of the demo's table by the title of the loop."""
    _, _, _, head, *lines = output.splitlines()
    place = head.index("with")
    assert head.split() == ["loop", "with", "round", "trip", "messages/s", "wake-ups", "lost"]
    return {line[:place].strip(): re.split(" {2,}", line[place:]) for line in lines[: lines.index("")]}


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "").removesuffix(" µs")) for cell in cells[1:]]


def test_each_adapter_has_a_loop() -> None:
    assert {loop.adapter for loop in LOOPS.values()} == set(ADAPTERS)


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_loses_nothing(name: str) -> None:
    loop = LOOPS[name]
    adapter = ADAPTERS[loop.adapter]
    if adapter.problem:
        pytest.skip(adapter.problem)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), "--loop", name, "--messages", "100"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"mqbridge {mqbridge.__version__}, {'compiled' if mqbridge.COMPILED else 'interpreted'}\n"
    )
    cells = rows(done.stdout)[loop.title]
    assert cells[0] == f"{adapter.library} {adapter.version}"
    round_trip, rate, wakeups, lost = numbers(cells)
    assert round_trip > 0 and rate > 0 and wakeups > 0 and lost == 0
    assert "Nothing lost: 1 of 1 loops are here, and exchanged 1,300 messages." in done.stdout.splitlines()


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_serves_tcp_clients_who_come_and_go(
    name: str, run: ModuleType, scaled: Callable[[float], float], wait_for: Callable[..., None]
) -> None:
    if ADAPTERS[LOOPS[name].adapter].problem:
        pytest.skip(ADAPTERS[LOOPS[name].adapter].problem)
    deadline = run.time.monotonic() + scaled(20)
    with run.Child("server", "demo_loops.py", name, str(LIMIT), deadline=deadline) as server, mqbridge.Context() as ctx:
        rep, _, lines = (server.line().split()[1] for _ in range(3))
        host, _, port = lines.rpartition(":")
        requests = run.Requests(ctx, rep, server)
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
        [sys.executable, str(EXAMPLES / "demo_loops.py"), "asyncio", "0.01"], capture_output=True, timeout=LIMIT
    )
    assert done.returncode == -signal.SIGALRM


def test_only_known_loops() -> None:
    done = subprocess.run([sys.executable, str(EXAMPLES / "demo_loops.py"), "x"], capture_output=True, timeout=LIMIT)
    assert done.returncode == 1 and done.stderr.startswith(b"usage: python examples/demo_loops.py selectors|asyncio|")


def test_without_pyzmq(demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    assert demo.main(["--messages", "20", "--loop", "selectors"]) == 0
    shown = capsys.readouterr().out
    assert "without pyzmq, which is not installed" in shown
    assert "Nothing lost: 1 of 1 loops are here, and exchanged 140 messages." in shown


def test_a_loop_that_is_not_installed_has_a_row(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Adapter("trio", "mqbridge.loops.trio", "trio", "", "trio is not installed: pip install mqbridge[trio]"),
        ADAPTERS["selectors"],
    ]
    monkeypatch.setattr(demo, "available", lambda: found)
    assert demo.main(["--messages", "20", "--loop", "trio", "--loop", "selectors"]) == 0
    shown = capsys.readouterr().out
    assert rows(shown)["trio"] == ["-", "not here: trio is not installed: pip install mqbridge[trio]"]
    assert numbers(rows(shown)["selectors"])[-1] == 0
    assert "Nothing lost: 1 of 2 loops are here" in shown


def test_a_loop_that_fails_is_shown_as_such(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "trio.py"
    broken.write_text("raise ImportError('this is no trio')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(demo, "available", lambda: [Adapter("trio", "mqbridge.loops.trio", "trio", "1", "")])
    assert demo.main(["--messages", "20", "--loop", "trio"]) == 1
    shown = capsys.readouterr()
    why = "server: ended with status 1: ImportError: this is no trio"
    assert f"trio  trio 1  failed: {why}" in shown.out.splitlines()
    assert shown.err.splitlines() == [f"error: trio: {why}"]
    assert "Nothing lost" not in shown.out


def test_it_fails_when_a_server_dies(
    demo: ModuleType, run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = run.exchange

    def kill_and_exchange(result: Any, requests: Any, clients: Any, server: Any) -> None:
        server.process.kill()
        exchange(result, requests, clients, server)

    monkeypatch.setattr(run, "exchange", kill_and_exchange)
    assert demo.main(["--messages", "20", "--loop", "selectors"]) == 1
    shown = capsys.readouterr()
    assert rows(shown.out)["selectors"][-1] == "failed: server: ended with status -9"
    assert "error: selectors: server: ended with status -9" in shown.err.splitlines()


def test_it_fails_when_a_client_dies(
    demo: ModuleType, run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.Client, "start", kill_instead_of("mqbridge REQ-REP", run.Client.start))
    assert demo.main(["--messages", "20", "--loop", "selectors"]) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "error: selectors: mqbridge REQ-REP: ended with status -9",
        "error: selectors: mqbridge REQ-REP: 20 of 20 messages lost",
    ]
    assert numbers(rows(shown.out)["selectors"])[-1] == 20
    assert "Nothing lost" not in shown.out


def kill_instead_of(name: str, start: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda client: client.process.kill() if client.name == name else start(client)


def test_it_fails_when_events_are_missing_or_misplaced(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = run.Requests.arrived

    def tampered(requests: Any, sent: dict[str, int]) -> Any:
        senders = arrived(requests, sent)
        senders["mqbridge PUSH-PULL"]["received"] -= 2
        senders["mqbridge PUSH-PULL"]["misplaced"] += 1
        return senders

    monkeypatch.setattr(run.Requests, "arrived", tampered)
    result = run.run("selectors", ["mqbridge"], 20, LIMIT)
    assert result.problems == [
        "mqbridge PUSH-PULL: 1 messages came twice or out of order",
        "mqbridge PUSH-PULL: 3 of 100 messages lost",
    ]
    assert (result.lost, result.messages, result.failed) == (3, 140, False)


def test_it_fails_when_an_idle_loop_spins(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.Requests, "computing", lambda requests: 0.98)
    result = run.run("selectors", ["mqbridge"], 20, LIMIT)
    assert result.problems == ["server: computes for 98% of the time without anything to do"]


def test_it_has_a_time_limit(demo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--messages", "10000000", "--time-limit", "0.5", "--loop", "selectors"]) == 1
    assert "in time" in capsys.readouterr().err


def test_it_ends_by_a_signal(
    demo: ModuleType, run: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    started = []

    def start_and_stop(client: Any) -> None:
        started.append(client)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run.Client, "start", start_and_stop)
    assert demo.main(["--messages", "20", "--loop", "selectors"]) == 1
    assert "error: stopped by a signal" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is handler
    assert all(client.process.returncode is not None for client in started)
