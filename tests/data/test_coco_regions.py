"""COCO captions with COCO instances: small files in the released format, and the real ones where they are."""

import json
import os
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import RegionDataset, read_coco_regions
from tinymm.data.readers.regions import checked_box

from .damage import damaged, refused_by_name, refuses

REAL = os.environ.get("TINYMM_REAL_DATA")


def images(*numbers):
    return [{"id": n, "file_name": f"{n}.png", "height": 6, "width": 8} for n in numbers]


def box(number, image, x, y, w, h, **more):
    return {"id": number, "image_id": image, "category_id": 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0, **more}


CAPTIONS = {"images": images(7, 3, 5, 2), "annotations": [{"image_id": 3, "id": 20, "caption": "A red cat ."},
                                                          {"image_id": 7, "id": 4, "caption": "Two dogs, running."},
                                                          {"image_id": 3, "id": 6, "caption": "a cat"},
                                                          {"image_id": 2, "id": 7, "caption": "nothing"}]}
INSTANCES = {"images": images(2, 3, 5, 7, 9), "annotations": [
    box(9, 7, 4, 1, 3.5, 2), box(2, 7, 0, 0, 8, 6), box(5, 3, 1.25, 2, 0.5, 4.0), box(6, 5, 0, 0, 1, 1),
    box(8, 3, 0, 0, 8, 6, iscrowd=1)]}


def folder(tmp_path, captions=CAPTIONS, instances=INSTANCES):
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    return tmp_path


def read(place, **options):
    return read_coco_regions(place / "captions.json", place / "instances.json", place, **options)


def test_captions_and_boxes_of_the_same_pictures(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "7.png")
    data = read(folder(tmp_path), split="val")
    dogs, cat = data.records
    assert dogs.image_id == 7 and dogs.captions == ("Two dogs, running.",) and dogs.tokens == (("two", "dogs", "running"),)
    assert cat.captions == ("a cat", "A red cat .") and cat.tokens == (("a", "cat"), ("a", "red", "cat"))
    np.testing.assert_array_equal(dogs.boxes, [[0, 0, 8, 6], [4, 1, 7.5, 3]])   # by id; x, y, w, h -> edges
    np.testing.assert_array_equal(cat.boxes, [[1.25, 2, 1.75, 6]])
    assert dogs.phrases is None and dogs.size == (6, 8) and dogs.boxes.dtype == np.float64
    picture, captions, boxes = data[0]
    assert picture.shape == (3, 6, 8) and captions == dogs.captions
    np.testing.assert_allclose(picture * 255, pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(boxes, dogs.boxes)
    picture, _, boxes = read(tmp_path, within=(3, 5))[0]
    assert picture.shape == (3, 3, 4)
    np.testing.assert_array_equal(boxes, dogs.boxes / 2)   # scaled with the picture
    assert repr(data) == "RegionDataset(2 pictures, 3 captions, 3 boxes; val: 2)"
    assert len(data.batch([0])) == 1 and [record.image_id for record in data.missing] == [3]


def test_what_is_left_out_is_told(tmp_path):
    data = read(folder(tmp_path), split="val")
    assert data.notes == ("1 boxes of crowds are left out", "2 pictures have no caption and are left out",
                          "1 captioned pictures have no box and are left out")
    assert {r.image_id for r in data.without_captions} == {5, 9} and [r.image_id for r in data.without_boxes] == [2]
    part = data.split("val")
    assert isinstance(part, RegionDataset) and len(part) == 2 and len(part.without_boxes) == 1
    assert isinstance(data.present(), RegionDataset) and len(data.present()) == 0


def test_a_caption_file_may_have_pictures_that_the_instances_lack(tmp_path):
    data = read(folder(tmp_path, instances={"images": images(3), "annotations": [box(1, 3, 0, 0, 2, 2)]}))
    assert [r.image_id for r in data.records] == [3] and {r.image_id for r in data.without_boxes} == {7, 2}


FAULTS = [(box(1, 3, 5, 0, 4.5, 2), r"the box \[5, 0, 9.5, 2\] \(left, top, right, bottom\) is not in its picture, which has 8"),
          (box(1, 3, -2, 0, 4, 2), "is not in its picture"), (box(1, 3, 2, 2, 0, 3), "has no area; expected left < right"),
          (box(1, 3, 2, 2, 3, -1), "has no area"), (box(1, 3, 8.5, 0, 0.4, 2), "touches its picture of 8 x 6"),
          (box(1, 3, float("nan"), 0, 1, 1), "is no box; expected four numbers"), (box(1, 3, 0, 0, 10 ** 400, 1), "is no box")]


@pytest.mark.parametrize("fault, message", FAULTS)
def test_a_faulty_box_is_refused_or_left_out_and_told(tmp_path, fault, message):
    place = folder(tmp_path, instances={"images": images(7, 3), "annotations": [box(4, 7, 0, 0, 1, 1), fault]})
    refuses(lambda: read(place), rf"read_coco_regions: .*instances\.json: annotation 1 \(id 1\): .*{message}")
    data = read(place, strict=False)
    assert [r.image_id for r in data.records] == [7]
    assert data.notes[0].startswith("1 faulty boxes are left out, the first: read_coco_regions")


def test_what_reaches_less_than_a_pixel_over_the_edge_is_cut_off():
    assert checked_box([-0.5, 0, 8.9, 6], 6, 8, "x") == (0, 0, 8, 6)
    assert checked_box(np.array([1, 2, 3, 4]), 6, 8, "x") == (1, 2, 3, 4)
    for wrong in ([1, 2, 3], [1, 2, 3, "4"], [True, 2, 3, 4]):
        refuses(lambda wrong=wrong: checked_box(wrong, 6, 8, "x"), "x: .* is no box; expected four numbers, in pixels")


@pytest.mark.parametrize("images_, annotations, message", [
    (images(3), [box(1, 4, 0, 0, 1, 1)], r"annotation 0 \(id 1\): image_id 4 is not among the images"),
    (images(3, 3), [], r"image 1 \(id 3\): an earlier image has the same id"),
    (images(3), [box(1, 3, 0, 0, 1, 1)] * 2, r"annotation 1 \(id 1\): an earlier annotation has the same id"),
    (images(3), [{"id": 1, "image_id": 3, "caption": "a"}], "it has a caption and no bbox; this is a captions file"),
    (images(3), [{"id": 1, "image_id": 3}], "'bbox' is not there; its fields are"),
    (images(3), [{"id": 1, "image_id": 3, "bbox": [1, 2, 3]}], r"'bbox' is \[1, 2, 3\]; expected \[x, y, width, height\]"),
    (images(3), [{"id": 1, "image_id": 3, "bbox": [1, 2, 3, None]}], "four numbers"),
    ([{"id": 3}], [], r"image 0 \(id 3\): 'height' is not there"),
    ([{"id": 3, "height": 0, "width": 4}], [], "4 x 0 pixels"), (images(3), {}, "has no list 'annotations'")])
def test_damaged_records_are_named(tmp_path, images_, annotations, message):
    place = folder(tmp_path, instances={"images": images_, "annotations": annotations})
    refuses(lambda: read(place, strict=False), rf"read_coco_regions: .*instances\.json.*{message}")


def test_files_that_are_no_instances(tmp_path):
    place = folder(tmp_path)
    whole = (place / "instances.json").read_bytes()
    for content, message in ((b"", "line 1 column 1: not JSON"), (whole[:200], "not JSON"), (b"\x00\xff\xfe", "not text in UTF-8")):
        (place / "instances.json").write_bytes(content)
        refuses(lambda: read(place), rf"read_coco_regions: .*instances\.json.*{message}")
    (place / "instances.json").unlink()
    refuses(lambda: read(place), r"instances\.json does not exist; give a COCO instances file", FileNotFoundError)
    refuses(lambda: read_coco_regions(place / "captions.json", place / "captions.json", place), "'height' is not there|no bbox")


def test_a_picture_of_another_size_is_refused(tmp_path):
    from PIL import Image

    Image.new("RGB", (4, 3)).save(tmp_path / "7.png")
    data = read(folder(tmp_path))
    refuses(lambda: data[0], r"7\.png has 4 x 3 pixels \(width x height\), and its boxes are of a picture of 8 x 6")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    place = folder(tmp_path_factory.mktemp("coco"))
    name = data.draw(st.sampled_from(["captions.json", "instances.json"]))
    (place / name).write_bytes(data.draw(damaged((place / name).read_bytes())))
    refused_by_name(lambda: read(place), str(place))


@pytest.mark.oracle
def test_boxes_agree_with_pycocotools(tmp_path):
    import contextlib
    import io

    from pycocotools.coco import COCO

    place = pathlib.Path(REAL) / "coco_val_subset" / "annotations" if REAL else None
    files = [(folder(tmp_path) / "captions.json", tmp_path / "instances.json")]
    files += [(place / "captions_val_subset.json", place / "instances_val_subset.json")] if place else []
    for captions, instances in files:
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCO(str(instances))
        records = read_coco_regions(captions, instances, tmp_path).records
        assert records
        for record in records:
            theirs = judge.loadAnns(sorted(judge.getAnnIds(imgIds=[record.image_id], iscrowd=None)))
            corners = [[x, y, x + w, y + h] for a in theirs if not a.get("iscrowd") for x, y, w, h in [a["bbox"]]]
            np.testing.assert_allclose(record.boxes, corners, atol=1e-9)   # none of these reaches over an edge
            assert record.size == tuple(judge.imgs[record.image_id][name] for name in ("height", "width"))


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="TINYMM_REAL_DATA is not set")
def test_the_real_captioned_photographs_and_their_boxes():
    place = pathlib.Path(REAL) / "coco_val_subset"
    instances = place / "annotations/instances_val_subset.json"
    data = read_coco_regions(place / "annotations/captions_val_subset.json", instances, place / "images")
    assert len(data) == 28 and len(data.without_captions) == 100 and not data.missing and not data.without_boxes
    wanted: dict[int, list] = {}
    for a in sorted(json.loads(instances.read_text())["annotations"], key=lambda a: a["id"]):
        x, y, w, h = a["bbox"]
        wanted.setdefault(a["image_id"], []).append([x, y, x + w, y + h])
    for i, record in enumerate(data.records):
        np.testing.assert_allclose(record.boxes, wanted[record.image_id], atol=1e-9)   # none of these reaches over an edge
        picture, captions, boxes = data[i]
        assert len(captions) == 5
        assert (boxes[:, 2:] <= picture.shape[:0:-1]).all() and (boxes >= 0).all()
    assert sum(len(record.boxes) for record in data.records) == 190
