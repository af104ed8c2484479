"""What type checkers are told of a socket's `recv` and `recv_multipart`: which of `bytes` and `Frame` they return.

The methods themselves are compiled (`socket.py`), where no overloads can stand. At run time there is nothing here. The
texts are those of the methods, for readers who see only what is written here; a test compares them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Literal, overload

    from mqbridge.frame import Frame


class Received:
    """The base that comes before the one with the methods."""

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def recv(self, flags: int = 0, copy: Literal[True] = True, track: bool = False) -> bytes: ...
        @overload
        def recv(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> Frame: ...
        @overload
        def recv(self, flags: int, copy: Literal[False], track: bool = False) -> Frame: ...
        @overload
        def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> bytes | Frame: ...
        def recv(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
            """Receive one part of a message; RCVMORE says whether more of that message follows.

            Parameters
            ----------
            flags
                DONTWAIT: do not block.
            copy
                True: return bytes. False: return a Frame, which knows what the peer said of itself.
            track
                Whether the frame has a tracker, for pyzmq's sake; there is nothing for it to wait for.

            Raises
            ------
            Again
                DONTWAIT was given, or RCVTIMEO is over, and no message has come.
            ZMQError
                EFSM: it is not this socket's turn to receive (REQ, REP). ENOTSUP: the socket type does not receive.
                ENOTSOCK: the socket is closed.
            ContextTerminated
                The context was terminated.
            """

        @overload
        def recv_multipart(self, flags: int = 0, copy: Literal[True] = True, track: bool = False) -> list[bytes]: ...
        @overload
        def recv_multipart(self, flags: int = 0, *, copy: Literal[False], track: bool = False) -> list[Frame]: ...
        @overload
        def recv_multipart(self, flags: int, copy: Literal[False], track: bool = False) -> list[Frame]: ...
        @overload
        def recv_multipart(
            self, flags: int = 0, copy: bool = True, track: bool = False
        ) -> list[bytes] | list[Frame]: ...
        def recv_multipart(self, flags: int = 0, copy: bool = True, track: bool = False) -> Any:
            """Receive a whole message, or what is left of one begun, as a list of bytes, or of Frames with copy=False.

            Parameters and errors are those of `recv`.
            """
