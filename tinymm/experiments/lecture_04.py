"""Lecture 4, Show, Attend and Tell: a captioner that shows where it looks, on scenes of real handwriting.

As in the paper, the encoder is trained first, to classify (here: which digit, and is it large?), and then only read: its
annotation vectors of all pictures are computed once. The decoder learns from captions alone where to look; nobody tells
it which word belongs to which place. Photographs have no such encoder, so there both parts are trained together.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .. import functional as F
from .. import nn, optim
from ..autograd import Tensor, no_grad
from ..backend.threads import blas_threads
from ..data import DataLoader, TensorDataset
from ..data.digit_windows import CLASSES, digit_windows
from ..decode import Hypothesis, beam_search, greedy_search
from ..models import attention_objective as objective
from ..models.conv_encoder import ConvEncoder
from ..models.show_attend_and_tell import ShowAttendTell
from ..text import Vocabulary
from ..train import Trainer
from .caption_datasets import NAMES
from .caption_pairs import CaptionPairs
from .claims import Claim
from .experiment import Experiment
from .lecture_04_data import Part, photo_parts, scene_parts, vocabulary_of

BATCH = 64
BLAS_THREADS = 1     # the decoder's products are small
CHUNK = 256          # pictures that are encoded or captioned at a time when nothing is trained


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    windows: int          # single digits to train the encoder on, in each round
    window_rounds: int
    train: int            # scenes
    validation: int
    test: int
    epochs: int
    photo_epochs: int
    samples: int          # gradient samples to measure the variance with


SCALES = {"lecture": Scale(20_000, 2, 8000, 200, 500, 4, 40, 64),
          "smoke": Scale(1500, 2, 250, 20, 40, 1, 2, 8)}


@dataclasses.dataclass(frozen=True)
class Objective:
    """The hyper-parameters in which the variants differ."""

    hard: bool = False
    lam: float = 0.0        # lambda of the doubly stochastic penalty
    lambda_r: float = 0.1   # as the authors' code; 1 is unbiased, and too noisy to learn from here
    lambda_e: float = 0.002
    lr: float = 4e-3


OBJECTIVES = {"soft": Objective(), "hard": Objective(hard=True), "doubly_stochastic": Objective(lam=1.0)}


class Captioner(nn.Module):
    """Encoder and decoder: all that captions a picture.

    Args:
        channels: of the pictures, 1 or 3.
        vocabulary: K.
        hard: hard attention.
    """

    def __init__(self, channels: int, vocabulary: int, hard: bool):
        super().__init__()
        self.encoder = ConvEncoder(channels)
        self.decoder = ShowAttendTell(self.encoder.features, vocabulary, hard=hard, pad=Vocabulary.pad)

    def annotate(self, part: Part) -> np.ndarray:
        """Annotation vectors (N, L, D) of all pictures of a part, for reading only; few pictures are in memory at a time."""
        device, found = next(self.parameters()).device, []
        self.encoder.eval()
        with no_grad():
            for i in range(0, len(part), CHUNK):
                found.append(self.encoder(Tensor(part.images(range(i, min(i + CHUNK, len(part))))).to(device)).cpu().numpy())
        return np.concatenate(found)

    def search(self, a: np.ndarray, beam_size: int = 1, n_best: int = 1, max_length: int = 30) -> list[list[Hypothesis]]:
        """Sentences for annotation vectors (N, L, D): greedy for ``beam_size`` 1, else by beam search, best first."""
        device, found = next(self.parameters()).device, []
        self.decoder.eval()
        how = {"start": Vocabulary.pad, "end": Vocabulary.end, "max_length": max_length}
        with no_grad():
            for i in range(0, len(a), CHUNK):
                part = Tensor(a[i:i + CHUNK]).to(device)
                state = self.decoder.start(part)
                if beam_size == 1:
                    found += [[h] for h in greedy_search(self.decoder.step, state, len(part), **how)]
                else:
                    found += beam_search(self.decoder.step, state, len(part), beam_size=beam_size, n_best=n_best, **how)
        return found


class ShowAttendAndTell(Experiment):
    """The captioner with soft attention, hard attention, or soft attention with the doubly stochastic penalty."""

    number, title = 4, "Show, Attend and Tell"
    variants = {"soft": "soft attention", "hard": "hard attention, by REINFORCE",
                "doubly_stochastic": "soft attention with the penalty, lambda = 1"}
    datasets = NAMES

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {"batch": BATCH, **dataclasses.asdict(SCALES[self.scale]),
                                                      **dataclasses.asdict(OBJECTIVES[self.variant])}}

    # ------------------------------------------------------------------ data and models

    def prepare(self) -> None:
        self.size, self.objective = SCALES[self.scale], OBJECTIVES[self.variant]
        if self.data is None:
            counts = {"train": self.size.train, "validation": self.size.validation, "test": self.size.test}
            self.parts = scene_parts(counts, self.seed)
        else:
            self.parts = photo_parts(self.data, self.root, self.seed)
        self.vocabulary = vocabulary_of(self.parts["train"])
        self.pairs = {name: CaptionPairs(part.captions, self.vocabulary, Vocabulary.pad) for name, part in self.parts.items()}
        picture = self.parts["train"].images([0])
        self.channels, self.picture_size = picture.shape[1], picture.shape[2:]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of annotation vectors."""
        return self.captioner.encoder.grid(*self.picture_size)

    def stages(self, folder, progress):
        self.captioner = Captioner(self.channels, len(self.vocabulary), self.objective.hard).to(self.device)
        if self.data is None:
            yield self._encoder_stage(folder and folder / "encoder", progress)
        yield self._caption_stage(folder and folder / "captioner", progress)

    def _encoder_stage(self, folder, progress) -> Trainer:
        """Classify windows by their strongest features: the maximum over places, then one linear layer."""
        encoder = self.captioner.encoder
        model = nn.Sequential(encoder, nn.Linear(encoder.channels[-1], CLASSES)).to(self.device)
        classes_of = lambda images: model[1](encoder.feature_map(images).amax((2, 3)))
        images, classes = digit_windows("train", self.size.windows, self.seed)
        held, held_classes = digit_windows("validation", 1000, self.seed)
        loader = DataLoader(TensorDataset(Tensor(images), Tensor(classes)), BATCH, shuffle=True, drop_last=True)
        optimizer = optim.Adam(model.parameters(), lr=3e-3)
        total = self.size.window_rounds * len(loader)

        def step(batch):
            windows, targets = (t.to(self.device) for t in batch)
            return F.cross_entropy(classes_of(windows.float() / 255), targets)

        def validate():
            read = classes_of(Tensor(held.astype(np.float32) / 255).to(self.device)).argmax(-1).cpu().numpy()
            return {"accuracy": float((read == held_classes).mean())}

        self.encoder_trainer = Trainer(model, optimizer, loader, step, self.size.window_rounds, validate=validate, folder=folder,
                                       scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total),
                                       config=self.config, label="encoder" if progress else None)
        return self.encoder_trainer

    def _caption_stage(self, folder, progress) -> Trainer:
        size, settings, decoder = self.size, self.objective, self.captioner.decoder
        joint = self.data is not None
        trained = self.captioner if joint else decoder
        annotations = held = None
        if not joint:   # the encoder does not change any more
            annotations, held = (self.captioner.annotate(self.parts[name]) for name in ("train", "validation"))
        epochs = self.epochs or (size.photo_epochs if joint else size.epochs)
        pairs = self.pairs["train"]
        loader = DataLoader(pairs, BATCH, shuffle=True, bucket=pairs.lengths, generator="captions")
        optimizer = optim.Adam(trained.parameters(), lr=settings.lr)
        total = epochs * len(loader)
        baseline = objective.MovingAverage()

        def step(batch):
            pictures, y, targets = batch
            if joint:
                a = self.captioner.encoder(Tensor(self.parts["train"].images(pictures)).to(self.device))
            else:
                a = Tensor(annotations[pictures]).to(self.device)
            y, targets = y.to(self.device), targets.to(self.device)
            mask = targets != Vocabulary.pad
            decoded = decoder(a, y)
            words = float(mask.sum())
            if settings.hard:
                loss, log_p = objective.hard_objective(decoded, targets, mask, baseline.value, settings.lambda_r,
                                                       settings.lambda_e)
                baseline.update(float(log_p.mean()))
                return loss, {"nats a word": -float(log_p.sum()) / words, "baseline": baseline.value}
            loss = objective.soft_objective(decoded, targets, mask, settings.lam)
            penalty = objective.doubly_stochastic_penalty(decoded.alpha.detach(), mask).mean() if settings.lam else 0.0
            return loss, {"nats a word": float(loss.detach() - settings.lam * penalty) * targets.shape[1] / words}

        def validate():
            from . import lecture_04_evaluation as evaluation

            looks = evaluation.look(self.captioner, self.vocabulary, self.parts["validation"], annotations=held)
            found = {"validation nats a word": sum(k.nats for k in looks) / sum(len(k.words) + 1 for k in looks)}
            if self.parts["validation"].scenes is not None:
                found["pointing"] = evaluation.pointing(looks, self.parts["validation"].scenes, self.grid).accuracy
            return found

        config = {**self.config, "epochs": epochs, "vocabulary": self.vocabulary.state_dict(), "channels": self.channels,
                  "picture_size": list(self.picture_size)}
        self.trainer = Trainer(self.captioner, optimizer, loader, step, epochs, validate=validate, folder=folder, max_norm=5.0,
                               scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total),
                               carried={"baseline": baseline}, config=config, label="captioner" if progress else None,
                               blas_threads=BLAS_THREADS)
        self.baseline = baseline
        return self.trainer

    # ------------------------------------------------------------------ what came of it

    def evaluate(self) -> dict:
        from . import lecture_04_evaluation as evaluation

        with blas_threads(BLAS_THREADS):
            self.measured = evaluation.Evaluation(self)
        return self.measured.metrics

    def claims(self, metrics: dict) -> list[Claim]:
        first, chance = metrics["loss"]["first nats a word"], np.log(len(self.vocabulary))
        claims = [Claim(f"the first loss is within 0.3 of ln K = {chance:.2f} nats a word", abs(first - chance), "<", 0.3)]
        if self.data is not None:   # so few photographs prove the path, and nothing else
            return claims
        points, soft = metrics["attention"], not self.objective.hard
        claims += [
            Claim("BLEU-4 of generated captions on held-out scenes", metrics["captions"]["beam 5"]["BLEU-4"], ">", 0.9),
            Claim("the attention is on the digit that is being named, in held-out captions",
                  points["given captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
            Claim("and on the digit whose turn it is, in the sentences it writes itself",
                  points["generated captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
            Claim("the gate beta is lower on words that say nothing about the picture (difference of means)",
                  metrics["beta"]["function words"] - metrics["beta"]["content words"], "<", 0)]
        if soft and not self.objective.lam:
            claims.append(Claim("the attention's mass on the named digit", points["given captions"]["mass"], ">=", 0.7))
        if not soft:
            claims.append(Claim("the baseline lowers the variance of the gradient (ratio to that without)",
                                metrics["gradient variance"]["with baseline"] / metrics["gradient variance"]["without"], "<", 1))
        return claims

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        claims = []
        if {"soft", "doubly_stochastic"} <= set(metrics):
            claims.append(Claim("the penalty spreads the attention of a whole sentence (gain in entropy of the coverage, nats)",
                                metrics["doubly_stochastic"]["coverage entropy"] - metrics["soft"]["coverage entropy"], ">", 0))
        return claims

    def figures(self, metrics: dict) -> dict:
        from . import lecture_04_figures as figures

        return figures.all_figures(self, metrics)
