"""Who is told what is being waited for, and when."""

from __future__ import annotations

from typing import Any

import pytest

from mqbridge.cli import patience
from mqbridge.cli.patience import patiently


@pytest.mark.parametrize(
    ("front", "hint", "timeout", "comes_at", "waits", "told"),
    [
        (True, "a peer", -1, 2, [1000, -1], True),
        (True, "a peer", -1, 1, [1000], False),
        (True, "a peer", 5000, 2, [1000, 4000], True),
        (True, "a peer", 1000, 2, [1000], False),
        (True, "a peer", 0, 2, [0], False),
        (True, "", -1, 1, [-1], False),
        (False, "a peer", -1, 1, [-1], False),
    ],
)
def test_waits(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
    front: bool,
    hint: str,
    timeout: int,
    comes_at: int,
    waits: Any,
    told: bool,
) -> None:
    monkeypatch.setattr(patience, "in_front", lambda: front)
    waited: list[int] = []

    def wait(milliseconds: int) -> list[Any]:
        waited.append(milliseconds)
        return ["it"] if len(waited) >= comes_at else []

    assert patiently(wait, timeout, hint) == (["it"] if len(waits) >= comes_at else [])
    assert waited == waits
    assert capsys.readouterr().err == ("note: waiting for a peer; Ctrl-C gives up\n" if told else "")
