"""The trie of topics, compared with a list of all that was asked for."""

from __future__ import annotations

import random
import sys
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.patterns.subscriptions import STILL_WANTED, UNKNOWN, UNWANTED, Subscriptions, _Node

# Few letters and short topics: most are beginnings of others.
TOPICS = st.text("ab\0\xff", max_size=4).map(lambda text: text.encode("latin-1"))
MEMBERS = st.sampled_from("xyz")
STEPS = st.one_of(
    st.tuples(st.just("add"), TOPICS, MEMBERS),
    st.tuples(st.just("remove"), TOPICS, MEMBERS),
    st.tuples(st.just("remove every"), TOPICS, MEMBERS),
    st.tuples(st.just("leave"), st.just(b""), MEMBERS),
)


class Model:
    """Every (topic, member) and how often it was asked for."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[bytes, str]] = Counter()

    def members(self, topic: bytes) -> set[str]:
        return {member for each, member in self.counts if each == topic}

    def add(self, topic: bytes, member: str) -> bool:
        first = not self.members(topic)
        self.counts[topic, member] += 1
        return first

    def remove(self, topic: bytes, member: str, every: bool) -> int:
        if (topic, member) not in self.counts:
            return UNKNOWN
        self.counts[topic, member] -= 1
        if every or not self.counts[topic, member]:
            del self.counts[topic, member]
        return STILL_WANTED if self.members(topic) else UNWANTED

    def leave(self, member: str) -> list[tuple[bytes, bool]]:
        topics = sorted(topic for topic, each in self.counts if each == member)
        return [(topic, self.remove(topic, member, True) == UNWANTED) for topic in topics]

    def wanted_by(self, message: bytes) -> set[str]:
        return {member for topic, member in self.counts if message.startswith(topic)}

    def topics(self) -> list[bytes]:
        return sorted({topic for topic, _ in self.counts})


def nodes(subscriptions: Any) -> int:
    """Return how many nodes the trie has besides its root; only interpreted code shows them."""
    if not hasattr(subscriptions, "_root"):
        pytest.skip("compiled code does not show the nodes of its trie")
    count, waiting = -1, [subscriptions._root]
    while waiting:
        count += 1
        waiting.extend((waiting.pop().children or {}).values())
    return count


def partings(topics: list[bytes]) -> set[bytes]:
    """Return the topics, and the beginnings at which some of them part: where there are nodes."""
    found = set(topics)
    for one, other in combinations(topics, 2):
        size = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
        if size is not None:
            found.add(one[:size])
    return found - {b""}


@settings(derandomize=True, deadline=None)
@given(st.lists(STEPS, max_size=40), st.lists(TOPICS, min_size=1, max_size=8))
def test_it_is_the_same_as_a_list_of_all(steps: list[tuple[str, bytes, str]], messages: list[bytes]) -> None:
    trie, model = Subscriptions(), Model()
    for verb, topic, member in steps:
        if verb == "add":
            assert trie.add(topic, member) == model.add(topic, member)
        elif verb == "leave":
            assert trie.leave(member) == model.leave(member)
        else:
            every = verb == "remove every"
            assert trie.remove(topic, member, every) == model.remove(topic, member, every)
        assert list(trie.topics()) == model.topics()
    for message in messages:
        assert trie.wanted_by(message) == model.wanted_by(message)
        assert trie.matches(message) == bool(model.wanted_by(message))


@settings(derandomize=True, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_there_are_nodes_for_what_is_wanted_and_no_others(steps: list[tuple[str, bytes, str]]) -> None:
    trie, model = Subscriptions(), Model()
    for verb, topic, member in steps:
        if verb == "add":
            trie.add(topic, member)
            model.add(topic, member)
        elif verb == "leave":
            trie.leave(member)
            model.leave(member)
        else:
            trie.remove(topic, member, verb == "remove every")
            model.remove(topic, member, verb == "remove every")
        assert nodes(trie) == len(partings(model.topics()))


def test_a_new_one_wants_nothing() -> None:
    trie = Subscriptions()
    assert not trie.matches(b"")
    assert not trie.matches(b"anything")
    assert trie.wanted_by(b"anything") == set()
    assert list(trie.topics()) == []
    assert trie.leave("nobody") == []
    assert trie.remove(b"", "nobody") == UNKNOWN
    assert trie.remove(b"topic", "nobody") == UNKNOWN


def test_a_topic_matches_what_begins_with_it() -> None:
    trie = Subscriptions()
    trie.add(b"ab", "x")
    assert [trie.matches(message) for message in (b"", b"a", b"ab", b"abc", b"b", b"\0ab")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_empty_topic_matches_all() -> None:
    trie = Subscriptions()
    assert trie.add(b"", "x")
    for message in (b"", b"a", bytes(range(256))):
        assert trie.matches(message)
        assert trie.wanted_by(message) == {"x"}
    assert trie.remove(b"", "x") == UNWANTED
    assert not trie.matches(b"")


def test_asking_is_counted_by_member() -> None:
    trie = Subscriptions()
    assert trie.add(b"t", "x")
    assert not trie.add(b"t", "x")
    assert not trie.add(b"t", "y")
    assert trie.remove(b"t", "x") == STILL_WANTED
    assert trie.wanted_by(b"t") == {"x", "y"}
    assert trie.remove(b"t", "x") == STILL_WANTED
    assert trie.wanted_by(b"t") == {"y"}
    assert trie.remove(b"t", "x") == UNKNOWN
    assert trie.remove(b"t", "y") == UNWANTED


def test_removing_every_one_at_once() -> None:
    trie = Subscriptions()
    for _ in range(3):
        trie.add(b"t", "x")
    assert trie.remove(b"t", "x", True) == UNWANTED
    assert trie.remove(b"t", "x", True) == UNKNOWN
    assert nodes(trie) == 0


def test_who_wants_nothing_any_more_is_forgotten() -> None:
    trie, member = Subscriptions(), object()
    before = sys.getrefcount(member)
    for farewell in (lambda: trie.remove(b"t", member), lambda: trie.leave(member)):
        trie.add(b"t", member)
        farewell()
        after = sys.getrefcount(member)
        assert after == before


def test_one_who_leaves_says_what_nobody_wants_now() -> None:
    trie = Subscriptions()
    for topic in (b"b", b"a", b"a", b"", b"abc"):
        trie.add(topic, "x")
    for topic in (b"a", b"abcd"):
        trie.add(topic, "y")
    assert trie.leave("x") == [(b"", True), (b"a", False), (b"abc", True), (b"b", True)]
    assert trie.leave("x") == []
    assert list(trie.topics()) == [b"a", b"abcd"]


def test_each_topic_is_listed_once_however_many_want_it() -> None:
    trie = Subscriptions()
    for topic, member in ((b"b", "x"), (b"b", "y"), (b"a", "y"), (b"a", "y")):
        trie.add(topic, member)
    assert list(trie.topics()) == [b"a", b"b"]


def test_removing_a_topic_leaves_longer_and_shorter_ones() -> None:
    trie = Subscriptions()
    for topic in (b"a", b"ab", b"abc"):
        trie.add(topic, topic)
    assert trie.remove(b"ab", b"ab") == UNWANTED
    assert trie.wanted_by(b"abc") == {b"a", b"abc"}
    assert trie.remove(b"abc", b"abc") == UNWANTED
    assert nodes(trie) == 1
    # What is only the beginning of a topic is none.
    trie.add(b"axy", "z")
    assert trie.remove(b"ax", "z") == UNKNOWN
    assert trie.remove(b"axyz", "z") == UNKNOWN


def test_thousands_of_topics_come_and_go() -> None:
    choose = random.Random(5)
    trie = Subscriptions()
    topics = {choose.randbytes(choose.randrange(1, 12)) for _ in range(5_000)}
    for topic in topics:
        assert trie.add(topic, topic)
        trie.add(topic, "all")
    for topic in sorted(topics)[::10]:
        message = topic + b"!"
        assert trie.wanted_by(message) == {message[:n] for n in range(1, 13) if message[:n] in topics} | {"all"}
    left = trie.leave("all")
    assert [topic for topic, _ in left] == sorted(topics)
    assert not any(unwanted for _, unwanted in left)
    for topic in topics:
        assert trie.remove(topic, topic) == UNWANTED
    assert list(trie.topics()) == []
    assert nodes(trie) == 0


def test_a_very_long_topic_needs_no_deep_stack() -> None:
    topic = bytes(100_000)
    trie = Subscriptions()
    assert trie.add(topic, "x")
    assert trie.matches(topic + b"!")
    assert not trie.matches(topic[:-1])
    assert trie.remove(topic, "x") == UNWANTED
    trie.add(topic, "x")
    # And none when all goes at once.
    del trie


def test_a_new_node_is_empty() -> None:
    node = _Node(b"label")
    assert node.label == b"label"
    assert node.children is node.member is node.others is None


def test_each_topic_may_begin_with_the_one_before_it() -> None:
    topics = [b"x" * size for size in range(1, 3_000)]
    trie = Subscriptions()
    for topic in reversed(topics):
        assert trie.add(topic, len(topic))
    assert trie.wanted_by(topics[-1] + b"!") == set(range(1, 3_000))
    assert trie.wanted_by(topics[1_000]) == set(range(1, 1_002))
    for topic in topics[::2]:
        assert trie.remove(topic, len(topic)) == UNWANTED
    assert trie.wanted_by(topics[-1]) == set(range(2, 3_000, 2))
    # And no deep stack when all goes at once.
    del trie


def test_the_one_who_was_first_may_leave_before_the_others() -> None:
    trie = Subscriptions()
    for member in "xyz":
        trie.add(b"t", member)
    assert trie.remove(b"t", "x") == STILL_WANTED
    assert trie.wanted_by(b"t") == {"y", "z"}
    # Whoever stands in its place now, the rest of them leave one by one.
    assert trie.remove(b"t", "z") == STILL_WANTED
    assert trie.wanted_by(b"t") == {"y"}
    assert trie.remove(b"t", "y") == UNWANTED
    assert trie.wanted_by(b"t") == set()


def test_a_topic_costs_little_however_long_it_is() -> None:
    chance = random.Random(8)
    topics = [chance.randbytes(200) for _ in range(1_000)]
    trie = Subscriptions()
    for topic in topics:
        trie.add(topic, "x")
    # A node of its own for each, and one where those with the same first byte part.
    assert nodes(trie) <= 2 * len(topics)


def test_what_a_members_topics_cost() -> None:
    trie = Subscriptions()
    assert trie.size_of("x") == 0
    trie.add(b"a", "x")
    one = trie.size_of("x")
    assert one > 1
    # Once more is no more; nor is what others want, or what was never asked for.
    trie.add(b"a", "x")
    trie.add(b"a", "y")
    assert trie.remove(b"b", "x") == UNKNOWN
    assert trie.size_of("x") == one
    trie.add(b"a" + bytes(99), "x")
    assert trie.size_of("x") == 2 * one + 99
    assert trie.remove(b"a", "x") == STILL_WANTED
    assert trie.size_of("x") == 2 * one + 99
    assert trie.remove(b"a", "x", True) == STILL_WANTED
    assert trie.size_of("x") == one + 99
    trie.leave("x")
    assert (trie.size_of("x"), trie.size_of("y")) == (0, one)
