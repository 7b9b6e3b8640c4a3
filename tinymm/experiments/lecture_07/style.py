"""What no text says: an encoder finds the noise behind a picture, and the noise draws another text in the picture's style.

The style of this world is the tint of the ground and where in its place the sprite lies. Both are measured from pixels, so that
drawn pictures, about which nobody knows the truth, can be held against real ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from ... import nn, optim, plot
from ...autograd import Tensor, no_grad
from ...backend.random import Stream, manual_seed, one_of_each, stream
from ...data import DataLoader
from ...data.worlds.placed_sprites import PLACES
from ...models.style_encoder import StyleEncoder, style_loss
from ...nn.chunks import array_in_chunks
from ...train import Trainer
from ..claims import Claim
from .data import Part, Setting
from .evaluation import per_row
from .gan import noise
from .judge import judged, rightness

BATCH, LR = 64, 1e-3
DRAWN = 1000          # pictures to fit the regression on, and as many to hold it against
ASIDE = 100           # questions at which each number of the noise is moved
STEP = 0.1            # how far
INK = 0.5             # a pixel this far from the ground, summed over colours in [-1, 1], belongs to the sprite
SEEN = (2 / 255)**2 / 12   # variance of the rounding to 256 values: what varies less is not to be seen in a picture
NOISES = 20           # for each text, where the variance of style within a text is measured
TABLE = (4, 6)        # texts and pictures of the figure: the first ones


def style_stage(G: nn.Module, setting: Setting, **trainer) -> Trainer:
    """A Trainer that teaches S the noise of G's pictures of training texts; G stays as it is.

    Args:
        G: in evaluation mode.
        setting: of the run, with phi.
        trainer: more arguments for the Trainer.
    """
    manual_seed(setting.seed)
    S = StyleEncoder(G.noise).to(setting.device)
    texts = setting.phi["train"].reshape(-1, setting.phi["train"].shape[-1])               # (4 N, d)
    optimizer, steps = optim.Adam(S.parameters(), lr=LR), setting.size.style_steps

    def step(_):
        rng = stream("styles").generator
        z = Tensor(noise(rng, BATCH, G.noise)).to(setting.device)
        with no_grad():
            x = G(z, Tensor(texts[rng.integers(len(texts), size=BATCH)]).to(setting.device))
        return style_loss(z, S(x))

    return Trainer(S, optimizer, DataLoader(range(steps), 1), step, 1,
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(50, steps // 4), steps), **trainer)


# ---------------------------------------------------------------------- style, from pixels

def ground(images: np.ndarray) -> np.ndarray:
    """The tint of the ground, (N, 3, S, S) -> (N, 3): the median pixel, since a sprite covers less than half."""
    return np.median(images.reshape(*images.shape[:2], -1), 2)


def centre(images: np.ndarray) -> np.ndarray:
    """Row and column of the centre of what stands out from the ground, in pixels, (N, 3, S, S) -> (N, 2); or the middle."""
    away = np.abs(images - ground(images)[:, :, None, None]).sum(1)                        # (N, S, S)
    ink, at = np.where(away > INK, away, 0) + 1e-6, np.arange(images.shape[-1]) + 0.5
    return np.stack([(ink.sum(2) * at).sum(1), (ink.sum(1) * at).sum(1)], 1) / ink.sum((1, 2))[:, None]


class Offsets:
    """Where a sprite lies in its place: its centre, from the mean centre of real pictures of that shape at that place.

    Args:
        real: pictures to take the means of.
    """

    def __init__(self, real: Part):
        centres, self.kinds = centre(real.images), self.kind(real.contents)
        self.means = np.zeros((self.kinds.max() + 1, 2))
        for kind in np.unique(self.kinds):
            self.means[kind] = centres[self.kinds == kind].mean(0)

    @staticmethod
    def kind(contents: np.ndarray) -> np.ndarray:
        """(N, 3) -> (N,) a number for each shape and place."""
        return contents[:, 1] * len(PLACES) + contents[:, 2]

    def __call__(self, images: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """(N, 3, S, S), (N, 3) -> (N, 2) down and right, in pixels."""
        return centre(images) - self.means[self.kind(contents)]


# ---------------------------------------------------------------------- measures

def explained(truth: np.ndarray, said: np.ndarray) -> float:
    """R^2 of several numbers together, (N, k) each: 1 - sum (truth - said)^2 / sum (truth - mean)^2; NaN if they hardly vary."""
    varies = (truth - truth.mean(0))**2
    return float(1 - ((truth - said)**2).sum() / varies.sum()) if varies.mean() > SEEN else float("nan")


def regression(inputs: np.ndarray, answers: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What the linear regression of answers (N, k) on inputs (N, d) says of others (M, d): (M, k)."""
    ones = lambda x: np.concatenate([x, np.ones((len(x), 1))], 1).astype(float)
    return ones(others) @ np.linalg.lstsq(ones(inputs), answers, rcond=None)[0]


def directions(G: nn.Module, z: np.ndarray, h: np.ndarray, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """How much the picture changes along orthogonal directions of the noise: eigenvalues and -vectors of E J'J, J = dG/dz.

    Args:
        G: in evaluation mode.
        z: (K, Z); h: (K, d).
        device: where G is.

    Returns:
        shares (Z,), which add up to 1, the greatest last; and the directions as columns, (Z, Z).
    """
    K, Z = z.shape
    before = per_row(G, z, h, device=device).reshape(K, 1, -1)
    moved = (z[:, None] + STEP * np.eye(Z, dtype=z.dtype)).reshape(K * Z, Z)
    J = (per_row(G, moved, h.repeat(Z, 0), device=device).reshape(K, Z, -1) - before).astype(float)   # (K, Z, pixels)
    values, vectors = np.linalg.eigh(np.einsum("kip,kjp->ij", J, J))
    return values / values.sum(), vectors


def styles(S: StyleEncoder, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """S of pictures: (N, 3, S, S) -> (N, Z)."""
    return array_in_chunks(S, lambda rows: images[rows.start:rows.stop], len(images), 500, device)


def other_texts(rng: np.random.Generator, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """For each picture that has one, a whole text of another colour at the same place, and of any shape.

    Returns:
        indices of pictures (M,), and of the pictures whose first whole text is taken (M,).
    """
    whole, _ = part.whole_texts()
    c = part.contents
    fits = (c[:, None, 0] != c[None, whole, 0]) & (c[:, None, 2] == c[None, whole, 2])       # (N, K)
    pictures = np.flatnonzero(fits.any(1))
    return pictures, whole[one_of_each(rng, fits)[pictures]]


def transfers(S: StyleEncoder, G: nn.Module, setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test pictures in whose style other texts are drawn, those texts' pictures, and what was drawn: (M,), (M,), (M, 3, S, S)."""
    part, device = setting.parts["test"], setting.device
    pictures, others = other_texts(Stream("other texts", setting.seed).generator, part)
    first = dict(zip(*part.whole_texts()))
    h = setting.phi["test"].reshape(-1, setting.phi["test"].shape[-1])[[first[k] for k in others]]
    return pictures, others, per_row(G, styles(S, part.images[pictures], device), h, device=device)


@np.errstate(invalid="ignore", divide="ignore")   # where nothing varies there is no R^2: NaN, which bears no claim out
def measures(S: StyleEncoder, G: nn.Module, setting: Setting) -> dict:
    """How much of the style S finds in pictures, and G draws again.

    "drawn": R^2 of the ground's tint and of the offset of drawn pictures of test texts, by linear regression on S(G(z, t)) that is
    fitted on drawn pictures of training texts; "untrained": the same with S as it was before its training, whose numbers depend on
    the picture, too. "real": the same of real pictures. "noise": R^2 of z itself, each direction of the
    noise weighted with the share of the picture's change along it. "within a text": variance of tint and offset over the noise at
    one text, divided by that of real pictures; near 0 if G draws one picture for each text, and then there is no style to be found.
    "transfer": what is drawn of other texts with S(x) of real test pictures as noise: the judge's verdict; "tint kept" and "offset
    kept" are the squared correlations with those of x (mean over colours, and over down and right), and "tint" R^2 without a fit.

    Args:
        S, G: in evaluation mode.
        setting: of the run.
    """
    device, train, test = setting.device, setting.parts["train"], setting.parts["test"]
    rng, offset = Stream("styles drawn", setting.seed).generator, Offsets(train)

    def draw(name: str):
        part = setting.parts[name]
        pictures, texts = part.whole_texts()
        some = rng.integers(len(texts), size=DRAWN)
        z, h = noise(rng, DRAWN, G.noise), setting.phi[name].reshape(-1, setting.phi[name].shape[-1])[texts[some]]
        return z, h, per_row(G, z, h, device=device), part.contents[pictures[some]]

    (_, _, x, contents), (z, h, x_test, contents_test) = draw("train"), draw("test")
    s, s_test = styles(S, x, device), styles(S, x_test, device)
    real, real_test = styles(S, train.images[:DRAWN], device), styles(S, test.images, device)
    manual_seed(setting.seed)
    fresh = StyleEncoder(G.noise).to(device).eval()
    u, u_test = styles(fresh, x, device), styles(fresh, x_test, device)
    of: dict[str, Callable] = {"tint": lambda images, contents: ground(images), "offset": offset}
    drawn, untrained = ({name: explained(f(x_test, contents_test), regression(a, f(x, contents), b)) for name, f in of.items()}
                        for a, b in ((s, s_test), (u, u_test)))
    of_real = {name: explained(f(test.images, test.contents), regression(real, f(train.images, train.contents)[:DRAWN], real_test))
               for name, f in of.items()}

    share, vectors = directions(G, z[:ASIDE], h[:ASIDE], device)
    each = 1 - (((z - s_test) @ vectors)**2).sum(0) / ((z @ vectors)**2).sum(0)              # (Z,)

    K = DRAWN // NOISES
    some, c = per_row(G, z[:K * NOISES], h[:K].repeat(NOISES, 0), device=device), contents_test[:K].repeat(NOISES, 0)
    within = {name: float(f(some, c).reshape(K, NOISES, -1).var(1).mean() / f(test.images, test.contents).var(0).mean())
              for name, f in of.items()}

    pictures, others, moved = transfers(S, G, setting)
    before, after = test.contents[pictures], test.contents[others]
    kept = lambda a, b: float(np.mean([np.corrcoef(p, q)[0, 1]**2 for p, q in zip(a.T, b.T)]))
    tints = ground(test.images[pictures]), ground(moved)
    return {"drawn": drawn, "untrained": untrained, "real": of_real, "noise": float(share @ each),
            "along the first direction": float(each[-1]), "within a text": within,
            "transfer": {**rightness(judged(setting.judge, moved, device), after), "tint": explained(*tints),
                         "tint kept": kept(*tints),
                         "offset kept": kept(offset(test.images[pictures], before), offset(moved, after)),
                         "pictures": len(pictures)}}


def claims_of(found: dict) -> list[Claim]:
    """The claims about style.

    Args:
        found: what ``measures`` gave.
    """
    return [Claim("S finds the noise of drawn pictures, along the directions that G uses (R^2)", found["noise"], ">=", 0.5),
            *[Claim(f"and {what} (R^2, linear regression on S of drawn pictures)", found["drawn"][name], ">=", 0.5)
              for name, what in (("tint", "the ground's tint"), ("offset", "the sprite's offset in its place"))],
            Claim("drawn in another picture's style, a text keeps its colour (judge)", found["transfer"]["colour"], ">=", 0.8),
            Claim("and the ground that picture's tint (squared correlation)", found["transfer"]["tint kept"], ">=", 0.5)]


def table_figure(S: StyleEncoder, G: nn.Module, setting: Setting) -> Figure:
    """The style table: real pictures above, and below each of them some texts, drawn in its style; the first ones of the test."""
    texts, count = TABLE
    part, device = setting.parts["test"], setting.device
    _, whole = part.whole_texts()
    h = setting.phi["test"].reshape(-1, setting.phi["test"].shape[-1])[whole[:texts]]
    x = part.images[:count]
    s = styles(S, x, device)
    shown = lambda images: list(np.clip((images + 1) / 2, 0, 1))
    drawn = [per_row(G, s, h[k:k + 1].repeat(len(s), 0), device=device) for k in range(len(h))]
    return plot.picture_table([("style of", shown(x)), *((part.texts[t], shown(row)) for t, row in zip(whole, drawn))])


def all_figures(S: StyleEncoder, G: nn.Module, setting: Setting) -> dict:
    """File name -> Figure."""
    return {"style.png": table_figure(S, G, setting)}
