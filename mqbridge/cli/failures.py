"""How commands fail: with one line on stderr that says what is wrong, and with a status."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

import click
from rich.text import Text

from mqbridge.cli import statuses
from mqbridge.cli.console import error_console
from mqbridge.constants import Errno
from mqbridge.errors import ZMQBaseError, ZMQError

# What an endpoint is told that nobody could ever bind or connect to.
_MALFORMED = (Errno.EINVAL, Errno.EPROTONOSUPPORT, errno.ENAMETOOLONG)


class Failure(click.ClickException):
    """A command cannot go on.

    Parameters
    ----------
    message
        What is wrong, with the value, and what to do.
    status
        The exit status, one of `statuses`.
    """

    def __init__(self, message: str, status: int = statuses.FAILED) -> None:
        super().__init__(message)
        self.exit_code = status  # type: ignore[misc]

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it on stderr."""
        say(self.message)


class TimedOut(Failure):
    """`--timeout` is over."""

    def __init__(self, message: str) -> None:
        super().__init__(message, statuses.TIMED_OUT)


class Ended(BaseException):
    """A signal ends the command; like KeyboardInterrupt, nobody catches it by mistake."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


def say(text: str, style: str = "bold red", label: str = "error") -> None:
    """Write a line to stderr, which begins with what it is."""
    # In one piece, since others may write to the same terminal.
    error_console().print(Text.assemble((f"{label}:", style), " ", text), soft_wrap=True)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn whatever may come out of a command into an exit status, and a line where there is something to say."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        raise click.exceptions.Exit(statuses.BROKEN_PIPE) from None
    except (KeyboardInterrupt, click.Abort):
        raise click.exceptions.Exit(statuses.INTERRUPTED) from None
    except Ended as ended:
        raise click.exceptions.Exit(ended.status) from None
    except ZMQError as error:
        raise Failure(str(error), statuses.USAGE if error.errno in _MALFORMED else statuses.FAILED) from None
    except OSError as error:
        name = f"{os.fspath(error.filename)}: " if isinstance(error.filename, str) else ""
        raise Failure(f"{name}{error.strerror or error}") from None
    except ZMQBaseError as error:
        raise Failure(str(error)) from None


def silence_stdout() -> None:
    """Let the interpreter's last flush go nowhere, since nobody reads it: that would be one more error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
