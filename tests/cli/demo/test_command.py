"""The demo has a row for each loop, and says what came of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mqbridge
from mqbridge.cli.demo import command, running
from mqbridge.cli.demo.loops import LOOPS
from mqbridge.cli.failures import Ended
from mqbridge.loops import Adapter, available

ADAPTERS = {adapter.name: adapter for adapter in available()}
LIMIT = 60


def run_demo(*arguments: str) -> int:
    """Run the command here; return its exit status."""
    with pytest.raises(SystemExit) as caught:
        command.command.main(list(arguments))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def rows(output: str) -> dict[str, list[str]]:
    """Return the cells of the demo's table by the title of the loop."""
    _, _, _, head, *lines = output.splitlines()
    place = head.index("with")
    assert head.split() == ["loop", "with", "round", "trip", "messages/s", "wake-ups", "lost"]
    return {line[:place].strip(): re.split(" {2,}", line[place:]) for line in lines[: lines.index("")]}


def numbers(cells: list[str]) -> list[int]:
    return [int(cell.replace(",", "").removesuffix(" µs")) for cell in cells[1:]]


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_loses_nothing(name: str) -> None:
    loop = LOOPS[name]
    adapter = ADAPTERS[loop.adapter]
    if adapter.problem:
        pytest.skip(adapter.problem)
    done = subprocess.run(
        [sys.executable, "-m", "mqbridge", "demo", "--loop", name, "--messages", "100"],
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


def test_without_pyzmq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    assert run_demo("--messages", "20", "--loop", "selectors") == 0
    shown = capsys.readouterr().out
    assert "without pyzmq, which is not installed" in shown
    assert "Nothing lost: 1 of 1 loops are here, and exchanged 140 messages." in shown


def test_a_loop_that_is_not_installed_has_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [
        Adapter("trio", "mqbridge.loops.trio", "trio", "", "trio is not installed: pip install mqbridge[trio]"),
        ADAPTERS["selectors"],
    ]
    monkeypatch.setattr(command, "available", lambda: found)
    assert run_demo("--messages", "20", "--loop", "trio", "--loop", "selectors") == 0
    shown = capsys.readouterr().out
    assert rows(shown)["trio"] == ["-", "not here: trio is not installed: pip install mqbridge[trio]"]
    assert numbers(rows(shown)["selectors"])[-1] == 0
    assert "Nothing lost: 1 of 2 loops are here" in shown


def test_a_loop_that_fails_is_shown_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "trio.py"
    broken.write_text("raise ImportError('this is no trio')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(command, "available", lambda: [Adapter("trio", "mqbridge.loops.trio", "trio", "1", "")])
    assert run_demo("--messages", "20", "--loop", "trio") == 1
    shown = capsys.readouterr()
    why = "server: ended with status 1: ImportError: this is no trio"
    assert f"trio  trio 1  failed: {why}" in shown.out.splitlines()
    assert shown.err.splitlines() == [f"error: trio: {why}"]
    assert "Nothing lost" not in shown.out


def test_it_fails_when_a_server_dies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    exchange = running.exchange

    def kill_and_exchange(result: Any, requests: Any, clients: Any, server: Any) -> None:
        server.process.kill()
        exchange(result, requests, clients, server)

    monkeypatch.setattr(running, "exchange", kill_and_exchange)
    assert run_demo("--messages", "20", "--loop", "selectors") == 1
    shown = capsys.readouterr()
    assert rows(shown.out)["selectors"][-1] == "failed: server: ended with status -9"
    assert "error: selectors: server: ended with status -9" in shown.err.splitlines()


def test_it_fails_when_a_client_dies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(running.Client, "start", kill_instead_of("mqbridge REQ-REP", running.Client.start))
    assert run_demo("--messages", "20", "--loop", "selectors") == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "error: selectors: mqbridge REQ-REP: ended with status -9",
        "error: selectors: mqbridge REQ-REP: 20 of 20 messages lost",
    ]
    assert numbers(rows(shown.out)["selectors"])[-1] == 20
    assert "Nothing lost" not in shown.out


def kill_instead_of(name: str, start: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda client: client.process.kill() if client.name == name else start(client)


def test_it_has_a_time_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo("--messages", "10000000", "--time-limit", "0.5", "--loop", "selectors") == 1
    assert "in time" in capsys.readouterr().err


def test_it_ends_by_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    started = []

    def start_and_stop(client: Any) -> None:
        started.append(client)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(running.Client, "start", start_and_stop)
    with pytest.raises(Ended) as caught:
        command.command.main(["--messages", "20", "--loop", "selectors"])
    assert caught.value.status == 143
    assert signal.getsignal(signal.SIGTERM) is handler
    assert all(client.process.returncode is not None for client in started)
