"""The constants are those of pyzmq: the same names, types of name, and values."""

from __future__ import annotations

import enum

import pytest
import zmq.constants

import mqbridge
from mqbridge import constants

ENUMS = [
    name
    for name, thing in vars(zmq.constants).items()
    if isinstance(thing, type) and issubclass(thing, enum.Enum) and thing.__module__ == "zmq.constants"
    if not name.startswith("_")
]
FLAT = [name for name in zmq.constants.__all__ if isinstance(getattr(zmq.constants, name), int)]


def test_there_is_something_to_compare() -> None:
    assert len(ENUMS) == 13
    assert len(FLAT) > 200


@pytest.mark.parametrize("name", ENUMS)
def test_each_enum_has_the_members_of_pyzmqs(name: str) -> None:
    ours, theirs = getattr(constants, name), getattr(zmq.constants, name)
    assert {member: int(value) for member, value in ours.__members__.items()} == {
        member: int(value) for member, value in theirs.__members__.items()
    }
    assert issubclass(ours, enum.IntFlag) == issubclass(theirs, enum.IntFlag)


@pytest.mark.parametrize("name", FLAT)
def test_each_flat_name_is_a_member_of_the_same_enum(name: str) -> None:
    ours, theirs = getattr(constants, name), getattr(zmq.constants, name)
    assert ours == theirs
    assert type(ours).__name__ == type(theirs).__name__
    assert getattr(mqbridge, name) is ours


def test_there_are_no_other_public_names() -> None:
    public = {name for name in vars(constants) if not name.startswith("_")}
    assert public == set(FLAT) | set(ENUMS)


@pytest.mark.parametrize("option", list(constants.SocketOption))
def test_each_option_has_pyzmqs_type(option: constants.SocketOption) -> None:
    assert option._opt_type.value == zmq.constants.SocketOption(option)._opt_type.value
