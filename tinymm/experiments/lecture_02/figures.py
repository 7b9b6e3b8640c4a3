"""The figures of lecture 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ... import plot
from ...autograd import Tensor, no_grad
from ...decode import beam_tree
from ...text import Vocabulary
from ..captioning.captioner import Captioner
from .data import Worlds
from .evaluation import BEAM, Measured
from .systems import Trained
from .truth import LEVELS, level

WORLDS = {"test": "held-out scenes", "novel": "pairs never seen", "sketch": "sketches (xfer)"}
SHOWN = 3            # pictures in each column of the levels
TREE = 3             # width of the beam whose tree is drawn


def learning(history: Mapping[str, Sequence[float]], entropy: float):
    """Nats a word in training and validation, beside the entropy of the words."""
    return plot.loss_curves({"training": history["nats a word"], "validation": history["validation nats a word"]},
                            chance={"entropy of the words: knowing their frequencies": entropy}, ylabel="nats a word")


def beam(captioner: Captioner, vocabulary: Vocabulary, annotation: np.ndarray, width: int = TREE):
    """The tree that a beam search explores for one picture.

    Args:
        annotation: what the encoder says of the picture, without the batch axis.
    """
    captioner.eval()
    with no_grad():
        state = captioner.decoder.start(Tensor(annotation[None]).to(next(captioner.parameters()).device))
        nodes = beam_tree(captioner.decoder.step, state, start=captioner.first, end=Vocabulary.end, max_length=20, beam_size=width)
    return plot.beam_tree(nodes, words=vocabulary.words)


def captions(part, sentences: Sequence[Sequence[str]], truth: Sequence[bool] | None, title: str, count: int = 12):
    """Pictures with the sentences found for them, and one that a person said."""
    count = min(count, len(part))
    return plot.caption_grid(list(part.images(range(count))), [" ".join(s) for s in sentences[:count]],
                             [" ".join(of_picture[0]) for of_picture in part.captions[:count]],
                             None if truth is None else list(truth[:count]), title=title)


def four_columns(measured: Measured, worlds: Worlds, name: str = "sketch"):
    """The slide's chart: how well sentences describe their pictures, with examples."""
    part, sentences, shares = worlds.parts[name], measured.sentences[name], measured.metrics["levels"][name]
    columns = {}
    for wanted in LEVELS:
        chosen = [i for i, words in enumerate(sentences) if level(words, part.scenes[i].sprites) == wanted][:SHOWN]
        columns[wanted] = (shares[wanted], list(zip(part.images(chosen), [" ".join(sentences[i]) for i in chosen]))
                           if chosen else [])
    return plot.caption_columns(columns, title=f"What a beam of {BEAM} says of {WORLDS[name]}")


def beam_widths(beams: dict[str, dict]):
    """BLEU-4 by the width of the beam."""
    return plot.bars({f"k = {k}": entry["BLEU-4"] for k, entry in beams.items()}, ylabel="BLEU-4", fmt="{:.3f}",
                     title="Sentences kept at each step")


def sizes(curve: dict[str, dict]):
    """BLEU-4 by the number of training scenes."""
    return plot.bars({f"{count} scenes": entry["BLEU-4"] for count, entry in curve.items()}, ylabel="BLEU-4",
                     title="Training-set size, at the same number of steps")


def against_attention(found: dict[str, dict]):
    """BLEU-4 of one vector and of attention on lecture 4's scenes."""
    values = {f"{name}, {kind}": entry[kind] for name, entry in found.items() for kind in ("all scenes", "three digits")}
    return plot.bars(values, ylabel="BLEU-4", fmt="{:.3f}", colors=list(plot.COLORS[:2]) * len(found))


def all_figures(trained: Trained, measured: Measured, worlds: Worlds) -> dict:
    """File name -> Figure."""
    metrics, parts = measured.metrics, worlds.parts
    sprites = "levels" in metrics
    truth = [level(words, scene.sprites) == LEVELS[0] for words, scene in zip(measured.sentences["test"], parts["test"].scenes)] \
        if sprites else None
    figures = {
        "learning.png": learning(trained.trainer.history, metrics["loss"]["entropy of the words"]),
        "captions.png": captions(parts["test"], measured.sentences["test"], truth,
                                 f"Sentences for pictures it has never seen (beam {BEAM}), and one that a person said"),
        "beam_tree.png": beam(trained.captioner, worlds.vocabulary, measured.annotations["test"][0]),
        "beam_widths.png": beam_widths(metrics["beams"])}
    if sprites:
        figures["levels.png"] = four_columns(measured, worlds)
        figures["levels_by_world.png"] = plot.stacked_bars({WORLDS[name]: shares for name, shares in metrics["levels"].items()},
                                                           xlabel="share of the sentences")
    if "sizes" in metrics:
        figures["sizes.png"] = sizes(metrics["sizes"])
    if "against attention" in metrics:
        figures["against_attention.png"] = against_attention(metrics["against attention"])
    return figures
