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
import math

import numpy as np

from ... import functional as F
from ... import nn, optim
from ...autograd import Tensor, no_grad
from ...data import DataLoader
from ...data.worlds.web_pictures import CANVAS, CLASSES, Attacked, Labelled, WebPictures, attacked, labelled
from ...metrics import accuracy
from ...models.clip import CLIP, clip_loss, clip_temperature_
from ...models.ngram_pictures import NGramPictures
from ...text.ngram_dictionary import NGramDictionary
from ...train import Trainer
from ..captioning.datasets import NAMES
from ..captioning.parts import PHOTO_SIZE, photo_parts
from ..claims import Claim
from ..experiment import Experiment
from .claims import claims_of, comparisons
from .data import PHOTO_CONTEXT, PicturesWithTexts, captions_of, distinct_pairs, pictures, shuffled, train_tokenizer
from .evaluation import WAYS, Measured, evaluate, retrieval, training, zero_shot_scores
from .systems import EMBEDDING, RESNET, TEXT, VIT, build, build_ngrams

BATCH = 64
LR, WEIGHT_DECAY = 2e-3, 0.2
BETA2, EPS = {"vit": 0.98, "resnet": 0.999}, {"vit": 1e-6, "resnet": 1e-8}   # the paper's, by picture tower
MAX_NORM = 1.0
MATRIX = 16          # pictures and texts of the similarity matrix
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


SCALES = {"lecture": Scale(16_000, 360, 720, 1440, 1000, 6, 12, 40), "smoke": Scale(1024, 72, 72, 144, 60, 1, 1, 2)}


class Snapshots:
    """The matrix of cosines of some pictures and texts, as the training goes on.

    Args:
        model: CLIP.
        images: (n, 3, R, R) uint8, or floats in [0, 1].
        ids: (n, L), their texts.

    Attributes:
        taken: one entry for each time, n x n lists of cosines.
    """

    def __init__(self, model: CLIP, images: np.ndarray, ids: np.ndarray):
        self.model, self.images, self.ids, self.taken = model, images, ids, []

    def take(self) -> None:
        """Add the present matrix."""
        was, device = self.model.training, self.model.logit_scale.device
        self.model.eval()
        with no_grad():
            I_e = F.normalize(self.model.encode_image(pictures(self.images).to(device)), dim=1)
            T_e = F.normalize(self.model.encode_text(Tensor(self.ids).to(device)), dim=1)
            self.taken.append((I_e @ T_e.T).cpu().numpy().astype(float).round(4).tolist())
        self.model.train(was)

    def state_dict(self) -> dict:
        return {"taken": self.taken}

    def load_state_dict(self, state: dict) -> None:
        self.taken = state["taken"]


@dataclasses.dataclass
class Trained:
    """What the trainings of the lecture yield.

    Attributes:
        model: CLIP.
        trainer: of the model.
        snapshots: cosines of some pictures and texts, before the training and after each round.
        ngrams: Visual N-Grams; None where they are not compared.
        ngram_trainer: of the n-grams.
    """

    model: CLIP
    trainer: Trainer
    snapshots: Snapshots
    ngrams: NGramPictures | None = None
    ngram_trainer: Trainer | None = None


def unrelated(logits: np.ndarray) -> float:
    """The loss to be expected of pictures and texts that have nothing to do with each other.

    For n independent normal logits of variance s^2 that is ln n + s^2 / 2: not ln n, since e^t starts at 14 and spreads them.

    Args:
        logits: (n, n).
    """
    return float(np.log(len(logits)) + (logits.var(0).mean() + logits.var(1).mean()) / 4)


def adamw(model: nn.Module, total: int, tower: str = "resnet") -> tuple:
    """AdamW and its schedule of ``total`` steps: matrices decay; gains, biases, single vectors and the temperature do not."""
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
              {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=LR, betas=(0.9, BETA2[tower]), eps=EPS[tower])
    return optimizer, optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total)


class LearningFromText(Experiment[Trained, Measured]):
    """CLIP with each of its towers, and with texts that belong to other pictures."""

    number, title = 8, "Learning Transferable Visual Models From Natural Language Supervision"
    variants = {"resnet": "ResNet and text Transformer, beside Visual N-Grams",
                "vit": "Vision Transformer and text Transformer", "cbow": "ResNet and a bag of words",
                "shuffled": "the control: every picture with the text of another"}
    datasets = NAMES

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {
            **dataclasses.asdict(SCALES[self.scale]), "batch": BATCH, "lr": LR, "weight_decay": WEIGHT_DECAY,
            "embedding": EMBEDDING, "picture tower": VIT if self.variant == "vit" else RESNET, "text": TEXT}}

    @property
    def rounds(self) -> int:
        """Of the training, through all pictures."""
        if self.data is not None:
            return self.epochs or self.size.photo_epochs
        return self.epochs or (self.size.vit_epochs if self.variant == "vit" else self.size.epochs)

    # ------------------------------------------------------------------ data and models

    def prepare(self) -> None:
        self.size = SCALES[self.scale]
        if self.data is not None:
            self._photographs()
            return
        self.resolution = CANVAS
        self.web = {part: WebPictures(part, count, self.seed) for part, count in
                    (("train", self.size.train), ("validation", self.size.validation), ("test", self.size.signs))}
        self.tokenizer = train_tokenizer(self.web["train"].texts())
        self.datasets_of = {name: {part: labelled(name, part, count, self.seed) for part, count in
                                   (("train", self.size.probe), ("validation", self.size.validation), ("test", self.size.test))}
                            for name in CLASSES}
        self.attacked: Attacked = attacked(self.size.test, self.seed)
        shown = [self.web["validation"][i] for i in distinct_pairs(self.web["validation"], MATRIX)]
        self.shown = np.stack([p.image for p in shown]), [p.text for p in shown]
        self.pairs = self.web["train"].images(), self.web["train"].texts()

    def _photographs(self) -> None:
        """Photographs, each with the first of its captions; pictures are read when they are needed."""
        self.resolution, self.photos = PHOTO_SIZE, photo_parts(self.number, self.data, self.root, self.seed)
        self.tokenizer = train_tokenizer([" ".join(words) for words in self.photos["train"].tokens()], PHOTO_CONTEXT)
        held = self.photos["validation"]
        rows = range(min(MATRIX, len(held)))
        self.shown = held.images(rows), captions_of(held)[:len(rows)]
        self.pairs = self.photos["train"].images, captions_of(self.photos["train"])
        cut = sum(len(self.tokenizer.encode(text)) + 2 > PHOTO_CONTEXT for text in self.pairs[1])
        if cut:
            print(f"{cut} captions have more than {PHOTO_CONTEXT} tokens and are cut, as in the paper")

    def ids(self, texts: list[str]) -> np.ndarray:
        """(N, L) int64. Captions of photographs are cut where they are too long, as in the paper; nothing else is."""
        return self.tokenizer.tokenize(texts, truncate=self.data is not None)

    def test_set(self, name: str) -> Labelled:
        """The test part of one of the datasets of the table."""
        return self.datasets_of[name]["test"]

    def stages(self, folder, progress):
        at = lambda name: {"folder": folder and folder / name, "label": name if progress else None, "config": self.config}
        model = build(self.variant, len(self.tokenizer), self.resolution, self.tokenizer.context_length).to(self.device)
        snapshots = Snapshots(model, self.shown[0], self.ids(self.shown[1]))
        trained = Trained(model, self._clip(model, snapshots, at("clip")), snapshots)
        yield trained.trainer
        if self.variant == "resnet" and self.data is None:
            trained.ngrams = build_ngrams(NGramDictionary.build([text.split() for text in self.web["train"].texts()], ORDER,
                                                                MIN_COUNT)).to(self.device)
            trained.ngram_trainer = self._ngrams(trained.ngrams, at("ngrams"))
            yield trained.ngram_trainer
        return trained

    def _clip(self, model: CLIP, snapshots: Snapshots, options: dict) -> Trainer:
        images, texts = self.pairs
        texts = shuffled(texts, self.seed) if self.variant == "shuffled" else texts
        loader = DataLoader(PicturesWithTexts(images, self.ids(texts)), min(BATCH, len(texts)), shuffle=True, drop_last=True)
        optimizer, scheduler = adamw(model, self.rounds * len(loader), "vit" if self.variant == "vit" else "resnet")
        snapshots.take()   # before the first step

        def step(batch):
            images, ids = (part.to(self.device) for part in batch)
            logits_per_image, _ = model(images, ids)
            numbers = {"1 / temperature": math.exp(float(model.logit_scale.detach()))}
            if not trainer.steps:
                numbers["first loss, if unrelated"] = unrelated(logits_per_image.detach().cpu().numpy())
            return clip_loss(logits_per_image), numbers

        def validate():
            snapshots.take()
            if self.data is not None:
                found = retrieval(model, self.photos["validation"], self.ids)
                return {f"{way}, R@1": found[way]["R@1"] for way in WAYS}
            held = {name: parts["validation"] for name, parts in self.datasets_of.items()}
            scores = {name: zero_shot_scores(model, self.tokenizer, name, data) for name, data in held.items()}
            return {f"zero-shot {name}": accuracy(scores[name].argmax(1), held[name].labels) for name in held}

        trainer = Trainer(model, optimizer, loader, step, self.rounds, scheduler=scheduler, max_norm=MAX_NORM, validate=validate,
                          after=lambda: clip_temperature_(model.logit_scale), carried={"snapshots": snapshots}, **options)
        return trainer

    def _ngrams(self, model: NGramPictures, options: dict) -> Trainer:
        train = self.web["train"]
        loader = DataLoader(PicturesWithTexts(train.images(), [text.split() for text in train.texts()]), BATCH, shuffle=True,
                            drop_last=True)
        optimizer, scheduler = adamw(model, self.rounds * len(loader))

        def step(batch):
            images, comments = batch
            return model.ngrams.loss(model(images.to(self.device)), comments, "naive")

        return Trainer(model, optimizer, loader, step, self.rounds, scheduler=scheduler, max_norm=MAX_NORM, **options)

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained) -> Measured:
        trained.model.eval()
        if self.data is not None:
            return Measured({**training(trained, len(self.tokenizer)),
                             "retrieval": retrieval(trained.model, self.photos["test"], self.ids)})
        return evaluate(self, trained)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self.variant, metrics)

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        return figures.photo_figures(self, trained) if self.data is not None else figures.all_figures(self, trained, measured)
