"""Visual N-Grams from pixels: its shapes, and that pictures learn to say their phrases."""

import numpy as np

import tinymm
from tinymm import Tensor, optim
from tinymm.models.ngram_pictures import NGramPictures
from tinymm.text.ngram_dictionary import NGramDictionary

COMMENTS = [["red", "circle"], ["blue", "square"]]


def test_a_tower_and_its_phrases_learn_two_pictures():
    tinymm.manual_seed(0)
    dictionary = NGramDictionary.build(COMMENTS, order=2)
    model = NGramPictures(dictionary, (1, 1, 1, 1), embedding=12, heads=2, resolution=32, width=8)
    images = Tensor(np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32))
    assert model(images).shape == (2, 12) and model.ngrams.e.shape == (len(dictionary), 12)
    optimizer, losses = optim.Adam(model.parameters(), lr=3e-3), []
    for _ in range(25):
        optimizer.zero_grad()
        losses.append(model.ngrams.loss(model(images), COMMENTS, "naive"))
        losses[-1].backward()
        optimizer.step()
    assert all(np.abs(p.grad.numpy()).max() > 0 for p in (model.tower.conv1.weight, model.ngrams.e))
    assert float(losses[-1].detach()) < 0.8 * float(losses[0].detach())
    assert model.ngrams.score(model(images), COMMENTS).argmax(1).tolist() == [0, 1]
