"""What somebody at a terminal is told who waits for longer than a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mqbridge.cli.failures import say
from mqbridge.cli.progress import in_front

#: Milliseconds after which somebody is told what is being waited for.
PATIENCE = 1000


def patiently(wait: Callable[[int], list[Any]], timeout: int, hint: str) -> list[Any]:
    """Wait, and after a second say for what, if stderr is a terminal that is ours.

    Parameters
    ----------
    wait
        Waits for so many milliseconds, -1 for ever, and returns what has come.
    timeout
        For how long, the same way.
    hint
        What is said; "" is nothing.
    """
    if not hint or 0 <= timeout <= PATIENCE or not in_front():
        return wait(timeout)
    found = wait(PATIENCE)
    if not found:
        say(f"waiting for {hint}; Ctrl-C gives up", "bold", "note")
        found = wait(timeout if timeout < 0 else timeout - PATIENCE)
    return found
