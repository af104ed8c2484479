"""Messages that are not bytes, over coroutines."""

from __future__ import annotations

import asyncio

import pytest

import mqbridge
from mqbridge.loops.asyncio import Context


def test_what_is_sent_is_received() -> None:
    async def main() -> None:
        async with Context(0) as context, context.socket(mqbridge.PAIR) as left, context.socket(mqbridge.PAIR) as right:
            left.bind("inproc://codecs")
            right.connect("inproc://codecs")
            await left.send_string("grün", encoding="latin-1")
            assert await right.recv_string(encoding="latin-1") == "grün"
            await left.send_unicode("text")
            assert await right.recv_unicode() == "text"
            await left.send_json({"b": 1, "a": [None]}, sort_keys=True)
            assert await right.recv_json(parse_int=str) == {"a": [None], "b": "1"}
            await left.send_pyobj({1, 2}, protocol=4)
            assert await right.recv_pyobj() == {1, 2}
            await left.send_serialized("ab", lambda text: [part.encode() for part in text])
            assert await right.recv_serialized(b"-".join) == b"a-b"
            with pytest.raises(TypeError):
                await left.send_string(b"bytes")

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["string", "pyobj", "multipart"])
def test_p20_each_takes_a_time_out(kind: str) -> None:
    async def main() -> None:
        async with Context(0) as context, context.socket(mqbridge.PAIR) as alone:
            with pytest.raises(mqbridge.Again):
                await getattr(alone, f"recv_{kind}")(timeout=1)
            with pytest.raises(mqbridge.Again):
                await getattr(alone, f"send_{kind}")("x" if kind == "string" else [b"x"], timeout=1)

    asyncio.run(main())
