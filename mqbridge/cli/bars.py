"""Bars in the terminal: how much of a whole, in eighths of a character where the terminal has them."""

from __future__ import annotations

from rich.text import Text

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def filled(share: float, width: int, plain: bool = False) -> str:
    """Return a bar of `width` characters; what is not nothing shows. `plain` is for terminals without Unicode."""
    share = min(max(share, 0.0), 1.0)
    if plain:
        count = max(round(share * width), 1 if share else 0)
        return "#" * count + "." * (width - count)
    eighths = max(round(share * width * 8), 1 if share else 0)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def gauge(share: float, width: int, plain: bool = False) -> Text:
    """Return a bar that is green, yellow when it is half full, and red when nearly full; dots are what is free."""
    style = "red" if share >= 0.9 else "yellow" if share >= 0.5 else "green"
    bar = filled(share, width, plain).rstrip(" .")
    return Text.assemble((bar, style), (("." if plain else "·") * (width - len(bar)), "bright_black"))
