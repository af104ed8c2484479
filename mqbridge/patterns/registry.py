"""Which pattern a socket type has."""

from mqbridge.constants import SocketType
from mqbridge.patterns.dealer import Dealer
from mqbridge.patterns.pair import Pair
from mqbridge.patterns.pattern import Pattern
from mqbridge.patterns.pipeline import Pull, Push
from mqbridge.patterns.pubsub import Pub, Sub, XPub, XSub
from mqbridge.patterns.reqrep import Rep, Req
from mqbridge.patterns.router import Router
from mqbridge.patterns.stream import Stream

PATTERNS: dict[int, type[Pattern]] = {
    SocketType.DEALER: Dealer,
    SocketType.PAIR: Pair,
    SocketType.PUB: Pub,
    SocketType.PULL: Pull,
    SocketType.PUSH: Push,
    SocketType.REP: Rep,
    SocketType.REQ: Req,
    SocketType.ROUTER: Router,
    SocketType.STREAM: Stream,
    SocketType.SUB: Sub,
    SocketType.XPUB: XPub,
    SocketType.XSUB: XSub,
}
