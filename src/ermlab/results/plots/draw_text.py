"""Text in matplotlib pictures: what the font can show, and labels that do not overlap."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

FONT = "DejaVu Sans"  # comes with matplotlib: the same picture on each machine


def fit_text(text: str) -> str:
    """Replace the characters that the font lacks by escapes, rather than by empty boxes."""
    known = _characters()
    return "".join(
        each if ord(each) in known else each.encode("unicode_escape").decode() for each in text
    )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights within [0, 1] until each is `gap` from the next.

    Args:
        heights: wanted, in any order; one beyond an end counts as that end.
        gap: between neighbours, in the same unit; so many must have room.

    Returns:
        The heights in the given order.
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved = [min(max(height, 0.0), 1.0) for height in heights]
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    ceiling = 1.0
    for place in reversed(order):
        moved[place] = min(moved[place], ceiling)
        ceiling = moved[place] - gap
    return moved


@cache
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(FONT)).get_charmap())
