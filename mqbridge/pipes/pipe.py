"""A pipe: the two queues between a socket and one peer, seen from the socket's side.

What is at the other end is the pipe's `outlet`: a link that speaks to a peer over a connection (`mqbridge.engine`),
or, for inproc, the `Crossing` to the other socket's pipe. Patterns write and read pipes and know no more.
"""

from mqbridge import _sys
from mqbridge.pipes.fifo import Fifo, Latest
from mqbridge.pipes.signaler import Mailbox

# What a letter between two sockets says; its subject is the receiver's own pipe.
ATTACHED = 1  # a peer has connected this pipe to you
READABLE = 2  # your pipe, which you left empty, has messages
WRITABLE = 3  # your pipe, which you left full, has room
ENDED = 4  # the peer has closed: read what is left, write no more


class Outlet:
    """What takes a pipe's messages onwards."""

    __slots__ = ()

    def take_over(self, pipe: "Pipe", message: object) -> bool:
        """Take a message that would go into `pipe.outbound`, if that has room, and count it there; or return False."""
        return False

    def written(self, pipe: "Pipe") -> None:
        """A message was put into `pipe.outbound`."""

    def make_room(self, pipe: "Pipe") -> None:
        """`pipe.outbound` is at its mark: move what can be moved, or see to it that its owner is told later."""

    def resume(self, pipe: "Pipe") -> None:
        """`pipe.inbound`, whose writer waits for room, is down to its low-water mark."""


class Pipe:
    """One peer, from its socket's side.

    `inbound` holds what the peer sent, `outbound` what goes to it; both hold whole messages. `metadata` is what the
    peer said of itself.
    """

    __slots__ = (
        "inbound",
        "outbound",
        "outlet",
        "ended",
        "over",
        "routing_id",
        "metadata",
        "endpoint",
        "extra_in",
        "extra_out",
        "__weakref__",
    )

    def __init__(self, inbound: Fifo, outbound: Fifo) -> None:
        self.inbound = inbound
        self.outbound = outbound
        self.outlet: Outlet | None = None
        # The peer is gone: what is left can be read, nothing can be written.
        self.ended = False
        # Nor is what was written before sent any more. That comes later if it is this side that leaves.
        self.over = False
        self.routing_id = b""
        self.metadata: dict[str, bytes] = {}
        self.endpoint = ""
        # What the peer's own marks add to ours (inproc), in messages; -1: there is no limit, whatever ours are.
        self.extra_in = 0
        self.extra_out = 0

    def set_marks(self, inward: int, outward: int) -> None:
        """Set the socket's high-water marks, in messages; 0 means none. What waits for room is not told here."""
        self.inbound.set_limit(0 if inward == 0 or self.extra_in < 0 else inward + self.extra_in)
        self.outbound.set_limit(0 if outward == 0 or self.extra_out < 0 else outward + self.extra_out)

    def can_write(self) -> bool:
        """Return whether a message would be taken now."""
        if self.ended:
            return False
        if not self.outbound.full():
            return True
        # What waits in a batch counts against the mark; write it before calling the pipe full.
        # A reference of our own: what the call finds may end the connection, and the pipe's was the last one.
        outlet = self.outlet
        if outlet is not None:
            outlet.make_room(self)
        else:
            # There is no connection yet; the outlet to come says when there is room.
            self.outbound.writer_sleeps = True
        return not self.outbound.full() and not self.ended

    def write(self, message: object) -> bool:
        """Put a message on its way; False if there is no room."""
        outlet = self.outlet
        if outlet is not None and not self.ended and outlet.take_over(self, message):
            return True
        outbound = self.outbound
        if (outbound.full() or self.ended) and not self.can_write():
            return False
        if type(message) is tuple and type(outlet) is Crossing:
            # Nobody there knows of buffers that belong to somebody.
            message = without_loans(message)
        outbound.push(message)
        # Making room may have found the connection broken.
        outlet = self.outlet
        if outlet is not None:
            outlet.written(self)
        return True

    def drop(self) -> None:
        """Nothing is sent any more. What crosses to a peer in this process is the peer's to read."""
        if type(self.outlet) is not Crossing:
            # Users' buffers may be among it. It is not counted as sent.
            while self.outbound.take() is not None:
                pass
        self.over = True

    def read(self) -> object:
        """Return the oldest message, or None."""
        inbound = self.inbound
        message = inbound.pop()
        if inbound.writer_sleeps and message is not None and inbound.low():
            outlet = self.outlet
            if outlet is not None:
                outlet.resume(self)
        return message

    def can_read(self) -> bool:
        """Return whether a message is there; if not, the writer is asked to say when one is."""
        inbound = self.inbound
        if not inbound.empty():
            return True
        inbound.reader_sleeps = True
        # The writer may have pushed before it could see the flag.
        return not inbound.empty()


class Crossing(Outlet):
    """From one socket to another in the same process: the outlet of both pipes of a pair.

    The queues are shared, so a message crosses by being pushed. Only wake-ups travel as letters, and no one ever
    holds two sockets' locks.
    """

    __slots__ = ("mine", "theirs", "mailbox")

    def __init__(self, mine: Pipe, theirs: Pipe, mailbox: Mailbox | None) -> None:
        self.mine = mine
        self.theirs = theirs
        # The other socket's.
        self.mailbox = mailbox

    def written(self, pipe: Pipe) -> None:
        outbound = pipe.outbound
        mailbox = self.mailbox
        # Nobody has bound the name yet: whoever does will look.
        if outbound.reader_sleeps and mailbox is not None:
            outbound.reader_sleeps = False
            mailbox.post(READABLE, self.theirs)

    def make_room(self, pipe: Pipe) -> None:
        # The reader may have read before it could see the flag: Pipe.can_write looks once more after this.
        pipe.outbound.writer_sleeps = True

    def resume(self, pipe: Pipe) -> None:
        mailbox = self.mailbox
        if mailbox is not None:
            pipe.inbound.writer_sleeps = False
            mailbox.post(WRITABLE, self.theirs)

    def end(self) -> None:
        """This side closes: tell the other one, if there is one yet."""
        mailbox = self.mailbox
        if mailbox is not None:
            mailbox.post(ENDED, self.theirs)


def crossing_pair(
    mine: Mailbox,
    theirs: Mailbox | None,
    towards_me: int,
    towards_them: int,
    latest: tuple[bool, bool] = (False, False),
) -> tuple[Pipe, Pipe]:
    """Return the two pipes of an inproc connection, with the high-water marks of the two directions in messages.

    `latest` says for the two directions whether only the last message is kept.
    `theirs` is None while nobody has bound the name; the other side's mailbox is put into `mine.outlet` then.
    """
    inward = Latest() if latest[0] else Fifo(towards_me)
    outward = Latest() if latest[1] else Fifo(towards_them)
    # Neither reader has looked yet: whoever writes first says so.
    inward.reader_sleeps = outward.reader_sleeps = True
    here, there = Pipe(inward, outward), Pipe(outward, inward)
    here.outlet = Crossing(here, there, theirs)
    there.outlet = Crossing(there, here, mine)
    return here, there


def without_loans(message: object) -> object:
    """Return a message of several parts, or of one that is lent, in which what is lent is copied."""
    for part in message:  # type: ignore[attr-defined]
        if type(part) is _sys.Lent:
            parts = tuple([bytes(each) if type(each) is _sys.Lent else each for each in message])  # type: ignore[attr-defined]
            return parts if len(parts) > 1 else parts[0]
    return message
