"""The places of one socket in several hubs, as far as no socket is needed to see it."""

from __future__ import annotations

from mqbridge.loops.gevent.places import Common
from mqbridge.loops.readiness import POLLIN, POLLOUT
from mqbridge.loops.waiters import BUDGET


def test_p21_operations_made_at_once_are_counted() -> None:
    common = Common(None)
    assert not common.exhausted()
    common.grant(POLLIN)
    common.reads -= BUDGET
    assert common.exhausted()
    assert not common.exhausted()


def test_p21_operations_not_made_are_not_counted() -> None:
    common = Common(None)
    common.grant(POLLOUT)
    common.writes -= 10
    assert not common.exhausted()
    common.rested()
    assert [common.exhausted() for _ in range(BUDGET)].count(True) == 1


def test_nothing_is_granted_while_there_is_a_question() -> None:
    common = Common(None)
    key = type("Greenlet", (), {})()
    common.rests[key] = [b"part"]
    common.grant(POLLIN)
    assert common.reads == 0
    common.grant(POLLOUT)
    assert common.writes == BUDGET
    common.refuse(POLLOUT)
    assert common.writes == 0 and not common.waiting(POLLIN)
