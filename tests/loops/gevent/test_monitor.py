"""`for event in monitor`, in a greenlet."""

from __future__ import annotations

import gevent

import mqbridge
from mqbridge.constants import Event
from mqbridge.loops import gevent as green
from mqbridge.monitor import MonitorEvent


def test_it_blocks_only_the_greenlet_and_ends_with_the_socket() -> None:
    with green.Context() as context:
        pull = context.socket(green.PULL)
        with green.Monitor(pull, Event.LISTENING | Event.CLOSED) as monitor:
            found: list[MonitorEvent] = []
            reader = gevent.spawn(lambda: found.extend(monitor))
            gevent.sleep(0)
            assert not reader.ready()
            pull.bind("tcp://127.0.0.1:*")
            pull.close()
            reader.join(10)
            assert [event.event.name for event in found] == ["LISTENING", "CLOSED", "MONITOR_STOPPED"]
            assert list(monitor) == []


def test_ordinary_sockets_can_be_monitored() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as pull, green.Monitor(pull) as monitor:
        pull.bind("tcp://127.0.0.1:*")
        assert monitor.recv().event == Event.LISTENING
