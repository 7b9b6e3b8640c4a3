"""What lecture 8 measures: zero-shot classification, linear probes, n-grams, reading, and words that mislead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...data.worlds.sprites import SHAPES
from ...data.worlds.web_pictures import ATTACKS, CLASSES, WORDS, Attacked, Labelled, is_novel
from ...metrics import accuracy, recall_at_k
from ...models.clip import CLIP, zero_shot, zero_shot_weights
from ...models.linear_probe import sweep
from ...models.ngram_pictures import NGramPictures
from ...nn.chunks import array_in_chunks
from ...train import Trainer
from .. import experiment as protocol
from ..captioning.parts import Part, captions_of
from ..clip_stage import pictures
from .data import PROMPTS, SHAPE_PROMPT, SIGN_PROMPT, Photographs, Web
from .systems import Trained

CHUNK = 256               # pictures at a time
WAYS = ("text for a picture", "picture for a text")


def of_pictures(function, images: np.ndarray, device: str) -> np.ndarray:
    """A function of normalised pictures, applied to uint8 pictures (N, 3, R, R) a few at a time."""
    return array_in_chunks(function, lambda rows: pictures(images[rows.start:rows.stop]), len(images), CHUNK, device)


def scores(model: CLIP, tokenizer, images: np.ndarray, names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """How well each picture and each class's name fit, (N, C)."""
    weights = zero_shot_weights(model, tokenizer, names, templates)
    return of_pictures(lambda x: zero_shot(model, x, weights), images, model.logit_scale.device)


def zero_shot_scores(model: CLIP, tokenizer, name: str, dataset: Labelled, prompts: str = "ensemble") -> np.ndarray:
    """``scores`` for one of the datasets of the table; ``prompts`` is one of the kinds of ``PROMPTS``."""
    return scores(model, tokenizer, dataset.images, dataset.names, PROMPTS[name][prompts])


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
    n, texts = len(part), ids(captions_of(part))
    device = model.logit_scale.device
    I_e = array_in_chunks(lambda x: F.normalize(model.encode_image(x), dim=1), lambda rows: pictures(part.images(rows)), n,
                          CHUNK, device)
    T_e = array_in_chunks(lambda x: F.normalize(model.encode_text(x), dim=1), lambda rows: texts[rows.start:rows.stop], n,
                          CHUNK, device)
    cosines = Tensor(I_e) @ Tensor(T_e).T                                    # (n, n)
    return {"pairs": n, **{way: {f"R@{k}": recall_at_k(c, k) for k in (1, 5)}
                           for way, c in zip(WAYS, (cosines, cosines.T))}}


@dataclasses.dataclass
class Measured(protocol.Measured):
    """What lecture 8 measures.

    Attributes:
        said: attack -> for each attacked picture the shape (N,) that is answered; empty for photographs.
    """

    said: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def training(trained: Trained, tokens: int) -> dict:
    """What the training of CLIP says of itself."""
    history = trained.trainer.history
    return {"loss": {"first": history["loss"][0], "expected first": history["first loss, if unrelated"][0],
                     "last": float(np.mean(history["loss"][-50:]))},
            "1 / temperature": {"first": history["1 / temperature"][0], "last": history["1 / temperature"][-1],
                                "largest": max(history["1 / temperature"])},
            "parameters": sum(p.numel() for p in trained.model.parameters()), "tokens": tokens}


def evaluate_photographs(trained: Trained, photographs: Photographs) -> Measured:
    """Whether pictures and captions find each other; CLIP is in evaluation."""
    return Measured({**training(trained, len(photographs.tokenizer)),
                     "retrieval": retrieval(trained.model, photographs.parts["test"], photographs.ids)})


def evaluate(trained: Trained, web: Web, probe_iterations: int) -> Measured:
    """All of it, for CLIP (in evaluation) on the web of pictures.

    Args:
        trained: the models.
        web: what they are measured on.
        probe_iterations: of L-BFGS, for each C of a linear probe's search; 0 for no probes.
    """
    model, said = trained.model, attacked_answers(trained.model, web)
    metrics = {**training(trained, len(web.tokenizer)), "zero-shot": zero_shot_table(model, web),
               "attack": attack(web.attacked, said), "reading": reading(model, web)}
    if probe_iterations:
        metrics["linear probe"] = probes(model, web, probe_iterations)
    if trained.ngrams is not None and trained.ngram_trainer is not None:
        metrics["visual n-grams"] = ngrams(trained.ngrams, trained.ngram_trainer, web)
    return Measured(metrics, said)


def zero_shot_table(model: CLIP, web: Web) -> dict:
    """Accuracy on each dataset with each kind of prompts."""
    found: dict[str, dict] = {}
    for name in CLASSES:
        dataset = web.labelled[name]["test"]
        # each picture is encoded once, whatever the prompts; e^t changes no rank
        I_e = of_pictures(lambda x: F.normalize(model.encode_image(x), dim=1), dataset.images, model.logit_scale.device)
        for kind, prompts in PROMPTS[name].items():
            w = zero_shot_weights(model, web.tokenizer, dataset.names, prompts).cpu().numpy()
            found.setdefault(kind, {}).update(by_column(name, I_e @ w.T, dataset.labels))
    return found


def probes(model: CLIP, web: Web, iterations: int) -> dict:
    """Logistic regression on I_f, with C by the validation part; and the C that was chosen."""
    found: dict[str, dict] = {"accuracy": {}, "C": {}}
    for name, parts in web.labelled.items():
        features = {part: (of_pictures(model.visual.features, data.images, model.logit_scale.device), data.labels)
                    for part, data in parts.items()}
        probe, _ = sweep(features["train"], features["validation"], len(CLASSES[name]), iterations)
        found["accuracy"][name], found["C"][name] = probe.accuracy(*features["test"]), probe.C
    return found


def ngrams(model: NGramPictures, trainer: Trainer, web: Web) -> dict:
    """Zero-shot with the phrases of a dictionary: the class whose name has the highest probability."""
    model.eval()
    device = next(model.parameters()).device
    found: dict = {"phrases": len(model.ngrams.dictionary), "last loss": float(np.mean(trainer.history["loss"][-50:]))}
    for name in CLASSES:
        dataset = web.labelled[name]["test"]
        phi = Tensor(of_pictures(model, dataset.images, device)).to(device)
        found |= by_column(name, model.ngrams.score(phi, [c.split() for c in dataset.names]), dataset.labels)
    return found


def attacked_answers(model: CLIP, web: Web) -> dict[str, np.ndarray]:
    """Attack -> which shape is said to be there, when a word says another, (N,)."""
    return {kind: scores(model, web.tokenizer, web.attacked.images[kind], tuple(SHAPES), SHAPE_PROMPT).argmax(1)
            for kind in ATTACKS}


def attack(attacked: Attacked, answers: dict[str, np.ndarray]) -> dict:
    """Under each attack: accuracy, and how often the answer is what is written."""
    return {kind: {"accuracy": accuracy(said, attacked.shapes), "answered with the wrong word": accuracy(said, attacked.written)}
            for kind, said in answers.items()}


def reading(model: CLIP, web: Web) -> dict:
    """Which word stands on a sign."""
    signs = [p for p in web.web["test"].pictures if p.kind == "sign"]
    said = scores(model, web.tokenizer, np.stack([p.image for p in signs]), WORDS, (SIGN_PROMPT,)).argmax(1)
    return {"accuracy": accuracy(said, np.array([WORDS.index(p.truth) for p in signs])), "words": len(WORDS)}
