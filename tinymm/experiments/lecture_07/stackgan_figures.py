"""The figures of StackGAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ... import plot
from .figures import COLUMNS, shown

if TYPE_CHECKING:
    from .stackgan import Stacked

ROWS = 4     # texts that are drawn in several ways: the first ones


def beside(measured: Stacked) -> Figure:
    """Real pictures, stage I and stage II of the first sentences."""
    rows = {"GT, 32 x 32": measured.large, "Stage I, 16 x 16": measured.small, "Stage II, 32 x 32": measured.drawn}
    return plot.picture_table([(name, list(shown(images[:COLUMNS]))) for name, images in rows.items()],
                              measured.questions.sentences[:COLUMNS])


def augmented(measured: Stacked) -> Figure:
    """The first texts, each with one noise and several draws of the augmentation."""
    rows = zip(measured.questions.sentences, measured.again[:ROWS])
    return plot.picture_table([(text, list(shown(images))) for text, images in rows],
                              title="One text, one noise, the condition drawn anew")


def all_figures(measured: Stacked) -> dict:
    """File name -> Figure."""
    return {"stages.png": beside(measured), "augmentation.png": augmented(measured)}
