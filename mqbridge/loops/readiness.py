"""The edge-to-level machine: the one place that knows how to wait for a ZeroMQ socket and lose nothing.

A socket's FD says that something may have changed, in either direction; EVENTS says what is the case now, and reading
it clears the edge. Turning that into "call me whenever a recv would succeed" has one rule, which the table follows:

    Sleep only after a look that saw nothing and came after everything that could have cleared the edge.

So an interest that begins, a handler that has run, and an operation by whomever (`TOUCHED`) all make a look due (P1 to
P5), and what one direction's look has seen is told to the other one, whose edge it has cleared as well (P2, P3, P6).

Here is no loop, descriptor or clock. `Interest` is the machine, one direction of a socket; `Watch` is a socket's two
directions with their common EVENTS. An adapter is a `Host` and calls `want`, `edge`, `turn`, `touched`, `done` and
`close`; what it does about it is in DESIGN's words "soon", "run" and "fail".
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol

POLLIN = 1
POLLOUT = 2


class _Named(Enum):
    """Members are looked up by what they are; by their names, as enumerations are, takes several times as long."""

    __hash__ = object.__hash__


class State(_Named):
    """Where one direction of a socket is."""

    IDLE = "nobody wants it"
    DUE = "wanted, and to be looked at in the loop's next turn"
    LOOK = "being looked at"
    ARMED = "wanted, seen not ready; an edge will come"
    RUN = "seen ready, and reported"
    RUN_OFF = "reported, and no longer wanted"
    CLOSED = "the socket is closed, or given up"


class Input(_Named):
    """What can happen to it."""

    WANT = "somebody wants it"
    UNWANT = "nobody wants it any more"
    EDGE = "FD is readable"
    TOUCHED = "an operation may have cleared the edge"
    TURN = "the loop's next turn has come"
    NOTHING = "EVENTS does not have it"
    SEEN = "EVENTS has it"
    ERROR = "reading EVENTS failed"
    DONE = "the report has been dealt with"
    CLOSE = "the socket is closed, or given up"


class Action(_Named):
    """What is to be done about it."""

    SOON = "ask for a turn"
    CANCEL = "take that back"
    READ = "read EVENTS"
    RUN = "report it ready"
    FAIL = "report the error"


_S, _E, _A = State, Input, Action
# For what happens with each message: an attribute of a class of names is slow to get at.
_EDGE, _TURN, _TOUCHED, _DONE, _CLOSE = _E.EDGE, _E.TURN, _E.TOUCHED, _E.DONE, _E.CLOSE
_WANT, _UNWANT, _SEEN, _NOTHING, _ERROR = _E.WANT, _E.UNWANT, _E.SEEN, _E.NOTHING, _E.ERROR
_READ, _RUN, _SOON, _CANCEL, _FAIL = _A.READ, _A.RUN, _A.SOON, _A.CANCEL, _A.FAIL

# (state, event) -> next state, actions in their order. What is not listed changes nothing.
TABLE: dict[tuple[State, Input], tuple[State, tuple[Action, ...]]] = {
    (_S.IDLE, _E.WANT): (_S.DUE, (_A.SOON,)),
    # Read although nobody asks, or a level-triggered loop spins on the descriptor (P10).
    (_S.IDLE, _E.EDGE): (_S.IDLE, (_A.READ,)),
    (_S.DUE, _E.TURN): (_S.LOOK, (_A.CANCEL, _A.READ)),
    (_S.DUE, _E.UNWANT): (_S.IDLE, (_A.CANCEL,)),
    (_S.LOOK, _E.NOTHING): (_S.ARMED, ()),
    (_S.LOOK, _E.SEEN): (_S.RUN, (_A.RUN,)),
    (_S.LOOK, _E.ERROR): (_S.IDLE, (_A.FAIL,)),
    (_S.ARMED, _E.EDGE): (_S.LOOK, (_A.READ,)),
    (_S.ARMED, _E.TOUCHED): (_S.DUE, (_A.SOON,)),
    (_S.ARMED, _E.UNWANT): (_S.IDLE, ()),
    # The other direction has looked, and with that cleared the edge that was for this one, too.
    (_S.ARMED, _E.SEEN): (_S.RUN, (_A.RUN,)),
    (_S.ARMED, _E.ERROR): (_S.IDLE, (_A.FAIL,)),
    # Whoever was told may have taken one message of many, or exactly the last one (P4, P5).
    (_S.RUN, _E.DONE): (_S.DUE, (_A.SOON,)),
    (_S.RUN, _E.UNWANT): (_S.RUN_OFF, ()),
    (_S.RUN_OFF, _E.DONE): (_S.IDLE, ()),
    (_S.RUN_OFF, _E.WANT): (_S.RUN, ()),
    (_S.IDLE, _E.CLOSE): (_S.CLOSED, ()),
    (_S.DUE, _E.CLOSE): (_S.CLOSED, (_A.CANCEL,)),
    (_S.ARMED, _E.CLOSE): (_S.CLOSED, ()),
    (_S.LOOK, _E.CLOSE): (_S.CLOSED, ()),
    (_S.RUN, _E.CLOSE): (_S.CLOSED, ()),
    (_S.RUN_OFF, _E.CLOSE): (_S.CLOSED, ()),
}


# The id of the watch whose report was dealt with last, in whichever loop.
_reported = 0


class Host(Protocol):
    """What an adapter does for a watch. None of these may call back into the watch before it returns."""

    def soon(self, watch: Watch) -> None:
        """See to it that `watch.turn()` is called in the loop's next turn; asked for once until then."""

    def cancel(self, watch: Watch) -> None:
        """Nobody needs that turn any more."""

    def run(self, watch: Watch, mask: int) -> None:
        """`mask` (POLLIN, POLLOUT) is ready: tell who wants it, and call `watch.done(mask)` after that."""

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """Reading EVENTS raised `error`: let go of the descriptor; tell all who want `mask` (0: nobody did)."""


class Interest:
    """One direction of a socket, POLLIN or POLLOUT: a state, and the table."""

    __slots__ = ("direction", "state")

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.state = State.IDLE

    def feed(self, event: Input) -> tuple[Action, ...]:
        """Change the state; return what is to be done about it, in order."""
        entry = TABLE.get((self.state, event))
        if entry is None:
            return ()
        self.state, actions = entry
        return actions


class Watch:
    """One socket as an adapter watches it: both directions, which share the descriptor and its edge.

    Parameters
    ----------
    host
        The adapter.
    events
        Does the socket's input and output, clears the edge and returns POLLIN | POLLOUT as they are now. What it
        raises goes to `host.fail`.
    expect
        The same, but it stays awake for a moment for a message that is likely to come. It is asked instead after a
        report of POLLIN, if no other socket was reported in between: else somebody may be waiting for that.
    """

    __slots__ = ("host", "interests", "_events", "_expect", "_alone", "_soon")

    def __init__(self, host: Host, events: Callable[[], int], expect: Callable[[], int] | None = None) -> None:
        self.host = host
        self.interests = (Interest(POLLIN), Interest(POLLOUT))
        self._events = events
        self._expect = expect
        # The next look comes after a report of this socket, and so did the last one of any socket.
        self._alone = False
        # The directions that wait for the loop's next turn.
        self._soon = 0

    def want(self, mask: int) -> None:
        """These directions are wanted from now on, and no others."""
        for interest in self.interests:
            actions = interest.feed(_WANT if mask & interest.direction else _UNWANT)
            if actions:
                self._do(interest, actions)

    def edge(self) -> None:
        """The descriptor is readable."""
        self._tell(_EDGE)

    def turn(self) -> None:
        """The loop's next turn, which `soon` asked for, has come."""
        self._tell(_TURN)

    def touched(self) -> None:
        """An operation on the socket may have cleared the edge, in either direction."""
        self._tell(_TOUCHED)

    def done(self, mask: int) -> None:
        """Who was told of these directions has done what it wanted to do."""
        global _reported
        if self._expect is not None:
            self._alone = mask & POLLIN != 0 and _reported == id(self)
            _reported = id(self)
        for interest in self.interests:
            if interest.direction & mask:
                actions = interest.feed(_DONE)
                if actions:
                    self._do(interest, actions)

    def close(self) -> None:
        """Give the socket up: nothing is reported any more."""
        self._tell(_CLOSE)

    def _tell(self, event: Input) -> None:
        look = False
        for interest in self.interests:
            actions = interest.feed(event)
            if actions:
                look |= self._do(interest, actions)
        if look:
            self._look()

    def _do(self, interest: Interest, actions: tuple[Action, ...]) -> bool:
        """Do for one direction what the table says; return whether EVENTS is to be read."""
        look = False
        for action in actions:
            if action is _READ:
                look = True
            elif action is _RUN:
                self.host.run(self, interest.direction)
            elif action is _SOON:
                if not self._soon:
                    self.host.soon(self)
                self._soon |= interest.direction
            elif action is _CANCEL:
                self._soon &= ~interest.direction
                if not self._soon:
                    self.host.cancel(self)
        return look

    def _look(self) -> None:
        """Read EVENTS once, for both directions."""
        events = self._events
        if self._alone:
            self._alone = False
            if self._expect is not None and self.interests[0].state is State.LOOK:
                events = self._expect
        try:
            mask = events()
        except Exception as error:  # whatever it is, it is for those who wait
            self._fail(error)
            return
        for interest in self.interests:
            actions = interest.feed(_SEEN if mask & interest.direction else _NOTHING)
            if actions:
                self._do(interest, actions)

    def _fail(self, error: Exception) -> None:
        failed = 0
        for interest in self.interests:
            if _FAIL in interest.feed(_ERROR):
                failed |= interest.direction
        self.host.fail(self, failed, error)
