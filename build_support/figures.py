"""Draws the figures of the pages about mqbridge's inside: docs/figures/*.svg."""

from __future__ import annotations

from pathlib import Path

from drawing import LINE, SIZE, Picture

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("docs") / "figures"

_OURS = "#eef3fb"
_NATIVE = "#fdf0ea"
_KERNEL = "#eeeeee"
_RED = "#b3261e"


def _named(
    picture: Picture, x: float, y: float, width: float, height: float, lines: list[str], fill: str = _OURS
) -> tuple[float, float]:
    """Draw a box with its name in bold and what it does below; return its middle."""
    picture.box(x, y, width, height, fill)
    top = y + height / 2 - (len(lines) - 1) * LINE / 2
    for at, line in enumerate(lines):
        picture.text(x + width / 2, top + at * LINE, line, size=SIZE if at == 0 else SIZE - 1.5, bold=at == 0)
    return x + width / 2, y + height / 2


def messages() -> str:
    """How a message travels: through the queues, and between whom."""
    picture = Picture(1000, 560, "How a message travels: send, pattern, pipe, link, kernel, and back up to recv")
    picture.text(20, 24, "One process: whoever is in the socket does all of this", "start", bold=True)
    columns = (20, 215, 410, 605, 830)
    width = 150

    def row(y: float, boxes: list[list[str]], back: bool = False) -> None:
        for at, lines in enumerate(boxes):
            fill = _KERNEL if at == len(boxes) - 1 else _OURS
            _named(picture, columns[at], y, width, 70, lines, fill)
            if at:
                left, right = columns[at - 1] + width, columns[at]
                ends = ((right, y + 35), (left + 1, y + 35)) if back else ((left, y + 35), (right - 1, y + 35))
                picture.arrow(*ends)

    row(
        50,
        [
            ["Socket.send", "bytes, or a tuple"],
            ["pattern", "which pipe, or pipes"],
            ["pipe.outbound", "fifo of whole messages", "SNDHWM"],
            ["link", "encodes a batch", "of up to 64 KiB"],
            ["kernel", "one send or sendmsg"],
        ],
    )
    row(
        240,
        [
            ["Socket.recv", "the same object"],
            ["pattern", "fair queue: whose turn"],
            ["pipe.inbound", "fifo of whole messages", "RCVHWM"],
            ["link", "cuts 64 KiB chunks", "into messages"],
            ["kernel", "readable: in the pollset"],
        ],
        back=True,
    )
    picture.box(590, 146, 180, 66, _NATIVE, _RED, dashed=True)
    picture.text(680, 164, "out-buffer", bold=True)
    picture.text(680, 181, "C memory; bytes stay", size=SIZE - 1.5)
    picture.text(680, 197, "until they are written", size=SIZE - 1.5)
    picture.arrow((680, 120), (680, 145))
    _named(picture, 830, 146, 150, 66, ["flusher", "native thread, never", "takes the GIL"], _NATIVE)
    picture.arrow((770, 170), (829, 170), colour=_RED)
    picture.arrow((905, 146), (905, 122), colour=_RED)
    picture.label(800, 170, ["200 µs"], SIZE - 2.5)
    # Back-pressure.
    picture.arrow((485, 310), (485, 338), (680, 338), (680, 311), dashed=True)
    picture.label(582, 338, ["recv makes room: decode on"], SIZE - 2)
    picture.arrow((680, 120), (640, 134), (500, 134), (485, 122), dashed=True)
    picture.label(545, 134, ["written: released"], SIZE - 2)
    # inproc
    picture.line(20, 372, 980, 372, dashed=True)
    picture.text(20, 392, "inproc: no link, no bytes; two sockets share the two queues of one pipe", "start", bold=True)
    _named(picture, 20, 425, 150, 90, ["one socket", "its own lock", "its own pollset"])
    _named(picture, 830, 425, 150, 90, ["the other socket", "its own lock", "its own pollset"])
    picture.box(300, 415, 400, 36, _OURS)
    picture.text(500, 433, "fifo: the object itself is handed over")
    picture.box(300, 463, 400, 36, _OURS)
    picture.text(500, 481, "fifo, the other way")
    picture.arrow((170, 440), (298, 433))
    picture.arrow((700, 433), (828, 440))
    picture.arrow((830, 485), (702, 481))
    picture.arrow((298, 481), (172, 485))
    picture.arrow((170, 505), (215, 528), (785, 528), (829, 508), dashed=True, colour=_RED)
    picture.label(
        500,
        528,
        ["letters to the mailbox: READABLE, WRITABLE, ATTACHED, ENDED; only if the other side sleeps"],
        SIZE - 2,
    )
    return picture.svg()


def queues() -> str:
    """A fifo: chunks, the three counts, and the flags; and what a signal is."""
    picture = Picture(
        1000, 500, "A fifo in chunks of 64 messages with its counts and flags, and the mailbox with its signaler"
    )
    picture.text(20, 24, "Fifo: one writer, one reader, no lock of its own", "start", bold=True)
    for chunk in range(3):
        left = 60 + chunk * 310
        picture.box(left, 88, 270, 44, "#fff")
        for slot in range(8):
            at = chunk * 8 + slot
            taken, filled = at < 3, at < 18
            fill = "#dddddd" if taken else "#cfe0f8" if filled else "#fff"
            if slot < 7:
                picture.box(left + 6 + slot * 32, 94, 28, 32, fill)
        picture.text(left + 247, 110, "next", size=SIZE - 2)
        if chunk < 2:
            picture.arrow((left + 270, 110), (left + 309, 110))
    picture.text(195, 150, "a chunk: 64 messages, and the next chunk", size=SIZE - 2)
    picture.arrow((172, 62), (172, 92))
    picture.label(172, 54, ["head: the reader alone moves it"])
    picture.arrow((758, 62), (758, 92))
    picture.label(758, 54, ["tail: the writer alone moves it"])
    for y, name, what in (
        (192, "pushed", "published last, by the writer: the message is there before the count says so"),
        (214, "taken", "by the reader; what is between pushed and taken can be read"),
        (236, "released", "once it need not be kept: pushed - released is what counts against the high-water mark"),
    ):
        picture.text(150, y, name, "end", bold=True)
        picture.text(162, y, what, "start")
    for y, name, what in (
        (266, "reader_sleeps", "the reader has seen it empty: the next push has to say so"),
        (288, "writer_sleeps", "the writer has seen it full: to be told when half of it is gone"),
    ):
        picture.text(150, y, name, "end", bold=True, colour=_RED)
        picture.text(162, y, what, "start")
    picture.line(20, 318, 980, 318, dashed=True)
    picture.text(20, 340, "Mailbox: what must not wait for the other socket's lock", "start", bold=True)
    _named(picture, 40, 365, 190, 56, ["any thread", "post(what, about)"])
    _named(picture, 330, 365, 190, 56, ["letters", "a deque, in order"])
    _named(picture, 330, 434, 190, 56, ["signaler", "eventfd; one signal at most"], _KERNEL)
    _named(picture, 620, 434, 150, 56, ["pollset", "readable"], _KERNEL)
    _named(picture, 830, 365, 150, 125, ["the owner", "drains the signal,", "then takes all", "letters"])
    picture.arrow((230, 385), (329, 385))
    picture.label(280, 376, ["1"], SIZE - 2)
    picture.arrow((230, 405), (280, 462), (329, 462), colour=_RED)
    picture.label(225, 446, ["2: only if none is in flight"], SIZE - 2)
    picture.arrow((520, 462), (619, 462))
    picture.arrow((770, 462), (829, 462))
    picture.arrow((520, 393), (829, 393))
    return picture.svg()


def driving() -> str:
    """Who drives a socket, and what it waits on."""
    picture = Picture(
        1000,
        540,
        "Who drives a socket: a thread, a loop or the caretaker; its lock and its pollset; the flusher beside them",
    )
    picture.text(20, 24, "Whoever is in the socket drives it", "start", bold=True)
    _named(picture, 20, 50, 220, 76, ["a thread in a call", "send, recv, poll, EVENTS", "waits outside the lock"])
    _named(
        picture,
        20,
        190,
        220,
        94,
        ["a loop", "waits for FD or recv_fd;", "its adapter reads EVENTS,", "and looks before it sleeps"],
    )
    _named(
        picture,
        20,
        350,
        220,
        94,
        ["the caretaker", "a thread for each context;", "only if nobody has come", "for 10 ms (50 with a loop)"],
    )
    picture.box(330, 50, 300, 394, "#fff")
    picture.text(480, 72, "driver: one for each socket", bold=True)
    _named(picture, 350, 92, 260, 44, ["lock", "never held while waiting"])
    _named(picture, 350, 148, 260, 60, ["process()", "flush batches, then", "do what the pollset says is due"])
    _named(picture, 350, 220, 260, 60, ["pattern, pipes, links", "the state that the lock guards"])
    _named(picture, 350, 292, 260, 60, ["leave()", "tell waiters, views and levels", "of what has changed"])
    _named(picture, 350, 364, 260, 60, ["visits", "counted, so that the caretaker", "knows that somebody was here"])
    picture.arrow((240, 88), (349, 108))
    picture.arrow((240, 237), (300, 178), (349, 178))
    picture.arrow((240, 397), (312, 330), (312, 190), (349, 190), dashed=True)
    picture.label(308, 258, ["if not", "visited"], SIZE - 2.5)
    picture.box(720, 50, 260, 230, "#fff")
    picture.text(850, 72, "pollset: one epoll", bold=True)
    for at, name in enumerate(
        ("each connection", "each listener, each dial", "mailbox: an eventfd", "deadlines: one timerfd")
    ):
        picture.box(740, 90 + at * 46, 220, 36, _KERNEL)
        picture.text(850, 108 + at * 46, name)
    picture.arrow((610, 178), (719, 178))
    picture.label(664, 168, ["wait(0)"], SIZE - 2)
    picture.box(720, 318, 260, 126, "#fff")
    picture.text(850, 338, "a view (FD): one epoll of", bold=True)
    picture.box(740, 354, 220, 34, _KERNEL)
    picture.text(850, 371, "the pollset: something is due")
    picture.box(740, 398, 220, 34, _KERNEL)
    picture.text(850, 415, "its eventfd: it has been done")
    picture.arrow((610, 322), (664, 322), (664, 415), (739, 415), colour=_RED)
    picture.label(664, 398, ["signal"], SIZE - 2)
    picture.arrow((850, 280), (850, 317))
    picture.arrow((740, 440), (700, 480), (270, 480), (270, 262), (241, 262), dashed=True)
    picture.label(470, 480, ["readable: the loop comes"], SIZE - 2)
    _named(picture, 290, 494, 340, 38, ["flusher: one native thread for all sockets"], _NATIVE)
    picture.text(648, 513, "writes out-buffers only; never the GIL, never the lock", "start", size=SIZE - 1)
    return picture.svg()


FIGURES = {"messages": messages, "queues": queues, "driving": driving}


if __name__ == "__main__":
    (ROOT / FOLDER).mkdir(exist_ok=True)
    for name, draw in FIGURES.items():
        (ROOT / FOLDER / f"{name}.svg").write_text(draw())
