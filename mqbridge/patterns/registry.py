"""Which pattern a socket type has."""

from mqbridge.constants import SocketType
from mqbridge.patterns.pair import Pair
from mqbridge.patterns.pattern import Pattern
from mqbridge.patterns.pipeline import Pull, Push
from mqbridge.patterns.reqrep import Rep, Req

PATTERNS: dict[int, type[Pattern]] = {
    SocketType.PAIR: Pair,
    SocketType.PULL: Pull,
    SocketType.PUSH: Push,
    SocketType.REP: Rep,
    SocketType.REQ: Req,
}
