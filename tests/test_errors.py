"""The errors: classes, numbers, texts, and how they travel."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest
import zmq.error

from mqbridge import constants, errors

ALL = [
    errors.Again(),
    errors.Again(msg="recv(): nothing came within RCVTIMEO=10 ms"),
    errors.ContextTerminated(),
    errors.InterruptedSystemCall(),
    errors.ZMQError(errno.EADDRINUSE),
    errors.ZMQError(errno.EINVAL, "set(LINGER, -5): ..."),
    errors.ZMQError(msg="without a number"),
    errors.ZMQBindError("no free port"),
    errors.NotDone("not yet"),
    errors.ZMQVersionError("5.0", "draft"),
]


@pytest.mark.parametrize("error", ALL, ids=repr)
@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_errors_survive_copying_and_pickling(error, travel) -> None:
    other = travel(error)
    assert type(other) is type(error)
    assert (str(other), repr(other)) == (str(error), repr(error))
    assert getattr(other, "errno", None) == getattr(error, "errno", None)


def test_what_is_changed_or_added_later_travels_too() -> None:
    error = errors.ZMQError(errno.EADDRINUSE)
    error.strerror += " (addr='tcp://*:5555')"
    error.endpoint = "tcp://*:5555"  # type: ignore[attr-defined]
    other = pickle.loads(pickle.dumps(error))
    assert str(other) == str(error) == "Address already in use (addr='tcp://*:5555')"
    assert other.endpoint == "tcp://*:5555"


@pytest.mark.parametrize("name", errors.__all__)
def test_each_name_is_pyzmqs_with_the_same_bases(name: str) -> None:
    theirs = getattr(zmq.error, name, None)
    if name == "strerror":
        return
    assert theirs is not None
    their_bases = {base.__name__ for base in theirs.__mro__}
    assert their_bases <= {base.__name__ for base in getattr(errors, name).__mro__}


def test_each_error_is_also_the_built_in_one() -> None:
    assert issubclass(errors.ZMQError, OSError)
    assert issubclass(errors.Again, BlockingIOError)
    assert issubclass(errors.Again, TimeoutError)
    assert issubclass(errors.InterruptedSystemCall, InterruptedError)
    assert not issubclass(errors.ContextTerminated, BlockingIOError)


@pytest.mark.parametrize("number", list(constants.Errno))
def test_texts_are_those_of_libzmq(number: int) -> None:
    assert errors.strerror(number) == zmq.strerror(number)
    assert str(errors.ZMQError(number)) == zmq.strerror(number)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (constants.EAGAIN, errors.Again),
        (constants.ETERM, errors.ContextTerminated),
        (errno.EINTR, errors.InterruptedSystemCall),
        (errno.EINVAL, errors.ZMQError),
        (constants.EFSM, errors.ZMQError),
    ],
)
def test_error_for_chooses_the_class(number: int, kind: type[errors.ZMQError]) -> None:
    plain, explained = errors.error_for(number), errors.error_for(number, "why")
    assert type(plain) is type(explained) is kind
    assert plain.errno == explained.errno == number
    assert type(plain.errno) is int
    assert plain.strerror == errors.strerror(number)
    assert explained.strerror == str(explained) == "why"


def test_a_numbered_class_ignores_another_number() -> None:
    assert errors.Again(5).errno == errno.EAGAIN
    assert errors.ContextTerminated("ignored").errno == constants.ETERM


def test_an_error_without_a_number_has_a_text() -> None:
    assert errors.ZMQError().errno is None
    assert str(errors.ZMQError()) == "unknown error"
    assert str(errors.ZMQError("a text")) == "a text"
    assert repr(errors.ZMQError("a text")) == "ZMQError('a text')"


def test_version_errors_say_both_versions() -> None:
    assert str(errors.ZMQVersionError("5.0", "draft")) == "draft requires libzmq >= 5.0, have 4.3.5"
