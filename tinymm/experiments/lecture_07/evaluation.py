"""What lecture 7 measures of a GAN: whether its pictures show what the text says, whether D tells right texts from wrong ones, and
how pictures change between two texts. G and D are in evaluation mode for all of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ... import nn
from ...autograd import Tensor
from ...backend.random import Stream
from ...data.worlds.placed_sprites import PLACES, wrong_texts
from ...nn.chunks import in_chunks
from .data import Part
from .gan import noise
from .judge import Judge, judged, rightness

CHUNK = 250
STEPS = 9             # pictures from a text to another
BACK = 0.02           # of the way between two colours: what a step may go back in the picture's grain
HISTOGRAM = 200       # scores of each kind that are kept for a figure


@dataclasses.dataclass(frozen=True, eq=False)
class Questions:
    """Sentences to draw, the same for all systems, and with the same noise; each says colour, shape and place.

    Attributes:
        sentences: (K,).
        images: (K, 3, S, S), the real pictures that they are about.
        contents: (K, 3).
        h: (K, d), phi of the sentences; wrong: (K, d), that of sentences that are wrong about the pictures.
        z: (K, Z).
    """

    sentences: list[str]
    images: np.ndarray
    contents: np.ndarray
    h: np.ndarray
    wrong: np.ndarray
    z: np.ndarray

    @classmethod
    def of(cls, part: Part, phi: np.ndarray, Z: int, seed: int) -> Questions:
        """One sentence of each picture, the first that says all.

        Args:
            part: pictures and texts.
            phi: (N, 4, d) of the texts.
            Z: noise of a generator.
            seed: of the noise, and of which wrong sentence each picture gets.
        """
        rng, (pictures, texts) = Stream("questions", seed).generator, part.whole_texts()
        h, contents = phi.reshape(-1, phi.shape[-1])[texts], part.contents[pictures]
        return cls([part.texts[k] for k in texts], part.images[pictures], contents, h, h[wrong_texts(rng, contents, contents)],
                   noise(rng, len(h), Z))

    def __len__(self) -> int:
        return len(self.h)


def per_row(network: Callable[..., Tensor], *arrays: np.ndarray, device: str = "cpu") -> np.ndarray:
    """What a network of several arguments gives for arrays of as many rows, in chunks, on the host."""
    some = lambda rows: network(*[Tensor(a[rows.start:rows.stop]).to(device) for a in arrays]).cpu().numpy()
    return np.concatenate(in_chunks(some, len(arrays[0]), CHUNK))


def auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """The share of pairs of one score of each that stand in the right order, ties counting half: the area under the ROC curve."""
    below = np.searchsorted(np.sort(wrong), right, "left") + np.searchsorted(np.sort(wrong), right, "right")
    return float(below.mean() / 2 / len(wrong))


class Snapshots:
    """What the judge and D say of a GAN after each round of its training.

    The judge chooses nothing: the training goes on, and what it ends with is used.

    Args:
        G, D: in training.
        judge: of real pictures.
        questions: the sentences and their noise.
        device: where the networks are.

    Attributes:
        scores: for each time, kind of pair -> logits of D for the first of the questions.
    """

    def __init__(self, G: nn.Module, D: nn.Module, judge: Judge, questions: Questions, device: str = "cpu"):
        self.G, self.D, self.judge, self.questions, self.device = G, D, judge, questions, device
        self.scores: list[dict[str, list[float]]] = []

    def take(self) -> dict[str, float]:
        """Shares of pictures with the right colour, shape, place and all three, and D's AUC; keeps D's scores."""
        q, device = self.questions, self.device
        fake = per_row(self.G, q.z, q.h, device=device)
        pairs = {"real, right text": (q.images, q.h), "real, wrong text": (q.images, q.wrong), "drawn": (fake, q.h)}
        scores = {kind: per_row(self.D, *pair, device=device) for kind, pair in pairs.items()}
        self.scores.append({kind: s[:HISTOGRAM].astype(float).round(4).tolist() for kind, s in scores.items()})
        return {**rightness(judged(self.judge, fake, device), q.contents),
                "AUC": auc(scores["real, right text"], scores["real, wrong text"])}

    def state_dict(self) -> dict:
        return {"scores": self.scores}

    def load_state_dict(self, state: dict) -> None:
        self.scores = state["scores"]


# ---------------------------------------------------------------------- between two texts

def colour_pairs(contents: np.ndarray, count: int) -> np.ndarray:
    """Questions to walk between: each of the first ones, and the next one of another colour with its shape and place.

    Returns:
        (P, 2) indices, P at most ``count``.
    """
    found = []
    for i, content in enumerate(contents):
        other = np.flatnonzero((contents[:, 0] != content[0]) & (contents[:, 1:] == content[1:]).all(1))
        if len(later := other[other > i]):
            found.append((i, later[0]))
    return np.array(found[:count], np.int64).reshape(-1, 2)


def walks(G: nn.Module, questions: Questions, pairs: np.ndarray, device: str = "cpu") -> np.ndarray:
    """Pictures from the first text of each pair to the second, the first one's noise throughout: (P, STEPS, 3, S, S)."""
    beta = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None]
    h = (1 - beta) * questions.h[pairs[:, 0], None] + beta * questions.h[pairs[:, 1], None]          # (P, STEPS, d)
    images = per_row(G, questions.z[pairs[:, 0]].repeat(STEPS, 0), h.reshape(-1, h.shape[-1]), device=device)
    return images.reshape(len(pairs), STEPS, *images.shape[1:])


def colour_at(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The mean colour of the quarter of each picture where its sprite is: (N, 3, S, S), (N,) -> (N, 3)."""
    S = images.shape[-1] // 2
    quarters = images.reshape(len(images), 3, 2, S, 2, S).mean((3, 5)).reshape(len(images), 3, len(PLACES))
    return quarters[np.arange(len(images)), :, places]


def progress(images: np.ndarray, contents: np.ndarray, real: Part) -> np.ndarray:
    """How far each picture of a walk is from the first colour to the second, on the line between real pictures' mean colours.

    Args:
        images: (P, STEPS, 3, S, S).
        contents: (P, 2, 3), of the two texts, which differ in colour.
        real: pictures whose mean colour is taken, for each colour with that shape and at that place.

    Returns:
        (P, STEPS), 0 at the first colour and 1 at the second.
    """
    P, steps = images.shape[:2]
    of_real, classes = colour_at(real.images, real.contents[:, 2]), real.contents
    ends = np.array([[of_real[(classes == content).all(1)].mean(0) for content in pair] for pair in contents])   # (P, 2, 3)
    along = ends[:, 1] - ends[:, 0]                                                                              # (P, 3)
    seen = colour_at(images.reshape(P * steps, *images.shape[2:]), contents[:, 0, 2].repeat(steps)).reshape(P, steps, 3)
    return ((seen - ends[:, :1]) * along[:, None]).sum(2) / (along ** 2).sum(1)[:, None]


def monotone(way: np.ndarray) -> np.ndarray:
    """Which walks begin nearer to the first colour, end nearer to the second, and never go back: (P, STEPS) -> (P,) bool."""
    return (way[:, 0] < 0.5) & (way[:, -1] > 0.5) & (np.diff(way, axis=1) >= -BACK).all(1)
