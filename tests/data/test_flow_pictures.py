"""Flow pictures: the paper's formula by hand, there and back, and what a mirror does."""

import numpy as np
import pytest

from tinymm.data.flow_pictures import centred, flow_of, flow_pictures, mirrored_flow

RNG = np.random.default_rng(0)


def test_the_formula_by_hand():
    u, v = np.array([[0.0, 3.0, -9.0, 20.0]]), np.array([[0.0, -4.0, 0.5, 0.0]])
    assert flow_pictures(u, v)[:, 0].tolist() == [[128, 176, 0, 255],          # 16 u + 128, cut off at 0 and 255
                                                  [128, 64, 136, 128],
                                                  [128, 208, 255, 255]]        # 16 * 5 + 128; its zero is 128, too
    assert flow_pictures(u, v).dtype == np.uint8


def test_there_and_back():
    u, v = RNG.uniform(-7.9, 7.9, (2, 5, 6, 7))
    for known, found in zip((u, v), flow_of(flow_pictures(u, v))):
        assert found.dtype == np.float32 and np.abs(found - known).max() <= 1 / 32 + 1e-6


def test_the_mirror_turns_the_picture_and_the_motion():
    """The pictures of the mirrored motion: places and the signs of u are exchanged, v is not."""
    u, v = RNG.integers(-127, 127, (2, 3, 4, 6)) / 16
    assert np.array_equal(mirrored_flow(flow_pictures(u, v)), flow_pictures(-u[..., ::-1], v[..., ::-1]))
    pictures = flow_pictures(u, v)
    assert np.array_equal(mirrored_flow(mirrored_flow(pictures)), pictures)
    assert mirrored_flow(np.zeros((3, 1, 1), np.uint8))[0, 0, 0] == 255       # of 0, a motion of 8 pixels and more to the left
    assert np.array_equal(pictures, flow_pictures(u, v))                      # what was given is as it was


def test_no_motion_is_zero_to_the_network():
    still = flow_pictures(np.zeros((2, 2)), np.zeros((2, 2)))
    assert not centred(still).any() and centred(still).dtype == np.float32
    assert centred(flow_pictures(np.full((1, 1), 4.0), np.zeros((1, 1)))).ravel().tolist() == [0.5, 0.0, 0.5]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"flow_pictures: u has shape \(2, 3\) and v \(3, 2\)"):
        flow_pictures(np.zeros((2, 3)), np.zeros((3, 2)))
    for function in (flow_of, mirrored_flow):
        with pytest.raises(ValueError, match=rf"{function.__name__}: pictures of shape \(2, 4, 4\) and dtype uint8"):
            function(np.zeros((2, 4, 4), np.uint8))
        with pytest.raises(ValueError, match="dtype float64; they must be"):
            function(np.zeros((3, 4, 4)))


def test_an_unknown_displacement_is_refused():
    with pytest.raises(ValueError, match="u or v has NaN in it; a picture has no value for an unknown displacement, set it to 0"):
        flow_pictures(np.array([[0.0, np.nan]]), np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float16"])
def test_displacements_of_small_types_do_not_overflow(dtype):
    u = np.array([[3, 100]], dtype)
    np.testing.assert_array_equal(flow_pictures(u, 0 * u), [[[176, 255]], [[128, 128]], [[176, 255]]])
