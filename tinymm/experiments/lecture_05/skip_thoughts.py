"""Task (c), contextual language modelling: skip-thoughts on little stories (Ba, Kiros and Hinton 2016, section 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ... import nn, plot
from ...autograd import Tensor, no_grad
from ...backend.random import manual_seed
from ...data.worlds.stories import DEED, FEELINGS, VOCABULARY, Stories, Story, bag_of_words
from ...models.linear_probe import LinearProbe
from ...models.skip_thoughts import SkipThoughts as Model, skip_thoughts_loss
from .comparison import Task

SIZES = {"lecture": dict(train=3000, validation=300, test=600, steps=800, every=25, probe=400),
         "smoke": dict(train=100, validation=20, test=40, steps=10, every=5, probe=2)}
C = 1.0   # the probe's weight of the data, the same for all features


class SkipThoughts(Task):
    """An encoder and two decoders, GRUs all three; with norm "layer" all three are layer-normalised."""

    name = "skip_thoughts"
    title = "contextual language modelling (skip-thoughts)"
    rates = (6e-3, 1.2e-2, 2.4e-2)
    measure, higher, threshold = "nats a word", False, 1.25   # both decoders' added
    max_norm = 5.0
    held: dict[str, Any]   # Stories, or what gives batches like theirs

    def __init__(self, scale: str, seed: int):
        sizes, self.seed = SIZES[scale], seed
        self.steps, self.every, self.probe, self.batch = sizes["steps"], sizes["every"], sizes["probe"], 64
        self.train = Stories("train", sizes["train"], seed)
        self.held = {part: Stories(part, sizes[part], seed) for part in ("validation", "test")}

    def model(self, norm: str) -> Model:
        """New weights."""
        return Model(len(VOCABULARY), norm=norm)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Nats a word of the sentences before, and of those after, added."""
        before, after = both(model, batch)
        return before + after

    def measured(self, model: nn.Module, part: str) -> dict[str, float]:
        """Nats a word, both decoders' added and one by one."""
        stories, training = self.held[part], model.training
        model.eval()
        with no_grad():
            before, after = (float(nats) for nats in both(model, stories.batch(range(len(stories)))))
        model.train(training)
        return {"nats a word": before + after, "previous": before, "next": after}

    def finished(self, models: Mapping[str, nn.Module]) -> dict:
        """Accuracy of a probe that names the feeling a deed leads to, of verbs whose label it never saw.

        For the codes of each system, of the same system untrained (its first weights, drawn again), and for bags of words; and
        "majority", the share of the most frequent answer among those asked.
        """
        taught, asked = self.train.deeds(True), self.held["test"].deeds(False)
        found = {norm: probe(encoded(model, taught), encoded(model, asked), taught, asked) for norm, model in models.items()}
        for norm in models:
            manual_seed(self.seed)
            fresh = self.model(norm)
            found[f"untrained {norm}"] = probe(encoded(fresh, taught), encoded(fresh, asked), taught, asked)
        words = lambda stories: bag_of_words([story.sentences[DEED] for story in stories])
        found["bag of words"] = probe(words(taught), words(asked), taught, asked)
        found["majority"] = float(np.bincount(labels(asked)).max() / len(asked))
        return {"probe": found}

    def figures(self, models: Mapping[str, nn.Module], result: dict) -> dict[str, Figure]:
        """The probe's accuracies."""
        found = dict(result["finished"]["probe"])
        majority = found.pop("majority")
        return {"probe": plot.bars(found, ylabel="accuracy, verbs never labelled", line=("majority", majority),
                                   title="Which feeling does this deed lead to?")}


def both(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Nats a word of the previous and of the next sentences of a batch of ``Stories``."""
    previous, following = batch["previous"].T, batch["next"].T             # (P, B), (N, B)
    found = model(batch["sentence"].T, batch["length"], previous[:-1], following[:-1])
    return skip_thoughts_loss(found, previous[1:], following[1:])


def encoded(model: nn.Module, stories: Sequence[Story]) -> np.ndarray:
    """Codes (N, H) of the stories' deeds."""
    ids, lengths = VOCABULARY.batch([VOCABULARY.encode(story.sentences[DEED]) for story in stories])
    with no_grad():
        return model.encode(Tensor(ids.T.copy()), Tensor(lengths)).numpy()


def labels(stories: Sequence[Story]) -> np.ndarray:
    """(N,) which feeling each story's deed leads to."""
    return np.array([FEELINGS.index(story.feeling) for story in stories])


def probe(taught: np.ndarray, asked: np.ndarray, taught_stories: Sequence[Story], asked_stories: Sequence[Story]) -> float:
    """Accuracy on the asked features of a linear probe that was fitted to the taught ones, both standardised by the latter."""
    mean, deviation = taught.mean(0), taught.std(0) + 1e-8
    fitted = LinearProbe(taught.shape[1], len(FEELINGS), C).fit((taught - mean) / deviation, labels(taught_stories))
    return fitted.accuracy((asked - mean) / deviation, labels(asked_stories))
