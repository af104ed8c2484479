"""What the tests of all adapters share."""

from __future__ import annotations

from pathlib import Path

import pytest

import mqbridge

HERE = Path(__file__).resolve().parent


# The compiled modules are there: `make test` runs all of it with them first.
BUILT = any((HERE.parent.parent / "mqbridge").glob("_sys.*.so"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Interpreted, where both are tested, leave stock pyzmq sockets out: nothing compiled has a part in them."""
    if mqbridge.COMPILED or not BUILT:
        return
    left = {item for item in items if HERE in item.path.parents and _is_of_pyzmq(item)}
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [item for item in items if item not in left]


def _is_of_pyzmq(item: pytest.Item) -> bool:
    return "pyzmq" in getattr(getattr(item, "callspec", None), "id", "").split("-")
