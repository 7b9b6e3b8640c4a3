"""The study of the alignment: with and without the BRNN, with the best region or the sum over all, and on shuffled captions."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np

from ...models.conv_encoder import ConvEncoder
from ...train import Trainer
from ..experiment import At
from .alignment import Aligned, alignment_stage, build
from .claims import ROWS, SHUFFLED, UNTRAINED, claims_of, interior
from .data import Pairs, Setting
from .evaluation import Pointed, chains, guess, longest, norms, pointing, ratio, retrieval

__all__ = ["stages", "evaluate", "claims_of", "all_figures"]   # what the lecture asks of a study

OPTIONS: dict[str, dict] = {"alignment": {}, "no_context": {"context": False}, "sum": {"score": "sum"}}   # of the model


def stages(setting: Setting, encoder: ConvEncoder, pairs: Mapping[str, Pairs], at: At) -> Generator[Trainer, None, Aligned]:
    """The trainings of a variant; for "alignment" also the control, on sentences of other pictures.

    Args:
        setting: of the run.
        encoder: that read the boxes.
        pairs: "train", "validation", "test".
        at: name of a stage -> the Trainer's folder, label and config.
    """
    row, device = ROWS[setting.variant], setting.device
    fresh = lambda: build(pairs["train"], len(setting.vocabulary), setting.seed, **OPTIONS[setting.variant]).to(device)
    stage = lambda model, train, name: alignment_stage(model, train, pairs["validation"], setting.parts["validation"],
                                                       setting.epochs, device=device, **at(name))
    models = {row: fresh()}
    trainer = stage(models[row], pairs["train"], "alignment")
    yield trainer
    if setting.variant == "alignment":
        models[SHUFFLED] = fresh()
        yield stage(models[SHUFFLED], pairs["train"].shuffled(setting.seed), "shuffled")
    models[UNTRAINED] = fresh()
    return Aligned(pairs, models, trainer.history)


def evaluate(setting: Setting, trained: Aligned) -> Pointed:
    """Measurements on the test scenes; beta is chosen on the validation scenes."""
    parts, pairs, row = setting.parts, trained.pairs, ROWS[setting.variant]
    own, scenes = trained.models[row], parts["test"].scenes
    for model in trained.models.values():
        model.eval()
    of_pairs = lambda model, part: model.word_scores(*pairs[part].batch(slice(None), setting.device))
    scores = {name: of_pairs(model, "test") for name, model in trained.models.items()}
    lengths = {name: norms(trained.models[name], pairs["test"], scenes) for name in (row, UNTRAINED)}
    content, function, after = ratio(lengths[row])
    beta, monotone = chains(scores[row], scenes)
    held = chains(of_pairs(own, "validation"), parts["validation"].scenes)[0]
    return Pointed({
        "pointing": {name: pointing(of_row, scenes) for name, of_row in scores.items()},
        "guess": {**guess(scenes), "longest region": longest(pairs["test"].regions, scenes)},
        "retrieval": {name: retrieval(model, pairs["test"]) for name, model in trained.models.items()},
        "norms": {"content": content, "function": function, "ratio": after, "ratio untrained": ratio(lengths[UNTRAINED])[2]},
        "beta": beta, "beta on validation": held, "monotone": monotone,
        "chosen beta": max(interior(held), key=lambda row: row["pointing"])["beta"],
        "scenes": {name: len(part) for name, part in parts.items()},
        "words": {kind: sum(k == kind for scene in scenes for k in scene.kind) for kind in ("shape", "colour", "size")}
                 | {"two things": sum(sum(scene.shared) for scene in scenes)},
        "loss": {"first": trained.history["loss"][0], "last": float(np.mean(trained.history["loss"][-50:]))},
    }, scores, lengths)


def all_figures(setting: Setting, trained: Aligned, measured: Pointed) -> dict:
    """File name -> Figure."""
    from . import figures

    return figures.all_figures(setting, trained, measured)
