"""The same under CURVE: how many encrypted messages arrive in a second, by size, and a question and its answer."""

from __future__ import annotations

from benchmarks.case import Case, Contestant, Side, both
from benchmarks.cases import push_pull, round_trip
from benchmarks.goals import Times

# Whose they are is all the same; both sides must know them.
SERVER_SECRET = b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
CLIENT_SECRET = b"D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

CONTESTANTS = (both("mqbridge", "mqbridge curve"), both("pyzmq"))
MIXED = (
    Contestant("mqbridge to pyzmq", ("pyzmq", "mqbridge curve")),
    Contestant("pyzmq to mqbridge", ("mqbridge curve", "pyzmq")),
)


def server(side: Side) -> dict[str, int | bytes]:
    """Return the options of the binding side."""
    return {"CURVE_SERVER": 1, "CURVE_SECRETKEY": SERVER_SECRET}


def client(side: Side) -> dict[str, int | bytes]:
    """Return the options of the connecting side."""
    public = side.library.curve_public
    return {
        "CURVE_SERVERKEY": public(SERVER_SECRET),
        "CURVE_PUBLICKEY": public(CLIENT_SECRET),
        "CURVE_SECRETKEY": CLIENT_SECRET,
    }


def throughput(name: str, text: str, size: int, count: int) -> Case:
    """Return a case of one call for each message."""
    return push_pull.case(
        name,
        f"CURVE: PUSH to PULL of {text} over tcp, one send and one recv call each",
        size,
        count,
        (Times(1.2, "pyzmq"),),
        CONTESTANTS + (MIXED if size == 10 else ()),
        roles=(("puller", push_pull.puller(server)), ("pusher", push_pull.pusher(size, client))),
    )


CASES = [
    throughput("curve-push-pull", "10 B", 10, 300_000),
    throughput("curve-push-pull-100", "100 B", 100, 300_000),
    throughput("curve-push-pull-1k", "1 KiB", 1024, 150_000),
    round_trip.case(
        "curve-round-trip",
        "CURVE: REQ/REP round trip of 10 B over tcp, blocking calls",
        10,
        (Times(1.5, "pyzmq"),),
        CONTESTANTS,
        roles=(
            ("replier", round_trip.replier("REP", "tcp", server)),
            ("requester", round_trip.requester("REQ", 10, client)),
        ),
    ),
]
