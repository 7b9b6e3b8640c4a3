"""What lecture 8 measures: zero-shot classification, linear probes, n-grams, reading, and words that mislead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...data.worlds.sprites import SHAPES
from ...data.worlds.web_pictures import ATTACKS, CLASSES, WORDS, Labelled, is_novel
from ...models.clip import CLIP, top_k_accuracy, zero_shot, zero_shot_weights
from ...models.linear_probe import sweep
from ..captioning.parts import Part
from .data import PROMPTS, SHAPE_PROMPT, SIGN_PROMPT, captions_of, pictures

CHUNK = 256               # pictures at a time
WAYS = ("text for a picture", "picture for a text")
PROBE_ITERATIONS = 200    # of L-BFGS, for each C of the search


def in_chunks(function, images: np.ndarray, device: str) -> np.ndarray:
    """A function of normalised pictures, applied to uint8 pictures (N, 3, R, R) a few at a time."""
    with no_grad():
        return np.concatenate([function(pictures(images[i:i + CHUNK]).to(device)).cpu().numpy()
                               for i in range(0, len(images), CHUNK)])


def scores(model: CLIP, tokenizer, images: np.ndarray, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """How well each picture and each class's name fit, (N, C)."""
    weights = zero_shot_weights(model, tokenizer, names, templates)
    return in_chunks(lambda x: zero_shot(model, x, weights), images, model.logit_scale.device)


def zero_shot_scores(model: CLIP, tokenizer, name: str, dataset: Labelled, prompts: str = "ensemble") -> np.ndarray:
    """``scores`` for one of the datasets of the table; ``prompts`` is one of the kinds of ``PROMPTS``."""
    return scores(model, tokenizer, dataset.images, dataset.names, PROMPTS[name][prompts])


def accuracy(said: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers."""
    return float((said == labels).mean())


def by_column(name: str, scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy on a dataset; for sprites also on the pairs that the training pictures show, on the novel ones among all pairs,
    and on the novel ones with only those to choose from.

    Args:
        name: of the dataset.
        scores: (N, C).
        labels: (N,).
    """
    said = scores.argmax(1)
    found = {name: accuracy(said, labels)}
    if name == "sprites":
        classes = np.flatnonzero(is_novel())
        novel = np.isin(labels, classes)
        found |= {"seen pairs": accuracy(said[~novel], labels[~novel]), "unseen pairs": accuracy(said[novel], labels[novel]),
                  "unseen among themselves": accuracy(classes[scores[novel][:, classes].argmax(1)], labels[novel])}
    return found


def retrieval(model: CLIP, part: Part, ids: Callable[[list[str]], np.ndarray]) -> dict:
    """Whether pictures and captions find each other among all of a part: the share whose own is the best (R@1), or among 5.

    Args:
        model: CLIP, in evaluation.
        part: pictures with captions, the first of which counts.
        ids: texts -> (N, L) integers.
    """
    device, n = model.logit_scale.device, len(part)
    chunks, texts = [range(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK)], ids(captions_of(part))
    with no_grad():
        I_e = F.cat([F.normalize(model.encode_image(pictures(part.images(rows)).to(device)), dim=1) for rows in chunks])
        T_e = F.cat([F.normalize(model.encode_text(Tensor(texts[list(rows)]).to(device)), dim=1) for rows in chunks])
        cosines = I_e @ T_e.T                                                # (n, n)
    return {"pairs": n, **{way: {f"R@{k}": top_k_accuracy(c, np.arange(n), min(k, n)) for k in (1, 5)}
                           for way, c in zip(WAYS, (cosines, cosines.T))}}


def training(experiment) -> dict:
    """What the training of CLIP says of itself."""
    history = experiment.trainer.history
    return {"loss": {"first": history["loss"][0], "expected first": history["first loss, if unrelated"][0],
                     "last": float(np.mean(history["loss"][-50:]))},
            "1 / temperature": {"first": history["1 / temperature"][0], "last": history["1 / temperature"][-1],
                                "largest": max(history["1 / temperature"])},
            "parameters": sum(p.numel() for p in experiment.model.parameters()), "tokens": len(experiment.tokenizer)}


def confusion(rows: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes): for each row's class the shares of the answers."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (rows, said), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


class Evaluation:
    """All of it, for a trained ``experiment``.

    Attributes:
        metrics: plain data for ``report.json``.
        said: attack -> for each attacked picture the shape (N,) that is answered.
    """

    def __init__(self, experiment):
        self.experiment, self.model, self.tokenizer = experiment, experiment.model, experiment.tokenizer
        self.model.eval()
        self.metrics = {
            **training(experiment), "zero-shot": self._zero_shot(), "attack": self._attack(), "reading": self._reading()}
        if experiment.variant != "shuffled":
            self.metrics["linear probe"] = self._probes()
        if experiment.ngrams is not None:
            self.metrics["visual n-grams"] = self._ngrams()

    def _zero_shot(self) -> dict:
        found: dict[str, dict] = {}
        for name in CLASSES:
            dataset = self.experiment.test_set(name)
            for kind in PROMPTS[name]:
                fits = zero_shot_scores(self.model, self.tokenizer, name, dataset, kind)
                found.setdefault(kind, {}).update(by_column(name, fits, dataset.labels))
        return found

    def _probes(self) -> dict:
        """Logistic regression on I_f, with C by the validation part; and the C that was chosen."""
        found: dict[str, dict] = {"accuracy": {}, "C": {}}
        for name, parts in self.experiment.datasets_of.items():
            features = {part: (in_chunks(self.model.visual.features, data.images, self.experiment.device), data.labels)
                        for part, data in parts.items()}
            probe, _ = sweep(features["train"], features["validation"], len(CLASSES[name]), PROBE_ITERATIONS)
            found["accuracy"][name], found["C"][name] = probe.accuracy(*features["test"]), probe.C
        return found

    def _ngrams(self) -> dict:
        """Zero-shot with the phrases of a dictionary: the class whose name has the highest probability."""
        model = self.experiment.ngrams.eval()
        found: dict = {"phrases": len(model.ngrams.dictionary), "last loss": float(
            np.mean(self.experiment.ngram_trainer.history["loss"][-50:]))}
        for name in CLASSES:
            dataset = self.experiment.test_set(name)
            phi = Tensor(in_chunks(model, dataset.images, self.experiment.device)).to(self.experiment.device)
            found |= by_column(name, model.ngrams.score(phi, [c.split() for c in dataset.names]), dataset.labels)
        return found

    def _attack(self) -> dict:
        """Which shape is there, when a word says another: accuracy, and how often the answer is what is written."""
        attack, found = self.experiment.attacked, {}
        self.said = {kind: scores(self.model, self.tokenizer, attack.images[kind], tuple(SHAPES), SHAPE_PROMPT).argmax(1)
                     for kind in ATTACKS}
        for kind, said in self.said.items():
            found[kind] = {"accuracy": accuracy(said, attack.shapes),
                           "answered with the wrong word": accuracy(said, attack.written)}
        return found

    def _reading(self) -> dict:
        """Which word stands on a sign."""
        signs = [p for p in self.experiment.web["test"] if p.kind == "sign"]
        said = scores(self.model, self.tokenizer, np.stack([p.image for p in signs]), WORDS, (SIGN_PROMPT,)).argmax(1)
        return {"accuracy": accuracy(said, np.array([WORDS.index(p.truth) for p in signs])), "words": len(WORDS)}
