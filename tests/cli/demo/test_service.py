"""The service counts, and answers whole lines."""

from __future__ import annotations

import pytest

from mqbridge.cli.demo import service


@pytest.mark.parametrize(
    ("numbers", "lost", "misplaced"),
    [
        ([0, 1, 2, 3], 0, 0),
        ([1, 2, 3], 1, 0),
        ([0, 3], 2, 0),
        ([0, 1, 1, 2], 0, 1),
        ([0, 2, 1, 3], 1, 1),
    ],
)
def test_the_service_counts_what_is_lost_and_misplaced(numbers: list[int], lost: int, misplaced: int) -> None:
    sender = service.Sender()
    for number in numbers:
        sender.count(number)
    assert (sender.received, sender.lost, sender.misplaced) == (len(numbers), lost, misplaced)


@pytest.mark.parametrize("cuts", [[], [1], [2, 3], [3], [4, 5, 6], [9]])
def test_a_conversation_answers_whole_lines(cuts: list[int]) -> None:
    offered = service.Service()
    conversation = offered.conversation()
    text = b"one\r\ntwo\n\nrest"
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, None], strict=True)]
    assert b"".join(map(conversation.feed, pieces)) == b"ONE\nTWO\n\n"
    assert (offered.clients, offered.lines, conversation.ended) == (1, 3, False)
    assert conversation.feed(b"") == b""
    assert conversation.ended
    conversation.close()
    assert offered.clients == 0


def test_a_conversation_ends_with_too_long_a_line() -> None:
    conversation = service.Service().conversation()
    assert conversation.feed(b"fine\n" + b"x" * service.LONGEST_LINE) == b"FINE\n"
    assert not conversation.ended
    assert conversation.feed(b"x") == b""
    assert conversation.ended
