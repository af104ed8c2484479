"""The edge-to-level machine, explored exhaustively against a model of a socket, its peers, its users and a loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diagrams
import pytest

from mqbridge.loops import readiness
from mqbridge.loops.readiness import POLLIN, POLLOUT, TABLE, Action, Input, Interest, State, Watch

MOST = 2  # messages in the model's queue: empty, one, more than one
BOTH = POLLIN | POLLOUT


class LostWakeUp(Exception):
    """The loop sleeps although what is wanted is ready."""


class Spin(Exception):
    """The descriptor stays readable, or a turn asked for, although the machine was told to see to it."""


class Unwanted(Exception):
    """A direction was reported that nobody wanted."""


class World:
    """A socket, what surrounds it, and a Watch. Each method below that begins with `do_` is one thing that can happen.

    Kinds of sockets:

    "view"      mqbridge's: any change makes an edge, and only the view's own reading of EVENTS clears it. Operations
                that the machine is not told of happen at any time, in other threads, too.
    "told"      stock pyzmq: an edge is made only when the last look saw nothing, and any operation clears it. All
                operations are followed by `touched`; the loop has no hook.
    "hooked"    stock pyzmq, with operations behind the machine's back; the loop looks before it sleeps.
    """

    NAMES = ("messages", "room", "edge", "saw_empty", "saw_full", "wanted", "reported", "asleep", "pending")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.messages = 0
        self.room = False
        self.edge = False
        self.saw_empty = self.saw_full = True
        self.wanted = 0
        # What was reported, and not dealt with yet.
        self.reported = 0
        self.asleep = False
        # A turn was asked for.
        self.pending = False
        # Comes in the middle of a look at a view: another thread's doing.
        self.meanwhile: Callable[[], None] | None = None
        self.watch = Watch(self, self.read_events)

    # ---- saving and restoring

    def key(self) -> tuple[Any, ...]:
        own = tuple(getattr(self, name) for name in self.NAMES)
        return (*own, self.watch._soon, *(interest.state for interest in self.watch.interests))

    @classmethod
    def of(cls, kind: str, key: tuple[Any, ...]) -> World:
        world = cls(kind)
        for name, value in zip((*cls.NAMES,), key, strict=False):
            setattr(world, name, value)
        world.watch._soon = key[len(cls.NAMES)]
        for interest, state in zip(world.watch.interests, key[-2:], strict=True):
            interest.state = state
        return world

    # ---- the host

    def soon(self, watch: Watch) -> None:
        assert not self.pending, "asked for twice"
        self.pending = True

    def cancel(self, watch: Watch) -> None:
        assert self.pending, "taken back, but never asked for"
        self.pending = False

    def run(self, watch: Watch, mask: int) -> None:
        if mask & ~self.wanted:
            raise Unwanted(f"{mask} of {self.wanted}")
        assert not self.reported & mask, "reported twice"
        self.reported |= mask

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        raise AssertionError("nothing fails here") from error

    # ---- the socket

    def ready(self) -> int:
        return (POLLIN if self.messages else 0) | (POLLOUT if self.room else 0)

    def read_events(self) -> int:
        self.edge = False
        if self.meanwhile is not None:
            self.meanwhile()
        self.saw_empty = not self.messages
        self.saw_full = not self.room
        return self.ready()

    def changed(self, makes_edge: bool) -> None:
        if self.kind == "view" or makes_edge:
            self.edge = True

    def operated(self) -> None:
        """An operation was made: a stock socket has processed its signal."""
        if self.kind != "view":
            self.edge = False
        if self.kind == "told":
            self.watch.touched()

    # ---- what peers do

    def do_message(self) -> bool:
        if self.messages == MOST:
            return False
        self.messages += 1
        self.changed(self.saw_empty)
        self.saw_empty = False
        return True

    def do_make_room(self) -> bool:
        if self.room:
            return False
        self.room = True
        self.changed(self.saw_full)
        self.saw_full = False
        return True

    # ---- what users of the socket do, each by itself and as a handler

    def receive(self) -> bool:
        if self.messages:
            self.messages -= 1
        else:
            self.saw_empty = True
        self.operated()
        return True

    def receive_all(self) -> bool:
        self.messages = 0
        self.saw_empty = True
        self.operated()
        return True

    def send(self) -> bool:
        if not self.room:
            self.saw_full = True
        self.operated()
        return True

    def send_and_fill(self) -> bool:
        if not self.room:
            return False
        self.room = False
        self.operated()
        return True

    def other_look(self) -> bool:
        """Somebody else reads EVENTS. Views tell each other."""
        if self.kind == "view":
            self.edge = True
            return True
        self.saw_empty = not self.messages
        self.saw_full = not self.room
        self.operated()
        return True

    OPERATIONS = (receive, receive_all, send, send_and_fill, other_look)

    def awake(self) -> bool:
        # A stock socket is for one thread, which is asleep now.
        return self.kind == "view" or not self.asleep

    def do_receive(self) -> bool:
        return self.awake() and self.receive()

    def do_receive_all(self) -> bool:
        return self.awake() and self.receive_all()

    def do_send(self) -> bool:
        return self.awake() and self.send()

    def do_send_and_fill(self) -> bool:
        return self.awake() and self.send_and_fill()

    def do_other_look(self) -> bool:
        return self.awake() and self.other_look()

    def want(self, mask: int) -> bool:
        if self.asleep or self.wanted == mask:
            return False
        self.wanted = mask
        self.watch.want(mask)
        return True

    def do_want_nothing(self) -> bool:
        return self.want(0)

    def do_want_reading(self) -> bool:
        return self.want(POLLIN)

    def do_want_writing(self) -> bool:
        return self.want(POLLOUT)

    def do_want_both(self) -> bool:
        return self.want(BOTH)

    # ---- what the loop does

    def do_edge(self) -> bool:
        if not self.edge:
            return False
        self.asleep = False
        self.watch.edge()
        if self.edge and not self.reported and not self.pending and self.meanwhile is None:
            raise Spin
        return True

    def do_turn(self) -> bool:
        if not self.pending:
            return False
        self.watch.turn()
        if self.pending:
            raise Spin
        return True

    def do_handlers(self, operation: Callable[[World], bool] | None = None) -> bool:
        """What was reported is dealt with: by doing nothing, or one of the operations."""
        if not self.reported:
            return False
        if operation is not None:
            operation(self)
        mask = self.reported
        self.reported = 0
        self.watch.done(mask)
        return True

    def do_sleep(self) -> bool:
        """The loop has nothing to do. With a hook it looks first."""
        if self.asleep or self.pending or self.edge or self.reported:
            return False
        if self.kind == "hooked":
            self.watch.touched()
            if self.pending:
                self.watch.turn()
            if self.reported or self.edge:
                return True
            self.asleep = True
        return True

    def check(self) -> None:
        """The loop is asleep, or would go to sleep: then nothing that is wanted may be ready."""
        if self.pending or self.edge or self.reported or (self.kind == "hooked" and not self.asleep):
            return
        if self.wanted & self.ready():
            raise LostWakeUp(f"{self.wanted & self.ready()}")


Move = Callable[[World], bool]


def racing(move: Move, meanwhile: Callable[[World], bool]) -> Move:
    """Return a move in whose look at the socket something else happens."""

    def both(world: World) -> bool:
        world.meanwhile = lambda: [None, meanwhile(world)][0]
        done = move(world)
        world.meanwhile = None
        return done

    both.__name__ = f"{move.__name__} while {meanwhile.__name__}"
    return both


def handling(operation: Callable[[World], bool]) -> Move:
    """Return the move of a handler that does one operation."""

    def handler(world: World) -> bool:
        return world.do_handlers(operation)

    handler.__name__ = f"handler: {operation.__name__}"
    return handler


def moves(kind: str) -> list[Move]:
    found: list[Move] = [method for name, method in vars(World).items() if name.startswith("do_")]
    found += [handling(operation) for operation in World.OPERATIONS]
    if kind == "view":
        for look in (World.do_edge, World.do_turn):
            found += [racing(look, other) for other in (World.do_message, World.do_make_room, World.receive_all)]
    return found


def explore(kind: str) -> int:
    """Walk through everything that can happen; return how many situations there are. Raises with the way there."""
    start = World(kind).key()
    came_from: dict[tuple[Any, ...], tuple[tuple[Any, ...], str] | None] = {start: None}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        for move in moves(kind):
            world = World.of(kind, key)
            try:
                if not move(world):
                    continue
                world.check()
            except Exception as violation:
                raise type(violation)(
                    f"{violation} after {' > '.join([*way(came_from, key), move.__name__])}"
                ) from None
            following = world.key()
            if following not in came_from:
                came_from[following] = (key, move.__name__)
                queue.append(following)
    return len(came_from)


def way(came_from: dict[tuple[Any, ...], tuple[tuple[Any, ...], str] | None], key: tuple[Any, ...]) -> list[str]:
    names: list[str] = []
    step = came_from[key]
    while step is not None:
        names.append(step[1])
        step = came_from[step[0]]
    return names[::-1]


@pytest.mark.parametrize("kind", ["view", "told", "hooked"])
def test_p01_p02_p03_p04_p05_p06_p08_p10_nothing_that_can_happen_loses_a_wake_up(kind: str) -> None:
    assert explore(kind) > 300


S, E, A = State, Input, Action

# Each is a plausible mistake, and the pitfall that it brings back.
MISTAKES = {
    "p01 waits for an edge before it has looked": {(S.IDLE, E.WANT): (S.ARMED, ())},
    "p04 p05 goes back to waiting when its handler has run": {(S.RUN, E.DONE): (S.ARMED, ())},
    "p02 p03 does not look again after an operation": {(S.ARMED, E.TOUCHED): (S.ARMED, ())},
    "p06 keeps from one direction what the other one's look has seen": {(S.ARMED, E.SEEN): (S.ARMED, ())},
    "p08 does not read EVENTS on an edge": {(S.ARMED, E.EDGE): (S.ARMED, ())},
    "p10 does not drain an edge that nobody waits for": {(S.IDLE, E.EDGE): (S.IDLE, ())},
    "reads at its turn, but forgets to wait": {(S.LOOK, E.NOTHING): (S.IDLE, ())},
    "waits although it has seen": {(S.LOOK, E.SEEN): (S.ARMED, ())},
    "forgets who came back while it ran": {(S.RUN_OFF, E.WANT): (S.RUN_OFF, ())},
    "goes on for who has left while it ran": {(S.RUN, E.UNWANT): (S.RUN, ())},
    "goes on for who has left while it waited": {(S.ARMED, E.UNWANT): (S.ARMED, ())},
    "goes on for who has left before it looked": {(S.DUE, E.UNWANT): (S.DUE, ())},
    "keeps its turn after having had it": {(S.DUE, E.TURN): (S.LOOK, (A.READ,))},
    "asks for no turn": {(S.RUN, E.DONE): (S.DUE, ())},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_exploration_finds_mistakes_in_the_table(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TABLE", TABLE | MISTAKES[mistake])
    with pytest.raises((LostWakeUp, Spin, Unwanted, AssertionError)):
        for kind in ("view", "told", "hooked"):
            explore(kind)


def test_each_entry_of_the_table_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of the entries that are not about errors and the end, something goes wrong."""
    for entry in TABLE:
        if entry[1] in (Input.ERROR, Input.CLOSE):
            continue
        monkeypatch.setattr(readiness, "TABLE", {key: value for key, value in TABLE.items() if key != entry})
        with pytest.raises((LostWakeUp, Spin, Unwanted, AssertionError)):
            for kind in ("view", "told", "hooked"):
                explore(kind)
            pytest.fail(f"the table does without {entry}")


# ---- errors and the end, which the model leaves out


class Recorder:
    """A host that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def soon(self, watch: Watch) -> None:
        self.calls.append("soon")

    def cancel(self, watch: Watch) -> None:
        self.calls.append("cancel")

    def run(self, watch: Watch, mask: int) -> None:
        self.calls.append(("run", mask))

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        self.calls.append(("fail", mask, str(error)))


class Socket:
    """EVENTS as a test sets it: a mask, or an error."""

    def __init__(self) -> None:
        self.says: int | Exception = 0

    def events(self) -> int:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def host() -> Recorder:
    return Recorder()


@pytest.fixture
def socket() -> Socket:
    return Socket()


@pytest.fixture
def watch(host: Recorder, socket: Socket) -> Watch:
    return Watch(host, socket.events)


def states(watch: Watch) -> tuple[State, State]:
    reading, writing = watch.interests
    return reading.state, writing.state


def test_one_turn_is_asked_for_both_directions(watch: Watch, host: Recorder) -> None:
    watch.want(BOTH)
    assert host.calls == ["soon"]
    watch.turn()
    assert host.calls == ["soon", "cancel"]
    assert states(watch) == (State.ARMED, State.ARMED)


def reported(watch: Watch, socket: Socket, mask: int = POLLIN) -> None:
    """Let it be reported ready, and dealt with; what comes next is a turn."""
    socket.says = mask
    watch.edge()
    watch.turn()
    socket.says = 0
    watch.done(mask)


def test_after_a_report_of_input_it_expects_more_unless_another_one_was_reported(
    host: Recorder, socket: Socket
) -> None:
    expected: list[str] = []

    def made(name: str) -> Watch:
        def expect() -> int:
            expected.append(name)
            return socket.events()

        watch = Watch(host, socket.events, expect)
        watch.want(BOTH)
        watch.turn()
        return watch

    one, other = made("one"), made("other")
    reported(one, socket)
    one.turn()
    # The first time, anybody may have been there before.
    assert expected == []
    for _ in range(2):
        reported(one, socket)
        one.turn()
    assert expected == ["one", "one"]
    # Room for output says nothing about input; and an edge tells by itself what there is.
    reported(one, socket, POLLOUT)
    one.turn()
    one.edge()
    assert expected == ["one", "one"]
    # Who waits meanwhile should not have to wait for this one.
    for watch in (other, one, other):
        reported(watch, socket)
        watch.turn()
    assert expected == ["one", "one"]
    # Nobody wants input any more.
    reported(other, socket)
    other.want(POLLOUT)
    other.turn()
    other.edge()
    assert expected == ["one", "one"]
    other.want(BOTH)
    reported(other, socket)
    other.turn()
    assert expected == ["one", "one", "other"]


def test_a_message_that_was_expected_is_reported(host: Recorder, socket: Socket) -> None:
    def expect() -> int:
        socket.says = POLLIN
        return socket.events()

    watch = Watch(host, socket.events, expect)
    watch.want(POLLIN)
    watch.turn()
    for _ in range(2):
        reported(watch, socket)
        host.calls.clear()
        watch.turn()
    assert host.calls == ["cancel", ("run", POLLIN)]


def test_p12_an_error_goes_to_all_who_wait(watch: Watch, host: Recorder, socket: Socket) -> None:
    watch.want(BOTH)
    watch.turn()
    socket.says = OSError("no more")
    watch.edge()
    assert host.calls[2:] == [("fail", BOTH, "no more")]
    assert states(watch) == (State.IDLE, State.IDLE)


def test_p12_an_error_in_one_directions_look_goes_to_the_other_one_too(
    watch: Watch, host: Recorder, socket: Socket
) -> None:
    watch.want(POLLOUT)
    watch.turn()
    watch.want(BOTH)
    socket.says = OSError("no more")
    watch.turn()
    assert host.calls[-1] == ("fail", BOTH, "no more")


def test_p10_an_error_that_nobody_waits_for_is_told_too_or_the_descriptor_stays_readable_for_ever(
    watch: Watch, host: Recorder, socket: Socket
) -> None:
    socket.says = OSError("no more")
    watch.edge()
    assert host.calls == [("fail", 0, "no more")]


def test_a_keyboard_interrupt_is_not_an_error_of_the_socket(host: Recorder) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    watch = Watch(host, interrupted)
    watch.want(POLLIN)
    with pytest.raises(KeyboardInterrupt):
        watch.turn()


def situations() -> Iterator[tuple[str, Callable[[Watch, Socket], None]]]:
    def due(watch: Watch, socket: Socket) -> None:
        watch.want(BOTH)

    def armed(watch: Watch, socket: Socket) -> None:
        due(watch, socket)
        watch.turn()

    def running(watch: Watch, socket: Socket) -> None:
        socket.says = BOTH
        armed(watch, socket)

    def running_off(watch: Watch, socket: Socket) -> None:
        running(watch, socket)
        watch.want(0)

    for situation in (lambda watch, socket: None, due, armed, running, running_off):
        yield situation.__name__.replace("<lambda>", "idle"), situation


@pytest.mark.parametrize("situation", [pytest.param(step, id=name) for name, step in situations()])
def test_nothing_is_reported_after_the_end(
    situation: Callable[[Watch, Socket], None], watch: Watch, host: Recorder, socket: Socket
) -> None:
    situation(watch, socket)
    watch.close()
    assert host.calls.count("soon") == host.calls.count("cancel")
    host.calls.clear()
    socket.says = BOTH
    for step in (watch.edge, watch.turn, watch.touched, watch.close):
        step()
    watch.want(BOTH)
    watch.done(BOTH)
    assert host.calls == []
    assert states(watch) == (State.CLOSED, State.CLOSED)


def test_what_the_table_does_not_list_changes_nothing() -> None:
    for state in State:
        for event in Input:
            if (state, event) not in TABLE:
                interest = Interest(POLLIN)
                interest.state = state
                assert interest.feed(event) == ()
                assert interest.state is state


def test_all_states_are_reached_and_left() -> None:
    assert {state for state, _ in TABLE} == set(State) - {State.CLOSED}
    assert {state for state, _ in TABLE.values()} == set(State)


def test_the_documentations_diagram_is_the_tables(root: Path) -> None:
    assert (root / diagrams.PAGE).read_text() == diagrams.page(), "write it anew with: python build_support/diagrams.py"
