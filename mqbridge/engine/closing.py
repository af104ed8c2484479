"""How a socket ends: what it has accepted is still sent, within LINGER, and then nothing of it is left.

A closed socket's driver stays alive while it has messages to write. The caretaker drives it; with io_threads=0 the
thread that terminates the context does.
"""

import errno
import sys
from collections.abc import Callable
from typing import Any

from mqbridge import _sys
from mqbridge.pipes.pipe import ATTACHED, Crossing

_MILLISECOND = 1_000_000
# Where the user has not set LINGER, messages that nobody takes are dropped this long after the last progress, so
# that no program hangs at its end for want of a peer. An explicit LINGER of -1 does wait for ever.
_PATIENCE = 30_000


def close(driver: Any, linger: int | None, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
    """Close a socket; `linger` is in ms, -1 for ever, None as the option says. Closing twice does nothing."""
    if driver.stopped == errno.ECHILD:
        abandon(driver)
        return
    if finalizing():
        _close_at_last(driver)
        return
    driver.lock.acquire()
    try:
        if driver.closing:
            return
        driver.closing = True
        driver.stopped = errno.ENOTSOCK
        driver.changed = True
        if driver.dirty:
            driver.flush()
        driver.forget_parts()
        driver.shut_windows(False)
        explicit = driver.options.linger_set
        if linger is None:
            linger = driver.options.linger
        else:
            explicit = True
        _leave_peers(driver, linger)
        if not finish_if_done(driver):
            driver.engine.lingers(driver)
            if linger > 0:
                driver.timers.after(linger * _MILLISECOND, lambda: give_up(driver))
            elif not explicit:
                _Patience(driver)
    finally:
        driver.leave()


def _close_at_last(driver: Any) -> None:
    """The interpreter ends, and `at_exit` has been here. Other threads are gone, whatever locks they had.

    So nothing that they may have had is waited for, nor are the descriptors closed by anybody but the system.
    """
    if not driver.closing and driver.lock.try_acquire():
        driver.closing = True
        driver.stopped = errno.ENOTSOCK
        try:
            driver.flush()
        finally:
            driver.lock.release()


def _leave_peers(driver: Any, linger: int) -> None:
    """Say goodbye: at once to those who have everything, later to the others."""
    for item in driver.made():
        if not linger or not item.busy():
            item.close(False)
    # Who connected by inproc just before the name was freed is told, too.
    for what, pipe in driver.mailbox.collect():
        if what == ATTACHED:
            pipe.outlet.end()
    for pipe in list(driver.pipes):
        if isinstance(pipe.outlet, Crossing):
            pipe.outlet.end()
            driver.end(pipe)
    for link in list(driver.links):
        if linger:
            link.leave()
        else:
            link.end()


class _Patience:
    """Gives up when nothing has moved for a while."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._left = _waiting(driver)
        self._again()

    def _again(self) -> None:
        self._driver.timers.after(_PATIENCE * _MILLISECOND, self._look)

    def _look(self) -> None:
        left = _waiting(self._driver)
        if left == self._left:
            self._driver.engine.dropped += _undelivered(self._driver)
            give_up(self._driver)
        else:
            self._left = left
            self._again()


def _waiting(driver: Any) -> tuple[int, int]:
    """Return how much is left to write: messages, and bytes of the batches under way."""
    messages = sum(pipe.outbound.length() for pipe in driver.pipes)
    return messages, sum(link.stream.unwritten() for link in driver.links)


def give_up(driver: Any) -> None:
    """LINGER is over: drop what is left."""
    for item in driver.made():
        item.close(False)
    for link in list(driver.links):
        link.end()
    finish_if_done(driver)


def _undelivered(driver: Any) -> list[str]:
    """Return what is not written yet, a text for each endpoint."""
    pipes = driver.pipes | {link.pipe for link in driver.links if link.pipe is not None}
    counts: dict[str, int] = {}
    for pipe in pipes:
        counts[pipe.endpoint] = counts.get(pipe.endpoint, 0) + pipe.outbound.length()
    return [f"{count} message(s) to {endpoint}" for endpoint, count in sorted(counts.items()) if count]


def finish_if_done(driver: Any) -> bool:
    """Free everything if nothing is left to write. The caller holds the lock."""
    if driver.pollset.fd < 0:
        return True
    if driver.links or driver.waiters:
        return False
    made = driver.made()
    if any(item.busy() for item in made):
        return False
    for item in made:
        item.close(False)
    for sink in driver.sinks:
        sink.last()
    driver.sinks.clear()
    driver.endpoints.clear()
    driver.departing.clear()
    driver.timers.close(False)
    driver.engine.forget(driver)
    driver.pollset.unwatch(driver.mailbox.signaler.fd)
    driver.mailbox.signaler.close()
    driver.pollset.close()
    for pipe in driver.pipes:
        pipe.drop()
    driver.pipes.clear()
    return True


def abandon(driver: Any) -> None:
    """Close this process's copies of a parent's descriptors, and touch nothing else (P35)."""
    if driver.pollset.fd < 0:
        return
    driver.closing = True
    driver.shut_windows(True)
    for item in driver.made():
        item.close(True)
    driver.endpoints.clear()
    for link in list(driver.links):
        link.close(True)
    driver.links.clear()
    driver.timers.close(True)
    driver.mailbox.signaler.abandon()
    driver.pollset.close()
    driver.pipes.clear()


def at_exit(driver: Any, until: int) -> None:
    """The interpreter ends: write what can be written before `until`, in ns, and within LINGER."""
    if driver.stopped == errno.ECHILD or driver.lock.held():
        return
    linger = driver.options.linger
    if linger >= 0:
        until = min(until, _sys.clock() + linger * _MILLISECOND)
    while driver.drive():
        busy = any(link.busy() for link in driver.links) or any(
            item.busy() and item.hopeful() for item in driver.made()
        )
        remaining = until - _sys.clock()
        if not busy or remaining <= 0 or driver.pollset.fd < 0:
            return
        driver.pollset.wait(remaining)
