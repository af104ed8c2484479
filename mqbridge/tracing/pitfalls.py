"""What the tracer says of each pitfall that it knows: what happened, and what to do; docs/pitfalls.md has them all."""

from __future__ import annotations

#: Number: (what happened, what to do).
TEXTS: dict[str, tuple[str, str]] = {
    "P1": (
        "messages were there before anybody looked; their edge had gone, or never came",
        "read EVENTS once before the first wait, and receive until it has no POLLIN",
    ),
    "P2": (
        "a send took the edge that told of a message",
        "read EVENTS after each send, before waiting for FD",
    ),
    "P3": (
        "a call such as connect, bind or subscribe took the edge that told of a message",
        "read EVENTS after each call on the socket, before waiting for FD",
    ),
    "P4": (
        "the reader stopped at exactly the last message; it has not seen the queue empty, so the next one made no edge",
        "receive until Again is raised, or until EVENTS has no POLLIN, before waiting for FD",
    ),
    "P5": (
        "messages were left unread, and what is left makes no edge",
        "receive until Again is raised, or until EVENTS has no POLLIN, before waiting for FD",
    ),
    "P6": (
        "somebody else looked at the socket, and that took the edge",
        "let one place wait for the socket and tell the others; or use mqbridge, where each object has its own FD",
    ),
    "P7": (
        "FD was watched for writing, which says nothing about room to send",
        "watch FD for reading only; room to send is POLLOUT in EVENTS",
    ),
    "P8": (
        "there is room to send, but the edge that told of it was taken",
        "read EVENTS at each wake and after each call, also for POLLOUT",
    ),
    "P10": (
        "FD is readable and nobody reads EVENTS: the loop spins",
        "read EVENTS at each wake, also when nobody wants a message",
    ),
    "P24": (
        "the socket was closed while its FD was still watched; another file may get its number",
        "take FD out of the loop before closing the socket",
    ),
    "": (
        "FD was quiet although a message was there; the recording does not show who took the edge",
        "receive until Again is raised, or until EVENTS has no POLLIN, before waiting for FD",
    ),
}
_SECTIONS = ((12, "edges-and-readiness"), (20, "waiters-and-messages"), (23, "fairness"), (34, "lifetime"))


def texts(pitfall: str) -> tuple[str, str]:
    """Return what happened and what to do, for a number such as "P4", for "P4 or P5", or for "" (not known)."""
    if pitfall == "P4 or P5":
        return (
            "the reader stopped without having seen the queue empty: at exactly the last message (P4), or before (P5)",
            TEXTS["P4"][1],
        )
    return TEXTS[pitfall]


def link(pitfall: str) -> str:
    """Return where the pitfall's entry is, e.g. docs/pitfalls.md#edges-and-readiness."""
    if not pitfall:
        return "docs/pitfalls.md"
    number = int(pitfall.split()[0][1:])
    for last, section in _SECTIONS:
        if number <= last:
            return f"docs/pitfalls.md#{section}"
    return "docs/pitfalls.md#processes-threads-platforms"
