"""A crowd that connects to a server and says nothing, or too little, and one real client that gets through.

`python silent_crowd.py ROLE SETTINGS`: the role is the mechanism; SETTINGS has `count`, `says` (how many bytes of a
greeting each of the crowd sends) and `limit` (RLIMIT_NOFILE for the server's process; the crowd has one of its own).
"""

from __future__ import annotations

import json
import resource
import socket as system
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mqbridge
from mqbridge.auth.thread import ThreadAuthenticator

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)


def allow_descriptors(count: int) -> None:
    """Have at most so many descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))


def crowd(port: int, count: int, says: int, client: dict[str, Any]) -> None:
    """Connect, say a little, and hold on; when told to, be the real client, and tell how long that took."""
    allow_descriptors(count + 100)
    held = []
    for _ in range(count):
        handle = system.create_connection(("127.0.0.1", port), timeout=20)
        if says:
            handle.sendall(GREETING[:says])
        held.append(handle)
    print(json.dumps({"there": len(held)}), flush=True)
    sys.stdin.readline()
    with mqbridge.Context() as context, context.socket(mqbridge.REQ) as socket:
        socket.linger, socket.rcvtimeo = 0, 20_000
        for name, value in client.items():
            setattr(socket, name, value.encode())
        began = time.monotonic()
        socket.connect(f"tcp://127.0.0.1:{port}")
        socket.send(b"hello")
        assert socket.recv() == b"welcome"
        print(json.dumps({"milliseconds": round((time.monotonic() - began) * 1000, 1)}), flush=True)


def main(mechanism: str, count: int, says: int, limit: int) -> None:
    """Be the server; tell how many connections it had at most, and how long the real client took."""
    allow_descriptors(limit)
    context = mqbridge.Context()
    server = context.socket(mqbridge.REP)
    server.linger, server.rcvtimeo, server.backlog = 0, 20_000, 1000
    client: dict[str, str] = {}
    auth = ThreadAuthenticator(context)
    if mechanism == "plain":
        auth.start()
        auth.configure_plain(passwords={"user": "password"})
        server.plain_server = 1
        client = {"plain_username": "user", "plain_password": "password"}
    elif mechanism == "curve":
        public, secret = mqbridge.curve_keypair()
        server.curve_secretkey, server.curve_server = secret, 1
        client = {"curve_secretkey": mqbridge.curve_keypair()[1].decode(), "curve_serverkey": public.decode()}
    port = server.bind_to_random_port("tcp://127.0.0.1")
    command = [sys.executable, str(Path(__file__).resolve()), "crowd", json.dumps([port, count, says, client])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"there": count}
        process.stdin.write("go\n")
        process.stdin.flush()
        assert server.recv() == b"hello"
        connections = len(server._driver.links)
        # There is room for the rest of the program, too.
        with open(__file__):
            server.send(b"welcome")
        found = json.loads(process.stdout.readline())
    print(json.dumps({"connections": connections, **found}), flush=True)
    auth.stop()
    server.close()
    context.destroy(0)


if __name__ == "__main__":
    settings: Any = json.loads(sys.argv[2])
    if sys.argv[1] == "crowd":
        crowd(*settings)
    else:
        main(sys.argv[1], **settings)
