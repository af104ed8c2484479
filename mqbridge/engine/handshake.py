"""What a link does until messages flow: how long that may take, who is asked, and what is told if it fails."""

import errno
from typing import Any

from mqbridge.constants import Event
from mqbridge.transports.streams import peer_address
from mqbridge.zmtp.errors import NOT_TOLD, ProtocolError
from mqbridge.zmtp.mechanisms.mechanism import Verdict

_MILLISECOND = 1_000_000
# The lowest of the PROTOCOL_ERROR numbers; below are the status of a ZAP handler, and numbers of errors.
_PROTOCOL = Event.PROTOCOL_ERROR_ZMTP_UNSPECIFIED
_STATUS = 300
# What is wrong with a box is told as of a handshake that has failed, also later; so does libzmq.
_OF_BOXES = (
    Event.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC,
    Event.PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE,
    Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE,
)


class Handshake:
    """The handshake of one link, until it succeeds or the link ends."""

    __slots__ = ("_link", "_deadline", "_request", "_succeeded")

    def __init__(self, link: Any) -> None:
        self._link = link
        self._succeeded = False
        # What a ZAP handler was asked, and has not answered.
        self._request: Any = None
        self._deadline: Any = None
        patience = link.driver.options.handshake_ivl
        if patience > 0:
            self._deadline = link.driver.timers.after(patience * _MILLISECOND, self._expired)

    def ask(self) -> None:
        """Ask the context's ZAP handler, once; without one the mechanism knows what to do."""
        if self._request is not None:
            return
        link = self._link
        driver, connection = link.driver, link.connection
        zap = driver.engine.zap
        if zap is not None:
            self._request = zap.ask(driver, peer_address(link.stream.fd), connection.question, self._answered)
        if self._request is None:
            connection.answer(None)

    def _answered(self, verdict: Verdict | ProtocolError) -> None:
        """The ZAP handler has answered, or never will."""
        self._request = None
        self._link.answered(verdict)

    def succeeded(self) -> None:
        """From now on messages flow."""
        self._succeeded = True
        self._stop_clock()

    def _stop_clock(self) -> None:
        self._link.driver.timers.cancel(self._deadline)
        self._deadline = None

    def _expired(self) -> None:
        self._deadline = None
        self._fail("the handshake took too long", errno.EAGAIN)

    def refuse(self) -> None:
        """There are too many that have not shaken hands yet."""
        self._fail("too many others were in the middle of a handshake")

    def _fail(self, reason: str, code: int = 0) -> None:
        self._link.connection.error = ProtocolError("handshake", reason, code)
        self._link.end()

    def stop(self) -> None:
        """The connection is over."""
        self._stop_clock()
        if self._request is not None:
            self._request.cancel()
            self._request = None

    def report_end(self, by_the_peer: bool) -> None:
        """Tell those who monitor the socket why its connection ends, unless it is this side that wants it."""
        link = self._link
        emit = link.driver.emit
        error = link.connection.error
        if link.leaving or (error is None and not by_the_peer):
            return
        if error is not None and (not self._succeeded or error.code in _OF_BOXES):
            if error.code >= _PROTOCOL:
                emit(Event.HANDSHAKE_FAILED_PROTOCOL, link.endpoint, error.code, str(error), link)
            elif error.code >= _STATUS:
                emit(Event.HANDSHAKE_FAILED_AUTH, link.endpoint, error.code, str(error), link)
            elif error.code != NOT_TOLD:
                emit(Event.HANDSHAKE_FAILED_NO_DETAIL, link.endpoint, error.code or errno.EPIPE, str(error), link)
        cause = "the peer closed the connection" if error is None else str(error)
        emit(Event.DISCONNECTED, link.endpoint, link.stream.fd, cause, link)
