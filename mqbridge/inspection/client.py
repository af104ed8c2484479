"""Asking another process what its sockets are doing."""

from __future__ import annotations

import json

from mqbridge.constants import SocketType
from mqbridge.errors import Again
from mqbridge.inspection.server import REQUEST, OwnContext
from mqbridge.inspection.state import Snapshot


class NoAnswer(Exception):
    """Nobody has answered in time: the program has ended, has not begun, or is held up."""


class Inspector:
    """Asks an endpoint that a program serves by `serve` or MQBRIDGE_INSPECT; again and again, also after a restart.

    Usable in a `with` statement, which closes it at its end.

    Parameters
    ----------
    endpoint
        Where the program answers, e.g. `ipc:///run/user/1000/app.inspect`.

    Raises
    ------
    ZMQError
        EINVAL: the endpoint is malformed.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._context = OwnContext()
        self._socket = self._context.socket(SocketType.REQ)
        self._socket.linger = 0
        # A question that was not answered is given up with the next one, and so is its answer.
        self._socket.req_relaxed = 1
        self._socket.req_correlate = 1
        self._socket.reconnect_ivl = 50
        self._socket.reconnect_ivl_max = 500
        try:
            self._socket.connect(endpoint)
        except BaseException:
            self.close()
            raise

    def snapshot(self, timeout: int = 2000) -> Snapshot:
        """Return what the program's sockets are doing now.

        Parameters
        ----------
        timeout
            How long to wait for the answer, in ms.

        Raises
        ------
        NoAnswer
            There was none in time.
        ValueError
            It was no snapshot: something else answers there, or another version of mqbridge.
        """
        self._socket.sndtimeo = self._socket.rcvtimeo = timeout
        try:
            self._socket.send(REQUEST)
            answer = b"".join(self._socket.recv_multipart())
        except Again:
            text = f"{self.endpoint}: no answer within {timeout} ms; is the program running, and is it inspected?"
            raise NoAnswer(text) from None
        if answer.startswith(b'{"error"'):
            raise ValueError(f"{self.endpoint}: {json.loads(answer)['error']}")
        return Snapshot.from_json(answer)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
        self._context.term()

    def __enter__(self) -> Inspector:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
