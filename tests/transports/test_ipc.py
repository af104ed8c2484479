"""Listening and dialling by a file's name or an abstract one, and what is left of a name afterwards."""

from __future__ import annotations

import errno
import os
import select
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge
from mqbridge.options import Options
from mqbridge.transports import ipc
from mqbridge.transports.endpoint import parse
from mqbridge.version import IPC_PATH_MAX_LEN

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """A function that closes a socket after the test, and returns it."""
    kept: list[Any] = []

    def keep(handle: Any) -> Any:
        kept.append(handle)
        return handle

    yield keep
    for handle in kept:
        handle.close()


@pytest.fixture
def listen(closing: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that listens at an endpoint."""

    def at(text: str, options: Options | None = None) -> Any:
        options = options or Options()
        (address,) = ipc.bind_addresses(parse(text, "bind"), options)
        return closing(ipc.listen(address, options))

    return at


@pytest.fixture
def dial(closing: Callable[[Any], Any]) -> Callable[[str], Any]:
    """A function that connects to an endpoint."""

    def to(text: str) -> Any:
        where = parse(text, "connect")
        address = ipc.address_of(where, Options())
        assert address is not None
        handle, connected = ipc.dial(address, where, Options())
        assert connected
        return closing(handle)

    return to


def accepted(listener: Any) -> socket.socket:
    assert select.select([listener], [], [], 10)[0]
    return socket.socket(fileno=ipc.accept(listener))


def talk(listener: Any, client: Any) -> None:
    with accepted(listener) as server:
        server.settimeout(10)
        client.send(b"question")
        assert server.recv(100) == b"question"
        server.send(b"answer")
        assert select.select([client], [], [], 10)[0]
        assert client.recv(100) == b"answer"


def abstract_name() -> str:
    return f"@mqbridge tests {os.getpid()}"


# ---- names


def test_a_name_is_a_file(listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/socket"
    listener = listen(endpoint)
    assert (tmp_path / "socket").is_socket()
    assert ipc.bound_text(listener) == endpoint
    talk(listener, dial(endpoint))
    ipc.close_listener(listener)
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.exists()


def test_a_name_may_be_relative(
    listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listener = listen("ipc://here")
    assert (tmp_path / "here").is_socket()
    talk(listener, dial("ipc://here"))
    ipc.close_listener(listener)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_are_a_name_all_the_same(tmp_path: Path) -> None:
    endpoint = b"ipc://" + os.fsencode(tmp_path) + b"/\xff\xfe"
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull:
        pull.bind(endpoint)
        assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe"]
        assert pull.get(mqbridge.LAST_ENDPOINT) == endpoint
        pull.unbind(endpoint)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="abstract names are Linux's")
def test_an_abstract_name_has_no_file(listen: Callable[..., Any], dial: Callable[[str], Any]) -> None:
    endpoint = f"ipc://{abstract_name()}"
    listener = listen(endpoint)
    assert ipc.bound_text(listener) == endpoint
    assert not os.path.exists(abstract_name())
    talk(listener, dial(endpoint))
    with pytest.raises(OSError, match="in use"):
        listen(endpoint)
    ipc.close_listener(listener)
    listener.close()
    listen(endpoint)


def test_any_name(listen: Callable[..., Any], dial: Callable[[str], Any]) -> None:
    one, other = listen("ipc://*"), listen("ipc://*")
    names = [ipc.bound_text(each) for each in (one, other)]
    assert names[0] != names[1]
    for listener, name in zip((one, other), names, strict=True):
        directory = Path(name.removeprefix("ipc://")).parent
        assert directory.stat().st_mode & 0o777 == 0o700
        talk(listener, dial(name))
        ipc.close_listener(listener)
        assert not directory.exists()


def test_any_name_leaves_nothing_when_listening_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def no_more(*_: Any) -> Any:
        assert len(list(tmp_path.iterdir())) == 1
        raise OSError(errno.EMFILE, "too many")

    monkeypatch.setattr(ipc, "socket", no_more)
    (address,) = ipc.bind_addresses(parse("ipc://*", "bind"), Options())
    with pytest.raises(OSError, match="too many"):
        ipc.listen(address, Options())
    assert list(tmp_path.iterdir()) == []


def test_the_longest_name(listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path) -> None:
    prefix = f"{tmp_path}/"
    endpoint = f"ipc://{prefix}{'x' * (IPC_PATH_MAX_LEN - len(prefix))}"
    listener = listen(endpoint)
    assert ipc.bound_text(listener) == endpoint
    talk(listener, dial(endpoint))
    ipc.close_listener(listener)
    with pytest.raises(mqbridge.ZMQError, match="107 bytes at most, this one has 108"):
        parse(endpoint + "x", "bind")


# ---- names that are taken


def test_a_name_with_a_listener_is_taken(
    listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path
) -> None:
    endpoint = f"ipc://{tmp_path}/socket"
    first = listen(endpoint)
    with pytest.raises(OSError, match="in use") as caught:
        listen(endpoint)
    assert caught.value.errno == errno.EADDRINUSE
    # The look at it was a connection that came and went.
    accepted(first).close()
    talk(first, dial(endpoint))


def test_a_name_that_was_left_over_is_taken_over(
    listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path
) -> None:
    endpoint = f"ipc://{tmp_path}/socket"
    # As if its process had been killed.
    listen(endpoint).close()
    assert (tmp_path / "socket").is_socket()
    talk(listen(endpoint), dial(endpoint))


def test_a_file_of_another_kind_is_never_removed(listen: Callable[..., Any], tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    with pytest.raises(OSError, match="in use") as caught:
        listen(f"ipc://{precious}")
    assert caught.value.errno == errno.EADDRINUSE
    assert precious.read_text() == "years of work"


def test_a_directory_that_is_the_users_stays(listen: Callable[..., Any], tmp_path: Path) -> None:
    directory = tmp_path / "mqbridge-of-mine"
    directory.mkdir()
    ipc.close_listener(listen(f"ipc://{directory}/socket"))
    assert list(directory.iterdir()) == []


def test_closing_does_not_mind_that_somebody_has_tidied_up(listen: Callable[..., Any], tmp_path: Path) -> None:
    listener = listen(f"ipc://{tmp_path}/socket")
    (tmp_path / "socket").unlink()
    ipc.close_listener(listener)
    # Somebody has put a file of theirs into the directory of a `*`.
    listener = listen("ipc://*")
    directory = Path(ipc.bound_text(listener).removeprefix("ipc://")).parent
    (directory / "theirs").touch()
    ipc.close_listener(listener)
    assert [path.name for path in directory.iterdir()] == ["theirs"]
    (directory / "theirs").unlink()
    directory.rmdir()


def test_a_name_that_cannot_be_listened_at_is_not_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(socket.socket):
        def listen(self, backlog: int = 0) -> None:
            raise OSError(errno.EOPNOTSUPP, "deaf")

    monkeypatch.setattr(ipc, "socket", Deaf)
    with pytest.raises(OSError, match="deaf"):
        ipc.listen((socket.AF_UNIX, f"{tmp_path}/socket"), Options())
    assert list(tmp_path.iterdir()) == []


# ---- errors and options


@pytest.mark.parametrize(
    ("name", "number"), [("missing/socket", errno.ENOENT), ("file/socket", errno.ENOTDIR)], ids=["missing", "file"]
)
def test_a_directory_that_does_not_exist(listen: Callable[..., Any], tmp_path: Path, name: str, number: int) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r".") as caught:
        listen(f"ipc://{tmp_path}/{name}")
    assert caught.value.errno == number
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull:
        with pytest.raises(mqbridge.ZMQError, match=r'bind\("ipc://') as refused:
            pull.bind(f"ipc://{tmp_path}/{name}")
        assert refused.value.errno == number


def test_nobody_there(dial: Callable[[str], Any], listen: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dial(f"ipc://{tmp_path}/socket")
    listen(f"ipc://{tmp_path}/socket").close()
    with pytest.raises(ConnectionRefusedError):
        dial(f"ipc://{tmp_path}/socket")


def test_a_full_backlog_is_an_error_to_try_again_after(
    listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path
) -> None:
    options = Options()
    options.backlog = 0
    listen(f"ipc://{tmp_path}/socket", options)
    with pytest.raises(BlockingIOError) as caught:
        for _ in range(10):
            dial(f"ipc://{tmp_path}/socket")
    assert caught.value.errno == errno.EAGAIN


def test_sockets_are_not_inherited_and_do_not_block(
    listen: Callable[..., Any], dial: Callable[[str], Any], tmp_path: Path
) -> None:
    listener = listen(f"ipc://{tmp_path}/socket")
    client = dial(f"ipc://{tmp_path}/socket")
    for handle in (listener, client):
        assert not os.get_inheritable(handle.fileno())
        assert not os.get_blocking(handle.fileno())
    with accepted(listener) as server:
        assert not os.get_inheritable(server.fileno())
    assert ipc.accept(listener) == -1


def test_the_options_of_buffers_count_and_those_of_tcp_do_not(listen: Callable[..., Any], tmp_path: Path) -> None:
    options = Options()
    options.sndbuf = 100_000
    options.tos = 16
    options.tcp_keepalive = 1
    options.bindtodevice = b"no such device"
    listener = listen(f"ipc://{tmp_path}/socket", options)
    # Linux gives twice as much, for its own bookkeeping.
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) in (100_000, 200_000)
    ipc.tune(listener, options)
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


# ---- sockets


def test_sockets_bind_and_unbind_names(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/socket"
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.rcvtimeo = 10_000
        pull.bind(endpoint)
        with pytest.raises(mqbridge.ZMQError) as caught:
            push.bind(endpoint)
        assert caught.value.errno == mqbridge.Errno.EADDRINUSE
        push.connect(endpoint)
        push.send(b"one")
        assert pull.recv() == b"one"
        pull.unbind(endpoint)
        assert list(tmp_path.iterdir()) == []
        pull.bind(endpoint)
        # The connection ended with the first one; another is made.
        push.poll(0)
        push.send(b"two")
        assert pull.recv() == b"two"
    assert list(tmp_path.iterdir()) == []


def test_a_connect_waits_for_the_name(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/socket"
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.rcvtimeo = 10_000
        push.reconnect_ivl = 5
        push.connect(endpoint)
        push.send(b"early")
        pull.bind(endpoint)
        assert pull.recv() == b"early"


def test_a_private_name_is_for_this_user_alone_whatever_the_umask(
    tmp_path: Path, closing: Callable[[Any], Any]
) -> None:
    before = os.umask(0)
    try:
        name = str(tmp_path / "private")
        handle = closing(ipc.listen_privately((socket.AF_UNIX, name), Options()))
        assert os.stat(name).st_mode & 0o777 == 0o600
        with pytest.raises(OSError) as caught:
            ipc.listen_privately((socket.AF_UNIX, name), Options())
        assert caught.value.errno == errno.EADDRINUSE
        ipc.close_listener(handle)
        assert not os.path.exists(name)
    finally:
        os.umask(before)
