"""The command line. Needs click and rich: `pip install mqbridge[cli]`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process and end it."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        sys.exit(f"mqbridge's command line needs {error.name}: pip install 'mqbridge[cli]'")
    from mqbridge.cli.group import mqbridge

    mqbridge.main(prog_name="mqbridge")
