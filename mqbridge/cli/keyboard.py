"""Single keys from the terminal, without Return, while something else goes on."""

from __future__ import annotations

import os
import select
import sys
from typing import Any


class Keyboard:
    """In a `with` statement: the keys that are typed can be had one by one. Without a terminal there are none."""

    def __init__(self) -> None:
        self._fd = -1
        self._before: Any = None

    def __enter__(self) -> Keyboard:
        try:
            import termios
            import tty
        except ImportError:
            return self
        try:
            fd = sys.stdin.fileno()
            self._before = termios.tcgetattr(fd)
            # In the background the terminal is somebody else's.
            if os.getpgrp() == os.tcgetpgrp(fd):
                tty.setcbreak(fd)
                self._fd = fd
        except (OSError, ValueError, AttributeError, termios.error):
            # No terminal, or not this program's: it is in a pipe, or its input is closed.
            self._fd = -1
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._fd >= 0:
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
            self._fd = -1

    def wait(self, seconds: float) -> str:
        """Return the key that is typed within so many seconds, or an empty text."""
        ready, _, _ = select.select([self._fd] if self._fd >= 0 else [], [], [], max(0.0, seconds))
        if not ready:
            return ""
        data = os.read(self._fd, 1)
        if not data:
            # The terminal has gone.
            self._fd = -1
        return data.decode("latin-1")
