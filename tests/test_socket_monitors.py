"""`monitor`, `get_monitor_socket`, `disable_monitor`; what they tell is compared with pyzmq in behaviours_monitor."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.monitor import recv_monitor_message


@pytest.fixture(params=[1, 0], ids=["caretaker", "alone"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    with mqbridge.Context(request.param) as made:
        made.linger = 0
        made.rcvtimeo = 10_000
        yield made


def test_a_monitor_socket(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.REP) as rep, rep.get_monitor_socket() as pair:
        assert rep.get_monitor_socket() is pair
        assert pair.socket_type == mqbridge.PAIR
        port = rep.bind_to_random_port("tcp://127.0.0.1")
        found = recv_monitor_message(pair)
        assert found["event"] is mqbridge.EVENT_LISTENING
        assert found["endpoint"] == b"tcp://127.0.0.1:%d" % port
        rep.disable_monitor()
        assert recv_monitor_message(pair)["event"] == mqbridge.EVENT_MONITOR_STOPPED
        with pytest.raises(mqbridge.Again):
            recv_monitor_message(pair, mqbridge.DONTWAIT)


def test_a_closed_monitor_socket_is_replaced(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.REP) as rep:
        first = rep.get_monitor_socket()
        first.close()
        with rep.get_monitor_socket() as second:
            assert second is not first
            rep.bind("tcp://127.0.0.1:*")
            assert recv_monitor_message(second)["event"] == mqbridge.EVENT_LISTENING


def test_with_a_mask_and_an_address(context: mqbridge.Context) -> None:
    with (
        context.socket(mqbridge.REP) as rep,
        rep.get_monitor_socket(mqbridge.EVENT_CLOSED, "inproc://mine") as pair,
        context.socket(mqbridge.PAIR) as other,
    ):
        with pytest.raises(mqbridge.ZMQError, match="has that name"):
            other.bind("inproc://mine")
        with rep.bind("tcp://127.0.0.1:*"):
            pass
        assert recv_monitor_message(pair)["event"] == mqbridge.EVENT_CLOSED


def test_after_the_sockets_end_there_is_the_last_event(context: mqbridge.Context) -> None:
    rep = context.socket(mqbridge.REP)
    with rep.get_monitor_socket() as pair:
        rep.close()
        assert recv_monitor_message(pair)["event"] == mqbridge.EVENT_MONITOR_STOPPED
        with pytest.raises(mqbridge.ZMQError) as closed:
            rep.get_monitor_socket()
        assert closed.value.errno == mqbridge.ENOTSOCK


def test_a_socket_with_a_monitor_that_nobody_reads_closes_and_so_does_its_context(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.REP) as rep:
        rep.monitor("inproc://nobody")
        rep.bind("tcp://127.0.0.1:*")


def test_a_shadow_monitors_the_same_socket(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.REP) as rep:
        shadow = mqbridge.Socket.shadow(rep)
        with shadow.get_monitor_socket() as pair:
            rep.bind("tcp://127.0.0.1:*")
            assert recv_monitor_message(pair)["event"] == mqbridge.EVENT_LISTENING


def test_a_listener_that_runs_out_of_descriptors_says_so(
    context: mqbridge.Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P42."""

    def refuse(handle: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pair = pull.get_monitor_socket(mqbridge.EVENT_ACCEPT_FAILED | mqbridge.EVENT_ACCEPTED)
        pull.bind("tcp://127.0.0.1:*")
        with monkeypatch.context() as patch:
            patch.setattr("mqbridge.transports.tcp.accept", refuse)
            push.connect(pull.last_endpoint)
            poller = mqbridge.Poller()
            for each in (pull, push, pair):
                poller.register(each, mqbridge.POLLIN)
            while not pair.poll(0):
                poller.poll(20)
            found = recv_monitor_message(pair)
        assert (found["event"], int(found["value"])) == (mqbridge.EVENT_ACCEPT_FAILED, errno.EMFILE)
        # It looks again in a while; how often it failed meanwhile does not matter.
        while found["event"] != mqbridge.EVENT_ACCEPTED:
            while not pair.poll(0):
                poller.poll(20)
            found = recv_monitor_message(pair)
        pair.close()


@pytest.mark.parametrize("wrong", ["all", None, 1.5])
def test_events_that_are_no_mask(context: mqbridge.Context, wrong: Any) -> None:
    with context.socket(mqbridge.REP) as rep, pytest.raises(TypeError, match="EVENT_ALL"):
        rep.monitor("inproc://x", wrong)


def test_endpoints_that_cannot_be(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.REP) as rep:
        with pytest.raises(mqbridge.ZMQError, match="inproc only") as other:
            rep.monitor("tcp://127.0.0.1:5555")
        assert other.value.errno == mqbridge.EPROTONOSUPPORT
        with pytest.raises(mqbridge.ZMQError, match="16 bits") as large:
            rep.monitor("inproc://x", mqbridge.EVENT_ALL_V2)
        assert large.value.errno == mqbridge.EINVAL
