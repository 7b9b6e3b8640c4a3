"""Readers of published caption datasets, on small files in the real formats and, where it is there, on real COCO."""

import json
import os
import pathlib

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.data import DataLoader
from tinymm.data.readers.captions import CaptionDataset, CaptionedImage
from tinymm.data.readers.coco_captions import read_coco_captions
from tinymm.data.readers.flickr import read_flickr8k, read_flickr30k
from tinymm.data.readers.images import read_picture
from tinymm.data.readers.karpathy import read_karpathy

REAL = os.environ.get("TINYMM_REAL_DATA")


def paint(path, height=6, width=8, color=(255, 0, 0)):
    """A picture of one colour; returns its path."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), color).save(path)
    return path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((content if isinstance(content, str) else json.dumps(content)).encode())
    return path


# pictures

def test_a_picture_becomes_channels_first_floats(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.dtype == np.float32 and picture.flags.c_contiguous
    np.testing.assert_array_equal(picture, pixels.transpose(2, 0, 1) / np.float32(255))
    grey = read_picture(tmp_path / "a.png", channels=1)
    assert grey.shape == (1, 5, 7)
    np.testing.assert_allclose(grey[0], pixels @ [0.299, 0.587, 0.114] / 255, atol=1 / 255)


def test_every_mode_is_read(tmp_path):
    from PIL import Image

    red = Image.new("RGB", (4, 3), (255, 0, 0))
    half = Image.new("RGBA", (4, 3), (255, 0, 0, 51))   # a fifth of red over white
    invisible = Image.new("LA", (4, 3), (0, 0))
    palette = red.quantize(2)
    palette.putpixel((0, 0), 1)
    red_index = palette.getpixel((1, 1))
    palette.info["transparency"] = red_index
    palette.save(tmp_path / "transparent.gif", transparency=red_index)
    keyed = tmp_path / "keyed.png"
    red.save(keyed, transparency=(255, 0, 0))
    cases = {"rgb.png": (red, (1, 0, 0)), "palette.png": (red.quantize(2), (1, 0, 0)), "rgba.png": (half, (1, 0.8, 0.8)),
             "la.png": (invisible, (1, 1, 1)), "grey.png": (Image.new("L", (4, 3), 51), (0.2, 0.2, 0.2)),
             "bits.png": (Image.new("1", (4, 3), 1), (1, 1, 1)),
             "cmyk.tif": (Image.new("CMYK", (4, 3), (0, 255, 255, 0)), (1, 0, 0)),
             "deep.png": (Image.fromarray(np.full((3, 4), 13107, np.uint16)), (0.2, 0.2, 0.2))}
    for name, (image, expected) in cases.items():
        image.save(tmp_path / name)
        picture = read_picture(tmp_path / name)
        assert picture.shape == (3, 3, 4), name
        np.testing.assert_allclose(picture[:, 1, 1], expected, atol=0.005, err_msg=name)
        assert read_picture(tmp_path / name, channels=1).shape == (1, 3, 4), name
    for path in (tmp_path / "transparent.gif", keyed):
        np.testing.assert_array_equal(read_picture(path)[:, 1, 1], (1, 1, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    from PIL import Image

    upright = np.array([[0, 60, 120], [180, 210, 255]], np.uint8)   # no two of its eight positions are alike
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T, 6: np.rot90(upright),
              7: np.rot90(upright, 2).T, 8: np.rot90(upright, -1)}[orientation]   # EXIF 2.3, tag 0x0112
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_allclose(read_picture(tmp_path / "a.png", channels=1)[0] * 255, upright)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_damaged_exif_does_not_stop_the_reading(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x8769] = 6, "maker", (1, 2), {0x829A: (1, 100)}
    whole, rng = exif.tobytes(), np.random.default_rng(4)
    turned = 0
    for _ in range(200):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[rng.integers(6, len(whole), 3)] = rng.integers(0, 13, 3)
        Image.new("RGB", (4, 3), (0, 0, 255)).save(tmp_path / "a.jpg", exif=damaged.tobytes())
        picture = read_picture(tmp_path / "a.jpg")
        assert picture.shape in {(3, 3, 4), (3, 4, 3)}
        turned += picture.shape == (3, 4, 3)
    assert 50 < turned < 200   # damage is mostly elsewhere than in the orientation; how much Pillow forgives depends on its version
    Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert read_picture(tmp_path / "a.jpg").shape == (3, 3, 4)


@pytest.mark.parametrize("height, width", [(6, 8), (8, 6), (30, 7), (5, 5), (3, 50)])
@pytest.mark.parametrize("size", [5, 6, 16, (4, 9), (9, 4)])
def test_the_size_asked_for_is_the_size_given(tmp_path, height, width, size):
    wanted = size if isinstance(size, tuple) else (size, size)
    assert read_picture(paint(tmp_path / "a.png", height, width), size).shape == (3, *wanted)


def test_the_centre_is_kept_and_nothing_is_stretched(tmp_path):
    from PIL import Image

    pixels = np.zeros((4, 10), np.uint8)
    pixels[:, 3:7] = 255   # a white square in the middle
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png", 4, channels=1), np.ones((1, 4, 4)))
    wide = read_picture(tmp_path / "a.png", 40, channels=1)[0]
    assert wide[:, 5:-5].min() == 1 and wide.shape == (40, 40)


def test_pictures_that_cannot_be_read_are_explained(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(FileNotFoundError, match=r"read_picture: .*nowhere\.jpg does not exist"):
        read_picture(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match="is a folder, not a picture"):
        read_picture(tmp_path)
    write(tmp_path / "page.jpg", "<html>404 Not Found</html>")
    write(tmp_path / "empty.jpg", "")
    for name in ("page.jpg", "empty.jpg"):
        with pytest.raises(ValueError, match=rf"{name} is not a whole, readable picture \(no picture format that Pillow knows\)"):
            read_picture(tmp_path / name)
    for ending in ("jpg", "png", "gif", "bmp", "tif", "webp"):
        noise.save(tmp_path / f"whole.{ending}")
        data = (tmp_path / f"whole.{ending}").read_bytes()
        (tmp_path / f"cut.{ending}").write_bytes(data[:len(data) // 2])
        with pytest.raises(ValueError, match=rf"cut\.{ending} is not a whole, readable picture \(.+\)"):
            read_picture(tmp_path / f"cut.{ending}")
    Image.new("F", (4, 3), 0.5).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match="floating-point numbers of unknown range"):
        read_picture(tmp_path / "float.tif")
    Image.fromarray(np.full((2, 2), 70000, np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(ValueError, match="run from 70000 to 70000; 0 to 65535 are read"):
        read_picture(tmp_path / "wide.tif")
    whole = paint(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"channels=4 must be 1 \(grey\) or 3 \(RGB\)"):
        read_picture(whole, channels=4)
    for size in (0, (4,), (4, -1), 3.5):
        with pytest.raises(ValueError, match="must be a positive integer or a pair"):
            read_picture(whole, size)


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:RuntimeWarning")
def test_flipped_bytes_give_a_picture_or_a_value_error(tmp_path, monkeypatch):
    """Whatever damage does to a file, the caller sees a ValueError that names it, or pixels."""
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)   # damage may also claim a gigantic size
    rng = np.random.default_rng(2)
    noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    refused = 0
    for ending in ("jpg", "png", "gif", "tif", "bmp", "webp"):
        noise.save(tmp_path / f"a.{ending}")
        whole = np.frombuffer((tmp_path / f"a.{ending}").read_bytes(), np.uint8)
        for trial in range(40):
            damaged = whole.copy()
            damaged[rng.integers(0, min(len(whole), 200), 4)] = rng.integers(0, 256, 4)
            path = tmp_path / f"{trial}.{ending}"
            path.write_bytes(damaged.tobytes())
            try:
                picture = read_picture(path, 8)
                assert picture.shape == (3, 8, 8) and 0 <= picture.min() and picture.max() <= 1
            except ValueError as error:
                assert str(path) in str(error)
                refused += 1
    assert refused > 20


@pytest.mark.oracle
def test_scaling_is_pytorchs_antialiased_bilinear(tmp_path):
    import torch
    from PIL import Image

    pixels = np.random.default_rng(3).integers(0, 256, (48, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    scaled = torch.nn.functional.interpolate(torch.tensor(pixels.transpose(2, 0, 1)[None] / 255.0), (20, 37), mode="bilinear",
                                             antialias=True)[0].numpy()
    np.testing.assert_allclose(read_picture(tmp_path / "a.png", 20), scaled[:, :, 8:28], atol=1.01 / 255)


# the dataset

def dataset(tmp_path, **options):
    records = [CaptionedImage(paint(tmp_path / f"{i}.png", 6, 8 + i, (i * 50, 0, 0)), (f"caption {i}", "another"), i,
                              "train" if i < 3 else "test") for i in range(5)]
    return CaptionDataset(records, **options)


def test_items_are_read_when_asked_for(tmp_path):
    data = dataset(tmp_path)
    picture, captions = data[1]
    assert picture.shape == (3, 6, 9) and captions == ("caption 1", "another") and len(data) == 5
    assert round(float(picture[0].max()) * 255) == 50 and data[np.int64(-1)][0].shape == (3, 6, 12)
    small = dataset(tmp_path, image_size=4, channels=1)
    assert small[0][0].shape == (1, 4, 4)
    assert repr(data) == "CaptionDataset(5 pictures, 10 captions; train: 3, test: 2)"
    with pytest.raises(IndexError):
        data[5]


def test_splits(tmp_path):
    data = dataset(tmp_path, image_size=4, channels=1)
    test = data.split("test")
    assert data.splits == {"train": 3, "test": 2} and [r.image_id for r in test.records] == [3, 4]
    assert test[0][0].shape == (1, 4, 4)
    with pytest.raises(ValueError, match=r"no picture is in 'val'; there are \['train', 'test'\]"):
        data.split("val")


def test_a_loader_makes_batches_with_any_number_of_captions(tmp_path):
    records = [CaptionedImage(paint(tmp_path / f"{i}.png"), tuple(f"{j}" for j in range(i + 1)), i) for i in range(4)]
    pictures, captions = next(iter(DataLoader(CaptionDataset(records, image_size=5), batch_size=4)))
    assert isinstance(pictures, Tensor) and pictures.shape == (4, 3, 5, 5)
    assert captions == [("0",), ("0", "1"), ("0", "1", "2"), ("0", "1", "2", "3")]
    with pytest.raises(ValueError, match="do not stack; read them with image_size=S"):
        dataset(tmp_path).batch([0, 1])


def test_missing_pictures_are_counted_and_listed(tmp_path):
    data = dataset(tmp_path)
    assert data.missing == () and data.missing_message() == ""
    for i in (1, 3):
        (tmp_path / f"{i}.png").unlink()
    data = CaptionDataset(data.records, image_size=4)
    assert [r.image_id for r in data.missing] == [1, 3]
    assert data.missing_message().startswith(f"2 of 5 picture files are missing: 1.png, 3.png (not in {tmp_path})")
    with pytest.raises(FileNotFoundError, match=r"item 3 is not at .*3\.png. In all, 2 of 5 .* use \.present\(\)"):
        data[3]
    present = data.present()
    assert [r.image_id for r in present.records] == [0, 2, 4] and present[1][0].shape == (3, 4, 4)
    elsewhere = CaptionDataset([CaptionedImage(tmp_path / "no" / "a.jpg", ("x",), 0)])
    assert f"the folder {tmp_path / 'no'} does not exist" in elsewhere.missing_message()


# COCO

def coco(tmp_path, **changes):
    content = {"images": [{"id": 7, "file_name": "7.png", "height": 6, "width": 8}, {"id": 3, "file_name": "3.png"},
                          {"id": 5, "file_name": "5.png"}],
               "annotations": [{"image_id": 3, "id": 20, "caption": "later"}, {"image_id": 7, "id": 4, "caption": "A dog ."},
                               {"image_id": 3, "id": 6, "caption": "Earlier, with a \u201cquote\u201d."}], **changes}
    return write(tmp_path / "captions.json", content)


def test_coco(tmp_path):
    paint(tmp_path / "images" / "7.png")
    data = read_coco_captions(coco(tmp_path), tmp_path / "images", split="val", image_size=5)
    assert [r.image_id for r in data.records] == [7, 3]
    assert [r.captions for r in data.records] == [("A dog .",), ("Earlier, with a \u201cquote\u201d.", "later")]
    assert data[0][0].shape == (3, 5, 5) and data.splits == {"val": 2} and data.records[0].tokens is None
    assert [r.image_id for r in data.without_captions] == [5] and [r.image_id for r in data.missing] == [3]
    assert len(data.split("val").without_captions) == 1


def test_an_empty_caption_is_noted(tmp_path):
    data = read_coco_captions(coco(tmp_path, annotations=[{"image_id": 3, "id": 9, "caption": " "}]), tmp_path)
    assert data.notes == ("annotation 0 (id 9): the caption is empty",)


@pytest.mark.parametrize("changes, message", [
    ({"annotations": [{"image_id": 42, "id": 9, "caption": "x"}]}, r"annotation 0 \(id 9\): image_id 42 is not among the images"),
    ({"annotations": [{"image_id": 3, "id": 9, "caption": 1.5}]}, r"annotation 0 \(id 9\): 'caption' must be of type str, got 1.5"),
    ({"annotations": [{"image_id": 3, "caption": "x"}]}, r"annotation 0: 'id' is not there; its fields are \['caption'"),
    ({"annotations": [{"image_id": 3, "id": 9, "category_id": 1, "bbox": []}]}, "give the captions file"),
    ({"annotations": [{"image_id": 3, "id": True, "caption": "x"}]}, "annotation 0: 'id' must be of type int, got True"),
    ({"annotations": [{"image_id": 3, "id": 1, "caption": "x"}] * 2}, r"annotation 1 \(id 1\): an earlier annotation has the same"),
    ({"annotations": [None]}, "annotation 0: expected an object with 'id', got None"),
    ({"annotations": {}}, "has no list 'annotations', it is an object with the fields"),
    ({"images": [{"id": 3, "file_name": "a"}, {"id": 3, "file_name": "b"}]}, r"image 1 \(id 3\): an earlier image has the same id"),
    ({"images": [{"id": 3}]}, r"image 0 \(id 3\): 'file_name' is not there"),
])
def test_damaged_coco_records_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=r"read_coco_captions: .*captions\.json:? .*" + message):
        read_coco_captions(coco(tmp_path, **changes), tmp_path)


def test_files_that_are_not_json_are_explained(tmp_path):
    path = coco(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:80])
    with pytest.raises(ValueError, match=r"captions\.json line 1 column \d+: not JSON .* damaged or not whole"):
        read_coco_captions(path, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="line 1 column 1: not JSON"):
        read_coco_captions(path, tmp_path)
    path.write_bytes(b'{"images": "\xff"}')
    with pytest.raises(ValueError, match="byte 12: not text in UTF-8"):
        read_coco_captions(path, tmp_path)
    path.write_bytes(b"[1, 2]")
    with pytest.raises(ValueError, match="has no list 'images', it is a list; give a COCO captions file"):
        read_coco_captions(path, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"read_coco_captions: .*nowhere\.json does not exist"):
        read_coco_captions(tmp_path / "nowhere.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="is a folder; give a COCO captions file"):
        read_coco_captions(tmp_path, tmp_path)


@pytest.mark.oracle
def test_coco_captions_agree_with_pycocotools(tmp_path):
    import contextlib
    import io

    from pycocotools.coco import COCO

    files = [coco(tmp_path)] + ([pathlib.Path(REAL) / "coco_val_subset/annotations/captions_val_subset.json"] if REAL else [])
    for file in files:
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCO(str(file))
        data = read_coco_captions(file, tmp_path)
        theirs = {i: tuple(a["caption"] for a in sorted(judge.loadAnns(judge.getAnnIds(imgIds=[i])), key=lambda a: a["id"]))
                  for i in judge.getImgIds()}
        assert {r.image_id: r.captions for r in data.records} == {i: c for i, c in theirs.items() if c}
        assert {r.image_id for r in data.without_captions} == {i for i, c in theirs.items() if not c}
        assert {r.image_id: r.path.name for r in data.records} == {r.image_id: judge.imgs[r.image_id]["file_name"]
                                                                   for r in data.records}


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="TINYMM_REAL_DATA is not set")
def test_real_coco():
    folder = pathlib.Path(REAL) / "coco_val_subset"
    data = read_coco_captions(folder / "annotations/captions_val_subset.json", folder / "images", image_size=64)
    assert len(data) == 28 and {len(r.captions) for r in data.records} == {5} and not data.without_captions and not data.missing
    assert data.records[0].captions[0] == "A woman stands in the dining area at the table ."
    pictures, captions = data.batch(range(28))
    assert pictures.shape == (28, 3, 64, 64) and 0.3 < float(pictures.mean()) < 0.6 and float(pictures.std()) > 0.2
    with open(folder / "annotations/instances_val_subset.json", encoding="utf-8") as file:
        instances = json.load(file)
    with pytest.raises(ValueError, match="give the captions file"):
        read_coco_captions(folder / "annotations/instances_val_subset.json", folder / "images")
    pages = [read_picture(folder / "images" / image["file_name"]) for image in instances["images"]]
    assert len(pages) == 128
    assert all(page.shape == (3, image["height"], image["width"]) for page, image in zip(pages, instances["images"]))


# Karpathy's splits

def sentence(raw, sentid=0):
    return {"tokens": raw.lower().rstrip(" .").split(), "raw": raw, "imgid": 0, "sentid": sentid}


def karpathy(tmp_path, images=None, **changes):
    default = [{"filepath": "train2014", "filename": "a.png", "imgid": 0, "cocoid": 900, "split": "train", "sentids": [0, 1],
                "sentences": [sentence("A Dog runs."), sentence("Two words")]},
               {"filepath": "val2014", "filename": "b.png", "imgid": 1, "cocoid": 901, "split": "restval",
                "sentences": [sentence("A cat.")]},
               {"filepath": "val2014", "filename": "c.png", "imgid": 2, "cocoid": 902, "split": "test",
                "sentences": [sentence("A bird.")]}]
    for image in default:
        image.update(changes)
    return write(tmp_path / "dataset_coco.json", {"dataset": "coco", "images": default if images is None else images})


def test_karpathy_of_coco(tmp_path):
    paint(tmp_path / "coco" / "train2014" / "a.png")
    paint(tmp_path / "coco" / "val2014" / "b.png")
    data = read_karpathy(karpathy(tmp_path), tmp_path / "coco")
    assert data.splits == {"train": 2, "test": 1} and [r.image_id for r in data.records] == [900, 901, 902]
    assert data.records[0].captions == ("A Dog runs.", "Two words")
    assert data.records[0].tokens == (("a", "dog", "runs"), ("two", "words"))
    assert [r.path.name for r in data.missing] == ["c.png"] and data[1][0].shape == (3, 6, 8)
    test = read_karpathy(karpathy(tmp_path), tmp_path / "coco", "test", channels=1)
    assert [r.image_id for r in test.records] == [902]
    assert len(read_karpathy(karpathy(tmp_path), tmp_path / "coco", ["train", "test"])) == 3
    with pytest.raises(ValueError, match=r"no picture is in \['val'\]; there are \['test', 'train'\]"):
        read_karpathy(karpathy(tmp_path), tmp_path, ["train", "val"])


def test_karpathys_pictures_may_lie_in_one_folder(tmp_path):
    paint(tmp_path / "flat" / "a.png")
    assert [r.path.name for r in read_karpathy(karpathy(tmp_path), tmp_path / "flat").missing] == ["b.png", "c.png"]
    nowhere = read_karpathy(karpathy(tmp_path), tmp_path / "nowhere")
    assert nowhere.records[0].path == tmp_path / "nowhere" / "train2014" / "a.png" and len(nowhere.missing) == 3


def test_karpathy_of_flickr(tmp_path):
    images = [{"sentids": [0], "imgid": 4, "sentences": [sentence("A dog.")], "split": "val", "filename": "x.png"},
              {"sentids": [], "imgid": 5, "sentences": [], "split": "val", "filename": "y.png"},
              {"sentids": [1], "imgid": 6, "sentences": [sentence("")], "split": "train", "filename": "z.png"}]
    paint(tmp_path / "Images" / "x.png")
    data = read_karpathy(karpathy(tmp_path, images), tmp_path / "Images", image_size=4)
    assert data.records[0].image_id == 4 and data.split("val")[0][0].shape == (3, 4, 4)
    assert [r.image_id for r in data.split("val").without_captions] == [5]
    assert data.notes == ("image 2 (imgid 6), sentence 0: it has no words",)


@pytest.mark.parametrize("changes, message", [
    ({"split": None}, r"image 0 \(imgid 0\): 'split' must be of type str, got None"),
    ({"imgid": "4"}, "image 0: 'imgid' must be of type int, got '4'"),
    ({"sentences": "A dog"}, r"image 0 \(imgid 0\): 'sentences' must be of type list"),
    ({"sentences": [{"tokens": []}]}, r"sentence 0: 'raw' is not there; its fields are \['tokens'\]"),
    ({"sentences": [{"raw": "A dog"}]}, "sentence 0: 'tokens' is not there"),
    ({"sentences": [{"raw": "A dog", "tokens": ["a", 2]}]}, r"sentence 0: 'tokens' must be strings, got \['a', 2\]"),
    ({"filepath": 3}, "'filepath' must be of type str, got 3"),
])
def test_damaged_karpathy_records_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=r"read_karpathy: .*dataset_coco\.json: .*" + message):
        read_karpathy(karpathy(tmp_path, **changes), tmp_path)


def test_other_json_files_are_not_karpathys(tmp_path):
    with pytest.raises(ValueError, match=r"has no list 'images', it is an object with the fields \['x'\]; give one of Karpathy's"):
        read_karpathy(write(tmp_path / "a.json", {"x": 1}), tmp_path)
    with pytest.raises(ValueError, match="image 0: 'imgid' is not there"):   # a COCO file
        read_karpathy(coco(tmp_path), tmp_path)


# Flickr8k and Flickr30k

TOKEN = ("1000_a.jpg#0\tA child in a pink dress , \"climbing\" .\n1000_a.jpg#1\tA girl going in .\n"
         "2000_b.jpg#1\tsecond\n2000_b.jpg#0\tfirst\n3000_c.jpg#0\tA \u2028 line separator .\r\n4000_d.jpg.1#0\tno such picture\n")


def flickr8k(tmp_path, token=TOKEN, train="1000_a.jpg\n", dev="2000_b.jpg\n", test="3000_c.jpg"):
    text = tmp_path / "Flickr8k_text"
    write(text / "Flickr8k.token.txt", token)
    for name, content in (("train", train), ("dev", dev), ("test", test)):
        write(text / f"Flickr_8k.{name}Images.txt", content)
    for name in ("1000_a.jpg", "2000_b.jpg", "3000_c.jpg"):
        paint(tmp_path / "Flicker8k_Dataset" / name)
    return tmp_path


def test_flickr8k(tmp_path):
    data = read_flickr8k(flickr8k(tmp_path), image_size=5)
    assert data.splits == {"train": 1, "val": 1, "test": 1, None: 1} and data.notes == ()
    assert data.records[0].captions == ('A child in a pink dress , "climbing" .', "A girl going in .")
    assert data.records[1].captions == ("first", "second") and data.records[1].image_id == "2000_b.jpg"
    assert data.records[2].captions == ("A \u2028 line separator .",)
    assert [r.image_id for r in data.missing] == ["4000_d.jpg.1"] and data[0][0].shape == (3, 5, 5)


def test_flickr8k_without_split_files_and_in_other_places(tmp_path):
    write(tmp_path / "text" / "mine.txt", TOKEN)
    paint(tmp_path / "pictures" / "2000_b.jpg")
    data = read_flickr8k(tmp_path, captions=tmp_path / "text" / "mine.txt", images=tmp_path / "pictures")
    assert data.splits == {None: 4} and [r.image_id for r in data.present().records] == ["2000_b.jpg"]


@pytest.mark.parametrize("changes, message", [
    ({"token": TOKEN + "a.jpg 0 no tab\n"}, r'token\.txt line 7: expected "name\.jpg#0<tab>caption", got \'a\.jpg 0 no tab\''),
    ({"token": TOKEN + "a.jpg#x\tA dog"}, "line 7: expected"),
    ({"token": TOKEN + "2000_b.jpg#0\tagain"}, r"line 7: caption 0 of 2000_b\.jpg stands on line 4 already"),
    ({"token": "not a caption file\n"}, r"line 1: got 'not a caption file', expected lines"),
    ({"token": "\n \n"}, r"token\.txt is empty; expected lines"),
    ({"train": "1000_a.jpg\n\n9.jpg\n"}, r"trainImages\.txt line 3: '9\.jpg' has no caption in Flickr8k\.token\.txt"),
    ({"dev": "1000_a.jpg"}, r"devImages\.txt line 1: 1000_a\.jpg is in Flickr_8k\.trainImages\.txt too"),
])
def test_malformed_flickr_lines_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match="read_flickr8k: .*" + message):
        read_flickr8k(flickr8k(tmp_path, **changes))


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    folder = flickr8k(tmp_path)
    (folder / "Flickr8k_text" / "Flickr8k.token.txt").write_bytes(b"a.jpg#0\tA dog\nb.jpg#0\tA caf\xe9\n")
    with pytest.raises(ValueError, match=r"token\.txt line 2: byte 0xe9 at position 13 is not UTF-8; convert"):
        read_flickr8k(folder)


def test_a_missing_caption_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"read_flickr8k: .* holds none of Flickr8k\.token\.txt, captions\.txt"):
        read_flickr8k(tmp_path)
    with pytest.raises(FileNotFoundError, match="read_flickr30k: .*nowhere holds none of results_20130124"):
        read_flickr30k(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"mine\.txt does not exist; give the folder of the dataset, or captions=FILE"):
        read_flickr8k(tmp_path, captions=tmp_path / "mine.txt")


def test_flickr30k_as_released(tmp_path):
    write(tmp_path / "results_20130124.token", "1000092795.jpg#0\tTwo young guys .\n1000092795.jpg#1\tTwo men .\n10.jpg#0\t\n")
    paint(tmp_path / "flickr30k-images" / "1000092795.jpg")
    data = read_flickr30k(tmp_path)
    assert data.records[0].captions == ("Two young guys .", "Two men .") and data.splits == {None: 2}
    assert data.notes == ("results_20130124.token line 3: caption 0 of 10.jpg is empty",)
    assert data[0][0].shape == (3, 6, 8) and len(data.missing) == 1


def test_results_csv_with_bars(tmp_path):
    paint(tmp_path / "flickr30k_images" / "flickr30k_images" / "10.jpg")   # nested, as it unpacks
    write(tmp_path / "flickr30k_images" / "results.csv",
          "image_name| comment_number| comment\n10.jpg| 0| A man | woman , \"in\" red .\n10.jpg| 1| Second .\n"
          "2199200615.jpg| 3| A dog .\n2199200615.jpg| 4   A dog runs across the grass .\n")
    data = read_flickr30k(tmp_path)
    assert data.records[0].captions == ('A man | woman , "in" red .', "Second .")
    assert data.records[1].captions == ("A dog .", "A dog runs across the grass .")
    assert data.notes == ("results.csv line 5: no '|' after the caption's number; read as caption 4 of 2199200615.jpg",)
    assert data[0][0].shape == (3, 6, 8)


def test_captions_txt_with_commas(tmp_path):
    write(tmp_path / "captions.txt", "\ufeffimage,caption\r\na.jpg,A child , alone .\r\na.jpg,\"A dog , \"\"Rex\"\" , runs .\"\r\n"
                                     'b.jpg,"Stop" says the "sign"\r\nb.jpg," Leading space ."\r\n')
    paint(tmp_path / "Images" / "a.jpg")
    for read in (read_flickr8k, read_flickr30k):
        data = read(tmp_path)
        assert data.records[0].captions == ("A child , alone .", 'A dog , "Rex" , runs .')
        assert data.records[1].captions == ('"Stop" says the "sign"', "Leading space .")
        assert [r.image_id for r in data.missing] == ["b.jpg"]


def test_three_columns_with_commas(tmp_path):
    write(tmp_path / "captions.csv", "image_name,comment_number,comment\nb.jpg,1,\"One, two\"\nb.jpg,0,Zero, unquoted\n")
    assert read_flickr30k(tmp_path).records[0].captions == ("Zero, unquoted", "One, two")


@pytest.mark.parametrize("text, message", [
    ("picture;text\na;b\n", "line 1: got 'picture;text', expected lines"),
    ("image,caption\na.jpg A dog\n", "line 2: expected \"name.jpg,caption\", got 'a.jpg A dog'"),
    ("image_name| comment_number| comment\na.jpg| x| A dog\n", r'line 2: expected "name.jpg\| 0\| caption", got'),
    ("image_name| comment_number| comment\n| 0| A dog\n", "line 2: expected"),
    ("image,caption\n", "names its columns and has no caption"),
])
def test_malformed_csv_is_named(tmp_path, text, message):
    write(tmp_path / "captions.txt", text)
    with pytest.raises(ValueError, match=r"read_flickr30k: .*captions\.txt " + message):
        read_flickr30k(tmp_path)


def test_reading_captions_opens_no_picture(tmp_path):
    """Pictures are touched only when an item is asked for: damaged ones do not stop the reading of captions."""
    folder = flickr8k(tmp_path)
    (folder / "Flicker8k_Dataset" / "1000_a.jpg").write_bytes(b"damaged")
    data = read_flickr8k(folder)
    with pytest.raises(ValueError, match=r"1000_a\.jpg is not a whole, readable picture"):
        data[0]
