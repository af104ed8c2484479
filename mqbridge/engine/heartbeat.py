"""Heartbeats of one link (RFC 37, "Connection Heartbeating"): PINGs of ours, and how long either side may be silent."""

from typing import Any

_MILLISECOND = 1_000_000
_TENTH = 100 * _MILLISECOND


class Heartbeat:
    """Sends PINGs through a link, and tells it when its peer is silent for too long."""

    __slots__ = ("_link", "_interval", "_timeout", "_ttl", "_next", "_silence", "_allowance")

    def __init__(self, link: Any) -> None:
        self._link = link
        self._interval = 0
        self._timeout = 0
        self._ttl = 0
        # The next PING; the end of our patience with the last one; the end of what the peer itself has allowed.
        self._next: Any = None
        self._silence: Any = None
        self._allowance: Any = None

    def start(self, options: Any) -> None:
        """Send PINGs from now on, as HEARTBEAT_IVL, HEARTBEAT_TIMEOUT and HEARTBEAT_TTL say."""
        self._interval = options.heartbeat_ivl * _MILLISECOND
        timeout = options.heartbeat_timeout
        self._timeout = self._interval if timeout < 0 else timeout * _MILLISECOND
        self._ttl = options.heartbeat_ttl // 100
        self._rest()

    def _rest(self) -> None:
        self._next = self._link.driver.timers.after(self._interval, self._ping)

    def _ping(self) -> None:
        self._rest()
        if self._silence is None and self._timeout > 0:
            self._silence = self._link.driver.timers.after(self._timeout, self._link.silent)
        self._link.ping(self._ttl)

    def allow(self, ttl: int) -> None:
        """The peer says that it may be taken for dead after `ttl` tenths of a second of silence."""
        self._link.driver.timers.cancel(self._allowance)
        self._allowance = self._link.driver.timers.after(ttl * _TENTH, self._link.silent)

    def heard(self) -> None:
        """The peer has sent something."""
        timers = self._link.driver.timers
        timers.cancel(self._silence)
        timers.cancel(self._allowance)
        self._silence = self._allowance = None

    def stop(self) -> None:
        """The connection is over."""
        self._link.driver.timers.cancel(self._next)
        self._next = None
        self.heard()
