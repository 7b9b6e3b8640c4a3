"""The variant "generator": a recurrent network learns to describe regions from what the alignment inferred.

The alignment is trained as in the default variant, for fewer epochs. The chain MRF then cuts each training sentence into snippets,
each with a box, and the network learns from these pairs. Beside it the same network learns from full images with whole sentences,
and, as a bound that an inference without mistakes would reach, from the true phrases. All describe the true boxes of test scenes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence

import numpy as np

from ...backend.random import manual_seed
from ...data.worlds.region_scenes import CANVAS, phrases
from ...data.worlds.sprite_scenes import Sprite
from ...data.worlds.sprites import SHAPES
from ...metrics import bleu
from ...models.conv_encoder import ConvEncoder
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.lecture import captioner_config
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part as CaptionedPart
from ..captioning.stage import BATCH, caption_stage
from ..claims import Claim
from ..experiment import At
from ..lecture_02.systems import likelihood
from .alignment import alignment_stage
from .alignment import build as build_alignment
from .data import Pairs, Setting
from .describer import BOUND, CHAIN, FULL, WORD, Described, Describer, RegionEncoder, build
from .evaluation import mean_of
from .snippets import Snippets, inferred, snippet_part, true, whole_part

BETAS = {WORD: 0.0, CHAIN: 0.5}
STAGES = {FULL: "full", WORD: "captioner", CHAIN: "chain", BOUND: "bound"}   # ``load_captioner`` takes "captioner"
LECTURE = 3
WORLD = f"scenes of {CANVAS} x {CANVAS} pixels with two to four coloured sprites of 9 to 17 pixels"
LR = 2e-3
SEARCHES: dict[str, dict] = {"beam, a word": {"beam_size": 7, "length_penalty": 1.0}, "beam": {"beam_size": 7},   # 7 is the paper's
                             "greedy": {"beam_size": 1}}   # the first one is that of tables and figures


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        describers: row -> the trained network; all over one encoder.
        taught: row -> the snippets that it was taught; not of full images.
        test: the test scenes' regions.
    """

    describers: dict[str, Describer]
    taught: dict[str, Snippets]
    test: Pairs


def stages(setting: Setting, encoder: ConvEncoder, pairs: Mapping[str, Pairs], at: At) -> Generator[Trainer, None, Trained]:
    """The alignment, and the describers one after the other.

    Args:
        setting: of the run.
        encoder: that read the boxes.
        pairs: "train", "validation", "test".
        at: name of a stage -> the Trainer's folder, label and config.
    """
    train, parts, device = pairs["train"], setting.parts, setting.device
    model = build_alignment(train, len(setting.vocabulary), setting.seed)
    yield alignment_stage(model, train, pairs["validation"], parts["validation"], setting.epochs, device=device, **at("alignment"))
    model.eval()
    scores = model.word_scores(*train.batch(slice(None), device))          # (K, T, M)
    taught = {**{row: inferred(scores, parts["train"].captions, beta) for row, beta in BETAS.items()},
              BOUND: true(parts["train"].scenes)}
    assert train.regions.scaling is not None
    region_encoder, describers = RegionEncoder(encoder, *train.regions.scaling), {}
    for row, name in STAGES.items():
        manual_seed(setting.seed)                                          # the same weights for all, whoever came before
        describers[row] = build(region_encoder, len(setting.vocabulary)).to(device)
        if row == FULL:
            part = whole_part(parts["train"])
            seen = describers[row].annotate(part)                          # (N, F)
        else:
            part = snippet_part(parts["train"], taught[row])
            seen = train.regions.phi[taught[row].picture, taught[row].box]   # (P, F): what annotate would say, too
        yield describer_stage(describers[row], part, seen, setting, **at(name))
    return Trained(describers, taught, pairs["test"])


def describer_stage(describer: Describer, part: CaptionedPart, seen: np.ndarray, setting: Setting, *, config: dict,
                    **trainer) -> Trainer:
    """A Trainer that teaches a describer pictures with their words; all take the same number of steps, to a round.

    Args:
        describer: whose encoder stays as it is.
        part: crops or full images, with words.
        seen: what the encoder says of them, (N, F).
        setting: of the run.
        config: of the experiment.
        trainer: more arguments for the Trainer.
    """
    words = CaptionPairs(part.captions, setting.vocabulary, Vocabulary.start)
    return caption_stage(describer, part, words, likelihood, annotations=seen, lr=LR, device=setting.device,
                         epochs=max(1, round(setting.steps / -(-len(words) // BATCH))),
                         config=captioner_config(config, LECTURE, setting.vocabulary, 3, (CANVAS, CANVAS), WORLD), **trainer)


def evaluate(setting: Setting, trained: Trained) -> Described:
    """What each describer says of the true boxes of the test scenes, held against their four honest phrases.

    All are decoded in three ways: what was taught on full images gives a crop no likely sentence, and the beam that ranks by
    log-probability then prefers none at all. No claim shall rest on that.
    """
    parts, scenes = setting.parts, setting.parts["test"].scenes
    things = np.array([(k, i) for k, scene in enumerate(scenes) for i in np.flatnonzero(scene.owner >= 0)])   # (P, 2)
    seen = [scenes[k].things[scenes[k].owner[i]] for k, i in things]
    features = trained.test.regions.phi[things[:, 0], things[:, 1]]        # (P, F)
    said = {search: {row: [setting.vocabulary.decode(best[0].tokens) for best in describer.search(features, **options)]
                     for row, describer in trained.describers.items()} for search, options in SEARCHES.items()}
    found = {search: measures(of_search, seen) for search, of_search in said.items()}
    main = next(iter(SEARCHES))
    taught = {row: {"pairs": len(of_row), "of one word, dropped": of_row.dropped, "words": mean_of(list(map(len, of_row.words)))}
              for row, of_row in trained.taught.items()}
    return Described({**found[main], "searches": found, "taught": taught, "boxes": len(things),
                      "scenes": {name: len(part) for name, part in parts.items()}, "vocabulary": len(setting.vocabulary)},
                     things, said[main])


def measures(said: Mapping[str, Sequence[Sequence[str]]], things: Sequence[Sprite]) -> dict[str, dict]:
    """Measure -> row -> number.

    Args:
        said: row -> a sentence for each thing.
        things: P of them.

    Returns:
        "bleu" (BLEU-1 to 4 against the honest phrases, in per cent), "exact" (the share that is one of them), "shape said" (the
        share with the thing's shape in it), "one shape said" (and no other shape), "words" (their mean number).
    """
    references = [phrases(thing) for thing in things]
    each = lambda right: {row: mean_of(list(map(right, of_row, things, references))) for row, of_row in said.items()}
    return {"bleu": {row: [100 * score for score in bleu(of_row, references).corpus] for row, of_row in said.items()},
            "exact": each(lambda words, thing, four: tuple(words) in four),
            "shape said": each(lambda words, thing, four: thing.shape in words),
            "one shape said": each(lambda words, thing, four: [w for w in words if w in SHAPES] == [thing.shape]),
            "words": each(lambda words, thing, four: len(words))}


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """The claims. The worse beta and search of the region describers is held against the best search of the other one."""
    every = list(metrics["searches"].values())
    gain = lambda k: min(m["bleu"][row][k] for m in every for row in BETAS) - max(m["bleu"][FULL][k] for m in every)
    return [*[Claim("taught on inferred regions, a describer of true boxes is above one taught on full images (gain in "
                    f"BLEU-{k + 1}, per cent; the worse beta and search)", gain(k), ">=", 20) for k in range(2)],
            Claim("it says the right shape (share of the boxes; the worse beta and search)",
                  min(m["shape said"][row] for m in every for row in BETAS), ">=", 0.95),
            Claim("the one taught on full images does not (share of the boxes; the best search)",
                  max(m["shape said"][FULL] for m in every), "<=", 0.70)]


def all_figures(setting: Setting, trained: Trained, measured: Described) -> dict:
    """File name -> Figure."""
    from . import generator_figures

    return generator_figures.all_figures(setting.parts["test"].scenes, measured)
