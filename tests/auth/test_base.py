"""What an authenticator decides, for each mechanism, address, domain and key; and that it tells no secrets."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq.auth

import mqbridge
from mqbridge import z85
from mqbridge.auth import CURVE_ALLOW_ANY, Authenticator, CredentialsProvider, create_certificates, load_certificate

KEY = bytes(range(32))
TEXT = z85.encode(KEY)


@pytest.fixture
def auth(context: mqbridge.Context) -> Iterator[Authenticator]:
    made = Authenticator(context)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def ask(context: mqbridge.Context, auth: Authenticator) -> Callable[..., tuple[int, bytes, str]]:
    """A function that asks: `ask(b"PLAIN", b"user", b"password")`; status, reason and user id."""
    socket = context.socket(mqbridge.REQ)
    socket.connect("inproc://zeromq.zap.01")

    def request(
        mechanism: bytes, *credentials: bytes, domain: bytes = b"", address: bytes = b"1.2.3.4", version: bytes = b"1.0"
    ) -> tuple[int, bytes, str]:
        socket.send_multipart([version, b"77", domain, address, b"", mechanism, *credentials])
        assert auth.handle_requests() == 1
        told, number, status, reason, user, metadata = socket.recv_multipart()
        assert (told, number, metadata) == (b"1.0", b"77", b"")
        return int(status), reason, user.decode()

    return request


def test_the_names_are_pyzmqs() -> None:
    theirs = {name for name in vars(zmq.auth.Authenticator) if name[0] != "_"}
    assert theirs <= set(dir(Authenticator))
    assert CURVE_ALLOW_ANY == zmq.auth.CURVE_ALLOW_ANY
    assert hasattr(CredentialsProvider, "callback")


def test_before_there_are_rules(ask: Any) -> None:
    assert ask(b"NULL") == (200, b"OK", "anonymous")
    assert ask(b"PLAIN", b"user", b"password") == (400, b"No passwords defined", "")
    assert ask(b"CURVE", KEY) == (400, b"Unknown domain", "")
    assert ask(b"GSSAPI", b"me") == (400, b"Unknown mechanism", "")
    assert ask(b"") == (400, b"Unknown mechanism", "")


# ---- addresses


def test_allowing(auth: Authenticator, ask: Any) -> None:
    auth.allow("1.2.3.4", "::1")
    auth.configure_plain(passwords={"user": "password"})
    assert ask(b"NULL")[0] == ask(b"NULL", address=b"::1")[0] == 200
    assert ask(b"NULL", address=b"4.3.2.1") == (400, b"Address not allowed", "")
    # Where somebody is, is not enough where there are users.
    assert ask(b"PLAIN", b"user", b"wrong")[0] == 400
    assert ask(b"PLAIN", b"user", b"password", address=b"4.3.2.1") == (400, b"Address not allowed", "")
    with pytest.raises(ValueError, match="use allow or deny"):
        auth.deny("1.2.3.4")


def test_denying(auth: Authenticator, ask: Any) -> None:
    auth.deny("1.2.3.4")
    auth.configure_curve(location=CURVE_ALLOW_ANY)
    assert ask(b"NULL") == ask(b"CURVE", KEY) == (400, b"Address denied", "")
    assert ask(b"NULL", address=b"4.3.2.1")[0] == 200
    with pytest.raises(ValueError, match="use allow or deny"):
        auth.allow("4.3.2.1")


# ---- PLAIN


@pytest.mark.parametrize("rule", ["10.1.2.3", "::ffff:10.1.2.3", "2001:DB8:0:0:0:0:0:1", "localhost:1:2:3"])
def test_addresses_are_the_same_however_they_are_written(context: mqbridge.Context, rule: str) -> None:
    """An IPv6 socket that takes IPv4 peers, too, sees 10.1.2.3 as ::ffff:10.1.2.3: that is no way around a rule."""
    spellings = {
        "1": [b"10.1.2.3", b"::ffff:10.1.2.3", b"::FFFF:a01:203"],
        "2": [b"2001:db8::1", b"2001:0db8::0001"],
        "l": [b"localhost:1:2:3"],
        ":": [b"10.1.2.3", b"::ffff:10.1.2.3"],
    }[rule[0]]
    denying, allowing = Authenticator(context), Authenticator(context)
    denying.deny(rule)
    allowing.allow(rule)
    for auth, verdicts in ((denying, (False, True)), (allowing, (True, False))):
        for address in spellings:
            assert auth._judge_address(address.decode())[0] is verdicts[0]
        for address in ("10.1.2.4", "::ffff:10.1.2.4", "2001:db8::2", "localhost:1:2:4"):
            assert auth._judge_address(address)[0] is verdicts[1]


def test_users(auth: Authenticator, ask: Any) -> None:
    auth.configure_plain(passwords={"user": "password", "Jürgen": "Öl"})
    auth.configure_plain("special", {"chief": "secret"})
    assert ask(b"PLAIN", b"user", b"password") == (200, b"OK", "user")
    assert ask(b"PLAIN", "Jürgen".encode(), "Öl".encode()) == (200, b"OK", "Jürgen")
    assert ask(b"PLAIN", b"user", b"Password") == (400, b"Invalid password", "")
    assert ask(b"PLAIN", b"user", b"") == (400, b"Invalid password", "")
    assert ask(b"PLAIN", b"nobody", b"password") == (400, b"Invalid username", "")
    assert ask(b"PLAIN", b"chief", b"secret", domain=b"special") == (200, b"OK", "chief")
    # A domain's own users are all it has; the others are for the other domains.
    assert ask(b"PLAIN", b"user", b"password", domain=b"special")[0] == 400
    assert ask(b"PLAIN", b"user", b"password", domain=b"another")[0] == 200


def test_a_domain_without_users(auth: Authenticator, ask: Any) -> None:
    auth.configure_plain("special", {"chief": "secret"})
    assert ask(b"PLAIN", b"chief", b"secret", domain=b"another") == (400, b"Invalid domain", "")
    auth.configure_plain("empty", {})
    assert ask(b"PLAIN", b"", b"", domain=b"empty")[0] == 400


@pytest.mark.parametrize("credentials", [(), (b"user",), (b"user", b"password", b"more")])
def test_plain_credentials_are_two(auth: Authenticator, ask: Any, credentials: tuple[bytes, ...]) -> None:
    auth.configure_plain(passwords={"user": "password"})
    assert ask(b"PLAIN", *credentials) == (400, b"Invalid credentials", "")


# ---- CURVE


def test_any_key(auth: Authenticator, ask: Any) -> None:
    assert not auth.allow_any
    auth.configure_curve(location=CURVE_ALLOW_ANY)
    assert auth.allow_any
    assert ask(b"CURVE", KEY) == (200, b"OK", TEXT.decode())
    assert ask(b"CURVE", KEY, domain=b"x")[0] == 200
    for credentials in ((), (KEY[:31],), (KEY, KEY)):
        assert ask(b"CURVE", *credentials) == (400, b"Invalid credentials", "")


@pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")
def test_keys_in_a_directory(auth: Authenticator, ask: Any, tmp_path: Path) -> None:
    public = z85.decode(load_certificate(create_certificates(tmp_path, "bob")[0])[0])
    auth.configure_curve("special", tmp_path)
    assert ask(b"CURVE", public, domain=b"special")[0] == 200
    assert ask(b"CURVE", KEY, domain=b"special") == (400, b"Unknown key", "")
    assert ask(b"CURVE", public) == (400, b"Unknown domain", "")
    # Its own rule goes before that of all.
    auth.configure_curve(location=CURVE_ALLOW_ANY)
    assert ask(b"CURVE", KEY)[0] == 200
    assert ask(b"CURVE", KEY, domain=b"special")[0] == 400


def test_a_directory_that_is_not_there_lets_nobody_in(
    auth: Authenticator, ask: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    auth.configure_curve(location=CURVE_ALLOW_ANY)
    auth.configure_curve(location=tmp_path / "typo")
    assert "there is no such directory" in caplog.text
    assert ask(b"CURVE", KEY) == (400, b"Unknown key", "")


class Provider:
    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict
        self.asked: list[tuple[str, bytes]] = []

    def callback(self, domain: str, key: bytes) -> Any:
        self.asked.append((domain, key))
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict() if callable(self.verdict) else self.verdict


@pytest.mark.parametrize("verdict", [True, False])
def test_a_callback(auth: Authenticator, ask: Any, verdict: bool) -> None:
    provider = Provider(verdict)
    auth.configure_curve_callback(credentials_provider=provider)
    assert ask(b"CURVE", KEY)[0] == (200 if verdict else 400)
    assert ask(b"CURVE", KEY, domain=b"d")[0] == (200 if verdict else 400)
    assert provider.asked == [("*", TEXT), ("d", TEXT)]
    auth.configure_curve(location=CURVE_ALLOW_ANY)
    assert ask(b"CURVE", KEY)[0] == 200


def test_a_callback_that_fails_lets_nobody_in(auth: Authenticator, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    auth.configure_curve_callback(credentials_provider=Provider(ValueError("no database")))
    assert ask(b"CURVE", KEY) == (500, b"Internal error", "")
    assert "no database" in caplog.text
    auth.configure_curve_callback(credentials_provider=None)
    assert "no credentials_provider" in caplog.text


def test_a_callback_may_not_wait_here(auth: Authenticator, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody runs it: that is for the authenticators with a thread or in asyncio. One that does not wait is fine."""

    async def at_once() -> bool:
        return True

    async def later() -> bool:
        await asyncio.sleep(0)
        return True

    auth.configure_curve_callback(credentials_provider=Provider(at_once))
    assert ask(b"CURVE", KEY)[0] == 200
    auth.configure_curve_callback(credentials_provider=Provider(later))
    assert ask(b"CURVE", KEY)[0] == 500
    assert "a callback wants to wait" in caplog.text


def test_who_a_user_is_can_be_said_otherwise(context: mqbridge.Context) -> None:
    class Named(Authenticator):
        def curve_user_id(self, client_public_key: bytes) -> str:
            return f"key {client_public_key.hex()[:4]}"

    made = Named(context)
    made.configure_curve(location=CURVE_ALLOW_ANY)
    made.start()
    with context.socket(mqbridge.REQ) as socket:
        socket.connect("inproc://zeromq.zap.01")
        socket.send_multipart([b"1.0", b"1", b"", b"", b"", b"CURVE", KEY])
        made.handle_requests()
        assert socket.recv_multipart()[4] == b"key 0001"
    made.stop()


# ---- requests that are wrong


def test_another_version(ask: Any) -> None:
    assert ask(b"NULL", version=b"2.0") == (400, b"Invalid version", "")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_request_that_is_too_short(context: mqbridge.Context, auth: Authenticator, count: int) -> None:
    with context.socket(mqbridge.REQ) as socket:
        socket.connect("inproc://zeromq.zap.01")
        socket.send_multipart([b"1.0", b"77", b"a", b"b", b"c"][:count])
        auth.handle_requests()
        assert socket.recv_multipart()[:3] == [b"1.0", b"77" if count > 1 else b"", b"400"]


def test_no_credentials_are_logged(auth: Authenticator, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auth.configure_plain(passwords={"user": "pass-word"})
    for password in (b"pass-word", b"pass-work"):
        ask(b"PLAIN", b"user", password)
    ask(b"PLAIN", b"pass-word")
    ask(b"CURVE", KEY)
    assert "ZAP" in caplog.text
    assert "pass-wor" not in caplog.text


# ---- beginning and end


def test_one_handler_at_a_time(context: mqbridge.Context, auth: Authenticator) -> None:
    another = Authenticator(context)
    with pytest.raises(mqbridge.ZMQError) as caught:
        another.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert another.zap_socket is None
    auth.stop()
    auth.stop()
    another.start()
    another.stop()
    assert another.handle_requests() == 0


def test_a_reply_after_the_end(context: mqbridge.Context, auth: Authenticator) -> None:
    with context.socket(mqbridge.REQ) as socket:
        socket.connect("inproc://zeromq.zap.01")
        socket.send_multipart([b"1.0", b"1", b"", b"", b"", b"NULL"])
        assert auth.zap_socket is not None
        request = auth.zap_socket.recv_multipart()
        auth.stop()
        asyncio.run(auth.handle_zap_message(request))


def test_the_instance_is_the_default() -> None:
    instance = mqbridge.Context.instance()
    assert Authenticator().context is instance
    instance.term()


def test_many_requests_leave_the_loop_its_turn(context: mqbridge.Context, auth: Authenticator) -> None:
    with context.socket(mqbridge.DEALER) as socket:
        socket.connect("inproc://zeromq.zap.01")
        for number in range(100):
            socket.send_multipart([b"", b"1.0", b"%d" % number, b"", b"", b"", b"NULL"])
        assert auth.handle_requests() == 64
        assert auth.handle_requests() == 36
        assert auth.handle_requests() == 0
        assert [socket.recv_multipart()[2] for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_in_a_loop_of_selectors(context: mqbridge.Context, auth: Authenticator, meet: Any) -> None:
    """As in any other loop: watch the socket, and call when it is readable."""
    from mqbridge.loops.selectors import Selector

    auth.configure_plain(passwords={"user": "password"})
    with Selector() as selector:
        assert auth.zap_socket is not None
        selector.register(auth.zap_socket, 1, auth.handle_requests)
        server = meet({"plain_server": 1}, {"plain_username": b"user", "plain_password": b"password"})
        selector.register(server, 1, None)
        frame = None
        while frame is None:
            events = selector.select(10)
            assert events
            for key, _ in events:
                if key.data is None:
                    frame = server.recv(mqbridge.DONTWAIT, copy=False)
                else:
                    key.data()
        assert (bytes(frame), frame.get("User-Id")) == (b"hello", "user")
        selector.unregister(server)
        selector.unregister(auth.zap_socket)


def test_served_in_a_loop_that_awaits(context: mqbridge.Context, auth: Authenticator, meet: Any) -> None:
    """A rule may wait in that loop's own way; cancelling stops it all."""
    trio = pytest.importorskip("trio")

    class Provider:
        async def callback(self, domain: str, key: bytes) -> bool:
            await trio.sleep(0.001)
            return True

    auth.stop()
    auth.configure_plain(passwords={"user": "password"})
    auth.configure_curve_callback("*", Provider())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(auth.serve, trio.lowlevel.wait_readable)
            asking = [meet({"plain_server": 1}, {"plain_username": b"user", "plain_password": b"password"})]
            if mqbridge.has("curve"):
                public, secret = mqbridge.curve_keypair()
                own = mqbridge.curve_keypair()[1]
                server = {"curve_secretkey": secret, "curve_server": 1}
                asking.append(meet(server, {"curve_secretkey": own, "curve_serverkey": public}))
            for socket in asking:
                # It may be readable for the sake of the handshake.
                while not socket.poll(0):
                    await trio.lowlevel.wait_readable(socket.recv_fd)
                assert socket.recv() == b"hello"
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert auth.zap_socket is None


def test_serving_ends_with_the_context() -> None:
    trio = pytest.importorskip("trio")
    context = mqbridge.Context()
    auth = Authenticator(context)
    auth.start()
    ending = threading.Thread(target=context.term, daemon=True)

    async def main() -> None:
        ending.start()
        with trio.fail_after(20):
            await auth.serve(trio.lowlevel.wait_readable)

    trio.run(main)
    ending.join(20)
    assert not ending.is_alive()


def test_pyzmqs_contexts_are_not_served() -> None:
    with zmq.Context() as context, pytest.raises(TypeError, match="pyzmq's contexts"):
        Authenticator(context).serve(None).send(None)  # type: ignore[arg-type]
