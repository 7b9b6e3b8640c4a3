"""The caption study: LRCN-1u, 2u and 2f, and the caption of the nearest training picture in the place of a model.

All rows are scored against the same five references of each test picture, as corpus BLEU in per cent. LRCN's sentences are
those of a small beam. A neighbour has five captions, of which one is drawn; beside it stands the neighbour's caption in the
wording that scores best on the validation pictures, and the claim is about the best of all neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import numpy as np

from ...backend.random import Stream
from ...metrics import bleu
from ...models.lrcn import FACTORINGS
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..captioning.likelihood import nats
from ..captioning.parts import Part
from ..claims import Claim
from .scenes import SceneStudy, Seen
from .study import At

LAYERS = ("fc8", "fc7")   # in the order of the table


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        seen: the encoder and its features.
        captioners: factoring -> LRCN.
        untrained: factoring -> nats a word of the validation captions, before the first step.
    """

    seen: Seen
    captioners: dict[str, Captioner]
    untrained: dict[str, float]


class Caption(SceneStudy):
    """The BLEU table."""

    def stages(self, at: At) -> Generator[Trainer, None, Trained]:
        seen = yield from self.see(at)
        trained = Trained(seen, {}, {})
        for factoring in FACTORINGS:
            trained.captioners[factoring], trainer = self.lrcn(seen.phi("train"), factoring, **at(f"lrcn_{factoring}"))
            trained.untrained[factoring] = self._nats_a_word(trained.captioners[factoring], seen, "validation")
            yield trainer
        return trained

    def _nats_a_word(self, captioner: Captioner, seen: Seen, part: str) -> float:
        spent, words = nats(captioner, self.vocabulary, self.parts[part], seen.phi(part))
        return spent / words

    def evaluate(self, trained: Trained) -> dict:
        test, seen = self.parts["test"], trained.seen
        near = {layer: {name: nearest(seen.features[layer]["train"], seen.features[layer][name]) for name in ("validation", "test")}
                for layer in LAYERS}
        self.sentences = {f"1NN {layer}": borrowed(self.parts["train"], near[layer]["test"], self.seed) for layer in LAYERS}
        self.sentences |= {f"LRCN-{factoring}": self.say(captioner, seen.phi("test"))
                           for factoring, captioner in trained.captioners.items()}
        greedy = {f"LRCN-{factoring}": bleu_of(self.say(captioner, seen.phi("test"), beam=1), test)
                  for factoring, captioner in trained.captioners.items()}
        return {"bleu": {row: bleu_of(said, test) for row, said in self.sentences.items()},
                "bleu of greedy search": greedy,
                "bleu of the best wording": {f"1NN {layer}": self._best_wording(near[layer]) for layer in LAYERS},
                "as a person said it": {row: float(np.mean([tuple(words) in set(map(tuple, people)) for words, people
                                                            in zip(said, test.captions)])) for row, said in self.sentences.items()},
                "loss": {f"LRCN-{factoring}": {"untrained nats a word": trained.untrained[factoring],
                                               "test nats a word": self._nats_a_word(captioner, seen, "test")}
                         for factoring, captioner in trained.captioners.items()},
                "encoder accuracy": seen.accuracy, "vocabulary": len(self.vocabulary)}

    def _best_wording(self, near: dict[str, np.ndarray]) -> list[float]:
        """BLEU of the nearest picture's k-th caption, for the k that is best on the validation pictures."""
        train = self.parts["train"].captions
        wordings = range(min(map(len, train)))   # photographs have more or fewer captions
        said = {part: [[train[i][k] for i in rows] for k in wordings] for part, rows in near.items()}
        best = max(wordings, key=lambda k: bleu_of(said["validation"][k], self.parts["validation"])[3])
        return bleu_of(said["test"][best], self.parts["test"])

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        neighbours = [scores[3] for row, scores in metrics["bleu"].items() if row.startswith("1NN")]
        neighbours += [scores[3] for scores in metrics["bleu of the best wording"].values()]
        return [Claim("LRCN-2f over the best nearest neighbour (gain in BLEU-4, per cent)",
                      metrics["bleu"]["LRCN-2f"][3] - max(neighbours), ">=", 8)]

    def figures(self, trained: Trained, metrics: dict) -> dict:
        from . import caption_figures

        return caption_figures.all_figures(self.parts["test"], self.sentences, metrics)


def bleu_of(said: list, part: Part) -> list[float]:
    """BLEU-1 to BLEU-4 of the whole part, in per cent."""
    return [100 * share for share in bleu(said, part.captions).corpus]


def nearest(train: np.ndarray, features: np.ndarray) -> np.ndarray:
    """For each row of ``features`` (N, F) the row of ``train`` (M, F) at the least distance; of equal ones the first."""
    return np.array([((train - row) ** 2).sum(1).argmin() for row in features])


def borrowed(train: Part, rows: np.ndarray, seed: int) -> list:
    """One caption of each of these training pictures, drawn among its own."""
    rng = Stream("captions of nearest pictures", seed).generator
    return [train.captions[i][int(rng.integers(len(train.captions[i])))] for i in rows]
