"""The table of states: complete, and nothing in it that cannot be reached."""

from __future__ import annotations

from mqbridge.zmtp import states
from mqbridge.zmtp.states import TRANSITIONS

STATES = {"GREETING", "IDENTITY", "MECHANISM", "HANDSHAKE", "ASKING", "READY", "ENDED", "CLOSED"}


def test_the_table_names_its_states() -> None:
    assert {state for state, _ in TRANSITIONS} == STATES
    assert set(TRANSITIONS.values()) | {"GREETING"} == STATES


def test_what_the_network_can_do_in_any_state_has_a_transition() -> None:
    for state in STATES:
        assert (state, states.END) in TRANSITIONS
    for state in STATES - {"CLOSED"}:  # there nothing is looked at, so nothing can be wrong
        assert TRANSITIONS[state, states.FAULT] == "CLOSED"


def test_there_is_no_way_back() -> None:
    order = ["GREETING", "IDENTITY", "MECHANISM", "HANDSHAKE", "ASKING", "READY", "ENDED", "CLOSED"]
    for (state, _), following in TRANSITIONS.items():
        # Only a question comes back to where it was asked.
        assert order.index(following) >= order.index(state) or (state, following) == ("ASKING", "HANDSHAKE")
