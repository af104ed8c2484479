"""Topics and who wants them: a trie, so that a match costs the length of a topic, however many topics there are.

A topic matches every message that begins with it. The same class serves both sides: a publisher's members are pipes; a
subscriber has one member, itself, and counts how often it has asked for each topic.
"""

from collections.abc import Hashable, Iterator
from typing import Any

# What `Subscriptions.remove` has found.
STILL_WANTED = 0  # others want the topic, or the member itself does, asked more often
UNWANTED = 1  # nobody wants it any more
UNKNOWN = 2  # the member had not asked for it


class _Node:
    """What is known of the topics that begin like this."""

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}
        # Member -> how often it has asked for just this topic; None while nobody has.
        self.members: dict[Any, int] | None = None


class Subscriptions:
    """Who wants which topics."""

    __slots__ = ("_root", "_topics")

    def __init__(self) -> None:
        self._root = _Node()
        # Member -> its topics, so that one who leaves is found without searching.
        self._topics: dict[Any, set[bytes]] = {}

    def add(self, topic: bytes, member: Hashable) -> bool:
        """Note that a member wants a topic, once more; return whether nobody had wanted it."""
        node = self._root
        for byte in topic:
            child = node.children.get(byte)
            if child is None:
                child = node.children[byte] = _Node()
            node = child
        first = node.members is None
        if node.members is None:
            node.members = {}
        node.members[member] = node.members.get(member, 0) + 1
        self._topics.setdefault(member, set()).add(topic)
        return first

    def remove(self, topic: bytes, member: Hashable, every: bool = False) -> int:
        """A member wants a topic once less, with `every` no more at all; return STILL_WANTED, UNWANTED or UNKNOWN."""
        path = [self._root]
        for byte in topic:
            child = path[-1].children.get(byte)
            if child is None:
                return UNKNOWN
            path.append(child)
        members = path[-1].members
        if members is None or member not in members:
            return UNKNOWN
        members[member] -= 1
        if members[member] and not every:
            return STILL_WANTED
        del members[member]
        self._topics[member].discard(topic)
        if not self._topics[member]:
            del self._topics[member]
        if members:
            return STILL_WANTED
        path[-1].members = None
        self._prune(path, topic)
        return UNWANTED

    def _prune(self, path: list[_Node], topic: bytes) -> None:
        """Forget branches that lead nowhere any more."""
        for depth in range(len(topic), 0, -1):
            node = path[depth]
            if node.members is not None or node.children:
                return
            del path[depth - 1].children[topic[depth - 1]]

    def leave(self, member: Hashable) -> list[tuple[bytes, bool]]:
        """Remove a member from all its topics; return those, each with whether nobody wants it now."""
        topics = sorted(self._topics.get(member, ()))
        return [(topic, self.remove(topic, member, True) == UNWANTED) for topic in topics]

    def topics(self) -> Iterator[bytes]:
        """Return all topics that somebody wants, each once."""
        return iter(sorted(set().union(*self._topics.values())))

    def matches(self, message: bytes) -> bool:
        """Return whether somebody wants this message."""
        node = self._root
        if node.members is not None:
            return True
        for byte in message:
            child = node.children.get(byte)
            if child is None:
                return False
            node = child
            if node.members is not None:
                return True
        return False

    def wanted_by(self, message: bytes) -> set[Any]:
        """Return all who want this message."""
        node = self._root
        found: set[Any] = set()
        if node.members is not None:
            found.update(node.members)
        for byte in message:
            child = node.children.get(byte)
            if child is None:
                break
            node = child
            if node.members is not None:
                found.update(node.members)
        return found
