"""The wake-up descriptor, and the letters it announces."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from mqbridge.pipes.signaler import Mailbox, Signaler

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def signals_in_flight(signaler: Signaler) -> int:
    """Return how many signals wait in the descriptor, and take them out."""
    try:
        return int.from_bytes(os.read(signaler.fd, 8), "little")
    except BlockingIOError:
        return 0


def test_it_is_readable_from_signal_to_drain(readable: Callable[[int], bool]) -> None:
    signaler = Signaler()
    assert not signaler.signalled
    assert not readable(signaler.fd)
    for _ in range(3):
        signaler.signal()
        assert signaler.signalled
        assert readable(signaler.fd)
        signaler.drain()
        assert not signaler.signalled
        assert not readable(signaler.fd)
    signaler.close()


def test_it_is_readable_from_signal_to_clear(readable: Callable[[int], bool]) -> None:
    signaler = Signaler()
    signaler.clear()
    for _ in range(3):
        signaler.signal()
        assert readable(signaler.fd)
        signaler.clear()
        assert not signaler.signalled
        assert not readable(signaler.fd)
        signaler.clear()
        assert not readable(signaler.fd)
    signaler.close()


def test_at_most_one_signal_is_in_flight() -> None:
    signaler = Signaler()
    for _ in range(5):
        signaler.signal()
    assert signals_in_flight(signaler) == 1
    signaler.drain()
    for _ in range(5):
        signaler.signal()
    assert signals_in_flight(signaler) == 1
    signaler.close()


def test_clear_makes_no_system_call_without_a_signal() -> None:
    signaler = Signaler()
    os.eventfd_write(signaler.fd, 1)  # not announced by the flag: nobody may take it out
    signaler.clear()
    assert signals_in_flight(signaler) == 1
    signaler.close()


def test_drain_takes_a_signal_whose_flag_is_gone(readable: Callable[[int], bool]) -> None:
    # The signalling thread was stopped between setting the flag and writing, and the owner drained then.
    signaler = Signaler()
    signaler.signal()
    signaler.signalled = False
    assert readable(signaler.fd)
    signaler.drain()
    assert not readable(signaler.fd)
    assert not signaler.signalled
    signaler.close()


def test_drain_without_a_signal_does_not_block(readable: Callable[[int], bool]) -> None:
    signaler = Signaler()
    signaler.drain()
    signaler.drain()
    signaler.signal()
    assert readable(signaler.fd)
    signaler.close()


def test_p40_it_is_not_blocking_from_the_start_and_not_inherited() -> None:
    signaler = Signaler()
    assert not os.get_blocking(signaler.fd)
    assert not os.get_inheritable(signaler.fd)
    signaler.close()


def test_a_closed_one_takes_signals_to_nowhere() -> None:
    signaler = Signaler()
    number = signaler.fd
    signaler.close()
    assert signaler.fd == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    signaler.signal()
    signaler.signal()
    signaler.clear()
    signaler.drain()
    signaler.close()


def test_p24_a_late_signal_does_not_reach_the_next_file_of_that_number(readable: Callable[[int], bool]) -> None:
    signaler = Signaler()
    number = signaler.fd
    signaler.close()
    other = os.eventfd(0, os.EFD_NONBLOCK)
    os.dup2(other, number)
    try:
        signaler.signal()
        assert not readable(number)
        os.eventfd_write(number, 1)
        signaler.drain()
        assert readable(number)
        signaler.close()
        os.fstat(number)
    finally:
        os.close(number)
        if other != number:
            os.close(other)


def test_letters_come_in_order_and_once(readable: Callable[[int], bool]) -> None:
    mailbox = Mailbox()
    assert mailbox.collect() == []
    about = object()
    mailbox.post(1, about)
    mailbox.post(2, None)
    mailbox.post(1, about)
    assert readable(mailbox.signaler.fd)
    assert mailbox.collect() == [(1, about), (2, None), (1, about)]
    assert not readable(mailbox.signaler.fd)
    assert mailbox.collect() == []
    mailbox.post(3, about)
    assert readable(mailbox.signaler.fd)
    assert mailbox.collect() == [(3, about)]
    mailbox.signaler.close()


def test_many_letters_are_one_signal() -> None:
    mailbox = Mailbox()
    for number in range(100):
        mailbox.post(number, None)
    assert signals_in_flight(mailbox.signaler) == 1
    assert [what for what, _ in mailbox.collect()] == list(range(100))
    mailbox.signaler.close()


def test_p10_collecting_drains_also_where_there_is_no_letter(readable: Callable[[int], bool]) -> None:
    mailbox = Mailbox()
    mailbox.signaler.signal()
    assert mailbox.collect() == []
    assert not readable(mailbox.signaler.fd)
    mailbox.signaler.close()


def test_letters_to_a_closed_mailbox_wake_nobody() -> None:
    mailbox = Mailbox()
    mailbox.signaler.close()
    mailbox.post(1, None)
    assert mailbox.collect() == [(1, None)]


@pytest.mark.parametrize("senders", [1, 3])
def test_no_letter_is_lost_between_threads(
    senders: int, together: Callable[..., None], readable: Callable[..., bool]
) -> None:
    count = 6_000
    mailbox = Mailbox()
    got: list[tuple[int, object]] = []

    def sender(name: int) -> Callable[[], None]:
        def send() -> None:
            for number in range(count):
                mailbox.post(number, name)

        return send

    def receive() -> None:
        while len(got) < senders * count:
            # Every letter is announced: without a signal there is nothing to collect.
            assert readable(mailbox.signaler.fd, 10), f"no wake-up after {len(got)} letters"
            got.extend(mailbox.collect())

    together(receive, *(sender(name) for name in range(senders)))
    for name in range(senders):
        assert [number for number, sent_by in got if sent_by == name] == list(range(count))
    mailbox.signaler.close()


def test_no_letter_is_left_without_a_signal_in_any_order_of_steps(
    explore: Callable[..., int], readable: Callable[..., bool]
) -> None:
    def make() -> tuple[list[Callable[..., None]], Callable[[], None]]:
        mailbox = Mailbox()
        got: list[tuple[int, object]] = []

        def send(sleep_until: Callable[..., None]) -> None:
            for number in range(2):
                mailbox.post(number, None)

        def receive(sleep_until: Callable[..., None]) -> None:
            while len(got) < 2:
                sleep_until(lambda: readable(mailbox.signaler.fd))
                got.extend(mailbox.collect())

        def check() -> None:
            mailbox.signaler.close()
            assert got == [(0, None), (1, None)]

        return [send, receive], check

    assert explore(make, 2) > 100
