"""Flickr30k Entities, on small files in the released format."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import read_flickr30k_entities
from tinymm.data.readers.flickr30k_entities import read_annotation, read_sentences
from tinymm.data.readers.regions import Phrase

from .damage import damaged, refused_by_name, refuses

SENTENCES = """[/EN#12/people Two men] in [/EN#14/clothing green shirts] stand near [/EN#0/notvisual each other] .
[/EN#12/people Friends] enjoy [/EN#15/other time] in [/EN#16/vehicles/scene a yard]
"""


def annotation(*objects: str, width=80, height=60) -> str:
    return (f"<annotation>\n\t<filename>36.jpg</filename>\n\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
            f"\t\t<depth>3</depth>\n\t</size>\n" + "\n".join(objects) + "\n</annotation>\n")


def thing(*names, box=None, flags="<scene>0</scene>\n\t\t<nobndbox>1</nobndbox>") -> str:
    if box is not None:
        sides = "".join(f"<{side}>{x}</{side}>" for side, x in zip(("xmin", "ymin", "xmax", "ymax"), box))
        flags = f"<bndbox>{sides}</bndbox>"
    return "\t<object>\n" + "".join(f"\t\t<name>{name}</name>\n" for name in names) + f"\t\t{flags}\n\t</object>"


OBJECTS = (thing(12, box=(1, 1, 30, 60)), thing(12, box=(31, 2, 80, 60)), thing(14, 99, box=(5, 20, 25, 40)), thing(15),
           thing(16, flags="<scene>1</scene>\n\t\t<nobndbox>0</nobndbox>"))


def write(folder, sentences=SENTENCES, objects=OBJECTS, name="36"):
    for place, text in (("Sentences", sentences), ("Annotations", annotation(*objects))):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / f"{name}{'.txt' if place == 'Sentences' else '.xml'}").write_text(text, encoding="utf-8")
    return folder


def test_words_and_the_boxes_of_phrases(tmp_path):
    record, = read_flickr30k_entities(write(tmp_path)).records
    assert record.tokens == (("Two", "men", "in", "green", "shirts", "stand", "near", "each", "other", "."),
                             ("Friends", "enjoy", "time", "in", "a", "yard"))
    assert record.captions[1] == "Friends enjoy time in a yard" and record.size == (60, 80) and record.split is None
    np.testing.assert_array_equal(record.boxes, [[0, 0, 30, 60], [30, 1, 80, 60], [4, 19, 25, 40]])   # VOC's pixels, as edges
    assert record.phrases == ((Phrase(0, 2, (0, 1)), Phrase(3, 5, (2,))), (Phrase(0, 1, (0, 1)),))


def test_as_the_annotations_unpack_with_splits_captions_and_pictures(tmp_path):
    from PIL import Image

    for name in ("36", "7", "123"):
        write(tmp_path / "annotations", name=name)
    (tmp_path / "train.txt").write_text("123\n36\n")
    (tmp_path / "test.txt").write_text("7")
    (tmp_path / "results_20130124.token").write_text("".join(
        f"{i}.jpg#0\tTwo men in green shirts stand near each other .\n{i}.jpg#1\tFriends enjoy {what} in a yard\n"
        for i, what in ((7, "time"), (36, "it"))))
    (tmp_path / "flickr30k-images").mkdir()
    Image.new("RGB", (80, 60)).save(tmp_path / "flickr30k-images" / "7.jpg")
    data = read_flickr30k_entities(tmp_path)
    assert [r.image_id for r in data.records] == ["7.jpg", "36.jpg", "123.jpg"] and data.splits == {"test": 1, "train": 2}
    assert data.records[1].captions[1] == "Friends enjoy it in a yard" and data.records[1].tokens[1][2] == "time"
    assert data.notes == ("1 captions have other words than Flickr30k's own",)
    only = read_flickr30k_entities(tmp_path, split="test")
    assert [r.image_id for r in only.records] == ["7.jpg"] and only[0][0].shape == (3, 60, 80) and not only.missing
    refuses(lambda: read_flickr30k_entities(tmp_path, split="val"), "no picture is in 'val'; .* has no val.txt")
    refuses(lambda: read_flickr30k_entities(tmp_path, split="dev"), "split='dev'; choose one of 'train', 'val', 'test'")


def test_pictures_without_boxes_or_captions_are_told(tmp_path):
    write(tmp_path), write(tmp_path, objects=[thing(name) for name in (12, 14, 15, 16)], name="5")
    write(tmp_path, "\n", name="6")
    data = read_flickr30k_entities(tmp_path)
    assert [r.image_id for r in data.records] == ["36.jpg"] and [r.image_id for r in data.without_boxes] == ["5.jpg"]
    assert data.notes == ("1 pictures have no caption and are left out", "1 captioned pictures have no box and are left out")


@pytest.mark.parametrize("text, message", [
    ("a [/EN#1/people man in red .", "the bracket of the phrase of id '1' is not closed"),
    ("a [/EN#1/people man [/EN#2/other in] red]", r"'\[/EN#2/other' begins within the phrase of id '1'"),
    ("a man] in red", r"'man\]' closes no phrase"), ("a [/EN#1/people ] man", r"'\]' closes a phrase without words"),
    ("a [/EN#1/people man]] in", r"'man\]\]' has a bracket too many"), ("a [man] in", r"'\[man\]' begins no phrase; expected"),
    ("a [/EN#1 man]", "begins no phrase"), ("[/EN#/people man]", "begins no phrase"),
    ("[/EN#1/people man][/EN#2/other in]", "has a bracket too many|closes")])
def test_brackets_that_do_not_fit_are_named_with_their_line(tmp_path, text, message):
    write(tmp_path, "fine .\n\n" + text)
    refuses(lambda: read_flickr30k_entities(tmp_path), rf"read_flickr30k_entities: .*36\.txt line 3: .*{message}")


def test_a_space_before_the_closing_bracket(tmp_path):
    (_, (words, phrases)), = read_sentences(write(tmp_path, "[/EN#5/people Two teams ] compete\r\n") / "Sentences" / "36.txt")
    assert words == ("Two", "teams", "compete") and phrases == [(0, 2, "5")]


@pytest.mark.parametrize("objects, message", [
    (OBJECTS[:2] + OBJECTS[3:], r"36\.txt line 1: the id '14' of 'green shirts' is in no object of 36"),
    ((*OBJECTS, thing(12, box=(70, 1, 83, 5))), r"36\.xml: object 5 \(name 12\): the box .* is not in its picture"),
    ((*OBJECTS, thing(12, box=(9, 9, 8, 20))), r"36\.xml: object 5 \(name 12\): the box .* has no area")])
def test_single_faults_are_refused_or_told(tmp_path, objects, message):
    place = write(tmp_path, objects=objects)
    refuses(lambda: read_flickr30k_entities(place), message)
    data = read_flickr30k_entities(place, strict=False)
    assert len(data) == 1 and " left out, the first: read_flickr30k_entities" in data.notes[0]
    assert max(row for of in data.records[0].phrases for phrase in of for row in phrase.boxes) < len(data.records[0].boxes)


@pytest.mark.parametrize("objects, message", [
    (["<object><scene>0</scene><nobndbox>1</nobndbox></object>"], "object 0 has no name"),
    (["<object><name> </name><scene>1</scene></object>"], "object 0 has no name, or an empty one"),
    (["<object><name>3</name></object>"], r"object 0 \(name 3\) has neither a bndbox, nor nobndbox or scene of 1"),
    ([thing(3, flags="<scene>0</scene><nobndbox>0</nobndbox>")], "has neither"),
    ([thing(3, box=(1, 2, 3))], r"object 0 \(name 3\): 'ymax' is not there in 'bndbox'"),
    ([thing(3, box=(1, 2, 3, "4.5"))], "'ymax' is '4.5'; expected an integer"),
    (["<object>"], r" line \d+ column \d+: not XML \(mismatched tag\)")])
def test_damaged_objects_are_named(tmp_path, objects, message):
    place = write(tmp_path, objects=objects)
    refuses(lambda: read_flickr30k_entities(place, strict=False), rf"read_flickr30k_entities: .*36\.xml.*{message}")


def test_files_that_are_none(tmp_path):
    place = write(tmp_path / "a")
    xml = place / "Annotations" / "36.xml"
    for content, message in ((b"", "line 1 column 1: not XML"), (b"\x00\x01\xff", "not XML"),
                             (b"<a/>", "has the element 'a', expected"), (annotation(width=0).encode(), "0 x 60 pixels"),
                             (b"<?xml version='1.0' encoding='no'?><a/>", "not XML"),
                             (annotation(*OBJECTS).encode()[:300], "not XML"), (b" " * 2 ** 21, "at most 1,048,576 are read")):
        xml.write_bytes(content)
        refuses(lambda: read_annotation(xml), rf"read_flickr30k_entities: .*36\.xml.*{message}")
    xml.unlink()
    refuses(lambda: read_flickr30k_entities(place), r"36\.xml does not exist; give the folder of Flickr30k Ent", FileNotFoundError)
    refuses(lambda: read_flickr30k_entities(tmp_path / "none"), "holds no folders Sentences and Annotations", FileNotFoundError)
    (place / "Sentences" / "36.txt").unlink()
    refuses(lambda: read_flickr30k_entities(place), r"Sentences holds no ID\.txt")


@pytest.mark.parametrize("train, test, message", [("36\n\n8\n", "", r"train\.txt line 3: '8' has no file in"),
                                                  ("36", "\n36.jpg\n", r"test\.txt line 2: 36 is in train\.txt too")])
def test_lists_of_splits_that_do_not_fit(tmp_path, train, test, message):
    place = write(tmp_path)
    (place / "train.txt").write_text(train), (place / "test.txt").write_text(test)
    refuses(lambda: read_flickr30k_entities(place), message)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    place = write(tmp_path_factory.mktemp("entities"))
    file = place / data.draw(st.sampled_from(["Sentences/36.txt", "Annotations/36.xml"]))
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: read_flickr30k_entities(place), str(place))
