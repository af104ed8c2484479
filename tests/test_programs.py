"""The example programs, each wholly and side by side: every side by either library, with the same outcome."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import mqbridge

pytest.importorskip("zmq")

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
LIBRARIES = ("mqbridge", "zmq")
ANYWHERE = "tcp://127.0.0.1:*"

each_library = pytest.mark.parametrize("library", LIBRARIES)
both_ways = pytest.mark.parametrize(("one", "other"), [(one, other) for one in LIBRARIES for other in LIBRARIES])
with_proxy = pytest.mark.skipif(not hasattr(mqbridge, "proxy"), reason="there is no mqbridge.proxy yet")


class Program:
    """An example that runs by one of the libraries; warnings are errors there as they are here."""

    def __init__(self, library: str, name: str, *arguments: str, limit: float) -> None:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {"ZMQ_LIBRARY": library, "PYTHONWARNINGS": "error", "PYTHONPATH": os.pathsep.join(paths)}
        self.what = " ".join([library, name, *arguments])
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(EXAMPLES / f"{name}.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        # Who hangs is ended, and then whoever reads what it says sees the end.
        self.guard = threading.Timer(limit, self.kill)
        self.guard.start()

    def word(self) -> str:
        """Return the last word of the next line: where it is bound."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.what} has ended"
        return line.split()[-1]

    def end(self, number: int = 0, status: int = 0) -> str:
        """Wait for its end, after a signal if one is given, and return what else it has said."""
        if number:
            self.process.send_signal(number)
        assert self.process.stdout is not None and self.process.stderr is not None
        output, errors = self.process.stdout.read(), self.process.stderr.read()
        ended = self.process.wait()
        if status == 0:
            assert errors == "", self.what
        assert ended == status, f"{self.what} has ended with {ended}:\n{errors}"
        return output + errors

    def close(self) -> None:
        self.guard.cancel()
        self.kill()
        self.process.communicate()

    def kill(self) -> None:
        """End it and the sides that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


Start = Callable[..., Program]


@pytest.fixture
def start(scaled: Callable[[float], float]) -> Iterator[Start]:
    """A function that starts an example: `start(library, name, *arguments)`."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str) -> Program:
            program = Program(*arguments, limit=scaled(30))
            stack.callback(program.close)
            return program

        yield begin


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short name: that of an ipc endpoint has a limit."""
    with TemporaryDirectory() as name:
        yield Path(name)


def answered(workers: str) -> list[int]:
    """Return how many requests each worker says it has answered."""
    return [int(count) for count in re.findall(r"^worker \d+: (\d+) requests answered$", workers, re.MULTILINE)]


# ---- each by itself

SHOWN = {
    "callbacks_server": "client: 500 requests and 500 lines were answered\nclient: 3 ticks came, too\n"
    "server: 500 requests answered\n",
    "echo": "client: all answers were right; ",
    "file_upload": "3 of 3 files are the same on both sides\n",
    "pipeline": "boss: 10,000 tasks, each done once; the sum of the squares is 333,283,335,000\n",
    "process_echo": "client: all answers were right; ",
    "proxied_echo": "client: all answers were right; ",
    "publish": "publisher: 4,000 messages for 4 subscribers\n",
    "threaded_echo": "client: all answers were right; ",
}


@each_library
@pytest.mark.parametrize("name", SHOWN)
def test_alone(start: Start, name: str, library: str) -> None:
    if name == "proxied_echo" and not hasattr(mqbridge, "proxy") and library == "mqbridge":
        pytest.skip("there is no mqbridge.proxy yet")
    output = start(library, name).end()
    assert SHOWN[name] in output
    if "process" in name or "thread" in name or "prox" in name:
        assert len(answered(output)) == 4 and sum(answered(output)) == 800


@each_library
def test_pair_threads(start: Start, library: str) -> None:
    # Interpreted, and by pyzmq, fewer are enough.
    full = library == "mqbridge" and mqbridge.COMPILED
    output = start(library, "pair_threads", *([] if full else ["exchange", "30000"])).end()
    count = "1,048,576" if full else "30,000"
    assert output.startswith(f"{count} of {count} messages arrived in order\n{library}: ")


def test_all_programs_are_tested() -> None:
    programs = {
        path.stem for path in EXAMPLES.glob("*.py") if "run(" in path.read_text() and "sides" in path.read_text()
    }
    assert programs - {"sides"} == {*SHOWN, "pair_threads"}


# ---- side by side


@both_ways
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_echo(start: Start, folder: Path, one: str, other: str, transport: str) -> None:
    wanted = [ANYWHERE] * 2 if transport == "tcp" else [f"ipc://{folder}/{name}" for name in "ab"]
    server = start(one, "echo", "server", *wanted)
    endpoints = [server.word(), server.word()]
    first, second, verdict = start(other, "echo", "client", *endpoints).end().splitlines()
    assert [first, second] == [f"client: 400 answers from {endpoint}" for endpoint in endpoints]
    assert verdict.startswith("client: all answers were right; ")
    assert server.end(signal.SIGINT) == ""


@both_ways
@pytest.mark.parametrize("name", ["threaded_echo", pytest.param("proxied_echo", marks=with_proxy)])
def test_workers_in_threads(start: Start, name: str, one: str, other: str) -> None:
    server = start(one, name, "server", ANYWHERE)
    endpoint = server.word()
    clients = [start(other, name, "client", endpoint) for _ in range(2)]
    for client in clients:
        assert "client: all answers were right; " in client.end()
    shares = answered(server.end(signal.SIGINT))
    assert len(shares) == 4 and sum(shares) == 1600
    # All were there before the first request, and a DEALER deals in turn to whoever has room.
    assert all(shares)


@pytest.mark.parametrize("other", LIBRARIES)
def test_pyzmqs_proxy(start: Start, other: str) -> None:
    server = start("zmq", "proxied_echo", "server", ANYWHERE)
    assert "client: all answers were right; " in start(other, "proxied_echo", "client", server.word()).end()
    assert sum(answered(server.end(signal.SIGTERM))) == 800


@both_ways
def test_workers_in_processes(start: Start, folder: Path, one: str, other: str) -> None:
    server = start(one, "process_echo", "server", ANYWHERE, f"ipc://{folder}/workers")
    frontend, backend = server.word(), server.word()
    # Whatever the library of the server: one worker of each.
    workers = [start(library, "process_echo", "worker", backend) for library in LIBRARIES]
    assert [worker.word() for worker in workers] == [backend] * len(workers)
    assert "client: all answers were right; " in start(other, "process_echo", "client", frontend).end()
    assert sum(sum(answered(worker.end(signal.SIGTERM))) for worker in workers) == 800
    server.end(signal.SIGINT)


@both_ways
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_publish(start: Start, folder: Path, one: str, other: str, transport: str) -> None:
    publisher = start(one, "publish", "publisher", ANYWHERE if transport == "tcp" else f"ipc://{folder}/news", "3")
    endpoint = publisher.word()
    topics = [("weather.oslo",), ("traffic.", "weather.rome"), ("sports.",)]
    subscribers = [start(other, "publish", "subscriber", endpoint, *each) for each in topics]
    assert [subscriber.end() for subscriber in subscribers] == [
        f"{transport} subscriber to 'weather.oslo': 1,000 of weather.oslo\n",
        f"{transport} subscriber to 'traffic.' and 'weather.rome': "
        "1,000 of traffic.oslo, 1,000 of traffic.rome, 1,000 of weather.rome\n",
        f"{transport} subscriber to 'sports.': \n",
    ]
    assert publisher.end().splitlines() == [
        "publisher: 4,000 messages for 5 subscribers",
        "inproc subscriber to 'weather.': 1,000 of weather.oslo, 1,000 of weather.rome",
        "inproc subscriber to 'traffic.oslo' and 'weather.oslo': 1,000 of traffic.oslo, 1,000 of weather.oslo",
    ]


@both_ways
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_pipeline(start: Start, folder: Path, one: str, other: str, transport: str) -> None:
    wanted = [ANYWHERE] * 2 if transport == "tcp" else [f"ipc://{folder}/{name}" for name in ("tasks", "results")]
    boss = start(one, "pipeline", "boss", *wanted, "2")
    endpoints = [boss.word(), boss.word()]
    workers = [start(other, "pipeline", "worker", *endpoints, name) for name in ("anna", "bert")]
    *lines, verdict = boss.end().splitlines()
    assert {line for line in lines if "hello" in line} == {"boss: hello, anna", "boss: hello, bert"}
    counts = [re.fullmatch(r"boss: ([\d,]+) results from (anna|bert)", line) for line in lines[2:]]
    assert sum(int(found[1].replace(",", "")) for found in counts if found) == 10_000
    assert verdict == "boss: 10,000 tasks, each done once; the sum of the squares is 333,283,335,000"
    for worker in workers:
        assert worker.end(signal.SIGTERM) == ""


# ---- file upload


@both_ways
def test_file_upload(start: Start, folder: Path, one: str, other: str) -> None:
    sizes = (0, 1, 1023, 1024, 1025, 2_000_000)
    here, there = folder / "here", folder / "there"
    here.mkdir()
    there.mkdir()
    files = [here / f"{size} bytes" for size in sizes]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(os.urandom(size))
    (there / "1 bytes").write_bytes(b"what was there before")
    server = start(one, "file_upload", "server", ANYWHERE, str(there))
    uploaded = start(other, "file_upload", "client", server.word(), *map(str, files)).end()
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert re.findall(r"SHA-256 (\w+)\.\.\.$", uploaded, re.MULTILINE) == [digest[:16] for digest in hashes]
    assert server.end(signal.SIGTERM).splitlines() == [
        f"server: stored '{size} bytes', {size:,} bytes in {(size + 1023) // 1024:,} parts" for size in sizes
    ]
    assert {file.name: file.read_bytes() for file in there.iterdir()} == {
        file.name: file.read_bytes() for file in files
    }


def test_the_upload_server_is_not_led_astray(start: Start, folder: Path, scaled: Callable[[float], float]) -> None:
    there = folder / "there"
    (there / "directory").mkdir(parents=True)
    server = start("mqbridge", "file_upload", "server", ANYWHERE, str(there))
    digest = hashlib.sha256(b"text").hexdigest().encode()
    with mqbridge.Context() as context, context.socket(mqbridge.REQ) as req:
        req.LINGER = 0
        req.RCVTIMEO = int(scaled(10) * 1000)
        req.connect(server.word())

        def ask(*request: bytes) -> list[bytes]:
            req.send_multipart(request)
            return req.recv_multipart()

        # Of a path the last component counts.
        for name in (b"../outside", b"/tmp/../outside", b"outside", b"out\xffside\n"):
            assert ask(name, b"4", digest, b"te", b"xt") == [b"stored", digest]
        for request in (
            (b"",),
            (b"name", b"4"),
            (b"name", b"5", digest, b"text"),
            (b"name", b"four", digest, b"text"),
            (b"name", b"-4", digest, b"text"),
            (b"name", b"4", digest, b"TEXT"),
            *((name, b"4", digest, b"text") for name in (b"", b".", b"..", b"a/", b"a/..", b"nul\0", b"x" * 300)),
            (b"directory", b"4", digest, b"text"),
            (b"x\xff" * 200, b"4", digest, b"text"),
        ):
            outcome, why = ask(*request)
            assert outcome == b"refused" and why
    server.end(signal.SIGTERM)
    assert {os.fsencode(file.name) for file in there.iterdir()} == {b"directory", b"outside", b"out\xffside\n"}
    assert [file.name for file in folder.iterdir()] == ["there"]


def test_the_upload_client_tells_of_a_refusal(start: Start, folder: Path) -> None:
    (folder / "file").write_bytes(b"text")
    server = start("mqbridge", "file_upload", "server", ANYWHERE, str(folder / "nowhere"))
    errors = start("mqbridge", "file_upload", "client", server.word(), str(folder / "file")).end(status=1)
    assert "refused: [Errno 2] No such file or directory" in errors
    server.end(signal.SIGTERM)


# ---- the server of callbacks


@both_ways
def test_callbacks_server(start: Start, one: str, other: str) -> None:
    server = start(one, "callbacks_server", "server", ANYWHERE, "127.0.0.1:0")
    places = [server.word(), server.word()]
    for client in [start(other, "callbacks_server", "client", *places) for _ in range(2)]:
        assert client.end() == "client: 500 requests and 500 lines were answered\nclient: 3 ticks came, too\n"
    assert server.end(signal.SIGTERM) == "server: 1000 requests answered\n"


@each_library
def test_callbacks_server_with_rude_clients(start: Start, scaled: Callable[[float], float], library: str) -> None:
    server = start(library, "callbacks_server", "server", ANYWHERE, "127.0.0.1:0")
    endpoint, address = server.word(), server.word()
    host, _, port = address.rpartition(":")
    for _ in range(20):
        vanishing = socket.create_connection((host, int(port)))
        vanishing.sendall(b"x\n" * 1000 + b"partial")
        vanishing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        vanishing.close()
    with socket.create_connection((host, int(port)), timeout=scaled(10)) as endless:
        with contextlib.suppress(ConnectionError):
            endless.sendall(b"x" * 1_000_000)
            while endless.recv(65536):
                pass  # ticks, until it is thrown out
    with socket.create_connection((host, int(port)), timeout=scaled(10)) as deaf:
        with contextlib.suppress(ConnectionError):
            while True:  # until it is thrown out
                deaf.sendall(b"what nobody reads\n" * 1000)
    assert "client: 3 ticks" in start("mqbridge", "callbacks_server", "client", endpoint, address).end()
    server.end(signal.SIGINT)


# ---- beginnings and ends


@each_library
@pytest.mark.parametrize(
    ("name", "side", "peer", "count"),
    [
        ("echo", "client", mqbridge.ROUTER, 8),
        ("file_upload", "client", mqbridge.ROUTER, 1),
        ("publish", "subscriber", mqbridge.XPUB, 2),
        ("pipeline", "worker", mqbridge.PULL, 1),
        ("process_echo", "worker", mqbridge.DEALER, 0),
    ],
)
def test_ctrl_c_ends_who_waits(
    start: Start, scaled: Callable[[float], float], library: str, name: str, side: str, peer: int, count: int
) -> None:
    with mqbridge.Context() as context, context.socket(peer) as mute:
        mute.LINGER = 0
        mute.RCVTIMEO = int(scaled(10) * 1000)
        mute.bind(ANYWHERE)
        endpoint: str = mute.LAST_ENDPOINT.decode()
        # A pipeline's worker has its tasks from somewhere else, where nobody is.
        more = {"file_upload": (__file__,), "publish": ("topic",), "pipeline": (endpoint, "anna")}.get(name, ())
        where = "tcp://127.0.0.1:1" if name == "pipeline" else endpoint
        program = start(library, name, side, where, *more)
        if not count:
            program.word()
        for _ in range(count):
            mute.recv_multipart()
        assert answered(program.end(signal.SIGINT)) == ([0] if name == "process_echo" else [])


@each_library
def test_ctrl_c_ends_a_publisher_that_waits_for_subscribers(start: Start, library: str) -> None:
    publisher = start(library, "publish", "publisher", ANYWHERE, "1")
    publisher.word()
    assert publisher.end(signal.SIGINT) == ""


@each_library
def test_ctrl_c_ends_threads_that_wait(start: Start, library: str) -> None:
    server = start(library, "threaded_echo", "server", ANYWHERE)
    server.word()
    assert answered(server.end(signal.SIGINT)) == [0, 0, 0, 0]


@pytest.mark.parametrize("arguments", [("nobody",), ("client", "too", "few", "and", "yet"), ("pipeline",), ("boss",)])
def test_a_wrong_command_line_is_told_the_right_ones(start: Start, arguments: tuple[str, ...]) -> None:
    output = start("mqbridge", "pipeline", *arguments).end(status=1)
    assert "python examples/pipeline.py boss tcp://127.0.0.1:5555 tcp://127.0.0.1:5556 2" in output
    assert "Traceback" not in output
