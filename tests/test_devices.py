"""Devices: each kind, in a thread, a process and a greenlet, with messages through it and an orderly end."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq.devices

import mqbridge
from mqbridge import devices

PLACES = ("Thread", "Process")


def test_pyzmqs_names_are_all_there() -> None:
    assert {name for name in zmq.devices.__all__ if not hasattr(devices, name)} == set()
    for name in zmq.devices.__all__:
        theirs, ours = getattr(zmq.devices, name), getattr(devices, name)
        if isinstance(theirs, type):
            public = {attribute for attribute in dir(theirs) if not attribute.startswith("_")}
            assert {attribute for attribute in public if not hasattr(ours, attribute)} <= {"launcher"}


@pytest.fixture
def context(no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    with mqbridge.Context() as made:
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = 10_000
        yield made


@pytest.fixture
def ending(context: mqbridge.Context) -> Iterator[Callable[[Any], Any]]:
    """A function that gives a device a context of its own, and ends it with the test."""
    started: list[Any] = []
    contexts: list[mqbridge.Context] = []

    def add(device: Any) -> Any:
        started.append(device)
        if not type(device).__name__.startswith("Process"):
            contexts.append(mqbridge.Context())
            device.context_factory = lambda own=contexts[-1]: own
        return device

    yield add
    for own in contexts:
        own.term()
    for device in started:
        if type(device).__name__.startswith("Process"):
            device.launcher.terminate()
            device.join(10)
            device.launcher.close()
        else:
            device.join(10)
            assert device.done


def made(place: str, kind: str, *arguments: Any) -> Any:
    return getattr(devices, place + kind)(*arguments)


@pytest.mark.parametrize("place", PLACES)
def test_a_device(context: mqbridge.Context, ending: Callable[[Any], Any], place: str) -> None:
    device = ending(made(place, "Device", mqbridge.QUEUE, mqbridge.ROUTER, mqbridge.DEALER))
    front = device.bind_in_to_random_port("tcp://127.0.0.1")
    back = device.bind_out_to_random_port("tcp://127.0.0.1")
    device.setsockopt_in(mqbridge.LINGER, 0)
    device.setsockopt_out(mqbridge.LINGER, 0)
    device.start()
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
        req.connect(f"tcp://127.0.0.1:{front}")
        rep.connect(f"tcp://127.0.0.1:{back}")
        req.send(b"question")
        assert rep.recv() == b"question"
        rep.send(b"answer")
        assert req.recv() == b"answer"


def test_a_device_with_one_socket(context: mqbridge.Context, ending: Callable[[Any], Any]) -> None:
    device = ending(devices.ThreadDevice(mqbridge.QUEUE, mqbridge.REP, -1))
    with context.socket(mqbridge.REQ) as req:
        req.bind("tcp://127.0.0.1:*")
        device.connect_in(req.last_endpoint)
        device.start()
        req.send(b"echo")
        assert req.recv() == b"echo"


@pytest.mark.parametrize("place", PLACES)
def test_a_proxy(context: mqbridge.Context, ending: Callable[[Any], Any], place: str) -> None:
    proxy = ending(made(place, "Proxy", mqbridge.PULL, mqbridge.PUSH, mqbridge.PUSH))
    with (
        context.socket(mqbridge.PUSH) as push,
        context.socket(mqbridge.PULL) as pull,
        context.socket(mqbridge.PULL) as copies,
    ):
        for socket in (push, pull, copies):
            socket.bind("tcp://127.0.0.1:*")
        proxy.connect_in(push.last_endpoint.decode())
        proxy.connect_out(pull.last_endpoint.decode())
        proxy.connect_mon(copies.last_endpoint.decode())
        proxy.setsockopt_mon(mqbridge.LINGER, 0)
        proxy.start()
        for number in range(10):
            push.send_multipart([b"message", b"%d" % number])
        for number in range(10):
            assert pull.recv_multipart() == copies.recv_multipart() == [b"message", b"%d" % number]


@pytest.mark.parametrize("place", PLACES)
def test_a_steerable_proxy(context: mqbridge.Context, place: str) -> None:
    proxy = made(place, "ProxySteerable", mqbridge.PULL, mqbridge.PUSH, mqbridge.PUB, mqbridge.REP)
    control = proxy.bind_ctrl_to_random_port("tcp://127.0.0.1")
    proxy.bind_mon_to_random_port("tcp://127.0.0.1")
    proxy.setsockopt_ctrl(mqbridge.LINGER, 1000)
    own = mqbridge.Context()
    if place == "Thread":
        proxy.context_factory = lambda: own
    proxy.start()
    with context.socket(mqbridge.REQ) as req:
        req.connect(f"tcp://127.0.0.1:{control}")
        for command in (b"PAUSE", b"RESUME", b"TERMINATE"):
            req.send(command)
            assert req.recv() == b""
    proxy.join(10)
    assert not proxy.launcher.is_alive()
    if place == "Process":
        assert proxy.launcher.exitcode == 0
        proxy.launcher.close()
    own.term()


@pytest.mark.parametrize("place", PLACES)
def test_a_monitored_queue(context: mqbridge.Context, ending: Callable[[Any], Any], place: str) -> None:
    queue = ending(made(place, "MonitoredQueue", mqbridge.PAIR, mqbridge.PAIR, mqbridge.PUSH, b"i", b"o"))
    with (
        context.socket(mqbridge.PAIR) as one,
        context.socket(mqbridge.PAIR) as other,
        context.socket(mqbridge.PULL) as copies,
    ):
        for socket in (one, other, copies):
            socket.bind("tcp://127.0.0.1:*")
        queue.connect_in(one.last_endpoint.decode())
        queue.connect_out(other.last_endpoint.decode())
        queue.connect_mon(copies.last_endpoint.decode())
        queue.start()
        one.send(b"to")
        assert (other.recv(), copies.recv_multipart()) == (b"to", [b"i", b"to"])
        other.send(b"fro")
        assert (one.recv(), copies.recv_multipart()) == (b"fro", [b"o", b"fro"])


def test_a_device_that_runs_here_ends_with_its_context(context: mqbridge.Context) -> None:
    own = mqbridge.Context()
    device = devices.ProxySteerable(mqbridge.PULL, mqbridge.PUSH, mqbridge.PUB, mqbridge.PULL)
    device.context_factory = lambda: own
    with context.socket(mqbridge.PUSH) as push:
        push.bind("tcp://127.0.0.1:*")
        device.connect_ctrl(push.last_endpoint)
        steering = threading.Thread(target=push.send, args=(b"TERMINATE",))
        steering.start()
        device.start()
        steering.join()
    assert device.done
    device.join()
    own.term()


def test_an_endpoint_that_cannot_be_is_told(context: mqbridge.Context) -> None:
    device = devices.Device(mqbridge.QUEUE, mqbridge.PULL, mqbridge.PUSH)
    device.context_factory = lambda: context
    device.bind_in("tcp://nowhere")
    with pytest.raises(mqbridge.ZMQError):
        device.start()
    assert device.done


def test_ports_are_different_ones() -> None:
    proxy = devices.ThreadProxy(mqbridge.PULL, mqbridge.PUSH)
    ports = {proxy.bind_in_to_random_port("tcp://127.0.0.1", 50000, 50100) for _ in range(3)}
    assert len(ports) == 3 and all(50000 <= port < 50100 for port in ports)


def test_types_are_needed() -> None:
    with pytest.raises(TypeError, match="in_type is needed"):
        devices.Device(mqbridge.QUEUE)
    with pytest.raises(TypeError, match="out_type is needed"):
        devices.ThreadDevice(mqbridge.QUEUE, mqbridge.PULL)
    with pytest.raises(TypeError, match="ctrl_type is needed"):
        devices.ProxySteerable(mqbridge.PULL, mqbridge.PUSH)


def test_a_process_device_can_go_to_a_process_that_is_no_fork() -> None:
    device = devices.ProcessProxy(mqbridge.PULL, mqbridge.PUSH)
    device.bind_in("tcp://127.0.0.1:5555")
    device.launcher = object()
    run = pickle.loads(pickle.dumps(device.run))
    assert run.__self__._plans["in"].binds == ["tcp://127.0.0.1:5555"]
    assert run.__self__.launcher is None


GREENLETS = """
import gevent
import mqbridge
from mqbridge import devices

context = mqbridge.Context(0)
steered = devices.GreenletProxySteerable(mqbridge.PULL, mqbridge.PUSH, mqbridge.PUB, mqbridge.REP)
steered.context_factory = lambda: context
steered.bind_in("inproc://front")
steered.bind_out("inproc://back")
steered.bind_ctrl("inproc://control")
steered.start()
beats = []
def beat():
    while True:
        beats.append(1)
        gevent.sleep(0)
beating = gevent.spawn(beat)
with context.socket(mqbridge.PUSH) as push, context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.REQ) as req:
    push.connect("inproc://front")
    pull.connect("inproc://back")
    req.connect("inproc://control")
    def receive(socket):
        while not socket.poll(0):
            gevent.sleep(0)
        return socket.recv()
    push.send(b"x")
    assert receive(pull) == b"x"
    req.send(b"TERMINATE")
    assert receive(req) == b""
    steered.join(10)
    assert steered.done and len(beats) > 1
    beating.kill()
context.term()
"""


def test_in_a_greenlet() -> None:
    pytest.importorskip("gevent")
    done = subprocess.run([sys.executable, "-c", GREENLETS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
