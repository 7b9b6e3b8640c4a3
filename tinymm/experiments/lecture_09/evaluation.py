"""What lecture 9 measures: what is left of pictures in their tokens, what the Transformer draws of captions, and whether CLIP
finds the best of several.

The judge looks at pixels alone. Every picture that it is shown comes of tokens that were drawn one after the other, or of the
arg-max of the encoder; none of relaxed tokens, and none with the true tokens before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autograd import Tensor
from ...backend.random import Stream
from ...data.worlds.grounded_sprites import caption_entropy
from ...models.dalle import clip_scores, rerank, sample_images
from ...nn.chunks import in_chunks
from ..clip_stage import pictures
from .. import experiment as protocol
from .cost import sampling_cost
from .data import Part, Setting, enlarged
from .systems import MAIN, Trained, decoded, encoded, predictions, reconstruction

SHOWN = 8            # pictures of a figure
CAPTIONS = 100       # at a time, each several times
COUNTED = 4          # captions whose sampling is counted


@dataclasses.dataclass
class Measured(protocol.Measured):
    """The measurements, and what the figures draw beside; pictures are floats in [0, 1].

    Attributes:
        originals: (8, 3, S, S), the first test pictures; reconstructed: name of a dVAE -> the same from their tokens.
        usage: name of a dVAE -> (K,) how often each code stands for a place of a test picture.
        captions: the first of the test part, and as many of unseen pairs; unseen: of which kind each is.
        validation: their pictures; ours: the first sample of each.
        candidates: (captions, N, 3, S, S), all samples of the first test captions; order: (captions, N), by CLIP, best first.
    """

    originals: np.ndarray
    reconstructed: dict[str, np.ndarray]
    usage: dict[str, np.ndarray]
    captions: list[str] = dataclasses.field(default_factory=list)
    unseen: list[bool] = dataclasses.field(default_factory=list)
    validation: Any = None
    ours: Any = None
    candidates: Any = None
    order: Any = None


def draw(setting: Setting, trained: Trained, captions: Sequence[str], count: int, name: str = "samples") -> np.ndarray:
    """Pictures of captions, one token after the other at temperature 1: (M, count, 3, S, S) float32 in [0, 1].

    Args:
        setting: of the run.
        trained: its models.
        captions: M.
        count: N, of each caption.
        name: of the random stream, which begins at the run's seed.
    """
    text, noise = setting.text(captions), Stream(name, setting.seed)
    some = lambda rows: sample_images(trained.transformer, Tensor(text[rows.start:rows.stop]).to(setting.device), count,
                                      generator=noise).cpu().numpy()
    tokens = np.concatenate(in_chunks(some, len(text), CAPTIONS))                                    # (M, N, h, w)
    images = decoded(trained.dvae, tokens.reshape(-1, *tokens.shape[2:]), setting.device)
    return images.reshape(*tokens.shape[:2], *images.shape[1:])


def ranked(setting: Setting, trained: Trained, captions: Sequence[str], candidates: np.ndarray) -> np.ndarray:
    """The candidates (M, N, 3, S, S) of M captions in CLIP's order, best first: (M, N) indices."""
    ids, size, device = setting.ids(captions), setting.sizes.clip_pixels, setting.device

    def scores(rows: range):
        images = enlarged(candidates[rows.start:rows.stop], size)                                    # (m, N, 3, R, R)
        shown = pictures(images.reshape(-1, *images.shape[2:])).reshape(*images.shape)
        return clip_scores(trained.clip, shown.to(device), Tensor(ids[rows.start:rows.stop]).to(device)).cpu().numpy()

    return rerank(np.concatenate(in_chunks(scores, len(ids), CAPTIONS)))


def of_dvae(setting: Setting, trained: Trained, name: str) -> tuple[dict, np.ndarray]:
    """The numbers of one dVAE on test pictures, and their tokens (N, h, w)."""
    part, dvae, tau = setting.parts["test"], trained.dvaes[name], setting.sizes.tau
    found, tokens = reconstruction(dvae, part, tau, setting.seed, setting.device)
    mean = setting.parts["train"].pixels().mean(0, dtype=float)
    found["mean picture's MSE"] = float(((part.pixels() - mean)**2).mean())
    if setting.judge is not None:
        found["judge"] = right(setting, decoded(dvae, tokens, setting.device), part.contents)
    return found, tokens


def right(setting: Setting, images: np.ndarray, contents) -> dict[str, float]:
    """The shares of pictures (N, 3, S, S) in [0, 1] that show the right colour, shape, ground, and all three."""
    return setting.judge.rightness(2 * images - 1, contents, setting.device)


def evaluate(setting: Setting, trained: Trained) -> Measured:
    """All that the variant's models can be asked."""
    parts, test = setting.parts, setting.parts["test"]
    metrics: dict = {"judge": {name: right(setting, parts[name].pixels(), parts[name].contents) for name in ("test", "unseen")}}
    found = Measured(metrics, test.pixels(slice(SHOWN)), {}, {})
    of_dvaes(setting, trained, found)
    if trained.transformer is None:
        return found
    metrics["transformer"] = of_transformer(setting, trained)
    metrics["samples"] = {}
    for name, part in (("seen", test), ("unseen", parts["unseen"])):
        images, few = draw(setting, trained, part.captions, setting.sizes.candidates), SHOWN // 2
        metrics["samples"][name] = of_samples(setting, images, part)
        found.captions += part.captions[:few]
        found.unseen += [name == "unseen"] * few
        shown, ours = part.pixels(slice(few)), images[:few, 0]
        found.validation = shown if found.validation is None else np.concatenate([found.validation, shown])
        found.ours = ours if found.ours is None else np.concatenate([found.ours, ours])
        if trained.clip is not None:
            order = ranked(setting, trained, part.captions, images)
            best = images[np.arange(len(order)), order[:, 0]]
            metrics.setdefault("reranked", {})[name] = {
                "N": images.shape[1], "random": metrics["samples"][name], "best": right(setting, best, part.contents)}
            if name == "seen":
                found.candidates, found.order = images[:few], order[:few]
    metrics["cost"] = cost(setting, trained)
    return found


def of_dvaes(setting: Setting, trained: Trained, found: Measured) -> dict[str, np.ndarray]:
    """Put every dVAE's numbers, reconstructions and use of codes into ``found``; name of a dVAE -> its tokens of test pictures."""
    tokens = {}
    for name, dvae in trained.dvaes.items():
        found.metrics["dvae" if name == MAIN else name], z = of_dvae(setting, trained, name)
        found.reconstructed[name] = decoded(dvae, z[:SHOWN], setting.device)
        found.usage[name] = np.bincount(z.reshape(-1), minlength=dvae.vocab_size)
        tokens[name] = z
    return tokens


def cost(setting: Setting, trained: Trained) -> dict[str, list]:
    """Multiply-adds and seconds of each token that is drawn for the first test captions, with the cache and without it."""
    text = setting.text(setting.parts["test"].captions[:COUNTED])
    found = sampling_cost(trained.transformer, Tensor(text).to(setting.device), setting.seed)
    return {key: values for key, values in found.items() if "tokens" not in key}


def of_samples(setting: Setting, images: np.ndarray, part: Part) -> dict[str, float]:
    """``right`` over all samples (M, N, 3, S, S) of a part's captions."""
    M, N = images.shape[:2]
    return right(setting, images.reshape(M * N, *images.shape[2:]), part.contents.repeat(N, 0))


def of_transformer(setting: Setting, trained: Trained) -> dict[str, float]:
    """The cross-entropies on test pictures, beside the entropy of the captions' grammar: of a token and, after an "a caption", of a
    whole caption, whose tokens are those after the start; and the first image loss of the training."""
    test = setting.parts["test"]
    text = setting.text(test.captions)
    found, tokens = predictions(trained.transformer, text, encoded(trained.dvae, test.images, setting.device), setting.device), \
        float((text[:, 1:] >= 0).sum(1).mean())
    entropy = caption_entropy()
    return {**found, "text entropy": entropy / tokens, "text CE a caption": found["text CE"] * tokens,
            "text entropy a caption": entropy, "first image CE": trained.trainers["transformer"].history["image CE"][0],
            "text tokens a caption": tokens, "codes": trained.transformer.image_vocab}
