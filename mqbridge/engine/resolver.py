"""Name resolution in a helper thread: looking a name up can take seconds, and a driver must not (P43)."""

from collections.abc import Callable
from typing import Any

from mqbridge import _sys
from mqbridge.transports import tcp


def resolve(host: str, port: int, ipv6: bool, deliver: Callable[[list[tcp.Address] | OSError], None]) -> None:
    """Look a host up in a thread of its own, which calls `deliver` with the addresses or the error."""

    def look_up() -> None:
        outcome: Any
        try:
            outcome = tcp.resolve(host, port, ipv6)
        except OSError as error:
            outcome = error
        deliver(outcome)

    _sys.start_thread(look_up, ())
