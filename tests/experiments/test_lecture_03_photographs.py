"""Lecture 3 on photographs with boxes: small folders in the layouts of COCO and Flickr30k Entities, and real photographs."""

import dataclasses
import json
import os
import pathlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from tests.data.test_flickr30k_entities import annotation, thing
from tests.experiments.coco_folder import COLOURS, write_coco
from tinymm.cli import main
from tinymm.data.readers.regions import Phrase
from tinymm.experiments import running
from tinymm.experiments.captioning.datasets import WITH_BOXES, open_regions
from tinymm.experiments.captioning.parts import frequent_words
from tinymm.experiments.lecture_03 import experiment
from tinymm.experiments.lecture_03.data import read
from tinymm.experiments.lecture_03.experiment import DeepVisualSemanticAlignments as Lecture
from tinymm.experiments.lecture_03.photographs import MOST, SIDE, Photographs, photo_parts, photographs, pixel_boxes, pointing

COUNTS = {"train": 20, "validation": 3, "test": 3}


def coco(folder: pathlib.Path, count: int = 12) -> pathlib.Path:
    """``write_coco``, with two boxes on each picture."""
    folder.mkdir()
    write_coco(folder, count)
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 50, "width": 70} for i in range(count)]
    annotations = [{"id": 2 * i + k, "image_id": i, "bbox": box} for i in range(count) for k, box in
                   enumerate(([0, 0, 35.5, 50], [40, 10, 20, 20]))]
    (folder / "annotations" / "instances_small.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


def flickr30k(folder: pathlib.Path, count: int = 24) -> pathlib.Path:
    """A red and a blue square on each picture, left and right in turn, two captions, and lists of splits."""
    for name in ("Sentences", "Annotations", "flickr30k-images"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = rng.integers(0, 30, (48, 80, 3))
        left, right = list(COLOURS)[::1 if i % 2 else -1]
        pixels[8:40, 4:36] += COLOURS[left]
        pixels[8:40, 44:76] += COLOURS[right]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "flickr30k-images" / f"{i}.jpg", quality=95)
        (folder / "Sentences" / f"{i}.txt").write_text(
            f"[/EN#1/other A {left} square] , left of [/EN#2/other the {right} one] .\n"
            f"There is [/EN#2/other a {right}-ish thing] in [/EN#3/scene the picture]\n")
        objects = thing(1, box=(5, 9, 36, 40)), thing(2, box=(45, 9, 76, 40)), thing(3, flags="<scene>1</scene>")
        (folder / "Annotations" / f"{i}.xml").write_text(annotation(*objects, height=48))
    for split, numbers in (("train", range(18)), ("val", range(18, 21)), ("test", range(21, 24))):
        (folder / f"{split}.txt").write_text("".join(f"{i}\n" for i in numbers))
    return folder


def lecture(root, out, data="coco", *more):
    return main(["lecture", "3", "--scale", "smoke", "--epochs", "1", "--root", str(root), "--out", str(out), "--data", data,
                 *more])


@pytest.fixture
def quick(monkeypatch):
    """Fewer windows for the encoder."""
    monkeypatch.setitem(experiment.SCALES, "smoke", dataclasses.replace(experiment.SCALES["smoke"], windows=128))


def test_flickr30k_with_its_phrases(tmp_path, quick, capsys):
    assert lecture(flickr30k(tmp_path / "f"), tmp_path / "out", "flickr30k") == 0, capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    metrics = report["metrics"]
    assert report["claims"] == [] and report["pictures"] == ["alignment.png"]
    assert metrics["pictures"] == {"validation": 3, "test": 3, "train": 18} and metrics["regions"] == 3
    assert metrics["captions"] == {"validation": 3, "test": 6, "train": 36}
    assert set(metrics["pointing"]) == set(metrics["retrieval"]) == {"BRNN, max", "shuffled captions", "untrained"}
    for row in metrics["pointing"].values():
        assert row["chance"] == pytest.approx(1 / 3) and 0 <= row["words"] <= 1 and 0 <= row["phrases"] <= 1
    assert metrics["retrieval"]["BRNN, max"]["images for a sentence"]["R@5"] == 1   # of three


@pytest.mark.parametrize("variant", ["no_context", "sum"])
def test_coco_in_the_other_variants(tmp_path, quick, capsys, variant):
    found = Lecture(variant, "smoke", epochs=1, data="coco", root=coco(tmp_path / "coco"))
    found.prepare()
    report = running.run(found, progress=False)
    assert "pointing" not in report["metrics"] and len(report["metrics"]["retrieval"]) == 2
    assert report["metrics"]["vocabulary"] == len(found.setting.vocabulary) == 4 + 6   # a, red, blue, picture, everything, is


def test_parts_of_photographs(tmp_path):
    parts = photo_parts("coco", str(coco(tmp_path / "coco")), COUNTS, seed=0)
    train, held = parts["train"], parts["validation"]
    assert [len(part.images) for part in parts.values()] == [1, 1, 10] and len(train) == 20 and len(held) == 1
    np.testing.assert_array_equal(train.owner, np.repeat(np.arange(10), 2))
    for image, boxes, n in zip(train.images, train.boxes, range(10)):
        assert image.shape == (3, 114, SIDE) and image.dtype == np.uint8                # the longer side
        np.testing.assert_array_equal(boxes[-1], [0, 0, 114, SIDE])
        np.testing.assert_array_equal(boxes[0], [0, 0, 114, 82])                        # 35.5 of 70 pixels are 81.1 of 160
        red = "red" in train.captions[2 * n]
        assert (image[0].mean() > image[2].mean()) == red                               # captions are with their picture
    assert photo_parts("coco", str(tmp_path / "coco"), {**COUNTS, "train": 4}, seed=0)["train"].owner.max() == 3
    assert "picture" in frequent_words(train.captions)


def test_phrases_stay_with_their_words_and_boxes(tmp_path):
    dataset = open_regions("flickr30k", str(flickr30k(tmp_path / "f", 24)), (SIDE, SIDE))
    part = photographs(dataset, [1])
    assert part.captions == ["a red square left of the blue one".split(), "there is a blueish thing in the picture".split()]
    assert part.phrases == [[Phrase(0, 3, (0,)), Phrase(5, 8, (1,))], [Phrase(2, 5, (1,))]]   # without the comma; no box of a scene
    assert part.boxes[0].tolist() == [[16, 8, 80, 72], [16, 88, 80, 152], [0, 0, 96, 160]]


def test_the_largest_boxes_in_whole_pixels():
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 40, (30, 2, 2)), 1).reshape(30, 4)
    boxes, places = pixel_boxes(corners, 40, 40)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    assert len(boxes) == MOST + 1 and sorted(places) == sorted(np.argsort(areas)[-MOST:].tolist())
    for old, new in places.items():
        top, left, bottom, right = boxes[new]
        assert left <= corners[old, 0] < left + 1 and right - 1 < corners[old, 2] <= right
        assert top <= corners[old, 1] < top + 1 and bottom - 1 < corners[old, 3] <= bottom
    thin, _ = pixel_boxes(np.array([[40 - 1e-9, 0, 40, 1e-9], [3, 3, 3.0, 3.0]]), 40, 40)
    assert thin.tolist() == [[0, 39, 1, 40], [3, 3, 4, 4], [0, 0, 40, 40]]
    edge, _ = pixel_boxes(np.array([[40.0, 30.0, 40.0, 30.0]]), 30, 40)   # as rounding may leave a scaled one
    assert edge.tolist() == [[29, 39, 30, 40], [0, 0, 30, 40]]


def test_features_beside_the_data(tmp_path, capsys):
    """One number tells which box a row is of, the other which picture: what is kept is in its place."""
    root = coco(tmp_path / "coco")
    (root / "features").mkdir()
    features = {i: np.array([[k, i] for k in range(3)], np.float32) for i in range(12)}
    for i, of_picture in features.items():
        if i % 2:
            np.save(root / "features" / f"{i}.npy", of_picture)
        else:
            scipy.io.savemat(root / "features" / f"{i}.mat", {"feats": of_picture.T})
    found = Lecture(scale="smoke", epochs=1, data="coco", root=root)
    found.prepare()
    assert "features of regions are those in" in capsys.readouterr().out
    trained, _ = running.fit(found)
    for name, part in found.setting.parts.items():
        for of_picture, boxes in zip(part.features, part.boxes, strict=True):
            assert of_picture[:, 0].tolist() == [0, 1, 2] and len(boxes) == 3
        assert trained.pairs[name].regions.phi.shape == (len(part), 3, 2)
    numbers = [int(part.features[n][0, 1]) for part in found.setting.parts.values() for n in range(len(part.images))]
    assert sorted(numbers) == list(range(12))
    np.save(root / "features" / "3.npy", features[3][:2])
    assert lecture(root, tmp_path / "out") == 2 and "3.npy has 2 rows; expected 3, one for each box" in capsys.readouterr().err
    np.save(root / "features" / "3.npy", np.zeros((3, 4)))
    assert lecture(root, tmp_path / "out") == 2
    assert "lengths [2, 4]; all need" in (err := capsys.readouterr().err) or " features a row; expected " in err
    (root / "features" / "3.npy").unlink()
    assert lecture(root, tmp_path / "out") == 2 and "features has no 3.npy or 3.mat or 3.h5 or" in capsys.readouterr().err


def test_words_boxes_features_and_phrases_stay_together(tmp_path):
    """Features name the colour of a box; in the arrays that are trained on, each phrase still points to its colour."""
    colours, rng, root = "red green blue white black grey pink brown".split(), np.random.default_rng(0), tmp_path / "f"
    for name in ("Sentences", "Annotations", "flickr30k-images", "features"):
        (root / name).mkdir(parents=True)
    for i in range(30):
        one, two, three = (int(k) for k in rng.choice(len(colours), 3, replace=False))   # nobody speaks of the third
        Image.new("RGB", (80, 60)).save(root / "flickr30k-images" / f"{i}.jpg")
        (root / "Sentences" / f"{i}.txt").write_text(
            f"[/EN#1/other A {colours[one]}] , and [/EN#2/other the {colours[two]} one] .\n"
            f"one [/EN#2/other {colours[two]}] -- one [/EN#1/other {colours[one]}]\n")
        things = [("1", one), ("2", two), ("3", three)] + [("4", two)] * (i % 25)        # some more than are kept
        order = rng.permutation(len(things))
        sides = [4 if things[n][0] == "4" else 9 for n in order]                         # these are the smaller ones
        (root / "Annotations" / f"{i}.xml").write_text(annotation(*(
            thing(things[n][0], box=(1 + k, 1, side + k, side)) for k, (n, side) in enumerate(zip(order, sides)))))
        np.save(root / "features" / f"{i}.npy", np.vstack([np.eye(8)[[things[n][1] for n in order]], np.full(8, 2)]))
    parts = photo_parts("flickr30k", str(root), COUNTS, seed=0)
    vocabulary = frequent_words(parts["train"].captions)
    for name, pairs in read(None, parts, vocabulary).items():
        part = parts[name]
        assert len(pairs) == len(part) == len(part.images) * (1 if name == "validation" else 2) and part.owner.max() > 0
        for row, n in enumerate(part.owner):
            phi = pairs.regions.phi[row][pairs.regions.inside[row]]
            assert len(phi) == len(part.boxes[n]) <= MOST + 1 and (phi[-1] > phi[:-1].min(0) - 1e-6).all()
            assert len(part.phrases[row]) == 2
            for phrase in part.phrases[row]:
                colour, = {vocabulary.words[word] for word in pairs.ids[row, phrase.start:phrase.stop]} & set(colours)
                assert all(colours[phi[box].argmax()] == colour for box in phrase.boxes), (name, row, phrase)


def test_pointing_by_hand():
    scores = np.full((2, 4, 3), -np.inf)
    scores[0] = [[1, 0, 0], [0, 5, 0], [0, 1, 2], [9, 9, 9]]
    scores[1, :3, :2] = [[1, 0], [1, 0], [0, 3]]
    part = Photographs([], [np.zeros((3, 4)), np.zeros((2, 4))], [["a"] * 4, ["a"] * 3], owner=np.array([0, 1]),
                       phrases=[[Phrase(0, 2, (1,)), Phrase(2, 3, (0, 2))], [Phrase(0, 3, (0,))]])
    assert pointing(scores, part) == pytest.approx({"words": 4 / 6, "phrases": 2 / 3, "chance": (1 / 3 + 2 / 3 + 1 / 2) / 3})


def change(file: pathlib.Path, edit):
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_faulty_boxes_and_missing_pictures_are_told(tmp_path, capsys):
    root = coco(tmp_path / "coco")
    change(root / "annotations" / "instances_small.json", lambda c: c["annotations"][1].update(bbox=[60, 0, 20, 10]))
    (root / "images" / "5.jpg").unlink()
    parts = photo_parts("coco", str(root), COUNTS, seed=0)
    out = capsys.readouterr().out
    assert "1 faulty boxes are left out, the first: read_coco_regions" in out and "1 of 12 picture files are missing: 5.jpg" in out
    assert sum(len(part.images) for part in parts.values()) == 11


ODD = {
    "another dataset": ("coco", lambda root: None, ("--data", "pascal"), "it does not read the dataset 'pascal'; it reads coco"),
    "generator": ("coco", lambda root: None, ("--variant", "generator"),
                  "photographs are for the variants alignment, no_context, sum (--variant); generator takes its own world only"),
    "no captions": ("coco", lambda root: (root / "annotations" / "captions_small.json").unlink(), (), "there is no captions_"),
    "no instances": ("coco", lambda root: (root / "annotations" / "instances_small.json").unlink(), (),
                     "instances_small.json does not exist; give a COCO instances file"),
    "instances cut": ("coco", lambda root: (root / "annotations" / "instances_small.json").write_text('{"images": [{'), (),
                      "instances_small.json line 1 column"),
    "unknown image": ("coco", lambda root: change(root / "annotations" / "instances_small.json",
                                                  lambda c: c["annotations"][3].update(image_id=77)), (),
                      "annotation 3 (id 3): image_id 77 is not among the images"),
    "other size": ("coco", lambda root: [Image.new("RGB", (7, 5)).save(root / "images" / f"{i}.jpg") for i in range(12)], (),
                   "has 7 x 5 pixels (width x height), and its boxes are of a picture of 70 x 50"),
    "picture cut": ("coco", lambda root: [(root / "images" / f"{i}.jpg").write_bytes(b"\xff\xd8\xff") for i in range(12)], (),
                    "is not a whole, readable picture"),
    "no box left": ("coco", lambda root: change(root / "annotations" / "instances_small.json",
                                                lambda c: c.update(annotations=[])), (), "no captioned picture is in"),
    "two pictures": ("coco", lambda root: change(root / "annotations" / "instances_small.json",
                                                 lambda c: c.update(annotations=c["annotations"][:4])), (),
                     "has 2 captioned pictures; it takes at least 3"),
    "no words": ("coco", lambda root: change(root / "annotations" / "captions_small.json",
                                             lambda c: [a.update(caption=" . ") for a in c["annotations"]]), (),
                 "has a caption with a word in it; it takes more data"),
    "no annotation": ("flickr30k", lambda root: (root / "Annotations" / "7.xml").unlink(), (), "7.xml does not exist; give the"),
    "no brackets": ("flickr30k", lambda root: (root / "Sentences" / "7.txt").write_text("[/EN#1/other A dog runs"), (),
                    "7.txt line 1: the bracket of the phrase of id '1' is not closed"),
    "binary": ("flickr30k", lambda root: (root / "Sentences" / "7.txt").write_bytes(b"\x80\x00"), (), "7.txt line 1: byte 0x80"),
    "no sentences": ("flickr30k", lambda root: (root / "Sentences").rename(root / "sentence"), (),
                     "holds no folders Sentences and Annotations"),
    "no pictures": ("flickr30k", lambda root: (root / "flickr30k-images").rename(root / "elsewhere-in-a-folder"), (),
                    "24 of 24 picture files are missing|no captioned picture is in"),
    "list": ("flickr30k", lambda root: (root / "val.txt").write_text("18\n99\n"), (), "val.txt line 2: '99' has no file in"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_folders_are_refused_in_one_line(tmp_path, capsys, name):
    data, spoil, more, message = ODD[name]
    root = {"coco": coco, "flickr30k": flickr30k}[data](tmp_path / "data")
    spoil(root)
    capsys.readouterr()
    assert lecture(root, tmp_path / "out", data, *more) == 2
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1 and any(part in err for part in message.split("|")), err


def test_what_takes_photographs():
    assert Lecture.datasets == WITH_BOXES == ("coco", "flickr30k")


@pytest.mark.real
@pytest.mark.skipif("TINYMM_REAL_DATA" not in os.environ, reason="TINYMM_REAL_DATA names no folder")
def test_the_real_captioned_photographs_take_the_path(quick):
    """The path only: 28 pictures teach nothing."""
    found = Lecture(scale="smoke", epochs=1, data="coco", root=pathlib.Path(os.environ["TINYMM_REAL_DATA"]) / "coco_val_subset")
    found.prepare()
    report = running.run(found, progress=False)
    metrics = report["metrics"]
    assert metrics["pictures"] == {"validation": 3, "test": 3, "train": 22} and metrics["captions"]["train"] == 110
    assert all(np.isfinite(value) for row in metrics["retrieval"].values() for way in row.values() for value in way.values())
    phi, inside = (getattr(found.trained.pairs["train"].regions, name) for name in ("phi", "inside"))
    assert phi.shape[0] == 110 and phi.shape[1] <= MOST + 1 and inside.any(1).all() and np.isfinite(phi).all()
