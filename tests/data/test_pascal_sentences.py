"""The reader of the Pascal sentences, on small pages, folders and JSON files in the forms that people have."""

import json

import pytest

from tinymm.data.readers.pascal_sentences import read_pascal_sentences
from tinymm.experiments.captioning.datasets import open_captions

from .test_captions import paint, write

SENTENCES = {("aeroplane", "2008_000716"): ["Two jets stand on a field.", "A jet & another."],
             ("aeroplane", "2008_001227"): ["Two men talk beside a plane.", 'A plane named "Anna".', "Men and a plane"],
             ("tvmonitor", "2008_005254"): ["A screen."]}
CAPTIONS = {name: tuple(sentences) for (_, name), sentences in SENTENCES.items()}


def row(src, sentences):
    cells = "".join(f"<tr><td> {sentence.replace('&', '&amp;')}</td></tr>\n" for sentence in sentences)
    return f'<tr>\n<td><img src="{src}"></td>\n<td>\n<table>\n{cells}</table></td>\n</tr>\n'


def page(rows):
    return f"<html><head><title>Pascal</title></head>\n<body><h1>Sentences</h1>\n<table>\n{rows}</table>\n</body></html>\n"


def whole(source="{kind}/{name}.jpg"):
    return page("".join(row(source.format(kind=kind, name=name), sentences) for (kind, name), sentences in SENTENCES.items()))


def pictures(folder, file="{kind}/{name}.jpg"):
    for kind, name in SENTENCES:
        paint(folder / file.format(kind=kind, name=name))


def crawled(folder, texts="sentence", images="dataset", text="{kind}/{name}txt", image="{kind}/{name}.jpg"):
    for (kind, name), sentences in SENTENCES.items():
        write(folder / texts / text.format(kind=kind, name=name), "\n".join(sentences) + "\n")
    pictures(folder / images, image)
    return folder


def check(data, missing=0):
    assert {r.image_id: r.captions for r in data.records} == CAPTIONS and [r.image_id for r in data.records] == list(CAPTIONS)
    assert data.splits == {"test": 3} and data.without_captions == () and len(data.missing) == missing
    assert data.notes == ("pictures that have not 5 sentences: 2008_000716 (2), 2008_001227 (3), 2008_005254 (1)",
                          "3 pictures have sentences; in the published set 1000 have")


# the page

def test_the_page_beside_its_folders_of_pictures(tmp_path):
    write(tmp_path / "index.html", whole())
    pictures(tmp_path)
    data = read_pascal_sentences(tmp_path, image_size=4, channels=1)
    check(data)
    assert data[2][0].shape == (1, 4, 4) and data[2][1] == ("A screen.",)


@pytest.mark.parametrize("name, src, place", [
    ("Pascal Sentences.html", "./Pascal%20Sentences_files/{name}.jpg", "Pascal Sentences_files/{name}.jpg"),
    ("pascal.htm", "pascal_files/{name}.jpg", "{name}.jpg"),
    ("index.html", "https://vision.cs.uiuc.edu/pascal-sentences/{kind}/{name}.jpg", "dataset/{kind}/{name}.jpg"),
    ("index.html", "{kind}/{name}.jpg", "images/{name}.jpg"),
])
def test_pages_and_pictures_as_they_are_saved(tmp_path, name, src, place):
    write(tmp_path / name, whole(src))
    pictures(tmp_path, place)
    check(read_pascal_sentences(tmp_path))


def test_html_is_read_as_a_browser_reads_it(tmp_path):
    write(tmp_path / "a.html", "<p>About the pictures.</p>\n<img src='logo.png'>\n")   # not the page
    write(tmp_path / "b.html", "<TABLE border=1><tbody>\n<TR><TD><IMG width=50 SRC='x/2008_000001.jpg' /><TD><table><tbody>\n"
                               "<tr><td>A dog\n&quot;Rex&quot;\n\n   runs&nbsp;.<!-- no --><tr><td><i>A</i> caf\u00e9\n<tr><td> \n"
                               "</table><tr><th>Next<th>one\n<tr><td><img src='x/2008_000002.jpg'><td><table><tr><td>A cat\n"
                               "</table></table><table><tr><td>Imprint</table>")
    data = read_pascal_sentences(tmp_path)
    assert [r.captions for r in data.records] == [('A dog "Rex" runs .', "A caf\u00e9"), ("A cat",)]


def test_the_whole_set_is_nothing_to_note(tmp_path):
    five = ["One .", "Two .", "Three .", "Four .", "Five ."]
    write(tmp_path / "index.html", page("".join(row(f"cat/2008_{i:06}.jpg", five) for i in range(1000))))
    data = read_pascal_sentences(tmp_path)
    assert len(data) == 1000 and data.notes == () and len(data.missing) == 1000
    assert "1000 of 1000 picture files are missing: 2008_000000.jpg" in data.missing_message()


def test_a_page_cut_anywhere_is_refused(tmp_path):
    content = whole()
    end = content.rindex("</table>") + len("</table>")
    for cut in range(end):
        write(tmp_path / "index.html", content[:cut])
        with pytest.raises(ValueError, match=r"read_pascal_sentences: .*index\.html .*expected"):
            read_pascal_sentences(tmp_path)
    write(tmp_path / "index.html", content[:end])
    check(read_pascal_sentences(tmp_path), missing=3)


@pytest.mark.parametrize("rows, message", [
    (row("cat/2008_000001.jpg", ["A cat"]) + row("cat/2008_000002.jpg", []),
     r"line 12: the picture cat/2008_000002\.jpg has no sentences; expected a table of them in the next cell"),
    (row("", ["A cat"]), r'line 5: src=\'\' names no picture file; expected one such as "aeroplane/2008_000716\.jpg"'),
    (row("data:image/jpeg;base64,/9j/4AAQ", ["A cat"]), r"line 5: src='data:image/jpeg;base64,/9j/4AAQ' names no picture file"),
    (row("cat/2008_000001.jpg", ["A cat"]) * 2,
     r"index\.html line 12: the picture 2008_000001 is in .*index\.html line 5 already; expected each once"),
    ("<tr><td>404 Not Found</td></tr>", r'index\.html shows no pictures; expected rows of <img src="aeroplane/2008_000716\.jpg">'),
])
def test_damaged_pages_are_explained(tmp_path, rows, message):
    write(tmp_path / "index.html", page(rows))
    with pytest.raises(ValueError, match="read_pascal_sentences: .*" + message):
        read_pascal_sentences(tmp_path)


def test_a_page_cut_between_two_pictures_tells_how_many_it_has(tmp_path):
    write(tmp_path / "index.html", whole().replace("</table>\n</body></html>", ""))
    with pytest.raises(ValueError, match=r"in its table, after 3 of 1000 pictures; expected the table's end"):
        read_pascal_sentences(tmp_path)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "index.html").write_bytes(whole().encode().replace(b"A screen", b"A caf\xe9"))
    with pytest.raises(ValueError, match=r"index\.html line 25: byte 0xe9 at position 14 is not UTF-8; convert the file"):
        read_pascal_sentences(tmp_path)


# folders of sentences

@pytest.mark.parametrize("layout", [
    {},   # as the crawler that is used most writes them, with its slip
    {"text": "{kind}/{name}.txt"},
    {"texts": "texts", "images": "images", "text": "{kind}/{name}.txt"},
    {"texts": "Sentences", "images": "Images", "text": "{name}.txt", "image": "{name}.jpg"},
    {"texts": "sentence", "images": "images", "image": "{name}.jpg"},
    {"texts": ".", "images": ".", "text": "{name}.txt", "image": "{name}.jpg"},
    {"texts": ".", "images": ".", "text": "{kind}/{name}.txt"},
])
def test_folders_of_sentences(tmp_path, layout):
    texts = crawled(tmp_path, **layout) / layout.get("texts", "sentence")
    write(texts / "readme.txt", "Not sentences about a picture.")
    write(texts / ".cache" / "readme.txt", "Not a class either.")
    data = read_pascal_sentences(tmp_path, image_size=(4, 5))
    check(data)
    assert data[0][0].shape == (3, 4, 5)


def test_a_missing_file_of_sentences_is_noted(tmp_path):
    crawled(tmp_path)
    (tmp_path / "sentence" / "aeroplane" / "2008_001227txt").unlink()
    paint(tmp_path / "dataset" / "sofa" / "2008_000009.jpg")   # a whole class without
    data = read_pascal_sentences(tmp_path)
    assert [r.image_id for r in data.records] == ["2008_000716", "2008_005254"] and data.missing == ()
    lost = [tmp_path / "dataset" / "aeroplane" / "2008_001227.jpg", tmp_path / "dataset" / "sofa" / "2008_000009.jpg"]
    assert [(r.path, r.image_id, r.split) for r in data.without_captions] == [(lost[0], "2008_001227", "test"),
                                                                             (lost[1], "2008_000009", "test")]
    assert data.notes[-1] == f"pictures without a file of sentences: {lost[0]}, {lost[1]}"


def test_a_class_without_sentences_is_refused(tmp_path):
    crawled(tmp_path)
    (tmp_path / "sentence" / "tvmonitor" / "2008_005254txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"read_pascal_sentences: .*tvmonitor holds no sentences; expected files such as"):
        read_pascal_sentences(tmp_path)
    (tmp_path / "empty" / "sentence").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"sentence holds no sentences; expected files such as aeroplane/2008_000716\.txt"):
        read_pascal_sentences(tmp_path / "empty")


def test_damaged_files_of_sentences_are_named(tmp_path):
    crawled(tmp_path)
    file = tmp_path / "sentence" / "aeroplane" / "2008_000716txt"
    file.write_bytes(b"A jet\nA caf\xe9\n")
    with pytest.raises(ValueError, match=r"2008_000716txt line 2: byte 0xe9 at position 5 is not UTF-8"):
        read_pascal_sentences(tmp_path)
    file.write_bytes(b"\n \n")
    with pytest.raises(ValueError, match=r"2008_000716txt is empty; expected the sentences about 2008_000716, one a line"):
        read_pascal_sentences(tmp_path)
    file.write_bytes(b"A jet\n")
    write(tmp_path / "sentence" / "aeroplane" / "2008_000716.txt", "A jet\n")
    with pytest.raises(ValueError, match=r"2008_000716txt: the picture 2008_000716 is in .*2008_000716\.txt already"):
        read_pascal_sentences(tmp_path)


def test_missing_and_damaged_pictures_are_found_when_asked_for(tmp_path):
    crawled(tmp_path)
    (tmp_path / "dataset" / "aeroplane" / "2008_000716.jpg").write_bytes(b"damaged")
    (tmp_path / "dataset" / "aeroplane" / "2008_001227.jpg").unlink()
    data = read_pascal_sentences(tmp_path)
    check(data, missing=1)
    assert [r.image_id for r in data.present().records] == ["2008_000716", "2008_005254"]
    with pytest.raises(ValueError, match=r"2008_000716\.jpg is not a whole, readable picture"):
        data[0]
    with pytest.raises(FileNotFoundError, match=r"1 of 3 picture files are missing: 2008_001227\.jpg"):
        data[1]


# the JSON file

def json_file(folder, content=None):
    if content is None:
        content = {f"{name}.jpg": {"category": kind, "captions": texts} for (kind, name), texts in SENTENCES.items()}
    return write(folder / "pascal_sentences.json", json.dumps(content))


@pytest.mark.parametrize("place", ["images/{name}.jpg", "images/{kind}/{name}.jpg", "{name}.jpg"])
def test_the_json_file(tmp_path, place):
    json_file(tmp_path)
    pictures(tmp_path, place)
    check(read_pascal_sentences(tmp_path))


def test_a_json_record_without_captions_is_kept_apart(tmp_path):
    json_file(tmp_path, {"2008_000001.jpg": {"category": "cat", "captions": []},
                         "2008_000002.jpg": {"category": "cat", "captions": ["A cat"] * 5}})
    data = read_pascal_sentences(tmp_path)
    assert [r.image_id for r in data.records] == ["2008_000002"] and [r.image_id for r in data.without_captions] == ["2008_000001"]
    assert data.notes == ("pictures that have not 5 sentences: 2008_000001 (0)",
                          "1 pictures have sentences; in the published set 1000 have")


@pytest.mark.parametrize("content, message", [
    ([1], r"pascal_sentences\.json holds a list; give an object"),
    ({}, r"pascal_sentences\.json holds no picture; give an object"),
    ({"2008_000001.jpg": ["A cat"]}, r"json: 2008_000001\.jpg: expected an object with 'category', got \['A cat'\]"),
    ({"2008_000001.jpg": {"category": "cat"}}, r"2008_000001\.jpg: 'captions' is not there; its fields are \['category'\]"),
    ({"2008_000001.jpg": {"category": "cat", "captions": [1]}}, r"2008_000001\.jpg: 'captions' must be strings, got \[1\]"),
    ({f"2008_000001.{ending}": {"category": "cat", "captions": ["A cat"]} for ending in ("jpg", "png")},
     r"json: 2008_000001\.png: the picture 2008_000001 is in .*json: 2008_000001\.jpg already"),
])
def test_damaged_json_is_explained(tmp_path, content, message):
    json_file(tmp_path, content)
    with pytest.raises(ValueError, match="read_pascal_sentences: .*" + message):
        read_pascal_sentences(tmp_path)


def test_truncated_json_is_located(tmp_path):
    path = json_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"pascal_sentences\.json line 1 column \d+: not JSON"):
        read_pascal_sentences(tmp_path)


# none of them

def test_nothing_there_is_explained(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"holds no page \(index\.html\), no folder of sentences .*; give the folder"):
            read_pascal_sentences(folder)


def test_by_name(tmp_path, capsys):
    crawled(tmp_path)
    (tmp_path / "dataset" / "aeroplane" / "2008_001227.jpg").unlink()
    data = open_captions("pascal", str(tmp_path), 32)
    assert data.splits == {"test": 2} and data[1][0].shape == (3, 32, 32)
    printed = capsys.readouterr().out
    assert "pascal: 3 pictures have sentences; in the published set 1000 have" in printed
    assert "pascal: 1 of 3 picture files are missing: 2008_001227.jpg" in printed
