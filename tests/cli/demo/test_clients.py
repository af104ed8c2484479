"""Clients notice what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import mqbridge

LIMIT = 60


def test_a_client_fails_at_a_wrong_answer(scaled: Callable[[float], float]) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as rep:
        rep.LINGER = 0
        rep.RCVTIMEO = int(scaled(10) * 1000)
        rep.bind("tcp://127.0.0.1:*")
        command = [sys.executable, "-m", "mqbridge.cli.demo.clients", "req", "--messages", "5", "--name", "me"]
        command += ["--endpoint", rep.LAST_ENDPOINT.decode()]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            client.stdin.write("start\n")
            client.stdin.flush()
            rep.send(rep.recv().upper())
            rep.recv()
            rep.send(b"MESSAGE 0")
            output, errors = client.communicate(timeout=LIMIT)
    assert client.returncode == 1
    assert errors == "me: after 1 messages: ClientError: message 1 was answered with b'MESSAGE 0', not b'MESSAGE 1'\n"
    assert json.loads(output.splitlines()[-1])["exchanged"] == 1
