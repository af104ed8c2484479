"""A request and its reply; `mqbridge req` is in test_req.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mqbridge
from mqbridge.cli.asking import ask
from mqbridge.cli.output import Output
from mqbridge.cli.security import Security
from mqbridge.cli.session import Session


def test_a_reply_is_shown_and_counted(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as rep:
        rep.rcvtimeo = 20_000
        rep.bind("tcp://127.0.0.1:*")
        options = dict.fromkeys((*Security.NAMES, "binds", "routing_id", "hwm"))
        given = {
            **options,
            "timeout": 20.0,
            "verbose": False,
            "settings": (),
            "endpoints": [("", rep.last_endpoint.decode())],
        }
        with Session("REQ", given) as session, Output(output=str(tmp_path / "shown")) as output:
            session.attach()
            answering = pool.submit(lambda: rep.send_multipart([*rep.recv_multipart(), b"more"]))
            ask(session, [b"a", b"b"], output)
            answering.result(20)
            assert (session.messages, session.bytes) == (1, 6)
    assert (tmp_path / "shown").read_bytes() == b"a\tb\tmore\n"
