"""The authenticator with a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
import threading
from typing import Any

import pytest

import mqbridge
from mqbridge.auth.thread import ThreadAuthenticator
from mqbridge.monitor import Monitor

PASSWORDS = {"user": "password"}
CLIENT = {"plain_username": b"user", "plain_password": b"password"}


def test_it_answers_by_itself(context: mqbridge.Context, meet: Any) -> None:
    with ThreadAuthenticator(context) as auth:
        assert auth.is_alive()
        auth.configure_plain(passwords=PASSWORDS)
        frame = meet({"plain_server": 1}, CLIENT).recv(copy=False)
        assert (bytes(frame), frame.get("User-Id")) == (b"hello", "user")
    assert not auth.is_alive()
    assert auth.zap_socket is None


def test_it_refuses(context: mqbridge.Context, meet: Any) -> None:
    with ThreadAuthenticator(context) as auth:
        auth.configure_plain(passwords={"user": "another"})
        monitors: list[Monitor] = []
        server = meet(
            {"plain_server": 1},
            CLIENT,
            lambda server: monitors.append(Monitor(server, mqbridge.Event.HANDSHAKE_FAILED_AUTH)),
        )
        with monitors[0] as monitor:
            assert monitor.poll(10_000)
            assert monitor.recv().value == 400
        assert not server.poll(0)


@pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")
def test_a_rule_may_wait(context: mqbridge.Context, meet: Any) -> None:
    public, secret = mqbridge.curve_keypair()
    client_public, client_secret = mqbridge.curve_keypair()
    asked: list[tuple[str, bytes, int]] = []

    class Provider:
        async def callback(self, domain: str, key: bytes) -> bool:
            await asyncio.sleep(0.001)
            asked.append((domain, key, threading.get_ident()))
            return True

    with ThreadAuthenticator(context) as auth:
        auth.configure_curve_callback(credentials_provider=Provider())
        server = meet(
            {"curve_server": 1, "curve_secretkey": secret, "zap_domain": b"d"},
            {"curve_secretkey": client_secret, "curve_publickey": client_public, "curve_serverkey": public},
        )
        assert server.recv(copy=False).get("User-Id") == client_public.decode()
    ((domain, key, thread),) = asked
    assert (domain, key) == ("d", client_public)
    assert thread != threading.get_ident()


def test_again_and_again(context: mqbridge.Context) -> None:
    auth = ThreadAuthenticator(context)
    for _ in range(10):
        auth.start()
        with pytest.raises(mqbridge.ZMQError) as caught:
            ThreadAuthenticator(context).start()
        assert caught.value.errno == errno.EADDRINUSE
        auth.stop()
        auth.stop()


def test_a_context_that_ends_takes_it_along() -> None:
    context = mqbridge.Context()
    auth = ThreadAuthenticator(context)
    auth.start()
    context.term()
    auth.stop()
    assert not auth.is_alive()


def test_no_loop_is_made_for_rules_that_do_not_wait(context: mqbridge.Context, meet: Any) -> None:
    with ThreadAuthenticator(context) as auth:
        auth.configure_plain(passwords={"user": "password"})
        server = meet({"plain_server": 1}, {"plain_username": b"user", "plain_password": b"password"})
        assert server.recv() == b"hello"
        assert auth._loop is None


def test_beside_greenlets_and_monkey_patching() -> None:
    """The thread is a real one; an asyncio loop there would be gevent's, and wait for what only another hub can do."""
    pytest.importorskip("gevent")
    code = """
from gevent import monkey
monkey.patch_all()
import gevent
import mqbridge
import mqbridge.loops.gevent as green
from mqbridge.auth.thread import ThreadAuthenticator

with mqbridge.Context() as context, ThreadAuthenticator(context) as auth:
    auth.configure_plain(passwords={"user": "password"})
    context = green.Context(context)
    with context.socket(green.REP) as server, context.socket(green.REQ) as client:
        server.plain_server = 1
        server.bind("tcp://127.0.0.1:*")
        client.plain_username, client.plain_password = b"user", b"password"
        client.connect(server.last_endpoint.decode())
        answering = gevent.spawn(lambda: server.send(server.recv() + b", answered"))
        client.send(b"question")
        print(client.recv().decode())
        answering.join()
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == ("question, answered\n", "")
