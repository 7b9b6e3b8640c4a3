"""The figures of lecture 9. All but the masks are drawn from what the evaluation has measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ... import plot
from ...models.dalle.masks import mask_of
from ...plot.style import COLORS, FONT, GREY, PALE, SMALL, WIDTH, plain

if TYPE_CHECKING:
    from .data import Setting
    from .evaluation import Measured
    from .systems import Trained

KINDS = ("row", "column", "conv")
NEVER = "never seen: "
CHOSEN = 3              # captions whose candidates are shown


def two_panels(height: float = 2.9) -> tuple[Figure, np.ndarray]:
    """A figure as wide as the page with two axes."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes in panels:
        plain(axes)
    return figure, panels


def masks(text: int, grid: tuple[int, int], kernel: int) -> Figure:
    """The three masks, and beside each of them the image tokens that one in the middle of the picture sees.

    Args:
        text: T, text positions.
        grid: (height, width) of the image tokens.
        kernel: side of the window of "conv".
    """
    height, width = grid
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    panels = figure.subplots(1, 2 * len(KINDS), width_ratios=[3, 1.1] * len(KINDS))
    token = height // 2 * width + width // 2                        # a place with neighbours on all sides
    for (whole, view), kind in zip(panels.reshape(-1, 2), KINDS):
        mask = mask_of(kind, text, height, width, kernel)
        parts = np.where(mask, 1, 0)
        parts[:, :text] *= 2                                        # text that is seen, in another colour
        whole.imshow(parts, cmap=ListedColormap(["white", COLORS[0], COLORS[4]]), vmin=0, vmax=2, interpolation="nearest")
        whole.axhline(text - 0.5, color=GREY, linewidth=0.8)
        whole.axvline(text - 0.5, color=GREY, linewidth=0.8)
        whole.set_title(kind, fontsize=FONT + 1)
        middles = [(text - 1) / 2, text + (height * width - 1) / 2]
        whole.set_xticks(middles, ["text", "image"], fontsize=SMALL + 0.5)
        whole.set_yticks(middles, ["text", "image"], fontsize=SMALL + 0.5, rotation=90, va="center")
        whole.tick_params(length=0)
        seen = mask[text + token, text:].reshape(height, width).astype(int)
        seen[divmod(token, width)] = 2
        view.imshow(seen, cmap=ListedColormap(["white", COLORS[0], COLORS[1]]), vmin=0, vmax=2, interpolation="nearest")
        view.set_xticks(np.arange(width + 1) - 0.5, [])
        view.set_yticks(np.arange(height + 1) - 0.5, [])
        view.grid(color=PALE, linewidth=0.6)
        view.tick_params(length=0)
        view.set_title(f"seen by\ntoken {token}", fontsize=SMALL)
    return figure


def reconstructions(measured: Measured) -> Figure:
    """Test pictures over what the decoder draws of their tokens (the arg-max, no mixtures)."""
    rows = [("original", list(measured.originals))]
    rows += [("from its tokens" if len(measured.reconstructed) == 1 else f"from its tokens, {name}", list(images))
             for name, images in measured.reconstructed.items()]
    return plot.picture_table(rows)


def validation(measured: Measured) -> Figure:
    """The slide's table: captions of the test part, their pictures, and one sample of each; the first ones, nobody chose."""
    captions = [NEVER * new + caption for caption, new in zip(measured.captions, measured.unseen)]
    return plot.picture_table([("Validation", list(measured.validation)), ("Ours", list(measured.ours))], captions)


def reranked(measured: Measured) -> Figure:
    """The samples of the first captions in the order in which they were drawn, and ordered by CLIP."""
    rows = []
    for caption, images, order in zip(measured.captions[:CHOSEN], measured.candidates, measured.order):
        rows += [(caption, list(images)), ("ordered by CLIP, best first", [images[i] for i in order])]
    return plot.picture_table(rows, [f"{i + 1}" for i in range(len(rows[0][1]))])


def usage(histories: Mapping[str, Mapping[str, Sequence[float]]], counts: Mapping[str, np.ndarray]) -> Figure:
    """Codes in use along the training, and how often each is used at the end, for each dVAE, which differ in beta.

    Args:
        histories: name -> history of a dVAE's training, with "codes" and "round's beta" of each round.
        counts: name -> (K,) how often each code stands for a place of a test picture.
    """
    figure, (left, right) = two_panels()
    for (name, count), color in zip(counts.items(), COLORS):
        codes, beta = (histories[name][key] for key in ("codes", "round's beta"))
        left.plot(np.arange(1, len(codes) + 1), codes, "o-", color=color, markersize=3.5, label=f"\u03b2 = {beta[-1]:.3g}")
        ranked = np.sort(count)[::-1] / count.sum()
        right.plot(np.arange(1, len(ranked) + 1), ranked, color=color,
                   label=f"\u03b2 = {beta[-1]:.3g}: {np.count_nonzero(count)} of {len(count)}")
    right.axhline(1 / len(next(iter(counts.values()))), color=GREY, linestyle="--", linewidth=1, label="all alike")
    left.set(xlabel="round", ylabel="codes in use (validation)", ylim=(0, None))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="code, the most frequent first", ylabel="share of places (test)")
    for axes in (left, right):
        axes.legend(fontsize=SMALL + 0.5, frameon=False)
    return figure


def gap(histories: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """The NLL with relaxed and with hard tokens, along the training and against tau.

    Args:
        histories: name -> history of a dVAE's training, with "NLL relaxed", "NLL hard" and "round's tau" of each round.
    """
    figure, (left, right) = two_panels()
    for (name, history), color in zip(histories.items(), COLORS):
        relaxed, hard, tau = (np.asarray(history[key], float) for key in ("NLL relaxed", "NLL hard", "round's tau"))
        rounds, of = np.arange(1, len(tau) + 1), f"{name}, " if len(histories) > 1 else ""
        left.plot(rounds, hard, "o-", color=color, markersize=3.5, label=f"{of}tokens")
        left.plot(rounds, relaxed, "o--", color=color, markersize=3.5, markerfacecolor="white", label=f"{of}relaxed")
        right.plot(tau, hard - relaxed, "o-", color=color, markersize=3.5, label=name)
    left.set(xlabel="round", ylabel="NLL of a value (nats)")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.axhline(0, color=GREY, linewidth=0.8)
    right.set_xscale("log", base=2)
    right.invert_xaxis()
    right.set(xlabel="\u03c4, falling to the right", ylabel="NLL of tokens \u2212 relaxed")
    left.legend(fontsize=SMALL + 0.5, frameon=False)
    if len(histories) > 1:
        right.legend(fontsize=SMALL + 0.5, frameon=False)
    return figure


def losses(history: Mapping[str, Sequence[float]], entropy: float | None, codes: int) -> Figure:
    """The two cross-entropies of the Transformer's training.

    Args:
        history: with "text CE" and "image CE" of each step.
        entropy: of a text token, in nats, by the grammar; None where nobody knows it.
        codes: K.
    """
    return plot.loss_curves({"text": history["text CE"], "image": history["image CE"]}, ylabel="cross-entropy (nats a token)",
                            chance={f"ln {codes}: knowing nothing of the image": float(np.log(codes)),
                                    **({} if entropy is None else {"the captions' grammar": entropy})})


def cost(operations: Mapping[str, Sequence[float]]) -> Figure:
    """Multiply-adds that each sampled token takes, with and without a cache; the first comes with the reading of the caption."""
    curves = {"with a cache": operations["cached"], "the prefix computed again": operations["recomputed"]}
    figure = plot.loss_curves(curves, xlabel="image token", ylabel="multiply-adds", smooth=1,
                              x={name: range(2, len(values) + 2) for name, values in curves.items()})
    figure.axes[0].set_ylim(bottom=0)
    return figure


def all_figures(setting: Setting, trained: Trained, measured: Measured) -> dict[str, Figure]:
    """File name -> Figure, for a trained and measured experiment."""
    model = trained.transformer
    found = {"reconstructions.png": reconstructions(measured),
             "usage.png": usage(trained.histories, measured.usage),
             "gap.png": gap(trained.histories)}
    if model is not None:
        found |= {"masks.png": masks(model.text_length, model.grid, model.kernel), "validation.png": validation(measured),
                  "losses.png": losses(trained.trainers["transformer"].history, measured.metrics["transformer"].get("text entropy"),
                                       model.image_vocab),
                  "cost.png": cost(measured.metrics["cost"])}
        if measured.candidates is not None:
            found["reranked.png"] = reranked(measured)
    return found
