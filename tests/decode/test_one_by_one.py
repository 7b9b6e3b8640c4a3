"""The other side of ``python -m tinymm bench --beam``: a search that expands one hypothesis at a time finds the same sentences."""

import importlib
import sys

import numpy as np
import pytest

from tests.decode.models import START, TableModel, same
from tinymm import Tensor, no_grad
from tinymm.bench.cli import BEAMS, folder_of_twins
from tinymm.decode import beam_search


@pytest.fixture
def sides(monkeypatch):
    """The modules beam_together and beam_one_by_one of the bench."""
    monkeypatch.syspath_prepend(str(folder_of_twins()))
    yield [importlib.import_module(name) for name in ("beam_together", "beam_one_by_one")]
    for name in ("beam_together", "beam_one_by_one"):
        sys.modules.pop(name)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
def test_same_sentences_of_models_that_can_be_enumerated(sides, zeros):
    model = TableModel.random(seed=31, images=12, K=5, depth=4, zeros=zeros)

    def step(tokens, state):
        log_probs, state = model.step(tokens, state)
        return Tensor(log_probs), state

    with no_grad():
        for rule in (dict(beam_size=1), dict(beam_size=3, n_best=3), dict(beam_size=20, n_best=5),
                     dict(beam_size=6, n_best=2, length_penalty=0.8)):
            rule |= dict(start=START, end=0, max_length=4)
            model.rows.clear()
            together = beam_search(step, model.state(), 12, **rule)
            calls = sum(model.rows)
            model.rows.clear()
            for image, found in enumerate(together):
                same(found, sides[1].beam_search(step, model.state([image]), **rule))
            assert model.rows == [1] * calls   # as many hypotheses, each in a call of its own


def test_same_captions_of_the_benchs_pictures(sides):
    """In float32, where one row's products are rounded otherwise than many rows'."""
    generator, pictures, rule = sides[0].model("lecture")
    rule["max_length"] = 5
    with no_grad():
        together = beam_search(generator.step, generator.start(Tensor(pictures[:4])), 4, n_best=3, **rule)
        for i, found in enumerate(together):
            alone = sides[1].beam_search(generator.step, generator.start(Tensor(pictures[i:i + 1])), n_best=3, **rule)
            assert [(h.tokens, h.finished) for h in found] == [(words, finished) for words, _, _, finished in alone]
            np.testing.assert_allclose([h.log_prob for h in found], [log_prob for _, log_prob, _, _ in alone], rtol=0, atol=1e-4)


def test_both_sides_have_the_works(sides):
    assert [set(side.WORKS) for side in sides] == [set(BEAMS)] * 2
    together, alone = (side.WORKS["lecture_32"]() for side in sides)
    captions = [found[0].tokens for found in together()]
    assert len(captions) == 32
    assert [alone()[0][0] for _ in range(2)] == captions[:2]   # picture after picture


def test_nearly_all_searches_of_the_bench_take_all_steps(sides):
    generator, pictures, rule = sides[0].model("lecture")
    rows = []

    def step(tokens, state):
        rows.append(len(tokens))
        return generator.step(tokens, state)

    with no_grad():
        beam_search(step, generator.start(Tensor(pictures)), 32, **rule)
    assert len(rows) == rule["max_length"] and rows[0] == 32 and min(rows[1:]) >= 0.9 * 32 * rule["beam_size"]
