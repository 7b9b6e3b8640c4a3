"""The variants "cls", "int" and "int_cls": a GAN, and beside it the same one without what the variant adds.

Both have the same seed, data, number of steps, noise and sentences.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import Any

import numpy as np

from ...autograd import no_grad
from ...models.text_to_image_gan import Discriminator
from ...models.text_to_image_gan import Generator as Drawer
from ...train import Trainer
from ..experiment import At, Measured
from . import style
from .claims import MAIN, RIVAL, claims_of
from .data import Setting
from .embedding import zero_shot
from .evaluation import Questions, Snapshots, auc, colour_pairs, monotone, per_row, progress, walks
from .gan import BATCH, LR_D, NOISE, SYSTEMS, Described, build, gan_stage
from .judge import judged, rightness

__all__ = ["stages", "evaluate", "claims_of", "all_figures"]
PAIRS = 100          # of texts to walk between
ATTRIBUTES = ("colour", "shape", "place", "all")


@dataclasses.dataclass
class System:
    """One of the GANs, trained.

    Attributes:
        G, D: as the training left them, in evaluation mode.
        history: of the training.
        scores: of D after each round, see ``Snapshots``.
        steps: an epoch.
    """

    G: Drawer
    D: Discriminator
    history: dict[str, list[float]]
    scores: list[dict[str, list[float]]]
    steps: int


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        systems: name -> GAN, the variant's own first.
        style: the encoder of styles, of GAN-CLS in its variant.
        literal: the GAN that was trained with Algorithm 1's signs, likewise.
    """

    systems: dict[str, System]
    style: Any = None
    literal: System | None = None


@dataclasses.dataclass
class Drawn(Measured):
    """The measurements, and what the figures draw beside.

    Attributes:
        questions: the sentences and their noise.
        images: system -> its pictures of them, (K, 3, S, S).
        pairs: (P, 2), the questions that are walked between.
        walks: system -> pictures between two texts, (P, steps, 3, S, S).
    """

    questions: Questions
    pairs: np.ndarray
    images: dict[str, np.ndarray]
    walks: dict[str, np.ndarray]


def questions_of(setting: Setting, part: str = "test") -> Questions:
    """The first whole sentences of a part's pictures, and the noise that they are drawn with."""
    return Questions.of(setting.parts[part], setting.phi[part], NOISE, setting.seed)


def system_stage(name: str, setting: Setting, at: dict, count: int | None = None,
                 **options) -> Generator[Trainer, None, System]:
    """Train one of ``SYSTEMS`` from the weights that the seed gives.

    Args:
        name: of the system.
        setting: of the run.
        at: the Trainer's options.
        count: take only so many training pictures, in one round.
        options: for ``Turns``.
    """
    G, D = build(setting.seed)
    snapshots = Snapshots(G, D, setting.judge, questions_of(setting), setting.device)
    described, (w, interpolation) = Described.of(setting.parts["train"], setting.phi["train"], count), SYSTEMS[name]
    trainer = gan_stage(G, D, described, 1 if count else setting.epochs, w=w, interpolation=interpolation, snapshots=snapshots,
                        lr_D=LR_D, device=setting.device, options=options, **at)
    yield trainer
    G.eval()
    D.eval()
    return System(G, D, trainer.history, snapshots.scores, len(trainer.loader))


def stages(setting: Setting, at: At) -> Generator[Trainer, None, Trained]:
    """The variant's GAN and its rival; with GAN-CLS the encoder of styles, and the literal signs.

    Args:
        setting: of the run, with judge and phi.
        at: name of a stage -> the Trainer's options.
    """
    main, rival = MAIN[setting.variant], RIVAL[setting.variant]
    trained = Trained({main: (yield from system_stage(main, setting, at("gan")))})
    trained.systems[rival] = yield from system_stage(rival, setting, at("rival"))
    if setting.variant == "cls":
        encoder = style.style_stage(trained.systems[main].G, setting, **at("style"))
        yield encoder
        trained.style = encoder.model.eval()
        trained.literal = yield from system_stage(main, setting, at("literal"), setting.size.literal_steps * BATCH, literal=True)
    return trained


def curve(system: System) -> dict[str, list[float]]:
    """Share of right pictures and D's AUC after each round, with the steps until then."""
    rounds = len(system.history["all"])
    return {"steps": [system.steps * (k + 1) for k in range(rounds)],
            **{name: system.history[name] for name in (*ATTRIBUTES, "AUC")}}


def evaluate(setting: Setting, trained: Trained) -> Drawn:
    """Draw the sentences of test pictures and of unseen pairs, let the judge and D look at them, and walk between texts."""
    parts, judge, device = setting.parts, setting.judge, setting.device
    with no_grad():
        test, unseen = questions_of(setting), questions_of(setting, "unseen")
        pairs = colour_pairs(test.contents, PAIRS)
        found = Drawn({}, test, pairs, {}, {})
        measures: dict[str, dict] = {}
        for name, system in trained.systems.items():
            draw = lambda q: per_row(system.G, q.z, q.h, device=device)
            found.images[name], found.walks[name] = draw(test), walks(system.G, test, pairs, device)
            score = lambda h: per_row(system.D, test.images, h, device=device)
            way = progress(found.walks[name], test.contents[pairs], parts["train"]) if len(pairs) else np.zeros((0, 2))
            measures[name] = {
                "curve": curve(system), "mean": float(np.mean(system.history["all"])),
                "end": rightness(judged(judge, found.images[name], device), test.contents),
                "unseen": rightness(judged(judge, draw(unseen), device), unseen.contents),
                "auc": auc(score(test.h), score(test.wrong)), "monotone": float(monotone(way).mean()) if len(way) else None,
                "first D loss": system.history["D loss"][0]}
        real = {name: rightness(judged(judge, parts[name].images, device), parts[name].contents) for name in ("test", "unseen")}
        found.metrics = {
            "judge": {**real, "accuracy": real["test"]["all"]},
            "embedding": zero_shot(setting.encoder, setting.net, parts["test"], parts["unseen"], device), "systems": measures,
            "sentences": {"test": len(test), "unseen": len(unseen), "pairs": len(pairs)},
            "pictures": {name: len(part) for name, part in parts.items()}}
        if trained.literal is not None:
            D_loss = [-loss for loss in trained.literal.history["D loss"]]
            found.metrics["literal"] = {"first D loss": D_loss[0], "last D loss": D_loss[-1], "steps": len(D_loss),
                                        **{name: trained.literal.history[name][-1] for name in ATTRIBUTES}}
        if trained.style is not None:
            found.metrics["style"] = style.measures(trained.style, trained.systems[MAIN["cls"]].G, setting)
    return found


def all_figures(setting: Setting, trained: Trained, measured: Drawn) -> dict:
    """File name -> Figure."""
    from . import figures

    found = figures.all_figures(trained, measured)
    return found if trained.style is None else {
        **found, **style.all_figures(trained.style, trained.systems[MAIN["cls"]].G, setting)}
