"""Variant video: the TACoS table in miniature. A CRF labels kitchen clips; LSTMs and phrases make sentences of its labels.

The CRF knows the couplings of the activity only, while the world has others as strong. Its maximum decides each clip for good; its
marginals say where it is in doubt, and a language model that has read what goes with what can decide better. The control is a CRF
that has all couplings: there nothing is left to be decided.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping, Sequence

import numpy as np

from ... import nn, optim
from ...autograd import Tensor
from ...backend.random import manual_seed
from ...data import DataLoader
from ...data.worlds.kitchen import PARTS, SIZES, SLOTS, VOCABULARY, Kitchen
from ...metrics import bleu
from ...models.label_slots import label_one_hots
from ...models.phrase_translation import PhraseTranslation, Translation
from ...models.star_crf import CRF
from ...models.video_lrcn import VideoDescriber
from ...nn.chunks import in_chunks
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..captioning.likelihood import nats
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part
from ..captioning.stage import caption_stage
from ..claims import Claim
from ..lecture_02.systems import likelihood
from .study import At, Study
from .video_systems import CRFS, INPUTS, LSTMS, MAX, PROB, SMT_MAX, SMT_PROB, Trained, labels_of, split, words_for

CRF_BATCH, CRF_LR = 128, 0.05
EMBEDDING, HIDDEN, LR = 96, 96, 1e-2
WEIGHTS = tuple((bonus, language) for language in (0.1, 0.3, 1.0) for bonus in (0.0, 1.0, 2.0, 3.0))   # of the translation
CHUNK = 250         # clips at a time: all 2,400 tuples of each are in memory
MAX_LENGTH = 20


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        clips: of each part.
        tuned: validation clips with which the translation's weights are chosen.
        crf_epochs: rounds of the CRFs' training.
        epochs: rounds of the sentence models' training.
    """

    clips: Mapping[str, int]
    tuned: int
    crf_epochs: int
    epochs: int


SCALES = {"lecture": Scale({"train": 4000, "validation": 500, "test": 1000}, 150, 10, 4),
          "smoke": Scale({"train": 200, "validation": 20, "test": 30}, 4, 10, 1)}


class Video(Study):
    """The study; the arguments are those of every study."""

    def __init__(self, variant: str, scale: str, seed: int, device: str, config: dict, epochs: int | None = None,
                 data: str | None = None, root: str | None = None):
        super().__init__(variant, scale, seed, device, config, epochs, data, root)
        self.size = SCALES[scale]
        self.clips = {part: Kitchen(part, self.size.clips[part], seed) for part in PARTS}
        self.parts = {part: Part(clips.sentences, nothing_to_see) for part, clips in self.clips.items()}

    def stages(self, at: At) -> Generator[Trainer, None, Trained]:
        """The CRFs; then, of each, the sentence models, which have the same weights' seed, order, steps and rate."""
        trained = Trained({})
        for name, kind in CRFS.items():
            manual_seed(self.seed)
            trained.crfs[name] = kind(SIZES).to(device=self.device)
            yield self._crf_stage(trained.crfs[name], at(file_name("crf", name)))
            trained.p[name] = {"max": {}, "prob": {}}
            for part, clips in self.clips.items():
                trained.p[name]["max"][part], trained.p[name]["prob"][part] = labelled(trained.crfs[name], clips.evidence)
            trained.captioners[name], trained.trainers[name] = {}, {}
            for row, (architecture, given) in LSTMS.items():
                if name == "star" or architecture == "decoder":
                    manual_seed(self.seed)
                    model = VideoDescriber(SIZES, len(VOCABULARY), architecture, EMBEDDING, HIDDEN, VOCABULARY.pad)
                    captioner = Captioner(nn.Identity(), model, VOCABULARY.start).to(device=self.device)
                    trainer = self._caption_stage(captioner, trained.p[name][given], at(file_name("describer", row[1], name)))
                    yield trainer
                    trained.captioners[name][row], trained.trainers[name][row] = captioner, trainer
        self._translate(trained)
        return trained

    def _crf_stage(self, crf: CRF, options: dict) -> Trainer:
        """-log p(y | x) of the training clips, exactly."""
        train, held = self.clips["train"], self.clips["validation"]
        loader = DataLoader(train, min(CRF_BATCH, len(train)), shuffle=True, drop_last=True)
        optimizer = optim.Adam(crf.parameters(), lr=CRF_LR)

        def loss(batch: dict[str, Tensor]) -> Tensor:
            return crf.loss(batch["evidence"].to(self.device), batch["labels"].to(self.device))

        def validate() -> dict[str, float]:
            return {"validation nats": nats_of_labels(crf, held)}

        epochs = self.size.crf_epochs
        schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
        return Trainer(crf, optimizer, loader, loss, epochs, scheduler=schedule, validate=validate, config=self.config, **options)

    def _caption_stage(self, captioner: Captioner, p: Mapping[str, np.ndarray], options: dict) -> Trainer:
        """-log p(sentence | labels) of the training clips' sentences."""
        pairs, held = CaptionPairs(self.parts["train"].captions, VOCABULARY, VOCABULARY.start), self.parts["validation"]

        def validate() -> dict[str, float]:
            spent, words = nats(captioner, VOCABULARY, held, p["validation"])
            return {"validation nats a word": spent / words}

        return caption_stage(captioner, self.parts["train"], pairs, likelihood, annotations=p["train"],
                             epochs=self.epochs or self.size.epochs, lr=LR, config=self.config, device=self.device,
                             validate=validate, **options)

    def _translate(self, trained: Trained) -> None:
        """Learn to translate from the pairs that (b) learns from, and choose each row's weights on validation."""
        train, held = self.clips["train"], self.clips["validation"]
        labels = np.repeat(labels_of(trained.p["star"]["max"]["train"]), len(train.sentences[0]), 0)
        trained.translation = PhraseTranslation(SIZES, labels, [words for of in train.sentences for words in of])
        few = self.size.tuned
        for row in (SMT_MAX, SMT_PROB):
            p = trained.p["star"][INPUTS[row]]["validation"][:few]
            scores = [bleu4(sentences(trained.translation.translate(p, *of)), held.sentences[:few]) for of in WEIGHTS]
            trained.weights[row] = WEIGHTS[int(np.argmax(scores))]

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained) -> dict:
        """BLEU-1 to BLEU-4 of each row in per cent, what the CRFs say, and which labels the sentences have right."""
        test, p = self.clips["test"], trained.p["star"]
        assert trained.translation is not None
        for row in (SMT_MAX, SMT_PROB):
            trained.said[row] = sentences(trained.translation.translate(p[INPUTS[row]]["test"], *trained.weights[row]))
        for row, captioner in trained.captioners["star"].items():
            trained.said[row] = self._say(captioner, p[INPUTS[row]]["test"])
        control = {row: self._say(captioner, trained.p["all couplings"][INPUTS[row]]["test"])
                   for row, captioner in trained.captioners["all couplings"].items()}
        scores = {row: percent(bleu(said, test.sentences).corpus) for row, said in trained.said.items()}
        return {"bleu": scores, "bleu4": {row: numbers[3] for row, numbers in scores.items()},
                "control": {row: 100 * bleu4(said, test.sentences) for row, said in control.items()},
                "labels right": {row: right_labels(said, test.labels) for row, said in trained.said.items()},
                "crf": {name: self._crf_measures(crf, trained.p[name]) for name, crf in trained.crfs.items()},
                "weights": {row: dict(zip(("bonus", "language"), of)) for row, of in trained.weights.items()},
                "validation nats a word": {f"{row}, {name}": trainer.history["validation nats a word"]
                                           for name, rows in trained.trainers.items() for row, trainer in rows.items()}}

    def _say(self, captioner: Captioner, p: np.ndarray) -> list[list[str]]:
        """The greedy sentence for each row of p."""
        return [VOCABULARY.decode(best[0].tokens) for best in captioner.search(p, max_length=MAX_LENGTH)]

    def _crf_measures(self, crf: CRF, p: Mapping[str, Mapping[str, np.ndarray]]) -> dict:
        """Nats a tuple; of each slot how often its maximum is right, how sure the marginals are and how often right, and by how
        much a value's own evidence counts more than the others' (in the world's likelihood, by 2)."""
        test = self.clips["test"]
        surest = np.stack([part.max(1) for part in split(p["prob"]["test"])], 1)                # (N, S)
        likeliest = np.stack([part.argmax(1) for part in split(p["prob"]["test"])], 1)
        shares = lambda right: dict(zip(SLOTS, right.mean(0).tolist()))
        weights = [linear.weight.detach().cpu().numpy() for linear in crf.unary]
        own = [np.diag(W).mean() - W[~np.eye(len(W), dtype=bool)].mean() for W in weights]
        return {"nats": nats_of_labels(crf, test), "weight of evidence": dict(zip(SLOTS, map(float, own))),
                "maximum right": shares(labels_of(p["max"]["test"]) == test.labels),
                "likeliest right": shares(likeliest == test.labels), "its probability": shares(surest)}

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """That a CRF's doubt is worth more than its decision, where it lacks couplings."""
        gap = metrics["bleu4"][PROB] - metrics["bleu4"][MAX]
        without = metrics["control"][PROB] - metrics["control"][MAX]
        return [Claim("LSTM decoder, CRF prob over CRF max, BLEU-4, per cent", gap, ">=", 1.5),
                Claim("that gap over the gap with all couplings in the CRF", gap - without, ">", 0)]

    def figures(self, trained: Trained, metrics: dict) -> dict:
        """The table beside the paper's, clips with marginals and sentences, the potentials."""
        from . import video_figures

        return video_figures.all_figures(self.clips["test"], trained, metrics, self.seed)


def nothing_to_see(rows: Sequence[int]) -> np.ndarray:
    """The pictures of clips of which there are labels only."""
    return np.zeros((len(rows), 0), np.float32)


def file_name(*parts: str) -> str:
    """The name of a stage's folder."""
    return "_".join(parts).replace(" ", "_")


def labelled(crf: CRF, evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-hots of a CRF's maxima, and its marginals, each (N, 29) float32."""
    device = next(crf.parameters()).device

    def some(rows: range) -> tuple[np.ndarray, np.ndarray]:
        x = Tensor(evidence[rows.start:rows.stop]).to(device)
        return label_one_hots(crf.maximum(x), SIZES), crf.marginals(x).cpu().numpy()

    maxima, marginals = zip(*in_chunks(some, len(evidence), CHUNK))
    return np.concatenate(maxima), np.concatenate(marginals)


def nats_of_labels(crf: CRF, clips: Kitchen) -> float:
    """-log p(y | x), the mean over clips."""
    device = next(crf.parameters()).device

    def some(rows: range) -> float:
        batch = clips.batch(rows)
        return -float(crf.log_prob(batch["evidence"].to(device), batch["labels"].to(device)).sum())

    return sum(in_chunks(some, len(clips), CHUNK)) / len(clips)


def sentences(translations: Sequence[Translation]) -> list[list[str]]:
    """Their words."""
    return [list(translation.words) for translation in translations]


def percent(scores: Sequence[float]) -> list[float]:
    """Shares as numbers of 100."""
    return [100 * score for score in scores]


def bleu4(said: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Corpus BLEU-4."""
    return bleu(said, references).corpus[3]


def right_labels(said: Sequence[Sequence[str]], labels: np.ndarray) -> dict[str, float]:
    """Of each slot the share of sentences that have a word for the true label."""
    return {slot: float(np.mean([bool(set(words_for(slot, label)) & set(words)) for words, label in zip(said, column.tolist())]))
            for slot, column in zip(SLOTS, labels.T)}
