"""Style in lecture 7: what is measured from pixels, and that the measures tell a G with style from one without."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinymm import nn
from tinymm.autograd import Tensor
from tinymm.backend.random import manual_seed
from tinymm.data.worlds.placed_sprites import ATTRIBUTES, CANVAS, COLOURS, ROOM, SIDES, PlacedSprites
from tinymm.experiments.lecture_07 import style
from tinymm.experiments.lecture_07.data import Part, Setting
from tinymm.experiments.lecture_07.judge import COUNTS, Judge
from tinymm.models.style_encoder import StyleEncoder
from tinymm.models.text_to_image_gan import Generator

MIDDLE, TINT, SHIFT = -0.7, 0.15, 0.7     # of the ground, and what a number of the noise does to it and to the place
SIDE, FAR = SIDES[0] // 2, (CANVAS - ROOM) // 2     # of a sprite in the small picture, and where the far places begin there
PAINT = 2 * np.array(list(COLOURS.values())) - 1


class Painter(nn.Module):
    """A G that is known: z[:3] is the ground's tint, z[3:5] moves the sprite, z[5] does nothing; or it ignores all of them."""

    noise = 6

    def __init__(self, heeds: bool = True):
        super().__init__()
        self.heeds = heeds

    def forward(self, z, h):
        z, h = z.numpy() * self.heeds, h.numpy()
        tint, at = MIDDLE + TINT * z[:, :3], np.arange(16)
        offset = np.clip(np.round(1 + SHIFT * z[:, 3:5]), 0, 2)
        place = h[:, 12:].argmax(1)
        edge = FAR * np.stack([place // 2, place % 2], 1) + offset                                 # (N, 2)
        rows, columns = ((at >= edge[:, k, None]) & (at < edge[:, k, None] + SIDE) for k in range(2))
        sprite = (rows[:, :, None] & columns[:, None])[:, None]                                    # (N, 1, 16, 16)
        colour = PAINT[h[:, :6].argmax(1)][:, :, None, None]
        return Tensor(np.where(sprite, colour, tint[:, :, None, None]).astype(np.float32))


class Reader(nn.Module):
    """The S that knows the Painter."""

    def forward(self, x):
        x = x.numpy()
        centre = style.centre(x)
        offset = (np.where(centre < 8, centre, centre - FAR) - SIDE / 2 - 1) / SHIFT
        return Tensor(np.concatenate([(style.ground(x) - MIDDLE) / TINT, offset, 0 * offset[:, :1]], 1).astype(np.float32))


@pytest.fixture(scope="module")
def setting():
    """Pictures, and what their texts say in the place of phi."""
    parts = {name: Part.of(PlacedSprites(name, count)) for name, count in (("train", 480), ("test", 240))}
    said = lambda part: [np.eye(k + 1, dtype=np.float32)[part.mentions[..., j]][..., :k] for j, k in enumerate(COUNTS)]
    phi = {name: np.concatenate(said(part), -1) for name, part in parts.items()}                   # (N, 4, 16)
    manual_seed(0)
    return Setting("cls", parts, 1, SimpleNamespace(style_steps=12), 0, "cpu", judge=Judge(ATTRIBUTES).eval(), phi=phi)


def test_tint_and_offset_are_read_from_real_pictures(setting):
    part = setting.parts["test"]
    pictures, offset = part.world.pictures, style.Offsets(setting.parts["train"])
    tint = 2 * np.stack([p.tint for p in pictures]) - 1
    middle = np.stack([p.offset * (ROOM - p.side) / 2 + p.side / 4 for p in pictures])               # of the box, in its place
    assert style.explained(tint, style.ground(part.images)) > 0.95
    found = offset(part.images, part.contents)
    assert style.explained(middle, style.regression(found, middle, found)) > 0.9


def test_regression_and_explained_by_hand():
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((50, 3)), rng.standard_normal((3, 2))
    np.testing.assert_allclose(style.regression(x[:30], x[:30] @ W + 4, x[30:]), x[30:] @ W + 4, atol=1e-10)
    y = np.array([[0.0], [2.0]])
    assert style.explained(y, y) == 1 and style.explained(y, y.mean(0)) == 0 and style.explained(y, y + 2) == -3
    assert np.isnan(style.explained(y / 1e4, y / 1e4))                                             # nobody could see it


def test_the_directions_that_g_uses_are_those_of_its_jacobian():
    class Linear(nn.Module):
        def forward(self, z, h):
            return Tensor(z.numpy() @ A)

    A = np.array([[3.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], np.float32)                         # z[1] is ignored
    z = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    share, vectors = style.directions(Linear(), z, np.zeros((5, 2), np.float32))
    np.testing.assert_allclose(share, [0, 0.1, 0.9], atol=1e-5)
    np.testing.assert_allclose(abs(vectors), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-4)


def test_other_texts_change_the_colour_and_keep_the_place(setting):
    part = setting.parts["test"]
    pictures, others = style.other_texts(np.random.default_rng(0), part)
    mine, theirs = part.contents[pictures], part.contents[others]
    assert len(pictures) == len(part) and (mine[:, 0] != theirs[:, 0]).all() and (mine[:, 2] == theirs[:, 2]).all()
    assert (mine[:, 1] != theirs[:, 1]).any()


def test_a_g_with_style_and_an_s_that_knows_it_bear_the_claims_out(setting):
    found = style.measures(Reader(), Painter(), setting)
    assert found["noise"] > 0.7 and min(found["drawn"].values()) > 0.8                             # whole pixels hide some of z
    assert found["transfer"]["tint kept"] > 0.99 and found["transfer"]["tint"] > 0.99 and 0.5 < found["within a text"]["tint"] < 2
    assert found["transfer"]["offset kept"] > 0.3                                                  # whole pixels, and its squares
    claims = style.claims_of(found)
    assert [c.holds for c in claims if "colour" not in c.statement] == [True] * 4


def test_a_g_without_style_does_not(setting):
    """One picture for each text: there is nothing to be found, whatever S says."""
    G = Painter(heeds=False)
    x = G(Tensor(np.zeros((2, 6), np.float32)), Tensor(setting.phi["test"][:2, 0]))
    assert x.shape == (2, 3, 16, 16)
    found = style.measures(Reader(), G, setting)
    assert found["within a text"] == pytest.approx({"tint": 0, "offset": 0}, abs=1e-9)
    assert not any(c.holds for c in style.claims_of(found) if "colour" not in c.statement)


def test_s_learns_and_g_stays(setting):
    manual_seed(1)
    G = Generator(16, (8, 8), noise=4, embedding=8).eval()
    before = {name: value.numpy().copy() for name, value in G.state_dict().items()}
    trainer = style.style_stage(G, setting)
    trainer.fit()
    assert isinstance(trainer.model, StyleEncoder) and len(trainer.history["loss"]) == setting.size.style_steps
    assert trainer.history["loss"][0] == pytest.approx(4, abs=1.5)                                 # E ||z||^2, since S is near 0
    assert all((value.numpy() == before[name]).all() for name, value in G.state_dict().items())


def test_the_style_table_has_a_row_for_each_text(setting):
    figure = style.all_figures(Reader(), Painter(), setting)["style.png"]
    texts, pictures = style.TABLE
    assert len(figure.axes) == (texts + 1) * pictures
