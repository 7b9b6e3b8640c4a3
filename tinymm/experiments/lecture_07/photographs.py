"""Text to image on photographs: birds (CUB-200-2011) and flowers (Oxford-102) with ten captions each, Reed et al. 2016.

They take the path of the world: a net of the seen classes gives theta(v), char-CNN-RNN learns phi(t) beside it, and D and G take
turns. Published phi, which lie in the dataset's folder as ``CLASS/IMAGE.t7`` or as a converted ``stackgan.npz``, take the place of
the first two trainings. Test pictures are of classes that are in no other part. There is no truth about photographs, and so no
judge and no claim: what is measured is D's part, whether it tells right texts from wrong ones, and f_v's accuracy.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Generator, Mapping
from typing import Any, cast

import numpy as np

from ... import nn
from ...backend.random import Stream, manual_seed, one_of_each, stream
from ...data import ClassDataset, read_cub, read_oxford102, read_text_embeddings
from ...data.readers.char_captions import CAPTIONS, CUT, SIZE, random_cuts
from ...models.char_cnn_rnn import CharCNNRNN
from ...models.text_to_image_gan import Discriminator
from ...models.text_to_image_gan import Generator as PictureGenerator
from ...text.characters import LENGTH, character_numbers
from ...train import Trainer
from ..claims import Claim
from ..experiment import At, Measured
from . import embedding
from .claims import MAIN, RIVAL
from .data import centred
from .evaluation import Questions, auc, per_row, walks
from .gan import SYSTEMS, build, gan_stage, noise
from ..picture_judge import PictureNet

DATASETS = ("cub", "oxford102")
AVERAGED = 4         # captions of a picture whose mean the GANs are told
HELD = 8             # one in so many pictures of the seen classes is held out
SHOWN, WALKS = 8, 2  # sentences that are drawn, and walks from one to another
FEW = embedding.BATCH + 24   # training pictures: one batch of every stage


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        size: pixels a side of G's pictures; they are cut from photographs of ``size * 76 / 64``.
        widths, noise, embedding: of G, see ``text_to_image_gan``; D has the widths from behind. The paper's are 8, 4, 2 and 1
            times 128, 100 and 128, for which a processor is too slow.
        train, held: pictures at most; held is for the validation pictures and the test pictures each.
        rounds: of the picture net and of the text encoder.
        epochs, batch, lr: of each GAN.
    """

    size: int
    widths: tuple[int, ...]
    noise: int
    embedding: int
    train: int
    held: int
    rounds: tuple[int, int]
    epochs: int
    batch: int
    lr: float


SCALES = {"lecture": Scale(size=64, widths=(256, 128, 64, 32), noise=100, embedding=128, train=9000, held=1000, rounds=(10, 20),
                           epochs=10, batch=64, lr=2e-4),
          "smoke": Scale(size=16, widths=(48, 24), noise=32, embedding=32, train=256, held=48, rounds=(2, 2), epochs=2, batch=32,
                         lr=5e-4)}


@dataclasses.dataclass(frozen=True, eq=False)
class Photographs:
    """A part: pictures in a byte a number, with ten captions each.

    Attributes:
        pixels: (N, 3, P, P) uint8, somewhat larger than G's pictures.
        classes: (N,) int64.
        texts: (N * 10,), those of a picture one after the other.
        size: pixels a side of what is cut out.
        published: (N, 10, d) phi of the captions, or None.
    """

    pixels: np.ndarray
    classes: np.ndarray
    texts: list[str]
    size: int
    published: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @functools.cached_property
    def images(self) -> np.ndarray:
        """(N, 3, size, size) float32 in [-1, 1], the middle of each."""
        edge = (self.pixels.shape[-1] - self.size) // 2
        return centred(self.pixels[:, :, edge:edge + self.size, edge:edge + self.size])

    @functools.cached_property
    def characters(self) -> np.ndarray:
        """(N * 10, 201) uint8; longer captions are cut, as the authors cut them."""
        return character_numbers([text[:LENGTH] for text in self.texts], LENGTH)


@dataclasses.dataclass(frozen=True, eq=False)
class DescribedPhotographs:
    """What ``gan_stage`` is given: pictures cut at random, the mean of four captions, and wrong ones of other classes.

    Attributes:
        part: the photographs.
        phi: (N, 10, d).
    """

    part: Photographs
    phi: np.ndarray

    def __len__(self) -> int:
        return len(self.part)

    def batch(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pictures, phi of their texts, and for each a text of the batch that is about another class.

        The four captions are drawn with replacement, as in the authors' code.

        Args:
            pictures: (B,) indices.

        Returns:
            x (B, 3, S, S), h (B, d), and places in the batch (B,).
        """
        x = centred(random_cuts(self.part.pixels[pictures], self.part.size, stream("cuts").generator))
        texts = stream("texts").generator.integers(self.phi.shape[1], size=(len(pictures), AVERAGED))
        wrong = other_classes(self.part.classes[pictures], stream("wrong texts").generator)
        return x, self.phi[pictures[:, None], texts].mean(1), wrong


def other_classes(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each picture of a batch one of another class, at random.

    Args:
        classes: (B,).
        rng: where the choices come from.

    Returns:
        (B,) places in the batch.

    Raises:
        ValueError: all are of one class.
    """
    wrong = classes[:, None] != classes
    if not wrong.any(1).all():
        raise ValueError(f"other_classes: all {len(classes)} pictures of the batch are of class {classes[0]}; a wrong text needs "
                         "another class: give pictures of two or more")
    return one_of_each(rng, wrong)


@dataclasses.dataclass(frozen=True, eq=False)
class PhotoSetting:
    """What the study is given.

    Attributes:
        variant: of the lecture.
        data: name of the dataset.
        parts: "train", "validation", of the same classes, and "test", of others.
        size: the scale's numbers.
        epochs: of each GAN.
        seed: of weights and order.
        device: where to train.
    """

    variant: str
    data: str
    parts: Mapping[str, Photographs]
    size: Scale
    epochs: int
    seed: int
    device: str

    @property
    def published(self) -> bool:
        """Whether phi is the authors'."""
        return self.parts["train"].published is not None


@dataclasses.dataclass
class Trained:
    """What came of it.

    Attributes:
        systems: name -> G and D.
        histories: name -> those of the Trainers.
        phi: part -> (N, 10, d).
        net, encoder: of the joint embedding; None where phi is published.
    """

    systems: dict[str, nn.ModuleDict]
    histories: dict[str, dict[str, list[float]]]
    phi: dict[str, np.ndarray]
    net: PictureNet | None = None
    encoder: CharCNNRNN | None = None


@dataclasses.dataclass
class Found(Measured):
    """The measurements, and what the figures show.

    Attributes:
        asked: "seen" and "unseen" -> the sentences, and the photographs that they are about.
        drawn: the same -> system -> pictures of the first sentences.
        walks: system -> pictures from one sentence of the seen classes to another, (P, steps, 3, S, S).
    """

    asked: dict[str, Questions]
    drawn: dict[str, dict[str, np.ndarray]]
    walks: dict[str, np.ndarray]


# ---------------------------------------------------------------------- the data

def photo_setting(data: str, root: str, variant: str, scale: str, epochs: int | None, seed: int, device: str) -> PhotoSetting:
    """Read a dataset; pictures are read now and kept in a byte a number.

    Args:
        data: one of ``DATASETS``.
        root: its folder, see ``read_cub`` and ``read_oxford102``.
        variant: "cls", "int" or "int_cls".
        scale: one of ``SCALES``.
        epochs: of each GAN; None for the scale's.
        seed, device: as of an Experiment.

    Raises:
        FileNotFoundError, ValueError: another variant, missing or damaged files, no lists of classes, too few pictures.
    """
    if variant not in MAIN:
        raise ValueError(f"lecture 7: photographs are for the variants {', '.join(MAIN)} (--variant); {variant} takes its own "
                         f"world only")
    size = SCALES[scale]
    dataset: Any = {"cub": read_cub, "oxford102": read_oxford102}[data](root, size=size.size * SIZE // CUT)
    for note in dataset.notes:
        print(f"{data}: {note}")
    if dataset.missing:
        print(f"{data}: {dataset.missing_message()}")
        dataset = dataset.present()
    return PhotoSetting(variant, data, photo_parts(data, root, dataset, size, seed), size, epochs or size.epochs, seed, device)


def photo_parts(data: str, root: str, dataset: ClassDataset, size: Scale, seed: int) -> dict[str, Photographs]:
    """"train" and "validation", of the dataset's classes for training, and "test", of its classes for the test.

    Raises:
        FileNotFoundError, ValueError: as ``photo_setting``.
    """
    rng = Stream(f"{data} photographs", seed).generator
    rows = {name: rng.permutation([i for i, r in enumerate(dataset.records) if r.split in splits])
            for name, splits in (("train", ("train", "val")), ("test", ("test",)))}
    seen, unseen = (set(dataset.labels[rows[name].astype(int)].tolist()) for name in ("train", "test"))
    if seen & unseen or not unseen or len(seen) < 2:
        raise ValueError(f"lecture 7: {data} in {root} has {len(seen)} classes for training, {len(unseen)} for the test and "
                         f"{len(seen & unseen)} in both; it takes two or more, one or more and none: give trainvalclasses.txt and "
                         f"testclasses.txt beside text_c10")
    held = min(size.held, len(rows["train"]) // HELD)
    chosen = {"train": rows["train"][held:][:size.train], "validation": rows["train"][:held], "test": rows["test"][:size.held]}
    if len(chosen["train"]) < FEW or not held:
        raise ValueError(f"lecture 7: {data} in {root} has {len(chosen['train'])} pictures for training; it takes at least {FEW}")
    parts = {}
    for name, some in chosen.items():
        part = dataset.of([dataset.records[i] for i in some])
        pixels = np.stack([np.round(255 * part[i][0]).astype(np.uint8) for i in range(len(part))])
        parts[name] = Photographs(pixels, part.labels, [text for r in part.records for text in r.captions], size.size,
                                  read_text_embeddings(root, part))
        print(f"{data}: {len(part)} pictures of {len(np.unique(part.labels))} classes for {name}")
    print(f"{data}: phi(t) is " + ("the published one" if parts["train"].published is not None else "the lecture's own"))
    return parts


# ---------------------------------------------------------------------- the trainings

def text_encoder() -> CharCNNRNN:
    """phi, untrained, of captions of 201 characters."""
    return embedding.text_encoder(LENGTH)


def networks(seed: int, size: Scale, text: int = embedding.FEATURES) -> tuple[PictureGenerator, Discriminator]:
    """Untrained G and D, the same for a seed."""
    return build(seed, text, size.widths, size.noise, size.embedding)


def stages(setting: PhotoSetting, at: At) -> Generator[Trainer, None, Trained]:
    """The trainings: "pictures" and "embedding" where phi is not published, "gan" and "rival"."""
    size, device = setting.size, setting.device
    parts: Any = setting.parts   # which have what the stages ask of a part of the world
    phi: dict[str, np.ndarray] = {name: part.published for name, part in parts.items()}
    net = encoder = None
    if not setting.published:
        train, held = parts["train"], parts["validation"]
        manual_seed(setting.seed)
        net = PictureNet(len(np.unique(train.classes)), embedding.FEATURES, size.size).to(device)
        yield embedding.picture_stage(net, train, held, size.rounds[0], device=device, **at("pictures"))
        net.eval()
        encoder = text_encoder().to(device)
        yield embedding.embedding_stage(encoder, embedding.thetas(net, train, device), train, size.rounds[1], device=device,
                                        **at("embedding"))
        encoder.eval()
        phi = {name: embedding.phi_of(encoder, part.characters, device).reshape(len(part), CAPTIONS, -1)
               for name, part in parts.items()}
    trained = Trained({}, {}, phi, net, encoder)
    for stage, name in (("gan", MAIN[setting.variant]), ("rival", RIVAL[setting.variant])):
        G, D = networks(setting.seed, size, phi["train"].shape[-1])
        w, interpolation = SYSTEMS[name]
        described: Any = DescribedPhotographs(parts["train"], phi["train"])
        trainer = gan_stage(G, D, described, setting.epochs, w=w, interpolation=interpolation,
                            snapshots=Scores(D, questions(setting, phi, "validation"), device), batch=size.batch, lr=size.lr,
                            device=device, **at(stage))
        yield trainer
        trained.systems[name] = nn.ModuleDict({"G": G.eval(), "D": D.eval()})
        trained.histories[name] = trainer.history
    return trained


def questions(setting: PhotoSetting, phi: Mapping[str, np.ndarray], name: str) -> Questions:
    """The first caption of each picture of a part, with noise, and with a caption of another class's picture if there is one."""
    part, rng = setting.parts[name], Stream(f"questions {name}", setting.seed).generator
    h = phi[name][:, 0]
    wrong = h[other_classes(part.classes, rng)] if len(np.unique(part.classes)) > 1 else h[:0]
    return Questions(part.texts[::CAPTIONS], part.images, part.classes[:, None], h, wrong, noise(rng, len(h), setting.size.noise))


class Scores:
    """D's AUC for held-out pictures of the seen classes after each round; ``gan_stage`` records it."""

    def __init__(self, D: nn.Module, asked: Questions, device: str = "cpu"):
        self.D, self.asked, self.device = D, asked, device

    def take(self) -> dict[str, float]:
        """{"AUC": the share of right and wrong texts that D puts in order}; nothing where the pictures are of one class."""
        q = self.asked
        if not len(q.wrong):
            return {}
        right, wrong = (per_row(self.D, q.images, h, device=self.device) for h in (q.h, q.wrong))
        return {"AUC": auc(right, wrong)}

    def state_dict(self) -> dict:
        """Empty: nothing is carried from round to round."""
        return {}

    def load_state_dict(self, state: dict) -> None:
        """Nothing to load."""


# ---------------------------------------------------------------------- what came of it

def evaluate(setting: PhotoSetting, trained: Trained) -> Found:
    """D's AUC for pictures of seen and of unseen classes, and f_v's accuracy where phi was trained; and pictures to look at."""
    device, parts = setting.device, setting.parts
    asked = {of: questions(setting, trained.phi, name) for of, name in (("seen", "validation"), ("unseen", "test"))}
    metrics: dict = {"pictures": {name: len(part) for name, part in parts.items()},
                     "classes": {name: len(np.unique(part.classes)) for name, part in parts.items()},
                     "phi": "published" if setting.published else "trained", "systems": {}}
    if trained.net is not None and trained.encoder is not None:
        seen, unseen = (cast(Any, parts[name]) for name in ("validation", "test"))
        metrics["embedding"] = embedding.zero_shot(trained.encoder, trained.net, seen, unseen, device)
    found = Found(metrics, asked, {of: {} for of in asked}, {})
    classes = asked["seen"].contents[:, 0]
    pairs = np.array([(i, i + 1) for i in np.flatnonzero(classes[1:] != classes[:-1])[:WALKS]], np.int64).reshape(-1, 2)
    for name, system in trained.systems.items():
        history, G, D = trained.histories[name], system["G"], system["D"]
        scores = {of: Scores(D, q, device).take().get("AUC") for of, q in asked.items()}
        metrics["systems"][name] = {"AUC": scores, "curve": history.get("AUC", []), "first D loss": history["D loss"][0]}
        for of, q in asked.items():
            found.drawn[of][name] = per_row(G, q.z[:SHOWN], q.h[:SHOWN], device=device)
        if len(pairs):
            found.walks[name] = walks(G, asked["seen"], pairs, device)
    return found


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """None: the thresholds are those of the world."""
    return []


def all_figures(setting: PhotoSetting, trained: Trained, measured: Found) -> dict:
    """File name -> Figure: the first sentences about classes of the training, and about others, with their photographs and what
    each system draws, the same noise for all; and walks from one sentence to another."""
    from ...plot import picture_table
    from .figures import shown

    table = lambda rows, heads, title: picture_table([(name, list(shown(pictures))) for name, pictures in rows], heads, title=title)
    found = {f"{of}.png": table([("photograph", q.images[:SHOWN]), *measured.drawn[of].items()], q.sentences[:SHOWN],
                                f"{setting.data}: {of} classes") for of, q in measured.asked.items()}
    if measured.walks:
        found["interpolation.png"] = table([(name, walk) for name, several in measured.walks.items() for walk in several], None,
                                           "from one sentence to another, with the same noise")
    return found
