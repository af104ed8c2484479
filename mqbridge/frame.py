"""Frames, one part of a message as an object, and trackers, which say when a message has left."""

from __future__ import annotations

import errno
import time
from threading import Event
from typing import Any

from mqbridge import _sys
from mqbridge.constants import MessageOption
from mqbridge.engine.tracking import Sent
from mqbridge.errors import NotDone, ZMQError
from mqbridge.message import as_bytes

#: With copy=False, what has fewer bytes is copied all the same, so that its tracker has nothing to wait for.
COPY_THRESHOLD = 65536
# What is lent has at least so many bytes: less is copied into the batch anyway (`zmtp/frames.py`).
LEAST_LENT = 16384


def lent(data: Any, least: int) -> bytes | _sys.Lent:
    """Return one part of a message, not copied if it has at least `least` bytes. Raises as `as_bytes`."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        return as_bytes(data)
    with view:
        if not view.c_contiguous or view.nbytes < max(least, LEAST_LENT):
            return as_bytes(data)
    part = _sys.Lent(data)
    # Another thread may have made it smaller meanwhile.
    return part if len(part) >= LEAST_LENT else bytes(part)


def given_back(error: Any) -> Any:
    """Return the error of a send that has failed, after its buffers are given back. The caller has let go of them."""
    # Those within are known to the calls that it came through only, and those, interpreted, to the error.
    error.__traceback__ = None
    _sys.give_back()
    return error


class Use:
    """Who still uses the data of a tracked frame: the frame and its copies, and messages on their way."""

    def __init__(self) -> None:
        self.frames = 0
        self._sent: list[Sent] = []

    def sends(self, sent: Sent) -> None:
        """The frame is sent once more."""
        self._sent = [other for other in self._sent if not other.is_set()]
        self._sent.append(sent)

    def is_set(self) -> bool:
        """Return whether nobody uses it any more."""
        return self.frames == 0 and all(sent.is_set() for sent in self._sent)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds until nobody uses it any more; return whether it is so."""
        until = None if timeout is None else time.monotonic() + timeout
        for sent in self._sent:
            if not sent.wait(None if until is None else max(0.0, until - time.monotonic())):
                return False
        while self.frames:
            # Only the collector, or another thread, drops the frame.
            if until is not None and time.monotonic() >= until:
                return False
            time.sleep(0.001)
        return self.is_set()


class MessageTracker:
    """Says whether messages have left: written to their connections, or taken by an inproc peer.

    Parameters
    ----------
    towatch
        Frames made with `track=True`, other trackers, or events: objects with `is_set()` and `wait(timeout)`.

    Raises
    ------
    ValueError
        A frame is not tracked.
    TypeError
        It is something else.
    """

    def __init__(self, *towatch: Any) -> None:
        self.events: set[Any] = set()
        self.peers: set[MessageTracker] = set()
        for thing in towatch:
            if isinstance(thing, (Event, Sent, Use)):
                self.events.add(thing)
            elif isinstance(thing, MessageTracker):
                self.peers.add(thing)
            elif isinstance(thing, Frame):
                if thing.tracker is None:
                    raise ValueError(f"MessageTracker({thing!r}): the frame is not tracked; make it with track=True")
                self.peers.add(thing.tracker)
            else:
                kind = type(thing).__name__
                raise TypeError(f"MessageTracker({thing!r}): expected frames, trackers or events, got {kind}")

    @property
    def done(self) -> bool:
        """Whether all of it has left."""
        return all(event.is_set() for event in self.events) and all(peer.done for peer in self.peers)

    def wait(self, timeout: float = -1) -> None:
        """Wait until all of it has left.

        Parameters
        ----------
        timeout
            The longest to wait, in seconds; negative for ever.

        Raises
        ------
        NotDone
            The time is over.
        """
        if not self._wait(None if timeout is False or timeout < 0 else time.monotonic() + timeout):
            raise NotDone(f"wait({timeout!r}): not all has left yet; wait longer, or ask `done` later")

    def _wait(self, until: float | None) -> bool:
        for event in self.events:
            if not event.wait(None if until is None else max(0.0, until - time.monotonic())):
                return False
        return all(peer._wait(until) for peer in self.peers)


#: What a send gives back that has nothing to wait for.
FINISHED = MessageTracker()


# Inside the class the name means its property.
_bytes = bytes


class Frame(_sys.Buffer):
    """One part of a message.

    `recv(copy=False)` gives frames, which know what the peer said of itself; `send` takes them.

    Parameters
    ----------
    data
        Bytes, which are shared, or another contiguous buffer, which is copied.
    track
        Whether there is a tracker that says when the data is not used any more.
    copy, copy_threshold
        For pyzmq's sake. They decide whether the tracker is done from the beginning, as it is there for data that was
        copied: `copy=True`, or less than `copy_threshold` bytes.

    Attributes
    ----------
    more
        Whether more parts follow.
    tracker
        The MessageTracker, or None.
    """

    def __init__(
        self,
        data: Any = None,
        track: bool = False,
        copy: bool | None = None,
        copy_threshold: int | None = None,
        **kwargs: Any,
    ) -> None:
        _sys.Buffer.__init__(self, b"" if data is None else as_bytes(data))
        self.more = False
        self.tracker: MessageTracker | None = None
        self.tracker_event: Any = None
        # What the peer said of itself, and the connection's descriptor, -1 for none.
        self._properties: dict[str, _bytes] = {}
        self._source = -1
        self._use: Use | None = None
        if track:
            if copy is None:
                threshold = COPY_THRESHOLD if copy_threshold is None else copy_threshold
                copy = bool(threshold) and len(self.data) < threshold
            if data is None or copy:
                self.tracker = FINISHED
            else:
                self._use = self.tracker_event = Use()
                self._use.frames = 1
                self.tracker = MessageTracker(self._use)

    @classmethod
    def _received(cls, data: _bytes, more: bool, pipe: Any, track: bool) -> Frame:
        """Return a frame that has come by `pipe`."""
        frame = cls(data, track=track, copy=True)
        frame.more = more
        frame._properties, frame._source = came_by(pipe)
        return frame

    def __del__(self) -> None:
        use = self.__dict__.get("_use")
        if use is not None:
            use.frames -= 1

    @property
    def bytes(self) -> _bytes:
        """The data; the same object each time."""
        return self.data

    @property
    def buffer(self) -> memoryview:
        """The data as a read-only memoryview."""
        return memoryview(self.data)

    def __bytes__(self) -> _bytes:
        return self.data

    def __len__(self) -> int:
        return len(self.data)

    def __copy__(self) -> Frame:
        other = type(self)(self.data)
        for name in ("more", "tracker", "tracker_event", "_properties", "_source", "_use"):
            setattr(other, name, getattr(self, name))
        if self._use is not None:
            self._use.frames += 1
        return other

    fast_copy = __copy__

    def get(self, option: int | str) -> int | str:
        """Return a `MessageOption` (MORE, SRCFD, SHARED), or a property of the message as text.

        The properties are what the peer said of itself: `Socket-Type`, `Identity` and whatever it sent along (RFC 37,
        "metadata"), and `Peer-Address`, where it is.

        Raises
        ------
        ZMQError
            EINVAL: the message has no such option or property; one that came by inproc has no properties.
        TypeError
            The option is neither a number nor text.
        """
        return read_option(option, self.more, self._properties, self._source)

    def set(self, option: int | str, value: Any) -> None:
        """Raise ZMQError EINVAL: no option of a frame can be set."""
        raise ZMQError(errno.EINVAL, f"set({option!r}, {value!r}): no option of a frame can be set")

    def __getitem__(self, option: int | str) -> int | str:
        return self.get(option)

    @property
    def group(self) -> str:
        """Not there: RADIO and DISH are drafts."""
        raise RuntimeError("Frame.group: RADIO and DISH are drafts that mqbridge does not have")

    @property
    def routing_id(self) -> int:
        """Not there: CLIENT and SERVER are drafts. A ROUTER's peers are named by the first part of a message."""
        raise RuntimeError("Frame.routing_id: CLIENT and SERVER are drafts that mqbridge does not have")

    def __repr__(self) -> str:
        size = len(self.data)
        shown = repr(self.data) if size <= 16 else f"{self.data[:12]!r}...{size} bytes"
        return f"<mqbridge.{type(self).__name__}({shown})>"


def read_option(option: int | str, more: bool, properties: dict[str, bytes], source: int) -> int | str:
    """Return what `Frame.get` returns, or raise as it does; `source` is the connection's descriptor, -1 for none."""
    if isinstance(option, int):
        if option == MessageOption.MORE:
            return int(more)
        if option == MessageOption.SHARED:
            return 0
        if option == MessageOption.SRCFD and source >= 0:
            return source
    elif isinstance(option, (str, bytes)):
        name = option if isinstance(option, str) else option.decode("ascii", "replace")
        value = _property(properties, name)
        if value is not None:
            return value.decode("utf-8", "replace")
    else:
        raise TypeError(f"get({option!r}): expected a MessageOption or a property's name")
    raise ZMQError(errno.EINVAL, f"get({option!r}): this message has no such option or property")


def came_by(pipe: Any) -> tuple[dict[str, bytes], int]:
    """Return what the peer at the other end of a pipe said of itself, and the connection's descriptor, -1 for none."""
    if pipe is None:
        return {}, -1
    outlet = pipe.outlet
    return pipe.metadata, outlet.stream.fd if hasattr(outlet, "stream") else -1


def _property(properties: dict[str, bytes], name: str) -> bytes | None:
    """Return a property by its name, whose case does not matter; None if there is none."""
    found = properties.get(name)
    if found is not None:
        return found
    wanted = name.lower()
    return next((value for key, value in properties.items() if key.lower() == wanted), None)


Message = Frame
