"""Two processes, one on mqbridge and the other on libzmq, by tcp and by ipc: each serves the other.

python examples/ecosystem/mixed_peers.py
"""

import os
import subprocess
import sys
import tempfile

import zmq

BACKENDS = ("mqbridge.pyzmq", "cython")
ROUNDS = 100


def serve(endpoint: str) -> None:
    """Answer requests, until an empty one; tell first where."""
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        print(socket.get_string(zmq.LAST_ENDPOINT), flush=True)
        while parts := socket.recv_multipart():
            socket.send_multipart([zmq.backend.Socket.__module__.encode(), *parts])
            if not parts[0]:
                return


def ask(endpoint: str) -> None:
    """Ask a server, with small and large messages."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.rcvtimeo = 60_000
        socket.connect(endpoint)
        for number in range(ROUNDS):
            question = [b"%d" % number, b"x" * (number * 1000)]
            socket.send_multipart(question)
            server, *parts = socket.recv_multipart()
            assert parts == question
        socket.send(b"")
        socket.recv_multipart()
        transport = endpoint.partition(":")[0]
        print(f"{zmq.backend.Socket.__module__} asked {server.decode()} {ROUNDS} times by {transport}", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        for endpoint in ("tcp://127.0.0.1:*", f"ipc://{directory}/mixed"):
            for mine, other in (BACKENDS, BACKENDS[::-1]):
                command = [sys.executable, __file__]
                server = subprocess.Popen(
                    [*command, "serve", endpoint],
                    env={**os.environ, "PYZMQ_BACKEND": other},
                    stdout=subprocess.PIPE,
                    text=True,
                )
                with server:
                    assert server.stdout is not None
                    bound = server.stdout.readline().strip()
                    subprocess.run([*command, "ask", bound], env={**os.environ, "PYZMQ_BACKEND": mine}, check=True)
                assert server.returncode == 0


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](sys.argv[2]) if len(sys.argv) > 1 else main()
