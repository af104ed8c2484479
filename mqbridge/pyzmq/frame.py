"""Frames as pyzmq has them: a message's memory, shown as a buffer, and the trackers of those that are not copied."""

from __future__ import annotations

import errno
from threading import Event
from typing import Any
from weakref import ref

from mqbridge._sys import Memory
from mqbridge.errors import ZMQError
from mqbridge.frame import Use, came_by, read_option
from mqbridge.message import as_bytes
from mqbridge.pyzmq.errors import translated

# pyzmq and what is used of it, known when the first frame is made: it may be half done when this is imported.
_zmq: Any = None
_frame_class: Any = None
_finished: Any = None


class Left(Event):
    """An event for pyzmq's trackers, set as soon as the messages it stands for have left. Nobody has to set it."""

    def __init__(self, watched: Any) -> None:
        Event.__init__(self)
        self._watched = watched

    def is_set(self) -> bool:
        """Return whether all have left."""
        return bool(self._watched.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds, None: for ever; return whether all have left."""
        return bool(self._watched.wait(timeout))


class Hold:
    """What a frame that is not copied has in common with its copies: with the last of them it ends.

    Until then the data is listed in `zmq.utils.garbage.gc.refs`, where pyzmq keeps account of what is not copied.
    """

    def __init__(self, data: Any, track: bool) -> None:
        from zmq.utils import garbage

        self.use = Use()
        self.use.frames = 1
        self.event = Left(self.use) if track else None
        entry = garbage.gcref(data, self.event)
        self._key = id(entry)
        self._listed = garbage.gc.refs
        self._listed[self._key] = entry

    def __del__(self) -> None:
        self.use.frames = 0
        self._listed.pop(self._key, None)


class Frame(Memory):
    """One part of a message: the base of `zmq.Frame`.

    Parameters
    ----------
    data
        Bytes or another contiguous buffer.
    track
        Whether there is a tracker that says when the data is not used any more.
    copy
        False: bytes are not copied, and their buffer is read-only. None: only what has less than `copy_threshold`
        bytes is copied.
    copy_threshold
        In bytes; 0: nothing is copied. None: `zmq.COPY_THRESHOLD`.

    Raises
    ------
    TypeError, BufferError
        `data` is text or no buffer; it has gaps.
    """

    __slots__ = ("more", "tracker", "tracker_event", "_pipe", "_hold", "_buffer", "__weakref__")

    def __init__(
        self, data: Any = None, track: bool = False, copy: Any = None, copy_threshold: Any = None, **kwargs: Any
    ) -> None:
        if _zmq is None:
            _find_pyzmq()
        self.more = False
        self.tracker: Any = None
        self.tracker_event: Any = None
        self._pipe: Any = None
        self._hold: Any = None
        self._buffer: Any = None
        held = b"" if data is None else as_bytes(data)
        if copy is None:
            threshold = _zmq.COPY_THRESHOLD if copy_threshold is None else copy_threshold
            copy = bool(threshold) and len(held) < threshold
        if track:
            self.tracker = _finished
        if data is None or copy:
            # What comes from somebody else's bytes is never those.
            Memory.__init__(self, bytes(memoryview(held)) if held is data else held)
            return
        self._hold = Hold(data, track)
        if track:
            self.tracker_event = self._hold.event
            self.tracker = _zmq.MessageTracker(self.tracker_event)
        Memory.__init__(self, held, held is data)

    def __copy__(self) -> Any:
        return self.fast_copy()

    def fast_copy(self) -> Any:
        """Return another frame with the same memory and tracker."""
        other: Frame = type(self)()
        other.share(self)
        other.more = self.more
        other.tracker = self.tracker
        other.tracker_event = self.tracker_event
        other._pipe = self._pipe
        other._hold = self._hold
        return other

    def sends(self, sent: Any) -> None:
        """The frame, which is not copied, is on its way once more."""
        self._hold.use.sends(sent)

    def hold(self, part: Any, more: bool, pipe: Any, tracker: Any) -> None:
        """Begin with a part that has come by a pipe, in place of `__init__`."""
        Memory.__init__(self, part)
        self.more = more
        self.tracker = tracker
        self.tracker_event = self._hold = self._buffer = None
        self._pipe = pipe

    @property
    def bytes(self) -> Any:
        """The data, as it was when this was first asked for; the same object each time."""
        return self.first()

    @property
    def buffer(self) -> Any:
        """The data as a memoryview; the same one while somebody has it."""
        found = None if self._buffer is None else self._buffer()
        if found is None:
            found = memoryview(self)
            self._buffer = ref(found)
        return found

    def get(self, option: Any) -> Any:
        """Return a `MessageOption`, or a property of the message as text; see `mqbridge.Frame.get`."""
        properties, source = came_by(self._pipe)
        try:
            return read_option(option, self.more, properties, source)
        except ZMQError as error:
            raise translated(error) from None

    def set(self, option: Any, value: Any) -> None:
        """Raise ZMQError EINVAL: no option of a frame can be set."""
        raise translated(ZMQError(errno.EINVAL, f"set({option!r}, {value!r}): no option of a frame can be set"))


def _find_pyzmq() -> None:
    global _zmq, _frame_class, _finished
    import zmq

    _frame_class = zmq.Frame
    _finished = zmq._FINISHED_TRACKER
    _zmq = zmq


def received(part: Any, more: bool, pipe: Any, track: bool) -> Any:
    """Return a `zmq.Frame` with a part that has come by a pipe."""
    if _zmq is None:
        _find_pyzmq()
    made = _frame_class.__new__(_frame_class)
    made.hold(part, more, pipe, _finished if track else None)
    return made
