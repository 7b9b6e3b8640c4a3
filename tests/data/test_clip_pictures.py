"""Pictures as CLIP takes them."""

import numpy as np
import pytest
from PIL import Image

from tinymm.data.readers.clip_pictures import normalize_picture, read_clip_picture
from tinymm.data.readers.images import read_picture


def test_a_picture_by_pillow_and_by_hand(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    scaled = Image.fromarray(pixels).resize((16 * 60 // 37, 16), Image.Resampling.BICUBIC)     # 25 x 16
    left = round((25 - 16) / 2)
    cut = np.asarray(scaled.crop((left, 0, left + 16, 16)), dtype=np.float64) / 255
    wanted = (cut - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
    found = read_clip_picture(tmp_path / "a.png", 16)
    assert found.dtype == np.float32 and found.shape == (3, 16, 16)
    np.testing.assert_allclose(found, wanted.transpose(2, 0, 1), rtol=0, atol=2e-6)


def test_a_batch_is_normalised_as_its_pictures():
    batch = np.random.default_rng(1).random((2, 3, 5, 4))
    np.testing.assert_array_equal(normalize_picture(batch)[1], normalize_picture(batch[1]))


def test_bicubic_is_not_bilinear(tmp_path):
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    one, other = (read_picture(tmp_path / "a.png", 12, resample=how) for how in ("bilinear", "bicubic"))
    assert np.abs(one - other).max() > 0.01
    with pytest.raises(ValueError, match="resample='nearest'; choose 'bilinear' or 'bicubic'"):
        read_picture(tmp_path / "a.png", 12, resample="nearest")


@pytest.mark.oracle
def test_the_same_as_hugging_faces_processor(tmp_path):
    transformers = pytest.importorskip("transformers")
    try:
        processor = transformers.CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    except ImportError:   # newer versions may want torchvision
        processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
            size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    # an odd margin is cut as torchvision does, as in OpenAI's code (13.5 is 14 pixels); Hugging Face's has 13
    for i, shape in enumerate([(50, 80, 3), (70, 33, 3), (24, 24, 3)]):
        pixels = np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        wanted = processor(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(read_clip_picture(tmp_path / f"{i}.png", 24), wanted, rtol=0, atol=3e-6)
