"""Drawings of architectures: boxes, and arrows that carry the shape of what flows along them."""

from __future__ import annotations

import dataclasses

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from .style import COLORS, FONT, NEUTRAL, WIDTH, fit

POINTS = 72   # an inch


@dataclasses.dataclass(frozen=True)
class Box:
    """A box of a Diagram, in inches: its centre, width and height."""

    x: float
    y: float
    width: float
    height: float

    def edge(self, towards: Box) -> tuple[float, float]:
        """The middle of the side that faces another box."""
        dx, dy = towards.x - self.x, towards.y - self.y
        if abs(dx) * self.height >= abs(dy) * self.width:
            return self.x + (self.width / 2 if dx > 0 else -self.width / 2), self.y
        return self.x, self.y + (self.height / 2 if dy > 0 else -self.height / 2)


class Diagram:
    """Boxes and arrows on a page measured in inches, with the origin at its lower left.

    Args:
        width: of the page, at most ``WIDTH``.
        height: of the page.

    Attributes:
        figure: the matplotlib Figure.
        axes: its only axes, without frame, in inches; for what a box and an arrow cannot say.

    Raises:
        ValueError: a page wider than a notebook's column.
    """

    def __init__(self, width: float, height: float):
        if not 0 < width <= WIDTH or height <= 0:
            raise ValueError(f"Diagram: a page of {width} x {height} inches; the width must be at most {WIDTH:g}, both positive")
        self.figure = Figure(figsize=(width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(0, height))
        self.axes.axis("off")

    def box(self, x: float, y: float, text: str, width: float = 1.4, height: float = 0.6, color: str = COLORS[0]) -> Box:
        """A box with its centre at (x, y), inches; text that is too wide is set smaller.

        Args:
            x, y: the centre.
            text: in the box; lines are separated by newlines.
            width, height: of the box.
            color: of its frame; a pale tint fills it.

        Returns:
            Box: for ``arrow``.
        """
        self.axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, edgecolor=color, facecolor=(color, 0.1),
                                           boxstyle="round,pad=0,rounding_size=0.06", linewidth=1.2))
        size = min(fit(line, (width - 0.12) * POINTS, FONT) for line in text.split("\n"))
        self.axes.text(x, y, text, ha="center", va="center", fontsize=size, color=NEUTRAL, linespacing=1.25)
        return Box(x, y, width, height)

    def arrow(self, start: Box, end: Box, label: str = "", bend: float = 0.0, side: float = 1.0, color: str = NEUTRAL) -> None:
        """An arrow from one box to another.

        Args:
            start, end: what ``box`` returned.
            label: beside its middle; usually a shape such as "(B, T, D)".
            bend: how far it swings out, as a fraction of its length; its sign says to which side.
            side: 1 puts the label above a level arrow and to the right of an upright one, -1 on the other side.
            color: of line and label.
        """
        (x0, y0), (x1, y1) = start.edge(end), end.edge(start)
        self.axes.add_patch(FancyArrowPatch((x0, y0), (x1, y1), arrowstyle="-|>", mutation_scale=9, linewidth=1.1, color=color,
                                            shrinkA=0, shrinkB=0, connectionstyle=f"arc3,rad={bend}"))
        if label:
            level = abs(x1 - x0) >= abs(y1 - y0)
            # matplotlib's arc swings to the right of its way, and its middle by half of `bend` of its length
            x, y = (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2
            dx, dy = (0, 0.07 * side) if level else (0.08 * side, 0)
            self.axes.text(x + dx, y + dy, label, fontsize=FONT - 0.5, color=color,
                           ha="center" if level else "left" if side > 0 else "right",
                           va="center" if not level else "bottom" if side > 0 else "top")
