# cython: boundscheck=False, wraparound=False
"""A bounded queue of whole messages with one writer and one reader.

The two may be different threads with different locks: the writer alone moves the tail, the reader alone the head,
and each publishes its step by one count, last. That needs no lock of its own, only the memory order the GIL gives.

Limits and wake-ups are decided by those who use the queue (`pipe.py`); here is only what they look at: `limit`,
`low_water`, and the two flags by which a side says that it sleeps and must be told.
"""

from collections import deque

from mqbridge import _sys

_CHUNK = 64
# Whether the processor can be told what it will need; only compiled.
_FETCHES = _sys.HAS_FLUSHER


class Fifo:
    """A queue of messages; `limit` is its high-water mark in messages, 0 for none.

    A message counts from `push` until it is released: `pop` releases at once, `take` leaves that to `release`, for a
    reader that still has to write the message somewhere.
    """

    __slots__ = (
        "limit",
        "low_water",
        "reader_sleeps",
        "writer_sleeps",
        "_pushed",
        "_taken",
        "_released",
        "_head",
        "_head_at",
        "_tail",
        "_tail_at",
    )

    def __init__(self, limit: int) -> None:
        # The reader has seen the queue empty and must be woken by the next push.
        self.reader_sleeps = False
        # The writer has seen the queue full and must be woken when it is down to low_water.
        self.writer_sleeps = False
        self._pushed = 0
        self._taken = 0
        self._released = 0
        chunk: list[object] = [None] * (_CHUNK + 1)
        self._head = chunk
        self._head_at = 0
        self._tail = chunk
        self._tail_at = 0
        self.set_limit(limit)

    def set_limit(self, limit: int) -> None:
        """Set the high-water mark, in messages; 0 means none."""
        self.limit = limit
        # What is left when half, rounded up, is read; libzmq counts it the other way round (pipe_t::compute_lwm).
        self.low_water = limit // 2

    def push(self, message: object) -> None:
        """Append a message; whether there is room is the caller's to ask."""
        at = self._tail_at
        if at == _CHUNK:
            fresh: list[object] = [None] * (_CHUNK + 1)
            # The link to the next chunk stands in the last slot; it is there before the count that makes it needed.
            self._tail[_CHUNK] = fresh
            self._tail = fresh
            at = 0
        self._tail[at] = message
        self._tail_at = at + 1
        self._pushed += 1

    def extend(self, messages: list[object]) -> None:
        """Append several messages."""
        at = self._tail_at
        tail = self._tail
        for message in messages:
            if at == _CHUNK:
                fresh: list[object] = [None] * (_CHUNK + 1)
                tail[_CHUNK] = fresh
                self._tail = tail = fresh
                at = 0
            tail[at] = message
            at += 1
        self._tail_at = at
        self._pushed += len(messages)

    def passes(self) -> bool:
        """Return whether a message would meet an empty queue that is not at its mark."""
        return self._taken == self._pushed and (self.limit == 0 or self._pushed - self._released < self.limit)

    def pass_by(self) -> None:
        """Count a message as pushed and taken: the queue is empty, and its reader has the message already."""
        self._pushed += 1
        self._taken += 1

    def pop(self) -> object:
        """Take the oldest message and release it; None if there is none."""
        if self._taken == self._pushed:
            return None
        at = self._head_at
        if at == _CHUNK:
            self._head = self._head[_CHUNK]  # type: ignore[assignment]
            at = 0
        message = self._head[at]
        self._head[at] = None
        self._head_at = at + 1
        self._taken += 1
        self._released += 1
        if _FETCHES:
            # Where one thread reads many queues in turn, the next message is far from the processor by then.
            _sys.warm(self._head, at + 1)
        return message

    def take(self) -> object:
        """Take the oldest message, which goes on counting until `release`; None if there is none."""
        if self._taken == self._pushed:
            return None
        at = self._head_at
        if at == _CHUNK:
            self._head = self._head[_CHUNK]  # type: ignore[assignment]
            at = 0
        message = self._head[at]
        self._head[at] = None
        self._head_at = at + 1
        self._taken += 1
        return message

    def release(self, count: int) -> None:
        """Let `count` taken messages count no longer."""
        self._released += count

    def empty(self) -> bool:
        """Return whether nothing is left to take."""
        return self._taken == self._pushed

    def length(self) -> int:
        """Return how many messages count against the high-water mark."""
        return self._pushed - self._released

    def waiting(self) -> int:
        """Return how many messages can be taken."""
        return self._pushed - self._taken

    def pushed(self) -> int:
        """Return how many messages have ever been put in."""
        return self._pushed

    def released(self) -> int:
        """Return how many messages count no longer, of all that were ever put in."""
        return self._released

    def full(self) -> bool:
        """Return whether the high-water mark is reached."""
        return self.limit > 0 and self._pushed - self._released >= self.limit

    def low(self) -> bool:
        """Return whether a writer that waits for room may go on."""
        return self.limit == 0 or self._pushed - self._released <= self.low_water


class Latest(Fifo):
    """A queue that keeps only the last message (CONFLATE): never full, and at most one message long."""

    __slots__ = ("_last", "_leaving", "_first")

    def __init__(self) -> None:
        Fifo.__init__(self, 0)
        # Both sides' steps on it are atomic.
        self._last: deque[object] = deque(maxlen=1)
        # How many were taken and are not released yet, and the number of the first of them.
        self._leaving = 0
        self._first = 0

    def push(self, message: object) -> None:
        # Counted, and against no limit.
        self._pushed += 1
        self._released += 1
        self._last.append(message)

    def extend(self, messages: list[object]) -> None:
        self._pushed += len(messages)
        self._released += len(messages)
        self._last.extend(messages)

    def passes(self) -> bool:
        return not self._last

    def pass_by(self) -> None:
        self._pushed += 1
        self._released += 1
        self._leaves()

    def _leaves(self) -> None:
        if self._leaving == 0:
            self._first = self._pushed
        self._leaving += 1

    def pop(self) -> object:
        try:
            return self._last.popleft()
        except IndexError:
            return None

    def take(self) -> object:
        message = self.pop()
        if message is not None:
            self._leaves()
        return message

    def release(self, count: int) -> None:
        self._leaving -= count

    def empty(self) -> bool:
        return not self._last

    def length(self) -> int:
        return len(self._last)

    def waiting(self) -> int:
        return len(self._last)

    def released(self) -> int:
        # What was replaced counts no longer either; but what is being written does, and what came after it.
        if self._leaving > 0:
            return self._first - 1
        return self._pushed - len(self._last)
