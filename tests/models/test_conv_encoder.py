"""The convolutional encoder: what each annotation vector sees, where it says it is, and PyTorch's values."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad
from tinymm.models.conv_encoder import ConvEncoder


def monotone(channels, coordinates=False):
    """An encoder whose every annotation vector grows when any pixel that it sees grows: weights are positive."""
    encoder = ConvEncoder(1, channels, coordinates).double().eval()
    with no_grad():
        for p in encoder.parameters():
            p[...] = Tensor(np.abs(p.detach().numpy()) + 0.1)
    return encoder


@pytest.mark.parametrize("channels, height, width", [((2,), 6, 9), ((2, 2), 13, 16), ((2, 1, 2), 24, 40), ((1, 1, 2), 31, 20),
                                                     ((1, 1, 2), 9, 55)])
def test_receptive_field_is_what_moves_the_annotation(channels, height, width):
    """Brighten one pixel after another: annotation i changes if and only if the pixel is in field(i)."""
    encoder, rng = monotone(channels), np.random.default_rng(0)
    picture = rng.random((height, width))
    brighter = np.repeat(picture[None], height * width, 0)
    brighter.reshape(height * width, -1)[np.arange(height * width), np.arange(height * width)] += 100
    with no_grad():
        before = encoder(Tensor(picture[None, None])).numpy()                  # (1, L, D)
        after = encoder(Tensor(brighter[:, None])).numpy()                     # (pixels, L, D)
    moved = (np.abs(after - before) > 1e-9).any(2).reshape(height, width, -1)  # (height, width, L)
    rows, columns = encoder.grid(height, width)
    assert before.shape[1] == rows * columns == moved.shape[2] > 0
    for i in range(rows * columns):
        top, left, bottom, right = encoder.field(i, height, width)
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
        expected = np.zeros((height, width), bool)
        expected[top:bottom, left:right] = True
        np.testing.assert_array_equal(moved[:, :, i], expected)


@pytest.mark.parametrize("stages, stride, field", [(1, 2, 4), (2, 4, 10), (3, 8, 22), (4, 16, 46)])
def test_stride_and_field_by_hand(stages, stride, field):
    """Going back from one annotation vector, a stage at a time: 1, 4, 10, 22, 46 pixels a side."""
    encoder = ConvEncoder(channels=(1,) * stages)
    size = 1
    for _ in range(stages):
        size = 2 * size + 2   # the pooling doubles what is seen, the convolution adds a pixel on each side
    assert (encoder.stride, encoder.receptive_field) == (stride, field) and size == field
    side = 16 * stride
    middle = encoder.grid(side, side)[1] * 8 + 8
    top, left, bottom, right = encoder.field(middle, side, side)
    assert bottom - top == right - left == field
    assert (top + bottom) / 2 == (left + right) / 2 == 8 * stride + stride / 2   # centred on its cell


def test_gradients_stay_inside_the_field():
    """With the weights as they are drawn: nothing outside, something inside, and the rim of the field within reach."""
    tinymm.manual_seed(1)
    encoder = ConvEncoder(1, (4, 6, 8)).double().eval()
    rng, reached = np.random.default_rng(2), {}
    for _ in range(30):   # max pooling and ReLU let few pixels through at a time
        picture = Tensor(rng.normal(size=(1, 1, 48, 48)), requires_grad=True)
        a = encoder(picture)
        for i in (0, 14, 21, 35):
            gradient = tinymm.grad(a[0, i].sum(), [picture], retain_graph=True)[0].numpy()[0, 0]
            reached[i] = reached.get(i, 0) + (gradient != 0)
    for i, count in reached.items():
        top, left, bottom, right = encoder.field(i, 48, 48)
        inside = count[top:bottom, left:right]
        assert inside.sum() == count.sum()
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_coordinates_are_the_centres_of_the_cells():
    encoder = ConvEncoder(3, (2, 5))
    a = encoder(Tensor(np.zeros((2, 3, 8, 17), np.float32)))
    assert a.shape == (2, 2 * 4, 7) and encoder.features == 7 and a.dtype == np.float32 and encoder.grid(8, 17) == (2, 4)
    place = a.detach().numpy()[:, :, -2:]
    np.testing.assert_array_equal(place[0], place[1])
    np.testing.assert_allclose(place[0], [(y, x) for y in (-0.5, 0.5) for x in (-0.75, -0.25, 0.25, 0.75)])
    bare = ConvEncoder(3, (2, 5), coordinates=False)
    bare.load_state_dict(encoder.state_dict())
    assert bare.features == 5
    np.testing.assert_array_equal(bare.eval()(Tensor(np.ones((1, 3, 8, 8), np.float32))).detach().numpy(),
                                  encoder.eval()(Tensor(np.ones((1, 3, 8, 8), np.float32))).detach().numpy()[:, :, :5])


def test_locations_run_along_rows_from_the_top():
    encoder = monotone((1, 1))
    picture = np.zeros((12, 16))
    picture[5, 10] = 1   # row 1, column 2 of the grid 3 x 4, and so far from any other cell's middle
    a = encoder(Tensor(picture[None, None])).detach().numpy()[0, :, 0]
    assert a.argmax() == 1 * 4 + 2
    grid = encoder.feature_map(Tensor(picture[None, None])).detach().numpy()
    np.testing.assert_array_equal(grid.reshape(12), a)


def test_batch_normalisation_only_in_training():
    """Then, brightness and contrast of all pictures together do not matter; afterwards, each picture is alone."""
    tinymm.manual_seed(7)
    encoder = ConvEncoder(1, (3, 4)).double()
    pictures = np.random.default_rng(8).normal(size=(4, 1, 12, 12))
    plain, strong = (encoder(Tensor(scale * pictures)).detach().numpy() for scale in (1.0, 50.0))
    np.testing.assert_allclose(plain[:, :, :4], strong[:, :, :4], rtol=0, atol=1e-3)
    encoder.eval()
    whole = encoder(Tensor(pictures)).detach().numpy()
    assert np.abs(whole - encoder(Tensor(50 * pictures)).detach().numpy()).max() > 1
    np.testing.assert_allclose(encoder(Tensor(pictures[2:3])).detach().numpy()[0], whole[2], rtol=0, atol=1e-13)


def test_gradcheck():
    tinymm.manual_seed(3)
    encoder = ConvEncoder(2, (2, 3))
    pictures = np.random.default_rng(4).normal(size=(2, 2, 8, 8))
    for mode in (True, False):
        encoder.train(mode)
        report = gradcheck(encoder, [Tensor(pictures, requires_grad=True)], curve=False,
                           writes=[name for name, _ in encoder.named_buffers()] if mode else ())
        assert report.ok, report


@pytest.mark.oracle
@pytest.mark.parametrize("training", [True, False])
def test_same_as_pytorch(training):
    torch = pytest.importorskip("torch")
    tinymm.manual_seed(5)
    encoder = ConvEncoder(3, (4, 5, 6), coordinates=False).double()
    rng = np.random.default_rng(6)
    with no_grad():
        for name, buffer in encoder.named_buffers():
            if name.endswith("mean") or name.endswith("var"):
                buffer[...] = Tensor(rng.random(buffer.shape) + 0.5)
    layers, before = [], 3
    for width in (4, 5, 6):
        layers += [torch.nn.Conv2d(before, width, 3, padding=1), torch.nn.BatchNorm2d(width), torch.nn.ReLU(),
                   torch.nn.MaxPool2d(2)]
        before = width
    other = torch.nn.Sequential(*layers).double()
    other.load_state_dict({name.removeprefix("layers."): torch.from_numpy(np.array(value.numpy()))
                           for name, value in encoder.state_dict().items()})
    encoder.train(training), other.train(training)
    pictures = rng.normal(size=(3, 3, 19, 24))
    mine, theirs = Tensor(pictures, requires_grad=True), torch.tensor(pictures, requires_grad=True)
    found, wanted = encoder(mine), other(theirs).permute(0, 2, 3, 1).reshape(3, 6, 6)
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-12)
    weights = rng.normal(size=found.shape)
    (found * Tensor(weights)).sum().backward(), (wanted * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=1e-10)
    for (name, p), q in zip(encoder.named_parameters(), other.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("shape, message", [
    ((2, 1, 48, 48), r"pictures of shape \(2, 1, 48, 48\); it takes \(B, C=3, H, W\)"),
    ((3, 48, 48), r"pictures of shape \(3, 48, 48\)"),
    ((1, 3, 7, 48), "pictures of 7 x 48 pixels give no annotation vector; they must have at least 8 pixels a side"),
    ((1, 3, 48, 3), "pictures of 48 x 3 pixels")])
def test_pictures_that_do_not_fit(shape, message):
    with pytest.raises(ValueError, match="ConvEncoder: " + message):
        ConvEncoder(3)(Tensor(np.zeros(shape, np.float32)))


@pytest.mark.parametrize("location", [-1, 36])
def test_locations_that_are_not_there(location):
    with pytest.raises(ValueError, match=f"ConvEncoder.field: location {location} is not among the 36 of a 48 x 48 picture"):
        ConvEncoder().field(location, 48, 48)
