"""Behaviours: REQ and REP, in turn and out of turn."""

from __future__ import annotations

from typing import Any

from behaviours_world import MOMENT, Facts, World, scenario


def _joined(world: World, **options: Any) -> tuple[Any, Any]:
    req, rep = world.socket("REQ", **options), world.socket("REP")
    world.join(rep, req)
    return req, rep


@scenario
def turns(world: World) -> Facts:
    """Who calls out of turn gets EFSM, and nothing changes."""
    zmq = world.zmq
    req, rep = _joined(world)
    yield "REQ receives first", world.outcome(req.recv)
    yield "REQ receives first, DONTWAIT", world.outcome(req.recv, zmq.DONTWAIT)
    yield "REP sends first", world.outcome(rep.send, b"x")
    yield "REP sends several parts first", world.outcome(rep.send_multipart, [b"x", b"y"])
    yield "EVENTS", f"{world.events(req)} | {world.events(rep)}"
    req.send(b"question")
    yield "REQ sends twice", world.outcome(req.send, b"again")
    yield "REQ sends twice, several parts", world.outcome(req.send_multipart, [b"x", b"y"])
    yield "EVENTS when asked", f"{world.events(req)} | {world.events(rep)}"
    yield "REQ without a reply", world.outcome(req.recv, zmq.DONTWAIT)
    yield "request", world.now(rep)
    yield "REP receives twice", world.outcome(rep.recv, zmq.DONTWAIT)
    yield "EVENTS when received", f"{world.events(req)} | {world.events(rep)}"
    rep.send(b"answer")
    yield "REP sends twice", world.outcome(rep.send, b"again")
    yield "EVENTS when answered", f"{world.events(req)} | {world.events(rep)}"
    yield "reply", world.now(req)
    yield "REQ receives twice", world.outcome(req.recv)
    yield "EVENTS at the end", f"{world.events(req)} | {world.events(rep)}"
    req.send(b"next")
    yield "the next request", world.now(rep)


@scenario
def turns_in_parts(world: World) -> Facts:
    """Turns change with the last part."""
    zmq = world.zmq
    req, rep = _joined(world)
    req.send(b"q0", zmq.SNDMORE)
    yield "REQ receives in the middle of its request", world.outcome(req.recv, zmq.DONTWAIT)
    yield "EVENTS in the middle", f"{world.events(req)} | {world.events(rep)}"
    req.send(b"q1")
    yield "first part", world.outcome(rep.recv)
    yield "REP sends in the middle of a request", world.outcome(rep.send, b"x")
    yield "EVENTS in the middle of a request", world.events(rep)
    yield "last part", world.outcome(rep.recv)
    rep.send(b"a0", zmq.SNDMORE)
    yield "REP receives in the middle of its reply", world.outcome(rep.recv, zmq.DONTWAIT)
    rep.send(b"a1")
    yield "first part of the reply", world.outcome(req.recv)
    yield "REQ sends in the middle of the reply", world.outcome(req.send, b"x")
    yield "last part of the reply", world.outcome(req.recv)
    yield "REQ sends again", world.outcome(req.send, b"q")


@scenario
def many_requesters(world: World) -> Facts:
    """REP serves its peers in turn and answers whom it heard."""
    rep = world.socket("REP")
    reqs = [world.socket("REQ") for _ in range(3)]
    world.join(rep, *reqs)
    for number, req in enumerate(reqs):
        req.send_string(f"{number}")
    heard = []
    for _ in range(3):
        heard.append(rep.recv().decode())
        rep.send_string(f"re {heard[-1]}")
    yield "heard", heard
    yield "answers", " ".join(world.now(req) for req in reqs)


@scenario
def many_repliers(world: World) -> Facts:
    """REQ asks its peers in turn, and takes a reply from whom it asked only."""
    req = world.socket("REQ")
    reps = [world.socket("REP") for _ in range(3)]
    world.join(req, *reps)
    asked = []
    for _ in range(6):
        req.send(b"q")
        for number, rep in enumerate(reps):
            if world.now(rep) != "EAGAIN":
                asked.append(number)
                rep.send(b"a")
        req.recv()
    yield "asked", asked


@scenario
def asker_gone(world: World) -> Facts:
    """A reply to a peer that has gone is dropped, and the turn changes."""
    rep = world.socket("REP")
    one, two = world.socket("REQ"), world.socket("REQ")
    endpoint = world.bound(rep)
    one.connect(endpoint)
    two.connect(endpoint)
    one.send(b"one")
    yield "request", world.now(rep)
    one.disconnect(endpoint)
    world.settle(rep, one)
    yield "EVENTS when the asker has gone", world.events(rep)
    yield "reply", world.outcome(rep.send, b"x", world.zmq.DONTWAIT)
    yield "reply again", world.outcome(rep.send, b"x", world.zmq.DONTWAIT)
    two.send(b"two")
    yield "the next request", world.now(rep)
    yield "the next reply", world.outcome(rep.send, b"y")
    yield "arrives", world.now(two)


@scenario
def asker_gone_before_recv(world: World) -> Facts:
    """A request of a peer that has gone can still be received, and answered to nobody."""
    rep, req = world.socket("REP"), world.socket("REQ")
    endpoint = world.bound(rep)
    req.connect(endpoint)
    req.send(b"one")
    req.disconnect(endpoint)
    yield "request", world.now(rep)
    yield "reply", world.outcome(rep.send, b"x")
    yield "and then", world.now(rep)


@scenario
def replier_gone(world: World) -> Facts:
    """A request to a peer that has gone is lost; strict REQ waits on."""
    req, one = world.socket("REQ"), world.socket("REP")
    two = world.socket("REP")
    world.join(req, one, two)
    req.send(b"q")
    yield "request", world.now(one)
    world.leave(one, req)
    yield "EVENTS", world.events(req)
    yield "send", world.outcome(req.send, b"x", world.zmq.DONTWAIT)
    yield "recv", world.outcome(req.recv, world.zmq.DONTWAIT)


@scenario
def relaxed(world: World) -> Facts:
    """REQ_RELAXED: a new request ends the old one."""
    req, rep = _joined(world, req_relaxed=1)
    yield "recv first", world.outcome(req.recv, world.zmq.DONTWAIT)
    req.send(b"one")
    yield "EVENTS", world.events(req)
    yield "another request", world.outcome(req.send, b"two", world.zmq.DONTWAIT)
    world.settle(rep, req)
    yield "REP hears", world.now(rep)
    rep.send(b"re one")
    yield "then", world.now(rep)


@scenario
def relaxed_and_correlated(world: World) -> Facts:
    """REQ_RELAXED with REQ_CORRELATE: a reply to an old request is dropped."""
    router = world.socket("ROUTER")
    req = world.socket("REQ", req_relaxed=1, req_correlate=1)
    world.join(router, req)
    req.send(b"one")
    first = router.recv_multipart()
    yield "frames", f"{len(first)} {len(first[1])} {first[2:]}"
    req.send(b"two")
    world.settle(req, router)
    second = router.recv_multipart()
    yield "numbers differ", first[1] != second[1]
    router.send_multipart([*first[:3], b"re one"])
    yield "the old reply", world.now(req)
    yield "to the new peer", world.outcome(router.send_multipart, [*second[:3], b"re two"])
    yield "the new reply", world.now(req)


@scenario
def correlated(world: World) -> Facts:
    """REQ_CORRELATE alone: a reply without its number is dropped, requests stay in turn."""
    dealer = world.socket("DEALER")
    req = world.socket("REQ", req_correlate=1)
    world.join(dealer, req)
    req.send(b"one")
    number, *rest = dealer.recv_multipart()
    yield "request", rest
    yield "another request", world.outcome(req.send, b"two")
    dealer.send_multipart([b"", b"no number"])
    dealer.send_multipart([b"\0\0\0\0\0", b"", b"wrong size"])
    dealer.send_multipart([bytes(byte ^ 255 for byte in number), b"", b"wrong number"])
    dealer.send_multipart([number, b"x", b"no delimiter"])
    yield "wrong replies", world.now(req)
    dealer.send_multipart([number, b"", b"right", b"reply"])
    yield "the right reply", world.now(req)


@scenario
def malformed_replies(world: World) -> Facts:
    """REQ drops what is no reply."""
    dealer, req = world.socket("DEALER"), world.socket("REQ")
    world.join(dealer, req)
    dealer.send_multipart([b"", b"unasked"])
    world.settle(req)
    yield "EVENTS of an unasked reply", world.events(req)
    req.send(b"q")
    yield "request", world.now(dealer)
    yield "the unasked reply", world.now(req)
    dealer.send(b"no delimiter")
    dealer.send_multipart([b"no", b"delimiter"])
    dealer.send(b"")
    yield "malformed replies", world.now(req)
    dealer.send_multipart([b"", b""])
    yield "an empty reply", world.now(req)


@scenario
def malformed_requests(world: World) -> Facts:
    """REP drops what is no request, and gives back the envelope of what is."""
    dealer, rep = world.socket("DEALER"), world.socket("REP")
    world.join(rep, dealer)
    dealer.send(b"no delimiter")
    dealer.send_multipart([b"no", b"delimiter"])
    dealer.send(b"")
    yield "malformed requests", world.now(rep)
    dealer.send_multipart([b"one", b"two", b"", b"body", b"", b"more"])
    yield "a request with an envelope", world.now(rep)
    rep.send_multipart([b"x", b"y"])
    yield "its reply", world.now(dealer)
    dealer.send_multipart([b"", b""])
    yield "an empty request", world.now(rep)
    rep.send(b"")
    yield "an empty reply", world.now(dealer)


@scenario
def rep_at_the_mark(world: World) -> Facts:
    """REP drops replies to a peer that does not read them."""
    rep, dealer = world.socket("REP", sndhwm=1), world.socket("DEALER", rcvhwm=1)
    world.join(rep, dealer)
    found = []
    for number in range(5):
        dealer.send_multipart([b"", b"%d" % number])
        world.settle(rep)
        rep.recv()
        found.append(world.outcome(rep.send, b"re %d" % number, world.zmq.DONTWAIT))
    yield "replies", found
    got = []
    while (message := world.now(dealer)) != "EAGAIN":
        got.append(message)
    yield "arrive", got


@scenario
def req_waits(world: World) -> Facts:
    """RCVTIMEO leaves the turn as it is."""
    req, rep = _joined(world, rcvtimeo=MOMENT)
    req.send(b"q")
    yield "recv", world.outcome(req.recv)
    yield "send", world.outcome(req.send, b"again")
    rep.recv()
    rep.send(b"a")
    yield "recv later", world.outcome(req.recv)
