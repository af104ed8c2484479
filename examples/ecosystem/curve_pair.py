"""Two sockets with CURVE and an authenticator in a thread, with zmq.auth: who has no certificate stays outside.

PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/curve_pair.py
"""

import contextlib
import tempfile
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator


def main() -> None:
    context = zmq.Context()
    with tempfile.TemporaryDirectory() as directory:
        known = Path(directory, "known")
        known.mkdir()
        zmq.auth.create_certificates(directory, "server")
        zmq.auth.create_certificates(known, "client")
        server_public, server_secret = zmq.auth.load_certificate(Path(directory, "server.key_secret"))
        client_public, client_secret = zmq.auth.load_certificate(known / "client.key_secret")
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve(domain="*", location=str(known))

    server = context.socket(zmq.PULL)
    server.curve_secretkey, server.curve_publickey, server.curve_server = server_secret, server_public, True
    port = server.bind_to_random_port("tcp://127.0.0.1")

    def client(public: bytes, secret: bytes | None) -> zmq.Socket[bytes]:
        socket = context.socket(zmq.PUSH)
        socket.linger = 0
        socket.curve_secretkey, socket.curve_publickey, socket.curve_serverkey = secret, public, server_public
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket

    stranger, friend = client(*zmq.curve_keypair()), client(client_public, client_secret)
    # It may have been turned away already, and then there is nobody to send to.
    with contextlib.suppress(zmq.Again):
        stranger.send(b"from a stranger", zmq.DONTWAIT)
    friend.send(b"from a friend")
    print("received:", server.recv().decode(), "- and nothing else:", not server.poll(300))
    for socket in (stranger, friend, server):
        socket.close(linger=0)
    authenticator.stop()
    context.term()


if __name__ == "__main__":
    main()
