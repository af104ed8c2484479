"""The authenticator in an asyncio loop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import mqbridge
from mqbridge.auth.asyncio import AsyncioAuthenticator

PASSWORDS = {"user": "password"}
CLIENT = {"plain_username": b"user", "plain_password": b"password"}


async def received(server: mqbridge.Socket) -> Any:
    for _ in range(10_000):
        if server.poll(0):
            return server.recv(copy=False)
        await asyncio.sleep(0.001)
    raise AssertionError("nothing came")


def test_it_answers_in_the_loop(context: mqbridge.Context, meet: Any) -> None:
    async def main() -> None:
        auth = AsyncioAuthenticator(context)
        auth.start()
        auth.configure_plain(passwords=PASSWORDS)
        for _ in range(3):
            frame = await received(meet({"plain_server": 1}, CLIENT))
            assert (bytes(frame), frame.get("User-Id")) == (b"hello", "user")
        auth.stop()
        auth.stop()
        auth.start()
        auth.stop()

    asyncio.run(main())


@pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")
def test_a_rule_may_wait(context: mqbridge.Context, meet: Any) -> None:
    public, secret = mqbridge.curve_keypair()
    client_public, client_secret = mqbridge.curve_keypair()
    server_side = {"curve_server": 1, "curve_secretkey": secret}
    client_side = {"curve_secretkey": client_secret, "curve_serverkey": public}

    class Provider:
        def __init__(self) -> None:
            self.go_on = asyncio.Event()
            self.asked = asyncio.Event()

        async def callback(self, domain: str, key: bytes) -> bool:
            self.asked.set()
            await self.go_on.wait()
            return key == client_public

    async def main() -> None:
        auth = AsyncioAuthenticator(context)
        auth.start()
        provider = Provider()
        auth.configure_curve_callback(credentials_provider=provider)
        server = meet(server_side, client_side)
        await provider.asked.wait()
        await asyncio.sleep(0.02)
        assert not server.poll(0)
        provider.go_on.set()
        assert (await received(server)).get("User-Id") == client_public.decode()
        # Stopped while it thinks.
        provider.go_on.clear()
        provider.asked.clear()
        meet(server_side, client_side)
        await provider.asked.wait()
        auth.stop()

    asyncio.run(main())


def test_it_wants_a_loop_that_runs(context: mqbridge.Context) -> None:
    auth = AsyncioAuthenticator(context)
    with pytest.raises(RuntimeError, match="no running event loop"):
        auth.start()
    assert auth.zap_socket is None
