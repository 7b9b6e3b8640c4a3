"""CUB-200-2011 and Oxford's flowers with ten captions each, on small folders in their layouts."""

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tinymm.data import read_cub, read_oxford102, read_text_embeddings
from tinymm.data.readers.char_captions import random_cuts, square_about
from tinymm.data.readers.images import read_squeezed

from .bird_folders import COLOURS, write_cub, write_oxford
from .damage import damaged, refused_by_name, refuses
from .torch7_files import write_torch7


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    return write_cub(tmp_path_factory.mktemp("cub"))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    return write_oxford(tmp_path_factory.mktemp("oxford"))


def test_birds(birds):
    data = read_cub(birds)
    assert len(data) == 18 and data.classes == ("001.Red_Bird", "002.Blue_Bird", "003.Green_Bird") and not data.missing
    assert data.splits == {"train": 12, "test": 6} and data.notes == ()
    assert repr(data) == "ClassDataset(18 pictures, 180 captions, 3 classes; train: 12, test: 6)"
    record = data.records[8]
    assert record.image_id == 9 and record.box == (12, 6, 26, 20) and record.path.name == "Blue_Bird_0002_14.jpg"
    picture, captions, label = data[8]
    assert picture.shape == (3, 76, 76) and picture.dtype == np.float32 and label == 1 and len(captions) == 10
    assert captions[3] == "This bird is blue, it has 4 blue parts."
    for i in range(len(data)):
        picture, captions, label = data[i]
        colour = list(COLOURS)[label]
        assert colour in captions[0] and picture[:, 38, 38] * 255 == pytest.approx(COLOURS[colour], abs=45)   # the box's middle
    pictures, captions, labels = read_cub(birds, "test", size=8).batch([0, 5])
    assert pictures.shape == (2, 3, 8, 8) and len(captions) == 2 and labels.tolist() == [2, 2]
    assert read_cub(birds, "trainval").labels.tolist() == [0] * 6 + [1] * 6


def test_pictures_are_read_when_they_are_asked_for(birds, tmp_path):
    write_cub(tmp_path)
    (tmp_path / "CUB_200_2011" / "images" / "002.Blue_Bird" / "Blue_Bird_0002_14.jpg").unlink()
    data = read_cub(tmp_path)
    assert len(data) == 18 and len(data.present()) == 17 and data.present().classes == data.classes
    assert data[7][0].shape == (3, 76, 76)
    refuses(lambda: data[8], "the picture of item 8 is not at .*Blue_Bird_0002_14.jpg", FileNotFoundError)


def test_flowers(flowers):
    labels = scipy.io.loadmat(flowers / "imagelabels.mat")["labels"].ravel() - 1
    data = read_oxford102(flowers)
    assert data.labels.tolist() == labels.tolist() and data.classes == ("class_00001", "class_00002", "class_00003")
    assert data.splits["train"] == 12 and {r.split for r in data.records if r.label == 2} == {"test"}
    for i in range(len(data)):
        picture, captions, label = data[i]
        colour = list(COLOURS)[label]
        assert colour in captions[9] and picture[:, 38, 38] * 255 == pytest.approx(COLOURS[colour], abs=45)
    assert data[0][0].shape == (3, 76, 76) and data.records[4].path.name == "image_00005.jpg"


def test_the_square_about_a_box():
    assert square_about((60, 27, 325, 304)) == (222 - 243, 179 - 243, 222 + 243, 179 + 243)   # CUB's first picture
    assert square_about((10.9, 5, 20, 41)) == (20 - 30, 25 - 30, 20 + 30, 25 + 30)


def test_the_square_is_cut_at_the_border_and_then_squeezed(tmp_path):
    """A picture whose column says where it is from: half of the square is outside, the rest fills the picture."""
    ramp = np.repeat(np.arange(0, 240, 2, dtype=np.uint8)[None], 60, 0)   # (60, 120)
    Image.fromarray(np.stack([ramp] * 3, -1)).save(tmp_path / "a.png")
    cut = read_squeezed(tmp_path / "a.png", 40, square_about((0, 20, 40, 20)))   # columns -10 to 50, rows 0 to 60
    assert cut.shape == (3, 40, 40)
    np.testing.assert_allclose(cut[0, 0], ((np.arange(40) + .5) * 50 / 40 - .5) * 2 / 255, atol=2 / 255)
    refuses(lambda: read_squeezed(tmp_path / "a.png", 40, (120, 0, 130, 10)), r"120 x 60 pixels .* none of them is in the box")


def test_random_cuts():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (200, 3, 7, 7), dtype=np.uint8)
    cuts = random_cuts(pictures, 5, rng)
    assert cuts.shape == (200, 3, 5, 5) and cuts.dtype == np.uint8
    seen = set()
    for picture, cut in zip(pictures, cuts):
        seen |= {(top, left, step) for top in range(3) for left in range(3) for step in (1, -1)
                 if (picture[:, top:top + 5, left:left + 5][:, :, ::step] == cut).all()}
    assert len(seen) == 18   # every place, flipped and not
    refuses(lambda: random_cuts(pictures, 8, rng), "at least size=8")


def write_lists(birds, **lists):
    for file in (birds / "birds").glob("*.txt"):
        file.unlink()
    for name, lines in lists.items():
        (birds / "birds" / f"{name}.txt").write_text("\n".join(lines))


def test_lists_of_splits(tmp_path):
    write_cub(tmp_path)
    names = ["001.Red_Bird", "002.Blue_Bird", "003.Green_Bird"]
    write_lists(tmp_path, trainclasses=names[:1], valclasses=names[1:2], trainvalclasses=names[:2], testclasses=names[2:])
    assert read_cub(tmp_path).splits == {"train": 6, "val": 6, "test": 6} and len(read_cub(tmp_path, "trainval")) == 12
    write_lists(tmp_path, allclasses=names[::-1], trainvalids=["3", "2"], testids=["1"])
    assert [record.split for record in read_cub(tmp_path).records] == ["train"] * 12 + ["test"] * 6
    (tmp_path / "birds" / "testids.txt").rename(tmp_path / "testids.txt")
    (tmp_path / "birds" / "trainvalids.txt").unlink()
    assert read_cub(tmp_path).splits == {None: 12, "test": 6}   # lists in the dataset's own folder
    (tmp_path / "testids.txt").unlink()
    write_lists(tmp_path)
    data = read_cub(tmp_path)
    assert data.splits == {"test": 9, "train": 9} and data.notes[0].startswith("there are no lists of classes beside text_c10")
    write_lists(tmp_path, trainvalclasses=names[:2])
    assert read_cub(tmp_path).splits == {"train": 12, None: 6}
    refuses(lambda: read_cub(tmp_path, "test"), "no picture is in the split 'test'; there are \\['train'\\]")
    refuses(lambda: read_cub(tmp_path, "dev"), "split='dev'; choose one of 'train', 'val', 'trainval', 'test', or None")
    write_lists(tmp_path, trainvalclasses=names, testclasses=["", names[1]])
    refuses(lambda: read_cub(tmp_path), "testclasses.txt line 2: the class '002.Blue_Bird' is in the split 'train' already")
    write_lists(tmp_path, trainvalids=["1", "4"])
    refuses(lambda: read_cub(tmp_path), "trainvalids.txt line 2: '4'; expected the number of a class, 1 to 3")
    write_lists(tmp_path, testclasses=["004.Owl"])
    refuses(lambda: read_cub(tmp_path), "testclasses.txt line 1: '004.Owl' is no class of this dataset")


def test_flowers_without_lists_of_classes(tmp_path):
    write_oxford(tmp_path)
    for file in (tmp_path / "flowers").glob("*.txt"):
        file.unlink()
    data = read_oxford102(tmp_path)
    assert data.splits == {"train": 4, "val": 4, "test": 10} and "setid.mat" in data.notes[0]
    sets = scipy.io.loadmat(tmp_path / "setid.mat")
    assert sorted(r.image_id for r in data.split("val").records) == sorted(sets["valid"].ravel())


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


TEXT = "birds/text_c10/002.Blue_Bird/Blue_Bird_0001_7.txt"
ODD = {
    "nine": (lambda r: edit(r / TEXT, "This bird is blue, it has 10 blue parts.\n", ""),
             r"Blue_Bird_0001_7\.txt ends after line 9: 9 captions, expected 10"),
    "eleven": (lambda r: edit(r / TEXT, "parts.\n", "parts.\none more\n"),
               r"Blue_Bird_0001_7\.txt line 11: a caption more than expected 10"),
    "empty": (lambda r: (r / TEXT).write_text("\n"), "ends after line 0: 0 captions"),
    "bytes": (lambda r: (r / TEXT).write_bytes(b"a\nb\xff\n"),
              r"Blue_Bird_0001_7\.txt line 2: byte 0xff at position 1 is not UTF-8"),
    "no text": (lambda r: (r / TEXT).unlink(),
                r"Blue_Bird_0001_7\.txt does not exist; .*images\.txt \(number 8\) names its picture"),
    "no texts": (lambda r: [f.unlink() for f in (r / TEXT).parent.iterdir()],
                 "the class '002.Blue_Bird' has no captions: .* holds no IMAGE"),
    "no class": (lambda r: (r / TEXT).parent.rename(r / "elsewhere"),
                 "the class '002.Blue_Bird' has no captions: .* does not exist"),
    "no text_c10": (lambda r: (r / "birds" / "text_c10").rename(r / "birds" / "text"), "holds no folder text_c10"),
    "no images": (lambda r: (r / "CUB_200_2011" / "images.txt").unlink(), "holds no images.txt"),
    "no boxes": (lambda r: (r / "CUB_200_2011" / "bounding_boxes.txt").unlink(),
                 "bounding_boxes.txt does not exist; give the folder of"),
    "box": (lambda r: edit(r / "CUB_200_2011/bounding_boxes.txt", "2 11.0 6.0 25.0 20.0", "2 11.0 6.0 0.0 20.0"),
            "bounding_boxes.txt line 2: '2 11.0 6.0 0.0 20.0'; expected the number of a picture and its box"),
    "three": (lambda r: edit(r / "CUB_200_2011/bounding_boxes.txt", "2 11.0 6.0 25.0 20.0", "2 11.0 6.0 20.0"),
              "bounding_boxes.txt line 2"),
    "infinite": (lambda r: edit(r / "CUB_200_2011/bounding_boxes.txt", "2 11.0", "2 inf"), "bounding_boxes.txt line 2: '2 inf"),
    "cut": (lambda r: edit(r / "CUB_200_2011/bounding_boxes.txt", "18 15.0 6.0 29.0 20.0\n", ""),
            "bounding_boxes.txt ends before the picture 18, 003"),
    "lost": (lambda r: edit(r / "CUB_200_2011/images.txt", "\n5 001", "\n6 001"), "images.txt line 5: the number 6; expected 5"),
    "word": (lambda r: edit(r / "CUB_200_2011/images.txt", "\n5 001", "\nfive 001"), "images.txt line 5: 'five 001"),
    "other class": (lambda r: edit(r / "CUB_200_2011/images.txt", "5 001.Red_Bird/", "5 009.Owl/"),
                    "line of number 5: '009.Owl/.*of a class of"),
    "outside": (lambda r: edit(r / "CUB_200_2011/images.txt", "5 001.Red_Bird/", "5 001.Red_Bird/../../"),
                "line of number 5: .*CLASS/IMAGE"),
    "empty list": (lambda r: (r / "CUB_200_2011" / "classes.txt").write_text(""),
                   "classes.txt is empty; expected the number and the name"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_folders_of_birds(tmp_path, name):
    spoil, message = ODD[name]
    spoil(write_cub(tmp_path))
    refuses(lambda: read_cub(tmp_path), message, (ValueError, FileNotFoundError))


@pytest.mark.parametrize("file, arrays, message", [
    ("imagelabels.mat", {"labels": np.zeros((1, 18))},
     "'labels' has 0.* at 1; expected the class of each picture, integers from 1"),
    ("imagelabels.mat", {"label": np.ones((1, 18))}, "has no variable 'labels', it has 'label'"),
    ("imagelabels.mat", {"labels": np.full((1, 18), 1.5)}, "'labels' has 1.5 at 1"),
    ("imagelabels.mat", {"labels": np.array([[1, np.nan]])}, "'labels' has nan at 2"),
    ("imagelabels.mat", {"labels": np.zeros((1, 0))}, "'labels' has 0 numbers"),
    ("imagelabels.mat", {"labels": np.array([[3] * 19])},
     r"class_00003/image_\d+.txt does not exist; .*\(labels, picture \d+\) names"),
    ("setid.mat", {"trnid": [[1]], "valid": [[19]], "tstid": [[2]]},
     "'valid' has 19 at 1; expected numbers of pictures, integers from 1 to 18"),
    ("setid.mat", {"trnid": [[1]], "valid": [[2]], "tstid": [[1]]}, "picture 1 is in 'tstid' and in the split 'train'")])
def test_odd_folders_of_flowers(tmp_path, file, arrays, message):
    write_oxford(tmp_path)
    for lists in (tmp_path / "flowers").glob("*.txt"):
        lists.unlink()
    scipy.io.savemat(tmp_path / file, arrays)
    refuses(lambda: read_oxford102(tmp_path), message, (ValueError, FileNotFoundError))


def test_missing_folders(tmp_path):
    refuses(lambda: read_oxford102(tmp_path), "holds no imagelabels.mat", FileNotFoundError)
    refuses(lambda: read_oxford102(tmp_path / "none"), "holds no imagelabels.mat", FileNotFoundError)
    refuses(lambda: read_cub(tmp_path / "none"), "holds no images.txt", FileNotFoundError)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["CUB_200_2011/images.txt", "CUB_200_2011/bounding_boxes.txt", "CUB_200_2011/classes.txt", TEXT,
                                  "birds/trainvalclasses.txt"])
def test_damage_is_refused_by_name(birds, name, data):
    file = birds / name
    content = file.read_bytes()
    try:
        file.write_bytes(data.draw(damaged(content)))
        refused_by_name(lambda: read_cub(birds), str(birds))
    finally:
        file.write_bytes(content)


def test_published_embeddings_of_torch(birds, tmp_path):
    write_cub(tmp_path)
    data = read_cub(tmp_path)
    assert read_text_embeddings(tmp_path, data) is None
    folder = tmp_path / "cub_icml"
    for n, record in enumerate(data.records):
        (folder / data.classes[record.label]).mkdir(parents=True, exist_ok=True)
        path = folder / data.classes[record.label] / f"{record.path.stem}.t7"
        write_torch7(path, {"txt": np.full((10, 4), n, np.float32) + np.arange(10)[:, None] / 16,
                            "img": f"{record.path.parent.name}/{record.path.name}",
                            "char": np.zeros((201, 10), np.uint8)})
    test = data.split("test")
    found = read_text_embeddings(tmp_path, test)
    assert found.shape == (6, 10, 4) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 3, 0], np.arange(12, 18) + 3 / 16)
    write_torch7(path, {"txt": np.zeros((9, 4), np.float32)})
    refuses(lambda: read_text_embeddings(tmp_path, data), r"embeddings of shapes \[\(9, 4\), \(10, 4\)\]; expected \(10, d\)")
    write_torch7(path, {"text": 1})
    refuses(lambda: read_text_embeddings(tmp_path, data),
            r"Green_Bird_0005_35\.t7 holds a table of \['text'\]; expected a table with 'txt'")
    write_torch7(path, {"txt": np.zeros((10, 4), np.float32), "img": "b.jpg"})
    refuses(lambda: read_text_embeddings(tmp_path, data), "is about the picture 'b.jpg'; expected Green_Bird_0005_35")
    write_torch7(path, {"txt": np.full((10, 4), np.nan, np.float32)})
    refuses(lambda: read_text_embeddings(tmp_path, data), "not finite")
    path.unlink()
    refuses(lambda: read_text_embeddings(tmp_path, data), r"read_torch7: .*Green_Bird_0005_35\.t7 does not exist",
            FileNotFoundError)
