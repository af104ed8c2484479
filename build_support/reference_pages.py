"""Writes the reference's pages that are tables: the options of sockets and contexts, and the constants."""

from __future__ import annotations

import enum
import inspect
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = Path("docs") / "reference" / "options.md"
CONSTANTS = Path("docs") / "reference" / "constants.md"

_OPTIONS = """\
<!-- Made by build_support/reference_pages.py from mqbridge/options.py and context_options.py; a test compares. -->
# Options

`socket.set(mqbridge.LINGER, 0)`, `socket.linger = 0` and `socket.setsockopt(mqbridge.LINGER, 0)` do the same, and so do
`get`, the attribute and `getsockopt`. A value that is out of range raises `ZMQError` EINVAL and says what is allowed.
An option that takes effect "for later bind and connect" leaves the endpoints alone that are there already.

## Of sockets

| option | default | least | most | takes effect | what it is | socket types |
| --- | ---: | ---: | ---: | --- | --- | --- |
{options}

Least and most are of the number, or of the length in bytes where the default is one of bytes. `HWM` sets SNDHWM and
RCVHWM.
`SUBSCRIBE` and `UNSUBSCRIBE` are of SUB, and of XPUB with XPUB_MANUAL: bytes that a message begins with.

## Answered by the socket

{answered}: these can be read only. `EVENTS` does the input and output that is due, and returns POLLIN, POLLOUT, both or
none; `FD` is told of in [ZeroMQ and event loops](../event-loops.md#what-fd-and-events-mean).

## Of contexts

| option | default | least | most | what it is |
| --- | ---: | ---: | ---: | --- |
{contexts}

An option of a socket that is set on a context, as an attribute (`context.linger = 0`) or by `setsockopt`, is where the
sockets made afterwards begin.
"""

_CONSTANTS = """\
<!-- Made by build_support/reference_pages.py from mqbridge/constants.py; a test compares. -->
# Constants

Each constant is a member of an enum, and a name of `mqbridge` by itself: `mqbridge.SocketType.REQ` is `mqbridge.REQ`.
The numbers are libzmq's.

{enums}
## Flags without a number

| name | type | what it is |
| --- | --- | --- |
| `COMPILED` | bool | whether the hot modules in use are compiled; all of them are, or none |
| `DRAFT_API` | bool | False: there are no draft sockets |
| `IPC_PATH_MAX_LEN` | int | how many bytes an ipc path may have on this system |
| `COPY_THRESHOLD` | int | the size in bytes from which `copy=False` matters, as in pyzmq |
"""


def options_page() -> str:
    """Return the text of the page about options."""
    from mqbridge import context_options, options
    from mqbridge.constants import ContextOption, SocketOption

    rows = []
    for row in sorted(options.TABLE.values(), key=lambda each: each.name):
        types = ", ".join(each.name for each in row.types) or "all"
        shown = (f"`{row.name}`", f"`{row.default!r}`", _number(row.low), _number(row.high), row.effect.value)
        rows.append(f"| {' | '.join(shown)} | {row.meaning} | {types} |")
    contexts = []
    for option, each in context_options.TABLE.items():
        if option == context_options.ZERO_COPY_RECV:
            name = "10 (ZMQ_ZERO_COPY_RECV)"
        elif option in tuple(ContextOption):
            name = f"`{ContextOption(option).name}`"
        else:
            name = f"`{SocketOption(option).name}`"
        limits = (_number(each.low), _number(each.high)) if each.low <= each.high else ("", "read only")
        contexts.append(f"| {name} | `{each.default}` | {limits[0]} | {limits[1]} | {each.meaning} |")
    answered = sorted(SocketOption(option).name for option in options.ANSWERED_BY_SOCKET)
    return _OPTIONS.format(
        options="\n".join(rows),
        contexts="\n".join(contexts),
        answered=", ".join(f"`{name}`" for name in answered[:-1]) + f" and `{answered[-1]}`",
    )


def constants_page() -> str:
    """Return the text of the page about constants."""
    from mqbridge import constants

    enums = [
        thing
        for name, thing in vars(constants).items()
        if inspect.isclass(thing) and issubclass(thing, enum.Enum) and name[0] != "_"
    ]
    return _CONSTANTS.format(enums="\n".join(_enum(thing) for thing in enums))


def _enum(thing: type[enum.Enum]) -> str:
    system = {"Errno"}
    lines = [
        f"## {thing.__name__}",
        "",
        inspect.cleandoc(thing.__doc__ or ""),
        "",
        "| name | number |",
        "| --- | ---: |",
    ]
    for name, member in thing.__members__.items():
        also = f" (also `{member.name}`)" if member.name != name else ""
        number = int(member.value)
        if thing.__name__ in system and number < 1000:
            # They are the operating system's, and not the same on all.
            shown = "the system's"
        elif thing.__name__ == "Event":
            shown = f"{number:#x}"
        else:
            shown = str(number)
        lines.append(f"| `{name}`{also} | {shown} |")
    return "\n".join(lines) + "\n"


def _number(number: int) -> str:
    """Return a limit as people write it: those of C types by their power of two."""
    for bits in (31, 63):
        if number == 2**bits - 1:
            return f"2^{bits} - 1"
        if number == -(2**bits):
            return f"-2^{bits}"
    return str(number)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    (ROOT / OPTIONS).write_text(options_page())
    (ROOT / CONSTANTS).write_text(constants_page())
