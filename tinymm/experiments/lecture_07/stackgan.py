"""The variant "stackgan": stage I draws 16 x 16 pixels of noise and text, stage II makes 32 x 32 of them with the text once more.

Each G draws its condition from the Gaussian of the text (conditioning augmentation). D of either stage is that of GAN-CLS and
embeds phi(t) itself, as in the paper's own code. Stage I stays as it is when stage II is trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd import Tensor, no_grad
from ...backend.random import Stream, manual_seed, stream
from ...data.worlds.placed_sprites import PlacedSprites, class_of, halves
from ...models.stackgan import StageIGenerator, StageIIGenerator
from ...models.text_to_image_gan import Discriminator
from ...train import Trainer
from ..claims import Claim
from ..experiment import At, Measured
from .claims import read_claims
from .data import Setting, centred
from .embedding import FEATURES, zero_shot
from .evaluation import Questions, per_row
from .gan import EMBEDDING, LR_D, NOISE, Described, Turns, gan_stage, noise
from .judge import judged, rightness

CONDITION = 32                          # N_g
KL = 2 / 128                            # lambda of the summed KL: the authors' codes add twice the mean of its 128 terms
CHANNELS = (96, 24)                     # of stage I's first maps, and of stage II's
WIDTHS = ((48, 96), (24, 48, 96))       # of D
SHARES = (0.6, 0.45)                    # of the rounds of the other variants' GANs, for each stage
AGAIN = 8                               # draws of the augmentation for each text, where their variety is measured
TEXTS = 100                             # so many texts
POOL = 64                               # real pictures of each class that drawn ones are held against
LEAST = 1e-10                           # of a mean squared difference, so that a copy has a PSNR, of 106 dB
ENLARGED = ("nearest", "bilinear")


class StackTurns(Turns):
    """What D and G of a stage do with a batch: as in GAN-CLS, and G's loss has the KL of its augmentation, too.

    Args:
        G: of the stage.
        below: stage I in evaluation mode, under stage II.
        more: of ``Turns``.
    """

    def __init__(self, G: nn.Module, *more, below: StageIGenerator | None = None, **options):
        super().__init__(G, *more, **options)
        self.below = below

    def z(self, count: int, name: str) -> Tensor:
        """Stage I's noise; stage II has none of its own."""
        return Tensor(noise(stream(name).generator, count, (self.below or self.G).noise)).to(self.device)

    def draw(self, z: Tensor, h: Tensor) -> Tensor:
        """Pictures of texts; keeps the KL."""
        if self.below is not None:
            with no_grad():
                z = self.below(z, h)[0]                                    # (N, 3, 16, 16)
        x, mu, log_sigma = self.G(z, h)
        self.kl = self.G.ca_net.kl(mu, log_sigma).mean()
        return x

    def generate(self, pictures: np.ndarray):
        """G's loss, and the KL in nats."""
        loss = super().generate(pictures)
        return loss + KL * self.kl, {"KL": self.kl.item()}


def build_generators() -> tuple[StageIGenerator, StageIIGenerator]:
    """G of both stages, untrained."""
    return (StageIGenerator(FEATURES, CONDITION, NOISE, CHANNELS[0], ups=2, dcgan=False),
            StageIIGenerator(FEATURES, CONDITION, CHANNELS[1], downs=1, ups=2, dcgan=False))


@dataclasses.dataclass
class Trained:
    """What the trainings yield: G of both stages in evaluation mode, and what happened.

    Attributes:
        one, two: the generators.
        histories: of the two trainings.
    """

    one: StageIGenerator
    two: StageIIGenerator
    histories: tuple[dict, dict]


@dataclasses.dataclass
class Stacked(Measured):
    """The measurements, and what the figures draw beside.

    Attributes:
        questions: the sentences and their noise.
        large: (K, 3, 32, 32), the real pictures that they are about.
        small: (K, 3, 16, 16), drawn by stage I; drawn: (K, 3, 32, 32), by stage II.
        again: (TEXTS, AGAIN, 3, 32, 32), drawn by stage II with the same noise, and the conditions drawn anew in both stages.
    """

    questions: Questions
    large: np.ndarray
    small: np.ndarray
    drawn: np.ndarray
    again: np.ndarray


def stages(setting: Setting, at: At) -> Generator[Trainer, None, Trained]:
    """Stage I, and stage II on top of it.

    Args:
        setting: of the run, with judge and phi.
        at: name of a stage -> the Trainer's options.
    """
    manual_seed(setting.seed)
    one, two = build_generators()
    found, part, phi = [], setting.parts["train"], setting.phi["train"]
    for k, (G, below, name) in enumerate(((one, None, "stage_one"), (two, one, "stage_two"))):
        D = Discriminator(FEATURES, WIDTHS[k], EMBEDDING, text_norm=True, dcgan=False)
        described = Described.of(part, phi, large=k == 1)
        trainer = gan_stage(G, D, described, max(1, round(SHARES[k] * setting.epochs)), lr_D=LR_D, device=setting.device,
                            turns=StackTurns, options={"below": below}, **at(name))
        yield trainer
        G.eval()
        found.append(trainer.history)
    return Trained(one, two, (found[0], found[1]))


# ---------------------------------------------------------------------- measures

def drawn(trained: Trained, z: np.ndarray, h: np.ndarray, epsilon: tuple[np.ndarray, np.ndarray],
          device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """Pictures of both stages, (N, 3, 16, 16) and (N, 3, 32, 32).

    Args:
        trained: the generators.
        z: (N, Z); h: (N, d).
        epsilon: (N, N_g) of each stage's augmentation.
        device: where they are.
    """
    small = per_row(lambda *inputs: trained.one(*inputs)[0], z, h, epsilon[0], device=device)
    return small, per_row(lambda *inputs: trained.two(*inputs)[0], small, h, epsilon[1], device=device)


def enlarged(images: np.ndarray, mode: str) -> np.ndarray:
    """Twice as many rows and columns."""
    return F.interpolate(Tensor(images), scale_factor=2, mode=mode).numpy()


def nearest_psnr(images: np.ndarray, classes: np.ndarray, pool: np.ndarray, pool_classes: np.ndarray) -> float:
    """PSNR of each picture to the nearest real one of its sentence's class, in dB, the mean over pictures; the search is exact.

    10 log10(2^2 / min over the class's pictures of the mean squared difference), for pictures in [-1, 1].

    Args:
        images: (N, 3, S, S); classes: (N,), of the sentences, whatever the pictures show.
        pool: (M, 3, S, S) real pictures; pool_classes: (M,).

    Raises:
        ValueError: a class that has no picture in the pool.
    """
    if len(missing := np.setdiff1d(classes, pool_classes)):
        raise ValueError(f"nearest_psnr: no picture of class {missing[0]} among the {len(pool)} of the pool")
    least = [((pool[pool_classes == c] - x)**2).mean((1, 2, 3)).min() for x, c in zip(images, classes)]
    return float(np.mean(10 * np.log10(4 / np.maximum(least, LEAST))))


def first_of(images: np.ndarray, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``count`` pictures of each class, and their classes."""
    rows = np.concatenate([np.flatnonzero(classes == c)[:count] for c in np.unique(classes)])
    return images[rows], classes[rows]


def varied(images: np.ndarray) -> float:
    """Standard deviation over several drawings of a text, the mean over texts and pixels: (K, M, 3, S, S) -> a number."""
    return float(images.astype(float).std(1).mean())


def evaluate(setting: Setting, trained: Trained) -> Stacked:
    """Draw the sentences of test pictures, and hold both stages against the same real pictures.

    The pool has 64 new pictures of each class, which nothing has learned from. Stage I is enlarged in two ways; the better one is
    its number. "to training pictures" and "to as many others" are held against equal numbers: a stage that repeats training
    pictures is nearer to them. What a mean picture of the training class would get, and real
    pictures, stand beside: a mean picture is near to all of its class, and would pass for good. So "follows" says how
    often stage II's picture, halved, is nearer to the picture that it was made of than to stage I's picture of the same
    text with other noise; with mean pictures, whatever stage I drew, that is a coin.
    """
    parts, judge, device = setting.parts, setting.judge, setting.device
    test, train = parts["test"], parts["train"]
    q, rng = Questions.of(test, setting.phi["test"], NOISE, setting.seed), Stream("epsilons", setting.seed).generator
    epsilons = lambda count: (noise(rng, count, CONDITION), noise(rng, count, CONDITION))
    classes, K = class_of(q.contents), len(q)
    large = test.large[test.whole_texts()[0]]
    first, second = epsilons(K), epsilons(K)
    small, big = drawn(trained, q.z, q.h, first, device)
    other, _ = drawn(trained, noise(rng, K, NOISE), q.h, second, device)

    world = PlacedSprites("test", POOL * len(np.unique(train.classes)), setting.seed + 1)
    pool = centred(world.images(32)), world.classes()
    least = int(min(POOL, *np.unique(train.classes, return_counts=True)[1]))
    others, seen = first_of(*pool, least), first_of(train.large, train.classes, least)
    means = np.stack([train.large[train.classes == c].mean(0) for c in classes])
    ways = {mode: enlarged(small, mode) for mode in ENLARGED}
    psnr = {f"stage I, {mode}": nearest_psnr(x, classes, *pool) for mode, x in ways.items()}
    best = ways[max(ENLARGED, key=lambda mode: psnr[f"stage I, {mode}"])]
    psnr = {"stage I": max(psnr.values()), **psnr, "stage II": nearest_psnr(big, classes, *pool),
            **{f"{name} {what}": nearest_psnr(x, classes, *few) for name, x in (("stage I", best), ("stage II", big))
               for what, few in (("to training pictures", seen), ("to as many others", others))},
            "class means": nearest_psnr(means, classes, *pool), "real": nearest_psnr(large, classes, *pool),
            "real, halved and enlarged": max(nearest_psnr(enlarged(q.images, mode), classes, *pool) for mode in ENLARGED)}

    looked_at = {"stage I": small, "stage II": halves(big), "class means": halves(means)}
    says = {name: judged(judge, x, device) for name, x in looked_at.items()}
    right = {name: (said == q.contents).all(1) for name, said in says.items()}
    share = lambda rows: float(rows.mean()) if len(rows) else float("nan")
    away = lambda x: ((halves(big) - x)**2).mean((1, 2, 3))

    some = min(TEXTS, K)
    z, h = q.z[:some].repeat(AGAIN, 0), q.h[:some].repeat(AGAIN, 0)
    none = (np.zeros((len(z), CONDITION), np.float32),) * 2
    several = lambda z, epsilon: [x.reshape(some, AGAIN, *x.shape[1:]) for x in drawn(trained, z, h, epsilon, device)]
    ways_to_vary = {"augmented": several(z, epsilons(len(z))), "not augmented": several(z, none),
                    "by noise": several(noise(rng, len(z), NOISE), none)}
    variety = {name: {"stage I": varied(small), "stage II": varied(large)} for name, (small, large) in ways_to_vary.items()}

    real = {name: rightness(judged(judge, parts[name].images, device), parts[name].contents) for name in ("test", "unseen")}
    return Stacked({
        "judge": {**real, "accuracy": real["test"]["all"]},
        "embedding": zero_shot(setting.encoder, setting.net, test, parts["unseen"], device),
        "psnr": psnr, "pool": {"pictures": len(world), "of a class": POOL, "as many": least}, "sentences": K,
        "right": {name: rightness(said, q.contents) for name, said in says.items()},
        "repaired": share(right["stage II"][~right["stage I"]]), "spoiled": share(~right["stage II"][right["stage I"]]),
        "follows": float((away(small) < away(other)).mean()), "variety": variety,
        "KL": {f"stage {name}": history["KL"][-1] for name, history in zip(("I", "II"), trained.histories)},
        "first D loss": [history["D loss"][0] for history in trained.histories]},
        q, large, small, big, ways_to_vary["augmented"][1])


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """The claims of the variant."""
    psnr, right, variety = metrics["psnr"], metrics["right"], metrics["variety"]
    return [
        *read_claims(metrics),
        Claim("stage II is nearer to real pictures than stage I enlarged (gain in PSNR to the nearest of the sentence's class, dB)",
              psnr["stage II"] - psnr["stage I"], ">=", 1),
        Claim("the judge finds no less that is all right (gain)", right["stage II"]["all"] - right["stage I"]["all"], ">=", 0),
        Claim("stage II heeds stage I: its picture is nearer to the one it was made of than to another of the same text (share)",
              metrics["follows"], ">=", 0.75),
        *[Claim(f"with conditioning augmentation {stage} draws one text and one noise in several ways (standard deviation)",
                variety["augmented"][stage], ">", 0) for stage in ("stage I", "stage II")],
        Claim("without it in one way, but for rounding", max(variety["not augmented"].values()), "<=", 1e-6)]


def all_figures(setting: Setting, trained: Trained, measured: Stacked) -> dict:
    """File name -> Figure."""
    from . import stackgan_figures

    return stackgan_figures.all_figures(measured)
