"""Topics and who wants them: a trie, so that a match costs the length of a topic, however many topics there are.

A topic matches every message that begins with it. The same class serves both sides: a publisher's members are pipes; a
subscriber has one member, itself, and counts how often it has asked for each topic.

The trie is compressed (a radix tree): a node stands where a topic ends or where topics part, and nowhere else, so a
topic makes two nodes at most, however long it is.
"""

from collections.abc import Hashable, Iterator
from typing import Any

# What `Subscriptions.remove` has found.
STILL_WANTED = 0  # others want the topic, or the member itself does, asked more often
UNWANTED = 1  # nobody wants it any more
UNKNOWN = 2  # the member had not asked for it

# What a topic costs beyond its own bytes, about.
_EACH = 350


class _Node:
    """A topic, or the common beginning of several, which goes on after the parent's with `label`."""

    __slots__ = ("label", "children", "member", "others")

    def __init__(self, label: bytes) -> None:
        self.label = label
        # First byte of its label -> child; None for no children.
        self.children: dict[int, _Node] | None = None
        # Who wants just this topic. Mostly that is one, who then needs no set.
        self.member: Any = None
        self.others: set[Any] | None = None


class Subscriptions:
    """Who wants which topics."""

    __slots__ = ("_root", "_topics", "_sizes")

    def __init__(self) -> None:
        self._root = _Node(b"")
        # Member -> topic -> how often it has asked for that.
        self._topics: dict[Any, dict[bytes, int]] = {}
        # Member -> what its topics cost, in bytes.
        self._sizes: dict[Any, int] = {}

    def add(self, topic: bytes, member: Hashable) -> bool:
        """Note that a member wants a topic, once more; return whether nobody had wanted it."""
        topics = self._topics.get(member)
        if topics is None:
            topics = self._topics[member] = {}
            self._sizes[member] = 0
        count = topics.get(topic, 0)
        topics[topic] = count + 1
        if count:
            return False
        self._sizes[member] += len(topic) + _EACH
        node = self._node_for(topic)
        if node.member is None:
            node.member = member
            return True
        if node.others is None:
            node.others = set()
        node.others.add(member)
        return False

    def _node_for(self, topic: bytes) -> _Node:
        """Return the node of a topic, made if need be."""
        node = self._root
        at = 0
        while at < len(topic):
            if node.children is None:
                node.children = {}
            child = node.children.get(topic[at])
            if child is None:
                child = _Node(topic[at:])
                node.children[topic[at]] = child
                return child
            if not topic.startswith(child.label, at):
                child = self._split(node, child, topic[at : at + len(child.label)])
            at += len(child.label)
            node = child
        return node

    def _split(self, parent: _Node, child: _Node, other: bytes) -> _Node:
        """Put a node where a child's label and another one, which differs from it, part; return that node."""
        label = child.label
        size = 1
        while size < len(other) and label[size] == other[size]:
            size += 1
        middle = _Node(label[:size])
        child.label = label[size:]
        middle.children = {label[size]: child}
        parent.children[label[0]] = middle  # type: ignore[index]
        return middle

    def remove(self, topic: bytes, member: Hashable, every: bool = False) -> int:
        """A member wants a topic once less, with `every` no more at all; return STILL_WANTED, UNWANTED or UNKNOWN."""
        topics = self._topics.get(member)
        if topics is None:
            return UNKNOWN
        count = topics.get(topic, 0)
        if count == 0:
            return UNKNOWN
        if count > 1 and not every:
            topics[topic] = count - 1
            return STILL_WANTED
        del topics[topic]
        self._sizes[member] -= len(topic) + _EACH
        if not topics:
            del self._topics[member]
            del self._sizes[member]
        return self._take_out(topic, member)

    def _take_out(self, topic: bytes, member: Hashable) -> int:
        """Remove a member from the node of a topic, which is there."""
        parent = node = self._root
        at = 0
        while at < len(topic):
            parent = node
            node = node.children[topic[at]]  # type: ignore[index]
            at += len(node.label)
        if node.others is not None:
            if node.member == member:
                node.member = node.others.pop()
            else:
                node.others.discard(member)
            if not node.others:
                node.others = None
            return STILL_WANTED
        node.member = None
        if node is not self._root:
            if node.children is None:
                del parent.children[node.label[0]]  # type: ignore[union-attr]
                if not parent.children:
                    parent.children = None
                node = parent
            self._join(node)
        return UNWANTED

    def _join(self, node: _Node) -> None:
        """If nothing parts or ends at a node any more, let it be one with its only child."""
        children = node.children
        if node is self._root or node.member is not None or children is None or len(children) > 1:
            return
        for child in children.values():
            node.label = node.label + child.label
            node.children = child.children
            node.member = child.member
            node.others = child.others

    def leave(self, member: Hashable) -> list[tuple[bytes, bool]]:
        """Remove a member from all its topics; return those, each with whether nobody wants it now."""
        topics = sorted(self._topics.get(member, ()))
        return [(topic, self.remove(topic, member, True) == UNWANTED) for topic in topics]

    def size_of(self, member: Hashable) -> int:
        """Return how many bytes of memory a member's topics cost, about."""
        return self._sizes.get(member, 0)

    def topics(self) -> Iterator[bytes]:
        """Return all topics that somebody wants, each once."""
        return iter(sorted(set().union(*self._topics.values())))

    def matches(self, message: bytes) -> bool:
        """Return whether somebody wants this message."""
        node = self._root
        at = 0
        while node.member is None:
            if at == len(message) or node.children is None:
                return False
            child = node.children.get(message[at])
            if child is None or (len(child.label) > 1 and not message.startswith(child.label, at)):
                return False
            at += len(child.label)
            node = child
        return True

    def wanted_by(self, message: bytes) -> set[Any]:
        """Return all who want this message."""
        node = self._root
        at = 0
        found: set[Any] = set()
        while True:
            if node.member is not None:
                found.add(node.member)
                if node.others is not None:
                    found.update(node.others)
            if at == len(message) or node.children is None:
                return found
            child = node.children.get(message[at])
            if child is None or (len(child.label) > 1 and not message.startswith(child.label, at)):
                return found
            at += len(child.label)
            node = child
