"""The order of turns, against a model in libzmq's terms."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mqbridge.patterns.rota import Rota
from mqbridge.pipes.pipe import Pipe

Make = Callable[..., Pipe]


class Model:
    """What libzmq's fq.cpp and lb.cpp do with their `pipes`, `active` and `current`."""

    def __init__(self) -> None:
        self.pipes: list[str] = []
        self.active = 0
        self.current = 0

    def swap(self, one: int, other: int) -> None:
        self.pipes[one], self.pipes[other] = self.pipes[other], self.pipes[one]

    def add(self, name: str) -> None:
        self.pipes.append(name)

    def activate(self, name: str) -> None:
        if name in self.pipes and self.pipes.index(name) >= self.active:
            self.swap(self.pipes.index(name), self.active)
            self.active += 1

    def retire(self, name: str) -> None:
        if name in self.pipes[: self.active]:
            self.active -= 1
            self.swap(self.pipes.index(name), self.active)
            if self.current == self.active:
                self.current = 0

    def detach(self, name: str) -> None:
        self.retire(name)
        if name in self.pipes:
            self.swap(self.pipes.index(name), len(self.pipes) - 1)
            self.pipes.pop()

    def advance(self) -> None:
        self.current = (self.current + 1) % self.active if self.active else 0


def names(rota: Rota) -> list[str]:
    return [pipe.endpoint for pipe in rota.pipes]


def check(rota: Rota) -> None:
    """Assert what always holds."""
    assert {pipe: place for place, pipe in enumerate(rota.pipes)} == rota.places
    assert 0 <= rota.active <= len(rota.pipes)
    assert 0 <= rota.current < max(rota.active, 1)


def rota_of(make: Make, text: str, active: int, current: int = 0) -> tuple[Rota, dict[str, Pipe]]:
    rota = Rota()
    pipes = {name: make(name) for name in text}
    for name in text:
        rota.add(pipes[name])
    for name in text[:active]:
        rota.activate(pipes[name])
    for _ in range(current):
        rota.advance()
    check(rota)
    return rota, pipes


def test_a_new_pipe_is_not_active(lone_pipe: Make) -> None:
    rota, _ = rota_of(lone_pipe, "ab", 0)
    assert (names(rota), rota.active, rota.current) == (["a", "b"], 0, 0)


def test_the_active_ones_come_first(lone_pipe: Make) -> None:
    rota, pipes = rota_of(lone_pipe, "abcd", 0)
    rota.activate(pipes["c"])
    assert (names(rota), rota.active) == (["c", "b", "a", "d"], 1)
    rota.activate(pipes["d"])
    assert (names(rota), rota.active) == (["c", "d", "a", "b"], 2)
    check(rota)


def test_activating_twice_changes_nothing(lone_pipe: Make) -> None:
    rota, pipes = rota_of(lone_pipe, "abc", 2)
    rota.activate(pipes["a"])
    rota.activate(pipes["b"])
    assert (names(rota), rota.active) == (["a", "b", "c"], 2)


def test_the_turn_goes_round(lone_pipe: Make) -> None:
    rota, _ = rota_of(lone_pipe, "abc", 2)
    seen = []
    for _ in range(5):
        seen.append(rota.current)
        rota.advance()
    assert seen == [0, 1, 0, 1, 0]


def test_the_turn_stays_at_the_start_where_nothing_is_active(lone_pipe: Make) -> None:
    rota, _ = rota_of(lone_pipe, "a", 0)
    rota.advance()
    assert rota.current == 0


@pytest.mark.parametrize(
    ("name", "current", "order", "turn"),
    [
        # The one whose turn it is: the last active one takes its place and its turn.
        ("b", 1, "adcb", "d"),
        ("d", 3, "abcd", "a"),
        # One before, one after: the turn stays where it is.
        ("a", 1, "dbca", "b"),
        ("c", 1, "abdc", "b"),
        ("d", 1, "abcd", "b"),
        # The last active one had the turn and changes places: it keeps the turn.
        ("a", 3, "dbca", "d"),
    ],
)
def test_retiring_keeps_the_turn(lone_pipe: Make, name: str, current: int, order: str, turn: str) -> None:
    rota, pipes = rota_of(lone_pipe, "abcd", 4, current)
    rota.retire(pipes[name])
    assert "".join(names(rota)) == order
    assert rota.active == 3
    assert names(rota)[rota.current] == turn
    check(rota)


def test_retiring_twice_changes_nothing(lone_pipe: Make) -> None:
    rota, pipes = rota_of(lone_pipe, "abc", 3)
    rota.retire(pipes["b"])
    before = (names(rota), rota.active, rota.current)
    rota.retire(pipes["b"])
    assert (names(rota), rota.active, rota.current) == before


def test_a_detached_pipe_stays_so(lone_pipe: Make) -> None:
    rota, pipes = rota_of(lone_pipe, "abc", 3)
    rota.detach(pipes["a"])
    for late in (rota.activate, rota.retire, rota.detach):
        late(pipes["a"])
        assert sorted(names(rota)) == ["b", "c"]
        assert rota.active == 2
        check(rota)
    rota.detach(pipes["b"])
    rota.detach(pipes["c"])
    assert (rota.pipes, rota.places, rota.active, rota.current) == ([], {}, 0, 0)
    rota.activate(pipes["a"])
    assert rota.active == 0


def test_random_steps_give_the_order_of_libzmq(lone_pipe: Make) -> None:
    choose = random.Random(28)
    for _ in range(300):
        rota, model = Rota(), Model()
        pipes: dict[str, Pipe] = {}
        for step in range(60):
            verb = choose.choice(["add", "activate", "activate", "retire", "detach", "advance", "advance"])
            if verb == "add" or not pipes:
                name = f"pipe{step}"
                pipes[name] = lone_pipe(name)
                rota.add(pipes[name])
                model.add(name)
            elif verb == "advance":
                rota.advance()
                model.advance()
            else:
                # Detached ones too: letters about them may still be on their way.
                name = choose.choice(list(pipes))
                getattr(rota, verb)(pipes[name])
                getattr(model, verb)(name)
            assert (names(rota), rota.active, rota.current) == (model.pipes, model.active, model.current)
            check(rota)
