"""A command with examples in its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

#: For a command that lists its options at length.
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command of click's whose help ends with examples.

    Parameters
    ----------
    examples
        What to type, each with a line that says what it does.
    """

    def __init__(self, *args: Any, examples: list[tuple[str, str]] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **kwargs)
        self.examples = examples or []

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for at, (line, what) in enumerate(self.examples):
                    if at:
                        formatter.write_paragraph()
                    formatter.write_text(what)
                    # As it is typed: never wrapped.
                    formatter.write(f"{'':{formatter.current_indent}}  {line}\n")
        super().format_epilog(ctx, formatter)


def together(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator for several options, which appear in the help in this order."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate
