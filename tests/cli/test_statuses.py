"""Exit statuses are those that shells and timeout(1) have."""

from __future__ import annotations

import signal

from mqbridge.cli import statuses


def test_they_are_what_shells_say() -> None:
    assert 128 + signal.SIGINT == statuses.INTERRUPTED
    assert 128 + signal.SIGTERM == statuses.TERMINATED
    assert 128 + signal.SIGPIPE == statuses.BROKEN_PIPE
    found = [value for name, value in vars(statuses).items() if name.isupper()]
    assert len(set(found)) == len(found) == 8
