"""Lecture 8, CLIP: pictures and texts as found on the web, and classes that nobody trained.

A picture tower and a text tower learn which text belongs to which picture of a batch. Then the names of a dataset's classes
become a classifier. Beside it a model learns from the same pictures and texts as Visual N-Grams did: the same kind of picture
tower, from its own start, that predicts phrases of a dictionary; so what differs is what the texts are used for. The ResNet
comes first, since it is born with what the Vision Transformer has to learn: that a thing is the same thing elsewhere.
Photographs with captions take the place of that web with ``--data``; what is measured then is whether pictures and captions
find each other.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Generator

from ...data import DataLoader
from ...metrics import accuracy
from ...models.clip import CLIP
from ...models.ngram_pictures import NGramPictures
from ...text.ngram_dictionary import NGramDictionary
from ...train import Trainer
from ..captioning.datasets import NAMES
from ..captioning.parts import photo_parts, shuffled
from ..claims import Claim
from ..clip_stage import BATCH, LR, MAX_NORM, WEIGHT_DECAY, PicturesWithTexts, adamw, clip_stage
from ..experiment import Experiment
from .claims import claims_of, comparisons
from .data import Photographs, Web
from .evaluation import WAYS, Measured, evaluate, evaluate_photographs, retrieval, zero_shot_scores
from .snapshots import Snapshots
from .systems import EMBEDDING, RESNET, TEXT, VIT, Trained, build, build_ngrams

ORDER, MIN_COUNT = 3, 5   # of the dictionary of n-grams: words of the longest, and how often a phrase is there at least


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    train: int          # pictures with texts
    validation: int
    test: int           # of each labelled dataset
    probe: int          # labelled pictures that a linear probe is trained on
    signs: int          # pictures of the web among which signs are read
    epochs: int
    vit_epochs: int
    photo_epochs: int
    probe_iterations: int   # of L-BFGS, for each C of a linear probe's search


SCALES = {"lecture": Scale(train=16_000, validation=360, test=720, probe=1440, signs=1000, epochs=6, vit_epochs=12,
                           photo_epochs=40, probe_iterations=200),
          "smoke": Scale(train=512, validation=72, test=72, probe=144, signs=60, epochs=1, vit_epochs=1, photo_epochs=2,
                        probe_iterations=2)}


class LearningFromText(Experiment[Trained, Measured]):
    """CLIP with each of its towers, and with texts that belong to other pictures."""

    number, title = 8, "Learning Transferable Visual Models From Natural Language Supervision"
    variants = {"resnet": "ResNet and text Transformer, beside Visual N-Grams",
                "vit": "Vision Transformer and text Transformer", "cbow": "ResNet and a bag of words",
                "shuffled": "the control: every picture with the text of another"}
    datasets = NAMES
    material: Web | Photographs

    @property
    def size(self) -> Scale:
        """How much of everything."""
        return SCALES[self.scale]

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {
            **dataclasses.asdict(self.size), "batch": BATCH, "lr": LR, "weight_decay": WEIGHT_DECAY,
            "embedding": EMBEDDING, "picture tower": VIT if self.variant == "vit" else RESNET, "text": TEXT}}

    @property
    def rounds(self) -> int:
        """Of the training, through all pictures."""
        if self.data is not None:
            return self.epochs or self.size.photo_epochs
        return self.epochs or (self.size.vit_epochs if self.variant == "vit" else self.size.epochs)

    # ------------------------------------------------------------------ data and models

    def prepare(self) -> None:
        size = self.size
        if self.data is not None and self.root is not None:   # the two come together
            self.material = Photographs.of(photo_parts(self.number, self.data, self.root, self.seed))
        else:
            self.material = Web.drawn({"train": size.train, "validation": size.validation, "test": size.signs},
                                      {"train": size.probe, "validation": size.validation, "test": size.test}, self.seed)

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        at = self.at(folder, progress, config=self.config)
        material, tokenizer = self.material, self.material.tokenizer
        model = build(self.variant, len(tokenizer), material.resolution, tokenizer.context_length).to(self.device)
        snapshots = Snapshots(model, material.shown[0], material.ids(material.shown[1]))
        trained = Trained(model, self._clip(model, snapshots, at("clip")), snapshots)
        yield trained.trainer
        if self.variant == "resnet" and isinstance(material, Web):
            trained.ngrams = build_ngrams(NGramDictionary.build([text.split() for text in material.pairs[1]], ORDER,
                                                                MIN_COUNT)).to(self.device)
            trained.ngram_trainer = self._ngrams(trained.ngrams, at("ngrams"))
            yield trained.ngram_trainer
        return trained

    def _clip(self, model: CLIP, snapshots: Snapshots, options: dict) -> Trainer:
        material, (images, texts) = self.material, self.material.pairs
        texts = shuffled(texts, self.seed) if self.variant == "shuffled" else texts
        snapshots.take()   # before the first step

        def validate():
            snapshots.take()
            if isinstance(material, Photographs):
                found = retrieval(model, material.parts["validation"], material.ids)
                return {f"{way}, R@1": found[way]["R@1"] for way in WAYS}
            held = {name: parts["validation"] for name, parts in material.labelled.items()}
            scores = {name: zero_shot_scores(model, material.tokenizer, name, data) for name, data in held.items()}
            return {f"zero-shot {name}": accuracy(scores[name].argmax(1), held[name].labels) for name in held}

        return clip_stage(model, images, material.ids(texts), self.rounds, tower="vit" if self.variant == "vit" else "resnet",
                          device=self.device, validate=validate, carried={"snapshots": snapshots}, **options)

    def _ngrams(self, model: NGramPictures, options: dict) -> Trainer:
        images, texts = self.material.pairs
        loader = DataLoader(PicturesWithTexts(images, [text.split() for text in texts]), BATCH, shuffle=True, drop_last=True)
        optimizer, scheduler = adamw(model, self.rounds * len(loader))

        def step(batch):
            images, comments = batch
            return model.ngrams.loss(model(images.to(self.device)), comments, "naive")

        return Trainer(model, optimizer, loader, step, self.rounds, scheduler=scheduler, max_norm=MAX_NORM, **options)

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained) -> Measured:
        trained.model.eval()
        if isinstance(self.material, Photographs):
            return evaluate_photographs(trained, self.material)
        return evaluate(trained, self.material, 0 if self.variant == "shuffled" else self.size.probe_iterations)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self.variant, metrics)

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        if isinstance(self.material, Photographs):
            return figures.photo_figures(trained, self.material)
        return figures.all_figures(trained, measured, self.material)
