"""Taking what is there; that it is shown is in test_recv.py."""

from __future__ import annotations

import time

import pytest

import mqbridge
from mqbridge.cli.receiving import take


def test_what_is_there_is_taken() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.bind("ipc://*")
        push.connect(pull.last_endpoint.decode())
        for with_peers in (False, True):
            with pytest.raises(mqbridge.Again):
                take(pull, 10, with_peers)
            for number in range(3):
                push.send_multipart([b"%d" % number, b"x"])
            messages = []
            while len(messages) < 3:
                assert pull.poll(20_000)
                before = time.time()
                some, received = take(pull, 2, with_peers)
                assert 1 <= len(some) <= 2
                messages += some
                if with_peers:
                    assert received is not None and len(received) == len(some)
                    assert all(before <= each.time <= time.time() and each.peer for each in received)
                else:
                    assert received is None
            assert messages == [[b"%d" % number, b"x"] for number in range(3)]
