"""The encoder of whole pictures: its pooling by hand, its shapes, its errors."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, nn
from tinymm.models.picture_encoder import PictureEncoder


def test_strips_are_maxima_of_the_picture_its_rows_and_its_columns():
    tinymm.manual_seed(0)
    encoder = PictureEncoder(2, (8, 12), channels=(3, 4), layers=()).eval()
    images = np.random.default_rng(0).standard_normal((5, 2, 8, 12)).astype(np.float32)
    a = encoder.conv.feature_map(Tensor(images)).detach().numpy()              # (5, 4, 2, 3)
    assert a.shape == (5, 4, *encoder.grid) == (5, 4, 2, 3) and encoder.features == 4 * (1 + 2 + 3)
    by_hand = np.array([[[a[n, d].max(), *(max(row) for row in a[n, d]), *(max(column) for column in a[n, d].T)]
                         for d in range(4)] for n in range(5)])
    np.testing.assert_array_equal(encoder(Tensor(images)).detach().numpy(), by_hand.reshape(5, -1))


def test_connected_layers_end_without_a_relu():
    encoder = PictureEncoder(3, (8, 8), channels=(4,), layers=(6, 5))
    assert [type(layer) for layer in encoder.connected] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d]
    out = encoder(Tensor(np.random.default_rng(1).standard_normal((16, 3, 8, 8)).astype(np.float32)))
    assert out.shape == (16, 5) and encoder.features == 5
    np.testing.assert_allclose(out.detach().numpy().mean(0), 0, atol=1e-5)     # in training the batch decides
    assert out.detach().numpy().min() < 0


def test_its_gradients():
    tinymm.manual_seed(0)
    encoder = PictureEncoder(1, (4, 6), channels=(3,), layers=(4,)).double()
    images = Tensor(np.random.default_rng(2).standard_normal((5, 1, 4, 6)))
    names = [name for name, _ in encoder.named_parameters()]
    report = gradcheck(lambda *parameters: encoder(images), list(encoder.parameters()))
    assert report.ok, (names, str(report))


def test_pictures_of_another_size_are_refused():
    encoder = PictureEncoder(1, (16, 16), channels=(2, 2))
    with pytest.raises(ValueError, match=r"pictures of 16 x 24 pixels have a grid of \(4, 6\); this encoder was made for \(4, 4\)"):
        encoder(Tensor(np.zeros((2, 1, 16, 24), np.float32)))
