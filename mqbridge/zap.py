"""Asking a context's ZAP handler, the socket bound to inproc://zeromq.zap.01, whether a peer may come in (RFC 27).

The handler gets an inproc pipe for each question, as if a REQ had connected, and its reply comes back to the asking
socket as a letter in its mailbox. Nobody waits: HANDSHAKE_IVL bounds how long the peer does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from mqbridge.constants import Event
from mqbridge.engine.upkeep import CALL
from mqbridge.pipes.pipe import ATTACHED, ENDED, READABLE, Pipe, crossing_pair
from mqbridge.pipes.signaler import Mailbox
from mqbridge.zmtp import metadata
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.mechanisms.mechanism import Question, Verdict

_NAME = "zeromq.zap.01"
_VERSION = b"1.0"
_STATUSES = (b"200", b"300", b"400", b"500")
# Delimiter, version, request id, status, text, user id and metadata.
_REPLY_PARTS = 7
# Questions that the handler may still find of peers that have gone. Beyond that the oldest is taken back: a crowd that
# asks and goes must neither fill the memory nor keep a slow handler busy. They are some, so that a handler that has
# just seen that there is a question finds one.
_MOST_STALE = 16

Answer = Callable[[Any], None]


class Zap:
    """The way to the ZAP handler of the context that has these inproc `names`."""

    def __init__(self, names: Any) -> None:
        self._names = names
        self._numbers = count(1)
        # Requests of peers that have gone, oldest first. They come from more than one thread; its steps are atomic.
        self._stale: deque[Request] = deque()

    def ask(self, driver: Any, address: str, question: Question, answer: Answer) -> Request | None:
        """Ask for a socket, whose lock is held, about a peer at `address`; None if there is no handler.

        `answer` is called later, under the socket's lock, with a Verdict, or a ProtocolError: there will be none.
        """
        options = driver.options
        number = str(next(self._numbers)).encode()
        about = (options.zap_domain, address.encode(), options.routing_id, question.mechanism.encode())
        parts = (b"", _VERSION, number, *about, *question.credentials)
        with self._names.lock:
            handler = self._names.bound.get(_NAME)
            if handler is None:
                return None
            request = Request(self, driver, number, answer)
            # Of a queue for one message both ends may take it.
            mine, theirs = crossing_pair(request, handler.mailbox, 0, 0, (False, True))
            mine.endpoint = theirs.endpoint = f"inproc://{_NAME}"
            mine.outbound.push(parts)
            request.pipe = mine
            handler.mailbox.post(ATTACHED, theirs)
        return request

    def outlived(self, request: Request) -> None:
        """The peer that a request is about has gone."""
        self._stale.append(request)
        while len(self._stale) > _MOST_STALE:
            try:
                oldest = self._stale.popleft()
            except IndexError:
                return
            oldest.take_back()

    def forget(self, request: Request) -> None:
        """A request is over, by an answer that nobody waits for."""
        try:
            self._stale.remove(request)
        except ValueError:
            # It was not stale, or has been taken back.
            return


class Request(Mailbox):
    """One question. It is the mailbox of its pipe: what the handler's socket posts there goes on to the asking one."""

    def __init__(self, zap: Zap, driver: Any, number: bytes, answer: Answer) -> None:
        # Without a signaler of its own.
        self.pipe: Pipe | None = None
        self._zap = zap
        self._driver = driver
        self._number = number
        self._answer: Answer | None = answer

    def post(self, what: int, about: object) -> None:
        """Take a letter, from the handler's thread."""
        if self._answer is not None:
            self._driver.mailbox.post(CALL, lambda: self._letter(what))
        elif what in (READABLE, ENDED):
            # The asking socket may be closed by now.
            self._finish()

    def cancel(self) -> None:
        """The peer has gone."""
        self._answer = None
        if self.pipe is not None:
            self._zap.outlived(self)

    def take_back(self) -> None:
        """Take the question back, unless the handler has it already; its answer is not awaited."""
        pipe = self.pipe
        if pipe is not None:
            pipe.outbound.take()
        self._leave()

    def _finish(self) -> None:
        self._zap.forget(self)
        self._leave()

    def _letter(self, what: int) -> None:
        pipe, answer = self.pipe, self._answer
        if pipe is None or what not in (READABLE, ENDED):
            return
        if answer is None:
            # The peer has gone while this letter was on its way.
            self._finish()
            return
        reply = pipe.read()
        self._answer = None
        self._leave()
        if reply is None:
            answer(ProtocolError("handshake", "the ZAP handler has closed without an answer", 0))
            return
        try:
            verdict = read_reply(reply, self._number)
        except ProtocolError as error:
            answer(error)
        else:
            answer(verdict)

    def _leave(self) -> None:
        pipe = self.pipe
        self.pipe = None
        if pipe is not None:
            outlet: Any = pipe.outlet
            outlet.end()


def read_reply(reply: Any, number: bytes) -> Verdict:
    """Return what a reply to the request of this number says. Raises ProtocolError."""
    parts = reply if isinstance(reply, (tuple, list)) else (reply,)
    if len(parts) != _REPLY_PARTS:
        text = f"{len(parts)} parts, where an empty one and six more were expected"
        raise _malformed(text, Event.PROTOCOL_ERROR_ZAP_MALFORMED_REPLY)
    if parts[0]:
        raise _malformed("its first part is not empty", Event.PROTOCOL_ERROR_ZAP_UNSPECIFIED)
    _, version, echoed, status, _, user_id, described = parts
    if version != _VERSION:
        raise _malformed(f"version {version[:20]!r}", Event.PROTOCOL_ERROR_ZAP_BAD_VERSION)
    if echoed != number:
        text = f"request id {echoed[:20]!r} where {number!r} was expected"
        raise _malformed(text, Event.PROTOCOL_ERROR_ZAP_BAD_REQUEST_ID)
    if status not in _STATUSES:
        raise _malformed(f"status {status[:20]!r}", Event.PROTOCOL_ERROR_ZAP_INVALID_STATUS_CODE)
    try:
        properties = metadata.decode(described)
    except ProtocolError as error:
        raise _malformed(error.reason, Event.PROTOCOL_ERROR_ZAP_INVALID_METADATA) from None
    return Verdict(int(status), user_id, properties)


def _malformed(what: str, code: int) -> ProtocolError:
    return ProtocolError("handshake", f"the ZAP handler's reply is malformed: {what}", code)
