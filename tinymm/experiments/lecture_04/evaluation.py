"""What lecture 4 measures: what the captions are worth, and where the model looks while it says them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor, grad
from ...autograd.host import to_numpy
from ...backend.random import Stream
from ...data.worlds.digit_scenes import DIGITS, SIZES, Scene
from ...metrics import caption_scores, leave_one_out
from ...models import attention_objective as objective
from ...models.caption_likelihood import caption_log_prob
from ...nn.chunks import in_chunks
from ...text import Vocabulary
from .. import experiment as protocol
from ..captioning.captioner import Captioner
from ..captioning.lecture import Material
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part
from .systems import Trained

CONTENT = frozenset([*DIGITS, *SIZES, "left", "above"])   # words that say something about the picture


@dataclasses.dataclass(frozen=True)
class Look:
    """One sentence about a picture, and where the model looked at each of its words.

    Attributes:
        picture: number of the picture.
        words: the sentence.
        alpha: (T, L), the attention at each word (not at the end).
        beta: (T,), the gate at each word.
        nats: -log p of the sentence, its end included (with hard attention: given the likeliest locations).
    """

    picture: int
    words: tuple[str, ...]
    alpha: np.ndarray
    beta: np.ndarray
    nats: float


def look(captioner: Captioner, vocabulary: Vocabulary, part: Part, captions: Sequence[Sequence[Sequence[str]]] | None = None,
         annotations: np.ndarray | None = None, batch: int = 256) -> list[Look]:
    """Let the model go through given sentences, word by word.

    Args:
        captions: for each picture of the part a list of sentences; its own captions by default.
        annotations: (N, L, D) of the part's pictures, where they are known.
    """
    a = captioner.annotate(part) if annotations is None else annotations
    pairs = CaptionPairs(part.captions if captions is None else captions, vocabulary, Vocabulary.pad)
    device = next(captioner.parameters()).device
    captioner.eval()

    def some(rows: range) -> list[Look]:
        pictures, y, targets = pairs.batch(rows)
        decoded = captioner.decoder(Tensor(a[pictures]).to(device), y.to(device))
        log_p = to_numpy(caption_log_prob(decoded.logits, targets.to(device)))
        alpha, beta = to_numpy(decoded.alpha), to_numpy(decoded.beta)
        words = [tuple(vocabulary.decode(column)) for column in targets.numpy().T]
        return [Look(int(picture), words[b], alpha[:len(words[b]), b], beta[:len(words[b]), b], float(-log_p[b]))
                for b, picture in enumerate(pictures)]

    return [one for found in in_chunks(some, len(pairs), batch) for one in found]


# ---------------------------------------------------------------------- the attention and the truth

def cells_of(box: tuple[int, int, int, int], grid: tuple[int, int], picture: tuple[int, int]) -> np.ndarray:
    """Which annotation vectors look at a box: those whose centre of the receptive field lies in it; (L,) booleans."""
    rows, columns = grid
    y, x = (np.arange(rows) + 0.5) * picture[0] / rows, (np.arange(columns) + 0.5) * picture[1] / columns
    top, left, bottom, right = box
    return np.outer((top <= y) & (y < bottom), (left <= x) & (x < right)).ravel()


def mentions(words: Sequence[str]) -> list[int]:
    """The places of the words that name a digit; the k-th of them means the k-th digit in reading order."""
    return [t for t, word in enumerate(words) if word in DIGITS]


@dataclasses.dataclass(frozen=True)
class Pointing:
    """How often the attention is on the digit that a word names.

    Attributes:
        accuracy: share of the mentions at which the largest alpha lies on the digit.
        mass: mean sum of alpha on the digit.
        chance: what an even attention would have.
        mentions: how many there were.
        by_place: accuracy of the first, second and third mention in a sentence; NaN where there is none.
    """

    accuracy: float
    mass: float
    chance: float
    mentions: int
    by_place: tuple[float, ...]


def pointing(looks: Sequence[Look], scenes: Sequence[Scene], grid: tuple[int, int]) -> Pointing:
    """Compare the attention at the mentions with the boxes of the digits.

    Whether the word is the right one does not matter here, only where the model looks. A sentence that names more digits
    than there are misses with each that is too many.
    """
    hits: list[list[float]] = [[] for _ in range(max((len(mentions(k.words)) for k in looks), default=0))]
    mass, chance = [], []
    for k in looks:
        scene = scenes[k.picture]
        for place, t in enumerate(mentions(k.words)):
            on = cells_of(scene.digits[place].box, grid, scene.image.shape) if place < len(scene.digits) else \
                np.zeros(grid[0] * grid[1], bool)
            hits[place].append(bool(on[k.alpha[t].argmax()]))
            mass.append(float(k.alpha[t][on].sum()))
            chance.append(float(on.mean()))
    mean = lambda values: float(np.mean(values)) if len(values) else math.nan
    return Pointing(mean(sum(hits, [])), mean(mass), mean(chance), len(mass), tuple(mean(h) for h in [*hits, [], [], []][:3]))


def betas(looks: Sequence[Look], kinds: bool = True) -> dict:
    """Mean gate of each word; with ``kinds`` also of the words that say something about a digit scene, and of the others."""
    by_word: dict[str, list[float]] = {}
    for k in looks:
        for word, beta in zip(k.words, k.beta):
            by_word.setdefault(word, []).append(float(beta))
    mean = lambda chosen: float(np.mean([b for word in chosen for b in by_word[word]])) if chosen else math.nan
    found: dict = {"by word": {w: float(np.mean(b)) for w, b in sorted(by_word.items(), key=lambda item: -np.mean(item[1]))}}
    if kinds:
        found["content words"] = mean([w for w in by_word if w in CONTENT])
        found["function words"] = mean([w for w in by_word if w not in CONTENT])
    return found


def coverage(looks: Sequence[Look]) -> tuple[np.ndarray, float]:
    """The mean of sum_t alpha_ti over sentences (L,), and the mean entropy in nats of each sentence's own, normalised."""
    totals = np.stack([k.alpha.sum(0) for k in looks])               # (N, L)
    p = totals / totals.sum(1, keepdims=True)
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1)), 1)
    return totals.mean(0), float(entropy.mean())


# ---------------------------------------------------------------------- the sentences and the truth

def says_the_digits(words: Sequence[str], scene: Scene) -> bool:
    """Whether a sentence names just the digits that are there, in reading order."""
    return [words[t] for t in mentions(words)] == [DIGITS[d.label] for d in scene.digits]


def is_true(words: Sequence[str], scene: Scene) -> bool:
    """Whether a sentence is one of those that can truly be said of the scene, word for word."""
    return tuple(words) in {c.words for c in scene.captions}


def scored(sentences: list[tuple[str, ...]], part: Part) -> dict:
    """Caption metrics, and for scenes the share of sentences that are true."""
    found = caption_scores(sentences, part.captions)
    if part.scenes:
        found["right digits"] = float(np.mean([says_the_digits(s, scene) for s, scene in zip(sentences, part.scenes)]))
        found["true sentences"] = float(np.mean([is_true(s, scene) for s, scene in zip(sentences, part.scenes)]))
    return found


# ---------------------------------------------------------------------- the variance of the hard estimate

def gradient_variance(captioner: Captioner, pairs: CaptionPairs, annotations: np.ndarray, baseline: float, samples: int,
                      seed: int, batch: int = 32) -> dict[str, float]:
    """Total variance of the REINFORCE estimate (lambda_r = 1) of one batch's gradient, with and without the baseline.

    Args:
        baseline: b.
        samples: how many times all locations are sampled; both estimates use the same samples.
    """
    rows = Stream("variance", seed).generator.permutation(len(pairs))[:batch]
    draws = Stream("variance samples", seed)
    pictures, y, targets = pairs.batch(rows)
    decoder = captioner.decoder
    device = next(decoder.parameters()).device
    a, y, targets = Tensor(annotations[pictures]).to(device), y.to(device), targets.to(device)
    mask, parameters = targets != Vocabulary.pad, list(decoder.parameters())
    share, decoder.soft_share = decoder.soft_share, 0.0
    decoder.train()
    sums: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    try:
        for _ in range(samples):
            decoded = decoder(a, y, generator=draws)
            for name, b in (("with baseline", baseline), ("without", 0.0)):
                loss, _ = objective.hard_objective(decoded, targets, mask, b)
                g = np.concatenate([p.cpu().numpy().ravel() for p in grad(loss, parameters, retain_graph=True)]).astype(np.float64)
                total, square = sums.get(name, (np.zeros_like(g), np.zeros_like(g)))
                sums[name] = total + g, square + g * g
    finally:
        decoder.soft_share = share
        decoder.eval()
    return {name: float((square / samples - (total / samples) ** 2).sum() * samples / (samples - 1))
            for name, (total, square) in sums.items()}


# ---------------------------------------------------------------------- all of it

@dataclasses.dataclass
class Measured(protocol.Measured):
    """What lecture 4 measures.

    Attributes:
        sentences: "greedy" and "beam 5" -> what they find for each test picture.
        given: Looks of the test captions.
        written: Looks of the sentences of the beam search.
        coverage: (L,), see ``coverage``.
        grid: rows and columns of the L annotation vectors.
    """

    sentences: dict[str, list[tuple[str, ...]]]
    given: list[Look]
    written: list[Look]
    coverage: np.ndarray
    grid: tuple[int, int]


def evaluate(trained: Trained, material: Material, samples: int, seed: int) -> Measured:
    """All of it.

    Args:
        trained: captioner and histories.
        material: with the test part.
        samples: of the gradient of hard attention, for its variance.
        seed: of the samples.
    """
    captioner, vocabulary, part = trained.captioner, material.vocabulary, material.parts["test"]
    annotations, grid = captioner.annotate(part), captioner.encoder.grid(*material.picture_size)
    sentences = {}
    for name, beam in (("greedy", 1), ("beam 5", 5)):
        found = captioner.search(annotations, beam)
        sentences[name] = [tuple(vocabulary.decode(best.tokens)) for best, *_ in found]
    given = look(captioner, vocabulary, part, annotations=annotations)
    written = look(captioner, vocabulary, part, [[s] for s in sentences["beam 5"]], annotations)
    covered, entropy = coverage(given)
    words, training = sum(len(k.words) + 1 for k in given), trained.trainer.history["nats a word"]
    metrics = {
        "loss": {"first nats a word": training[0], "last nats a word": float(np.mean(training[-50:])),
                 "test nats a word": sum(k.nats for k in given) / words},
        "parameters": sum(p.numel() for p in captioner.parameters()), "vocabulary": len(vocabulary),
        "captions": {name: scored(of_picture, part) for name, of_picture in sentences.items()},
        "people": leave_one_out(part.captions) if min(map(len, part.captions)) > 1 else None,
        "beta": betas(given, kinds=bool(part.scenes)), "coverage entropy": entropy}
    if trained.encoder_trainer is not None:
        metrics["encoder accuracy"] = trained.encoder_trainer.history["accuracy"][-1]
    if part.scenes:
        of_given, of_written = (pointing(looks, part.scenes, grid) for looks in (given, written))
        metrics["attention"] = {
            "chance": of_given.chance,
            **{name: {"accuracy": p.accuracy, "mass": p.mass, "mentions": p.mentions, "by place": list(p.by_place)}
               for name, p in (("given captions", of_given), ("generated captions", of_written))}}
        if captioner.decoder.hard:
            pairs = CaptionPairs(part.captions, vocabulary, Vocabulary.pad)
            metrics["gradient variance"] = gradient_variance(captioner, pairs, annotations, trained.baseline.value, samples, seed)
    return Measured(metrics, sentences, given, written, covered, grid)
