"""The versions: ours, and that of the ZeroMQ we behave like."""

from __future__ import annotations

import re

import zmq

from mqbridge import version


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", version.__version__)


def test_the_zeromq_version_is_the_one_of_the_tests_peer() -> None:
    assert version.zmq_version_info() == (4, 3, 5)
    assert version.zmq_version() == "4.3.5"
    assert zmq.zmq_version_info()[0] == 4


def test_ipc_is_there() -> None:
    assert version.has("ipc") is True
    assert version.has("IPC") is True


def test_unknown_capabilities_are_not_there() -> None:
    assert version.has("draft") is False
    assert version.has("no such thing") is False
