"""Looks: the same colour for an implementation in all plots."""

from collections.abc import Sequence
from typing import Any

# The palette of Okabe and Ito, which the colour-blind can tell apart. Colours say
# whose an implementation is; lines and markers differ between those of one.
COLORS = {
    "jaxembed": "#000000",
    "flax": "#0072B2",
    "keras": "#D55E00",
    "torch": "#CC79A7",
    "numpy": "#009E73",
    "gensim": "#E69F00",
    "fasttext": "#56B4E9",
}
OTHERS = "#777777"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.5, 1)), (0, (5, 1.5, 1, 1.5)))


def find_looks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each implementation; jaxembed's are bold."""
    owners = [name.split(",")[0] for name in names]
    free = [color for owner, color in COLORS.items() if owner not in owners]
    colors = dict(COLORS)
    for owner in owners:
        if owner not in colors:
            colors[owner] = free.pop() if free else OTHERS
    looks = {}
    for i, (name, owner) in enumerate(zip(names, owners, strict=True)):
        style = STYLES[owners[:i].count(owner) % len(STYLES)]
        is_ours = owner == "jaxembed"
        looks[name] = {
            "color": colors[owner],
            "linestyle": style,
            "linewidth": 2.6 if is_ours else 1.2,
            "marker": MARKERS[i % len(MARKERS)],
            "markersize": 5 if is_ours else 4,
            "zorder": 3 if is_ours else 2,
        }
    return looks
