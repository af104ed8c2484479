"""What every pattern shares."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from mqbridge import Errno, ZMQError
from mqbridge.options import Options
from mqbridge.patterns.pattern import NOWHERE, Pattern
from mqbridge.pipes.pipe import Pipe

# Every operation, and whether it takes a pipe.
OPERATIONS = [
    ("attach", True),
    ("ended", True),
    ("detach", True),
    ("readable", True),
    ("writable", True),
    ("receive", False),
    ("ready_in", False),
    ("ready_out", False),
]


def test_a_new_pattern_is_not_in_lock_step_and_has_received_nothing() -> None:
    pattern = Pattern()
    assert pattern.lock_step is False
    assert pattern.last is None
    assert pattern.name == ""


@pytest.mark.parametrize(("operation", "takes_pipe"), OPERATIONS)
def test_the_operations_are_for_the_socket_types(
    operation: str, takes_pipe: bool, lone_pipe: Callable[..., Pipe]
) -> None:
    with pytest.raises(NotImplementedError):
        getattr(Pattern(), operation)(*([lone_pipe("a")] if takes_pipe else []))


def test_sending_is_for_the_socket_types() -> None:
    with pytest.raises(NotImplementedError):
        Pattern().send(b"x")


def test_a_message_may_be_sent_unless_the_socket_type_says_otherwise() -> None:
    assert Pattern().check_send() is None  # type: ignore[func-returns-value]


class Talker(Pattern):
    name = "TALKER"

    def check_send(self) -> None:
        self.out_of_turn("send", "listen first")

    def receive(self) -> object:
        self.refuse("recv", "never listens; use LISTENER")
        return None


def test_errors_name_the_call_and_the_socket_type_and_say_what_to_do() -> None:
    talker: Any = Talker()
    with pytest.raises(ZMQError) as caught:
        talker.receive()
    assert caught.value.errno == errno.ENOTSUP
    assert str(caught.value) == "recv(): a TALKER socket never listens; use LISTENER"
    with pytest.raises(ZMQError) as caught:
        talker.check_send()
    assert caught.value.errno == Errno.EFSM
    assert str(caught.value) == "send(): out of turn on a TALKER socket: listen first"


def test_defaults_are_those_of_all_sockets_unless_the_socket_type_says_otherwise() -> None:
    options, untouched = Options(), Options()
    Pattern().prepare(options)
    assert all(getattr(options, name) == getattr(untouched, name) for name in Options.__slots__)
    assert (Pattern.renews, Pattern.raw, Pattern.conflates) == (False, False, False)


def test_topics_are_for_subscribers() -> None:
    with pytest.raises(NotImplementedError):
        Pattern().subscribe(b"topic", True)


def test_any_first_part_may_be_sent_unless_the_socket_type_says_otherwise() -> None:
    assert Pattern().check_first(b"x") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("probes", [0, 1])
def test_a_probe_is_an_empty_message(lone_pipe: Callable[..., Pipe], probes: int) -> None:
    pattern, pipe = Pattern(), lone_pipe("a")
    pattern.options.probe_router = probes
    pattern.probe(pipe)
    assert pipe.outbound.pop() == (b"" if probes else None)
    assert pipe.outbound.empty()


def test_what_a_socket_type_cannot_send_is_shown_in_short() -> None:
    talker: Any = Talker()
    with pytest.raises(ZMQError) as caught:
        talker.malformed(b"x" * 1000)
    assert caught.value.errno == errno.EINVAL
    shown = "b'" + "x" * 58
    assert str(caught.value) == f"send({shown}): a TALKER socket sends two parts: routing id and data"


def test_nowhere_is_no_peer() -> None:
    # A pipe, so that what send returns has one type; nobody is attached to it.
    assert NOWHERE.outlet is None
    assert NOWHERE.outbound.empty()
