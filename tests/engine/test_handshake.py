"""What links tell of handshakes that fail, of PLAIN and CURVE, too, and what they ask before."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from mqbridge import Event
from mqbridge.engine.handshake import Handshake
from mqbridge.zmtp.errors import NOT_TOLD, ProtocolError, Refused

_CRYPTOGRAPHIC = Event.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
_UNEXPECTED = Event.PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND


class Timers:
    """Deadlines that never come by themselves."""

    def __init__(self) -> None:
        self.pending: list[Callable[[], None]] = []

    def after(self, pause: int, call: Callable[[], None]) -> Callable[[], None]:
        self.pending.append(call)
        return call

    def cancel(self, deadline: Any) -> None:
        if deadline is not None:
            self.pending.remove(deadline)


class Fake:
    """A link, its driver, its connection and a ZAP client, all that a handshake knows."""

    def __init__(self, handshake_ivl: int = 30_000) -> None:
        self.driver = self.connection = self.engine = self.stream = self.options = self
        self.handshake_ivl = handshake_ivl
        self.timers = Timers()
        self.endpoint, self.fd, self.leaving = "tcp://127.0.0.1:5555", -1, False
        self.error: ProtocolError | None = None
        self.question: object = "who is it?"
        self.told: list[tuple[str, int]] = []
        self.did: list[Any] = []
        self.zap: Any = None

    def emit(self, event: Event, endpoint: str, value: int, cause: str, link: Any) -> None:
        self.told.append((event.name, value))

    def end(self) -> None:
        self.did.append("end")

    def answer(self, verdict: object) -> None:
        self.did.append(("answer", verdict))

    def answered(self, verdict: object) -> None:
        self.did.append(("answered", verdict))

    def ask(self, driver: Any, address: str, question: object, answer: Any) -> Any:
        self.did.append(("ask", question))
        self.reply = answer
        return self

    def cancel(self) -> None:
        self.did.append("cancel")


@pytest.mark.parametrize(
    ("error", "succeeded", "told"),
    [
        (ProtocolError("handshake", "?", _UNEXPECTED), False, ("HANDSHAKE_FAILED_PROTOCOL", int(_UNEXPECTED))),
        (ProtocolError("greeting", "?"), False, ("HANDSHAKE_FAILED_PROTOCOL", 0x10000000)),
        (Refused(300, False), False, ("HANDSHAKE_FAILED_AUTH", 300)),
        (Refused(400, True), False, ("HANDSHAKE_FAILED_AUTH", 400)),
        (ProtocolError("handshake", "gone", 0), False, ("HANDSHAKE_FAILED_NO_DETAIL", errno.EPIPE)),
        (ProtocolError("handshake", "none", errno.EFAULT), False, ("HANDSHAKE_FAILED_NO_DETAIL", errno.EFAULT)),
        (ProtocolError("handshake", "so it said", NOT_TOLD), False, None),
        (ProtocolError("traffic", "?", _CRYPTOGRAPHIC), True, ("HANDSHAKE_FAILED_PROTOCOL", int(_CRYPTOGRAPHIC))),
        (ProtocolError("traffic", "?", _UNEXPECTED), True, None),
        (None, True, None),
    ],
)
def test_what_is_told_of_an_end(error: ProtocolError | None, succeeded: bool, told: tuple[str, int] | None) -> None:
    link = Fake()
    handshake = Handshake(link)
    if succeeded:
        handshake.succeeded()
    link.error = error
    handshake.report_end(True)
    assert link.told == ([told] if told else []) + [("DISCONNECTED", -1)]


def test_nothing_is_told_of_an_end_that_this_side_wants() -> None:
    link = Fake()
    handshake = Handshake(link)
    handshake.report_end(False)
    link.leaving, link.error = True, ProtocolError("handshake", "?")
    handshake.report_end(True)
    assert link.told == []


def test_it_is_bounded_in_time() -> None:
    link = Fake()
    handshake = Handshake(link)
    (expire,) = link.timers.pending
    expire()
    assert link.did == ["end"]
    assert link.error is not None and link.error.reason == "the handshake took too long"
    # The clock is stopped by success, and by the end; HANDSHAKE_IVL=0 has none.
    link = Fake()
    handshake = Handshake(link)
    handshake.succeeded()
    assert link.timers.pending == []
    link = Fake()
    handshake = Handshake(link)
    handshake.stop()
    assert link.timers.pending == []
    link = Fake(0)
    Handshake(link)
    assert link.timers.pending == []


def test_one_that_is_too_many() -> None:
    link = Fake()
    Handshake(link).refuse()
    assert link.did == ["end"]
    assert link.error is not None and "too many others" in link.error.reason


def test_a_handler_is_asked_once() -> None:
    link = Fake()
    link.zap = link
    handshake = Handshake(link)
    handshake.ask()
    handshake.ask()
    assert link.did == [("ask", "who is it?")]
    link.reply("yes")
    assert link.did[1:] == [("answered", "yes")]
    # The end takes back what is not answered, and only that.
    handshake.stop()
    assert len(link.did) == 2


def test_a_question_is_taken_back_at_the_end() -> None:
    link = Fake()
    link.zap = link
    handshake = Handshake(link)
    handshake.ask()
    handshake.stop()
    assert link.did[1:] == ["cancel"]


def test_there_may_be_nobody_to_ask() -> None:
    link = Fake()
    Handshake(link).ask()
    assert link.did == [("answer", None)]
