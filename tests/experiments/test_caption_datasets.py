"""The published datasets by name, in the layouts that people have them in."""

import json

import numpy as np
import pytest
from PIL import Image

from tinymm.cli import main
from tinymm.experiments.captioning.datasets import open_captions
from tinymm.experiments.captioning.parts import photo_parts, vocabulary_of


def pictures(folder, count=6):
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        Image.fromarray(np.full((40, 60, 3), 40 * i, np.uint8)).save(folder / name)
    return names


def coco(folder, names, first=0):
    return {"images": [{"id": first + i, "file_name": n} for i, n in enumerate(names)],
            "annotations": [{"id": first + i, "image_id": first + i, "caption": f"Picture number {i}."} for i in range(len(names))]}


def test_coco_with_a_folder_for_each_year(tmp_path):
    (tmp_path / "annotations").mkdir()
    for year, part in (("train2014", slice(0, 4)), ("val2014", slice(4, 6))):
        names = pictures(tmp_path / year)[part]
        (tmp_path / "annotations" / f"captions_{year}.json").write_text(json.dumps(coco(tmp_path, names, part.start)))
    found = open_captions("coco", str(tmp_path), 32)
    assert found.splits == {"train": 4, "val": 2} and found[0][0].shape == (3, 32, 32)
    parts = photo_parts(4, "coco", str(tmp_path), seed=0)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [3, 2, 1]   # no test pictures: one of train's
    assert parts["validation"].captions[0] == [["picture", "number", "0"]] and parts["train"].images([0, 2]).shape == (2, 3, 64, 64)
    assert "picture" in vocabulary_of(parts["train"])


def test_coco_in_one_file_is_split_at_random(tmp_path, capsys):
    names = pictures(tmp_path / "images") + ["gone.jpg"]
    (tmp_path / "captions_small.json").write_text(json.dumps(coco(tmp_path, names)))
    parts = photo_parts(4, "coco", str(tmp_path), seed=0)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [4, 1, 1]
    assert "1 of 7 picture files are missing: gone.jpg" in capsys.readouterr().out
    everything = sorted(str(c) for part in parts.values() for c in part.captions)
    assert len(set(everything)) == 6   # no picture in two parts


def test_karpathys_files(tmp_path):
    names = pictures(tmp_path / "images")
    images = [{"imgid": i, "filename": n, "split": ("train", "restval", "train", "val", "test", "test")[i],
               "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}]} for i, n in enumerate(names)]
    (tmp_path / "dataset_flickr8k.json").write_text(json.dumps({"dataset": "flickr8k", "images": images}))
    parts = photo_parts(4, "karpathy", str(tmp_path), seed=0)
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [3, 1, 2]
    assert [list(c) for c in parts["test"].captions[0]] == [["a", "dog"]]


@pytest.mark.parametrize("name", ["flickr8k", "flickr30k"])
def test_flickr(tmp_path, name):
    names = pictures(tmp_path / "Images")
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(f"{n},A dog runs .\n" for n in names))
    assert len(open_captions(name, str(tmp_path), 32)) == 6


def test_too_few_pictures_and_no_gpu_are_explained(tmp_path, capsys):
    names = pictures(tmp_path / "images", 2)
    (tmp_path / "captions_two.json").write_text(json.dumps(coco(tmp_path, names)))
    assert main(["lecture", "4", "--data", "coco", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "has 2 captioned pictures; it takes at least 3" in capsys.readouterr().err
    (tmp_path / "captions_two.json").write_text("{")
    assert main(["lecture", "4", "--data", "coco", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "line 1 column 2: not JSON" in capsys.readouterr().err
    from tinymm.backend.cuda import is_available

    if not is_available():
        assert main(["lecture", "4", "--device", "cuda"]) == 2
        assert "cuda" in capsys.readouterr().err
    assert main(["lecture", "4", "--device", "abacus"]) == 2
    assert "unknown device 'abacus'" in capsys.readouterr().err
