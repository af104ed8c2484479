"""REQ asks and REP answers, in turns (RFC 28)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mqbridge import Errno, ZMQError
from mqbridge.patterns.reqrep import Rep, Req, split_envelope, with_envelope

# ---- envelopes


@pytest.mark.parametrize(
    ("message", "envelope", "body"),
    [
        ((b"", b"body"), (b"",), b"body"),
        ((b"", b"one", b"two"), (b"",), (b"one", b"two")),
        ((b"", b""), (b"",), b""),
        ((b"", b"", b"body"), (b"",), (b"", b"body")),
        ((b"id", b"", b"body"), (b"id", b""), b"body"),
        ((b"id", b"id2", b"", b"a", b"", b"b"), (b"id", b"id2", b""), (b"a", b"", b"b")),
        ([b"id", b"", b"body"], (b"id", b""), b"body"),
    ],
)
def test_the_envelope_goes_up_to_the_first_empty_frame(message: object, envelope: object, body: object) -> None:
    split = split_envelope(message)
    assert split == (envelope, body)
    assert split is not None
    assert with_envelope(*split) == tuple(message)  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [b"", b"body", (b"id", b"body"), (b"id", b""), (b"a", b"b", b"")])
def test_without_a_delimiter_or_a_body_it_is_no_request(message: object) -> None:
    assert split_envelope(message) is None


# ---- REQ


def test_a_request_is_a_delimiter_and_the_body(bench) -> None:
    req = bench(Req())
    a = req.peer("a")
    assert req.send_all(b"question") == ["a"]
    assert a.take_all() == [(b"", b"question")]
    a.give((b"", b"answer"))
    assert req.pattern.receive() == b"answer"
    assert req.pattern.last is a.pipe
    assert req.send_all((b"q1", b"q2")) == ["a"]
    assert a.take_all() == [(b"", b"q1", b"q2")]
    a.give((b"", b"a1", b"", b"a2"))
    assert req.pattern.receive() == (b"a1", b"", b"a2")


def test_requests_go_round_the_peers(bench) -> None:
    req = bench(Req())
    peers = {name: req.peer(name) for name in "abc"}
    asked = []
    for number in range(7):
        (name,) = req.send_all(b"%d" % number)
        asked.append(name)
        peers[name].give((b"", b"reply to %d" % number))
        assert req.pattern.receive() == b"reply to %d" % number
    assert asked == ["a", "b", "c", "a", "b", "c", "a"]


def test_req_out_of_turn(bench) -> None:
    req = bench(Req())
    a = req.peer("a")
    with pytest.raises(ZMQError) as caught:
        req.pattern.receive()
    assert caught.value.errno == Errno.EFSM
    assert str(caught.value) == "recv(): out of turn on a REQ socket: send a request first"
    req.pattern.check_send()
    req.send_all(b"q")
    for attempt in (lambda: req.pattern.send(b"q2"), req.pattern.check_send):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == Errno.EFSM
        assert str(caught.value) == "send(): out of turn on a REQ socket: receive the reply first"
    # The failed calls have changed nothing.
    assert a.take_all() == [(b"", b"q")]
    a.give((b"", b"a"))
    assert req.pattern.receive() == b"a"
    with pytest.raises(ZMQError, match="send a request first"):
        req.pattern.receive()
    req.pattern.check_send()


def test_req_without_a_peer_blocks_and_may_try_again(bench) -> None:
    req = bench(Req())
    assert not req.pattern.ready_out()
    assert req.send_all(b"q") == [None]
    with pytest.raises(ZMQError, match="send a request first"):
        req.pattern.receive()
    a = req.peer("a")
    assert req.pattern.ready_out()
    assert req.send_all(b"q") == ["a"]
    assert a.take_all() == [(b"", b"q")]


def test_req_passes_over_a_peer_at_its_mark(bench) -> None:
    req = bench(Req())
    full, other = req.peer("full", send_limit=1), req.peer("other")
    assert req.send_all(b"1") == ["full"]
    full.far.write((b"", b"r"))
    req.deliver()
    assert req.pattern.receive() == b"r"
    # The request is answered, but was not taken out of the queue.
    for _ in range(2):
        assert req.send_all(b"2") == ["other"]
        other.give((b"", b"r"))
        assert req.pattern.receive() == b"r"
    assert full.take_all() == [(b"", b"1")]
    # With room again it has its turn after the one that is next.
    assert req.send_all(b"3") == ["other"]
    other.give((b"", b"r"))
    assert req.pattern.receive() == b"r"
    assert req.send_all(b"4") == ["full"]


@pytest.mark.parametrize(
    "nonsense",
    [b"", b"reply", (b"x", b"reply"), (b"x", b"", b"reply"), (b"x", b""), (b"x", b"y", b"", b"reply")],
)
def test_req_drops_what_is_not_of_the_form_of_a_reply(bench, nonsense: object) -> None:
    req = bench(Req())
    a = req.peer("a")
    req.send_all(b"q")
    a.give(nonsense)
    assert not req.pattern.ready_in()
    assert req.pattern.receive() is None
    a.give(nonsense, (b"", b"reply"), nonsense)
    assert req.pattern.ready_in()
    assert req.pattern.receive() == b"reply"
    # Still in turn after all that.
    assert req.send_all(b"q2") == ["a"]


def test_req_drops_what_another_peer_says(bench) -> None:
    req = bench(Req())
    asked, other = req.peer("asked"), req.peer("other")
    assert req.send_all(b"q") == ["asked"]
    other.give((b"", b"not asked"))
    assert not req.pattern.ready_in()
    assert req.pattern.receive() is None
    asked.give((b"", b"reply"))
    other.give((b"", b"not asked"))
    assert req.pattern.ready_in()
    assert req.pattern.receive() == b"reply"
    assert req.pattern.last is asked.pipe


def test_req_drops_what_came_before_the_request(bench) -> None:
    req = bench(Req())
    a, b = req.peer("a"), req.peer("b")
    a.give((b"", b"too early"), (b"", b"much too early"))
    b.give((b"", b"too early"))
    assert not req.pattern.ready_in()
    assert req.send_all(b"q") == ["a"]
    assert not req.pattern.ready_in()
    a.give((b"", b"in time"), (b"", b"twice"))
    assert req.pattern.receive() == b"in time"
    # The second reply is not the one to the next request.
    assert req.send_all(b"q") == ["b"]
    b.give((b"", b"from b"))
    assert req.pattern.receive() == b"from b"
    assert req.send_all(b"q") == ["a"]
    assert not req.pattern.ready_in()
    assert req.pattern.receive() is None


def test_req_drops_the_early_ones_also_where_it_cannot_send(bench) -> None:
    req = bench(Req())
    a = req.peer("a", send_limit=1)
    assert req.send_all(b"q") == ["a"]
    a.give((b"", b"r"), (b"", b"late"))
    assert req.pattern.receive() == b"r"
    assert req.send_all(b"q") == [None]
    assert a.take_all() == [(b"", b"q")]
    assert req.send_all(b"q") == ["a"]
    assert req.pattern.receive() is None


def test_looking_for_the_reply_does_not_use_it_up(bench) -> None:
    req = bench(Req())
    a, b = req.peer("a"), req.peer("b")
    req.send_all(b"q")
    a.give((b"", b"reply"))
    for _ in range(3):
        assert req.pattern.ready_in()
    # Whatever happens in between.
    b.give((b"", b"noise"))
    a.leave()
    assert req.pattern.ready_in()
    assert req.pattern.receive() == b"reply"
    assert not req.pattern.ready_in()


@pytest.mark.parametrize("farewell", ["leave", "detach"])
def test_the_reply_of_a_peer_that_is_gone_does_not_come_from_another(bench, farewell: str) -> None:
    req = bench(Req())
    asked, other = req.peer("asked"), req.peer("other")
    assert req.send_all(b"q") == ["asked"]
    if farewell == "leave":
        asked.leave()
    else:
        req.pattern.detach(asked.pipe)
    other.give((b"", b"not asked"))
    assert not req.pattern.ready_in()
    assert req.pattern.receive() is None
    with pytest.raises(ZMQError, match="receive the reply first"):
        req.pattern.check_send()
    # A pipe detached that was not asked changes nothing.
    req.pattern.detach(other.pipe)
    assert not req.pattern.ready_in()


def test_detaching_another_peer_leaves_the_request_as_it_is(bench) -> None:
    req = bench(Req())
    asked, other = req.peer("asked"), req.peer("other")
    assert req.send_all(b"q") == ["asked"]
    req.pattern.detach(other.pipe)
    asked.give((b"", b"reply"))
    assert req.pattern.receive() == b"reply"


def test_a_reply_left_by_a_peer_that_is_gone_is_received(bench) -> None:
    req = bench(Req())
    a = req.peer("a")
    req.send_all(b"q")
    a.give((b"", b"reply"))
    a.leave()
    assert req.pattern.receive() == b"reply"
    assert not req.pattern.ready_out()
    assert req.send_all(b"q") == [None]


def test_p01_req_reads_a_pipe_that_arrives_full(bench) -> None:
    req = bench(Req())
    early = req.peer("early", attach=False)
    early.far.write((b"", b"unasked"))
    req.letters.collect()
    early.attach()
    assert req.send_all(b"q") == ["early"]
    early.give((b"", b"reply"))
    assert req.pattern.receive() == b"reply"


# ---- REQ_CORRELATE and REQ_RELAXED


def test_correlated_requests_are_numbered(bench) -> None:
    req = bench(Req())
    req.pattern.options.req_correlate = 1
    a = req.peer("a")
    numbers = []
    for body in (b"q", (b"q1", b"q2")):
        assert req.send_all(body) == ["a"]
        number, delimiter, *rest = a.take()
        assert (len(number), delimiter) == (4, b"")
        assert rest == ([body] if isinstance(body, bytes) else list(body))
        numbers.append(int.from_bytes(number, "big"))
        a.give((number, b"", b"reply"))
        assert req.pattern.receive() == b"reply"
    assert numbers[1] == (numbers[0] + 1) & 0xFFFFFFFF


def test_numbers_begin_anywhere_and_go_round(bench) -> None:
    # So that what was meant for a socket before this one is not taken for its reply.
    assert len({Req()._next_envelope() for _ in range(4)}) > 1
    req: Any = Req()
    first = int.from_bytes(req._next_envelope()[0], "big")
    assert req._next_envelope() == (((first + 1) & 0xFFFFFFFF).to_bytes(4, "big"), b"")


@pytest.mark.parametrize("nonsense", [(b"", b"reply"), (b"none", b"", b"reply"), b"reply"])
def test_correlated_what_has_another_number_is_dropped(bench, nonsense: object) -> None:
    req = bench(Req())
    req.pattern.options.req_correlate = 1
    a = req.peer("a")
    req.send_all(b"q")
    number, *_ = a.take()
    a.give(nonsense, (number, b"x", b"", b"reply"), (b"x", number, b"", b"reply"))
    assert not req.pattern.ready_in()
    assert req.pattern.receive() is None
    a.give((number, b"", b"reply"))
    assert req.pattern.ready_in()
    assert req.pattern.receive() == b"reply"


def test_the_option_may_change_between_request_and_reply(bench) -> None:
    req = bench(Req())
    a = req.peer("a")
    req.send_all(b"q")
    req.pattern.options.req_correlate = 1
    assert a.take() == (b"", b"q")
    a.give((b"", b"reply"))
    assert req.pattern.receive() == b"reply"


def test_relaxed_a_request_may_follow_a_request(bench) -> None:
    req = bench(Req())
    req.pattern.options.req_relaxed = 1
    a, b = req.peer("a"), req.peer("b")
    assert req.send_all(b"1") == ["a"]
    req.pattern.check_send()
    assert req.pattern.ready_out()
    assert req.send_all(b"2") == ["b"]
    # The reply to what is asked no longer.
    a.give((b"", b"one"))
    assert not req.pattern.ready_in()
    b.give((b"", b"two"))
    assert req.pattern.receive() == b"two"
    with pytest.raises(ZMQError, match="send a request first"):
        req.pattern.receive()


def test_relaxed_a_reply_that_was_looked_at_is_dropped_by_the_next_request(bench) -> None:
    req = bench(Req())
    req.pattern.options.req_relaxed = 1
    a = req.peer("a")
    req.send_all(b"1")
    a.give((b"", b"one"))
    assert req.pattern.ready_in()
    assert req.send_all(b"2") == ["a"]
    assert not req.pattern.ready_in()
    a.give((b"", b"two"))
    assert req.pattern.receive() == b"two"


@pytest.mark.parametrize("looked", [False, True])
def test_relaxed_a_request_that_cannot_be_sent_leaves_the_reply(bench, looked: bool) -> None:
    req = bench(Req())
    req.pattern.options.req_relaxed = 1
    a = req.peer("a", send_limit=1)
    assert req.send_all(b"1") == ["a"]
    a.give((b"", b"one"))
    if looked:
        assert req.pattern.ready_in()
    assert not req.pattern.ready_out()
    assert req.send_all(b"2") == [None]
    assert req.pattern.receive() == b"one"


def test_relaxed_and_correlated_a_late_reply_of_the_same_peer_is_dropped(bench) -> None:
    req = bench(Req())
    req.pattern.options.req_relaxed = req.pattern.options.req_correlate = 1
    a = req.peer("a")
    req.send_all(b"1", b"2")
    (first, *_), (second, *_) = a.take_all()
    a.give((first, b"", b"one"))
    assert not req.pattern.ready_in()
    a.give((second, b"", b"two"))
    assert req.pattern.receive() == b"two"


@pytest.mark.parametrize("probes", [0, 1])
def test_req_probes_a_new_peer_if_the_option_says_so(bench, probes: int) -> None:
    req = bench(Req())
    req.pattern.options.probe_router = probes
    a = req.peer("a")
    assert a.take_all() == ([b""] if probes else [])


# ---- REP


def test_the_reply_goes_where_the_request_came_from(bench) -> None:
    rep = bench(Rep())
    a, b = rep.peer("a"), rep.peer("b")
    b.give((b"", b"from b"))
    a.give((b"", b"from a"))
    for _ in range(2):
        request = rep.pattern.receive()
        assert isinstance(request, bytes)
        peer = rep.pattern.last.endpoint
        assert request == b"from " + peer.encode()
        assert rep.send_all(b"to " + peer.encode()) == [peer]
    assert a.take_all() == [(b"", b"to a")]
    assert b.take_all() == [(b"", b"to b")]


def test_requests_are_taken_in_turn(bench) -> None:
    rep = bench(Rep())
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        rep.peer(name).give(*((b"", f"{name}{number}".encode()) for number in range(count)))
    received = []
    for _ in range(6):
        received.append(rep.pattern.receive())
        rep.send_all(b"r")
    assert received == [b"a0", b"b0", b"c0", b"a1", b"c1", b"a2"]
    assert rep.pattern.receive() is None


@pytest.mark.parametrize("envelope", [(b"",), (b"id", b""), (b"router 2", b"router 1", b"")])
@pytest.mark.parametrize("body", [b"question", b"", (b"q1", b"", b"q2")])
def test_the_routing_frames_come_back_before_the_reply(bench, envelope: tuple[bytes, ...], body: object) -> None:
    rep = bench(Rep())
    a = rep.peer("a")
    a.give(with_envelope(envelope, body))
    assert rep.pattern.receive() == body
    rep.send_all(b"reply")
    assert a.take_all() == [(*envelope, b"reply")]
    a.give(with_envelope(envelope, body))
    assert rep.pattern.receive() == body
    rep.send_all((b"r1", b"r2"))
    assert a.take_all() == [(*envelope, b"r1", b"r2")]


def test_rep_out_of_turn(bench) -> None:
    rep = bench(Rep())
    a = rep.peer("a")
    for attempt in (lambda: rep.pattern.send(b"r"), rep.pattern.check_send):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == Errno.EFSM
        assert str(caught.value) == "send(): out of turn on a REP socket: receive a request first"
    a.give((b"", b"q1"), (b"", b"q2"))
    assert rep.pattern.receive() == b"q1"
    rep.pattern.check_send()
    with pytest.raises(ZMQError) as caught:
        rep.pattern.receive()
    assert caught.value.errno == Errno.EFSM
    assert str(caught.value) == "recv(): out of turn on a REP socket: send the reply to the last request first"
    rep.send_all(b"r1")
    with pytest.raises(ZMQError, match="receive a request first"):
        rep.pattern.send(b"r2")
    assert a.take_all() == [(b"", b"r1")]
    assert rep.pattern.receive() == b"q2"


def test_nothing_received_is_no_turn(bench) -> None:
    rep = bench(Rep())
    rep.peer("a")
    assert rep.pattern.receive() is None
    with pytest.raises(ZMQError, match="receive a request first"):
        rep.pattern.send(b"r")


@pytest.mark.parametrize("nonsense", [b"", b"q", (b"id", b"q"), (b"id", b"")])
def test_rep_drops_what_is_not_of_the_form_of_a_request(bench, nonsense: object) -> None:
    rep = bench(Rep())
    a = rep.peer("a")
    a.give(nonsense)
    assert not rep.pattern.ready_in()
    assert rep.pattern.receive() is None
    a.give(nonsense, nonsense, (b"", b"q"))
    assert rep.pattern.ready_in()
    assert rep.pattern.receive() == b"q"
    rep.send_all(b"r")
    assert a.take_all() == [(b"", b"r")]


@pytest.mark.parametrize("farewell", ["leave", "detach"])
def test_a_reply_to_a_peer_that_is_gone_is_dropped(bench, farewell: str) -> None:
    rep = bench(Rep())
    gone, other = rep.peer("gone"), rep.peer("other")
    gone.give((b"", b"q"))
    assert rep.pattern.receive() == b"q"
    if farewell == "leave":
        gone.leave()
    else:
        rep.pattern.detach(gone.pipe)
    assert rep.pattern.ready_out()
    assert rep.pattern.send(b"r") is not None
    assert gone.take_all() == []
    assert other.take_all() == []
    # And the turn has moved.
    other.give((b"", b"q2"))
    assert rep.pattern.receive() == b"q2"
    assert rep.send_all(b"r2") == ["other"]
    assert other.take_all() == [(b"", b"r2")]


def test_a_reply_that_its_peer_has_no_room_for_is_dropped(bench) -> None:
    rep = bench(Rep())
    # It asks on and never reads its replies.
    a = rep.peer("a", send_limit=1)
    for number in range(3):
        a.far.write((b"", b"q%d" % number))
    rep.deliver()
    for number in range(3):
        assert rep.pattern.receive() == b"q%d" % number
        assert rep.pattern.ready_out()
        assert rep.send_all(b"r%d" % number) == ["a"]
    assert a.take_all() == [(b"", b"r0")]
    rep.pattern.writable(a.pipe)
    a.give((b"", b"q"))
    rep.pattern.receive()
    rep.send_all(b"r")
    assert a.take_all() == [(b"", b"r")]


def test_a_request_left_by_a_peer_that_is_gone_is_received(bench) -> None:
    rep = bench(Rep())
    a = rep.peer("a")
    a.give((b"", b"q1"), (b"", b"q2"))
    a.leave()
    for body in (b"q1", b"q2"):
        assert rep.pattern.ready_in()
        assert rep.pattern.receive() == body
        assert rep.pattern.last is a.pipe
        rep.send_all(b"nobody hears it")
    assert not rep.pattern.ready_in()
    assert a.take_all() == []


def test_a_peer_that_leaves_without_a_word_is_forgotten_by_rep(bench) -> None:
    rep = bench(Rep())
    a, b = rep.peer("a"), rep.peer("b")
    a.leave()
    rep.pattern.readable(a.pipe)
    assert not rep.pattern.ready_in()
    b.give((b"", b"q"))
    assert rep.pattern.receive() == b"q"


def test_looking_for_a_request_does_not_use_it_up_nor_mix_it_up(bench) -> None:
    rep = bench(Rep())
    a, b = rep.peer("a"), rep.peer("b")
    a.give((b"id a", b"", b"from a"))
    assert rep.pattern.ready_in()
    b.give((b"id b", b"", b"from b"))
    assert rep.pattern.ready_in()
    assert rep.pattern.receive() == b"from a"
    # While it is a's turn nothing else is looked at.
    assert not rep.pattern.ready_in()
    assert rep.send_all(b"to a") == ["a"]
    assert a.take_all() == [(b"id a", b"", b"to a")]
    assert rep.pattern.receive() == b"from b"
    assert rep.send_all(b"to b") == ["b"]
    assert b.take_all() == [(b"id b", b"", b"to b")]


def test_p01_rep_reads_a_pipe_that_arrives_full(bench) -> None:
    rep = bench(Rep())
    early = rep.peer("early", attach=False)
    early.far.write((b"", b"q"))
    rep.letters.collect()
    early.attach()
    assert rep.pattern.ready_in()
    assert rep.pattern.receive() == b"q"


# ---- both


@pytest.mark.parametrize("seed", range(3))
def test_reqs_readiness_is_exact_after_every_operation(bench, seed: int) -> None:
    choose = random.Random(seed)
    req = bench(Req())
    pattern = req.pattern
    peers = [req.peer(send_limit=seed)]
    expecting = False
    replies = 0
    for number in range(4_000):
        verb = choose.choice(
            [*["send", "receive", "reply", "reply", "look"] * 10, *["noise", "take"] * 5, "come", "go"]
        )
        peer = choose.choice(peers)
        if verb == "come":
            peers.append(req.peer(send_limit=seed))
        elif verb == "go" and len(peers) > 1 and not expecting:
            peers.remove(peer)
            peer.leave()
        elif verb == "noise":
            peer.give(choose.choice([b"x", (b"x", b"y"), (b"x", b"", b"y"), (b"", b"from whom?")]))
        elif verb == "take":
            peer.take()
        elif verb == "reply" and expecting:
            for each in peers:
                if each.take_all():
                    each.give((b"", b"%d" % number))
        ready_in, ready_out = pattern.ready_in(), pattern.ready_out()
        assert not (ready_in and not expecting)
        assert not (ready_out and expecting)
        if expecting:
            with pytest.raises(ZMQError):
                pattern.check_send()
            if verb in ("receive", "look"):
                message = pattern.receive()
                assert (message is not None) == ready_in
                expecting = message is None
                replies += not expecting
        elif verb == "send":
            expecting = pattern.send(b"%d" % number) is not None
            assert expecting == ready_out
    assert replies > 100


@pytest.mark.parametrize("limit", [0, 1])
def test_reps_readiness_is_exact_after_every_operation(bench, limit: int) -> None:
    choose = random.Random(limit)
    rep = bench(Rep())
    pattern = rep.pattern
    peers = [rep.peer(send_limit=limit)]
    waiting = 0
    replying = False
    answered = 0
    for number in range(4_000):
        verb = choose.choice([*["ask", "receive", "send", "look"] * 10, *["noise", "take"] * 5, "come", "go"])
        peer = choose.choice(peers)
        if verb == "come":
            peers.append(rep.peer(send_limit=limit))
        elif verb == "go" and len(peers) > 1:
            peers.remove(peer)
            peer.leave()
        elif verb == "noise":
            peer.give(choose.choice([b"x", (b"x", b"y"), (b"x", b"")]))
        elif verb == "take":
            peer.take()
        elif verb == "ask":
            peer.give((b"id", b"", b"%d" % number))
            waiting += 1
        # Looking is an operation of its own: it may fetch.
        if verb != "receive" or choose.random() < 0.5:
            assert pattern.ready_in() == (waiting > 0 and not replying)
            assert pattern.ready_out() == replying
        if verb == "receive" and not replying:
            message = pattern.receive()
            assert (message is not None) == (waiting > 0)
            if message is not None:
                waiting -= 1
                replying = True
        elif verb == "send" and replying:
            assert pattern.send(b"r") is not None
            replying = False
            answered += 1
    assert answered > 200


def test_req_and_rep_understand_each_other(bench) -> None:
    req, rep = bench(Req()), bench(Rep())
    client, server = req.peer("server"), rep.peer("client")
    for number in range(200):
        body = b"%d" % number if number % 2 else (b"%d" % number, b"")
        assert req.pattern.send(body) is not None
        server.give(*client.take_all())
        assert rep.pattern.receive() == body
        assert rep.pattern.send(body) is not None
        client.give(*server.take_all())
        assert req.pattern.receive() == body
