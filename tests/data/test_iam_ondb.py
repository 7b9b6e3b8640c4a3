"""IAM-OnDB's folders of strokes, texts and forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data.readers.iam_ondb import read_iam_ondb, read_strokes, read_text, read_writer

from .damage import damaged, refused_by_name, refuses

STROKES = [[(895, 992), (890, 1000), (901.5, 1010)], [(950, 990)], [(960, 995), (950, 1005)]]
HEAD = ('<?xml version="1.0" encoding="ISO-8859-1"?>\n<WhiteboardCaptureSession>\n    <WhiteboardDescription>\n'
        '        <SensorLocation corner="top_left"/>\n        <VerticallyOppositeCoords x="5714" y="4798"/>\n'
        '    </WhiteboardDescription>\n')
FORM = ('<?xml version="1.0" encoding="ISO-8859-1"?>\n<WhiteboardCaptureSession>\n    <General>\n'
        '        <Form id="33" writerID="10178"/>\n        <CaptureTime dateTime="2004-09-10"/>\n'
        '        <Setting location="Z\u00fcrich" producer="tool"/>\n    </General>\n    <StrokeSet>\n    </StrokeSet>\n'
        '</WhiteboardCaptureSession>\n')
TEXT = "OCR:\n\nA M0VE to\n\n\nCSR:\n\nA MOVE to stop Mr. Gaitskell\nfrom nominating\n\nany more\n"


def xml(strokes=STROKES):
    points = ["".join(f'            <Point x="{x}" y="{y}" time="13090871.55"/>\n' for x, y in stroke) for stroke in strokes]
    body = "".join(f'        <Stroke colour="black" start_time="13090871.55" end_time="13090871.77">\n{inside}        </Stroke>\n'
                   for inside in points)
    return f"{HEAD}    <StrokeSet>\n{body}    </StrokeSet>\n</WhiteboardCaptureSession>\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("latin-1"))
    return path


def form(root, name="a01-000u", lines=3, text=TEXT, original=FORM, nested=False):
    folder, letter = name[:7], name[7:]
    place = lambda outer, kind: root / (f"{outer}/{kind}" if nested else kind) / name[:3] / folder
    for i in range(1, lines + 1):
        write(place("lineStrokes-all", "lineStrokes") / f"{name}-{i:02d}.xml", xml([[(i, 2 * i), (i + 1, 3 * i)]]))
    write(place("ascii-all", "ascii") / f"{name}.txt", text)
    if original:
        write(place("original-xml-all", "original") / f"strokes{letter}.xml", original)
    return root


def test_strokes_become_offsets(tmp_path):
    """By hand: y points up, the first offset is 0, and the last point of each stroke is marked."""
    points = read_strokes(write(tmp_path / "a.xml", xml()))
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, [(0, 0, 0), (-5, -8, 0), (11.5, -10, 1), (48.5, 20, 1), (10, -5, 0), (-10, -10, 1)])
    np.testing.assert_allclose(points[:, :2].cumsum(0) + (895, -992), [(x, -y) for stroke in STROKES for x, y in stroke])


@pytest.mark.parametrize("nested", [False, True])
def test_the_folders(tmp_path, nested):
    form(tmp_path, nested=nested)
    form(tmp_path, "a01-000w", 2, nested=nested, original=FORM.replace("10178", "10001"))
    form(tmp_path, "b02-003", 1, nested=nested)   # a form without a letter
    data = read_iam_ondb(tmp_path)
    assert [path.stem for path in data.files] == ["a01-000u-01", "a01-000u-02", "a01-000u-03", "a01-000w-01", "a01-000w-02",
                                                  "b02-003-01"]
    texts = ["A MOVE to stop Mr. Gaitskell", "from nominating", "any more"]
    assert [line.text for line in data] == [*texts, *texts[:2], texts[0]]
    assert [line.writer for line in data] == [10178] * 3 + [10001] * 2 + [10178] and data.notes == ()
    line = data[2]
    assert (line.name, line.text) == ("a01-000u-03", "any more")
    np.testing.assert_array_equal(line.points, [(0, 0, 0), (1, -3, 1)])
    with pytest.raises(IndexError):
        data[6]


def test_some_of_the_lines(tmp_path):
    form(tmp_path), form(tmp_path, "a01-000w", 2)
    assert [path.stem for path in read_iam_ondb(tmp_path, ["a01-000w", "a01-000u-02"]).files] == ["a01-000u-02", "a01-000w-01",
                                                                                              "a01-000w-02"]
    refuses(lambda: read_iam_ondb(tmp_path, ["a01-000w", "a01-001"]), r"no line is of a01-001 in .*lineStrokes; expected names of")


def test_broken_lines_are_left_out_by_name(tmp_path):
    form(tmp_path, "a08-551z", 9, "CSR:\n" + "\n".join("abcdefghi")), form(tmp_path, "z01-000z", 2), form(tmp_path, "z01-000x", 1)
    data = read_iam_ondb(tmp_path)
    assert [path.stem for path in data.files] == [f"a08-551z-{i:02d}" for i in range(1, 8)] + ["z01-000x-01"]
    assert data.notes == ("4 broken lines are left out: those of a08-551z-08, a08-551z-09, z01-000z",)


def test_without_forms_there_are_no_writers(tmp_path):
    data = read_iam_ondb(form(tmp_path, original=None))
    assert data[0].writer is None and data[0].text


def test_lines_are_read_when_they_are_asked_for(tmp_path):
    data = read_iam_ondb(form(tmp_path))
    write(data.files[1], xml([]))
    write(tmp_path / "ascii/a01/a01-000/a01-000u.txt", "CSR:\none\ntwo")
    assert data[0].text == "one"
    refuses(lambda: data[1], r"read_iam_ondb: .*a01-000u-02\.xml has no strokes; expected <StrokeSet><Stroke><Point")
    refuses(lambda: data[2], r"a01-000u\.txt has 2 lines of text after 'CSR:', and .*a01-000u-03\.xml is line 3; expected a line")


def test_rules_and_spaces_in_texts(tmp_path):
    file = write(tmp_path / "a.txt", "OCR:\r\nx\r\n\r\nCSR: \r\n\r\n one two \r\n%%%%%%%%%%%\r\nthree\r\n")
    assert read_text(file) == ("one two", "three")
    refuses(lambda: read_text(write(tmp_path / "a.txt", "OCR:\n\nx\n")), r"a\.txt has no line 'CSR:'; expected what was written")


BOMB = ('<?xml version="1.0"?>\n<!DOCTYPE a [\n<!ENTITY a "aaaaaaaaaa">\n<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">\n]>\n'
        '<StrokeSet><Stroke writerID="&b;"/></StrokeSet>')


@pytest.mark.parametrize("content, message", [
    (xml([]), r"a\.xml has no strokes; expected <StrokeSet><Stroke>"), (HEAD + "</WhiteboardCaptureSession>", "has no strokes"),
    (xml([STROKES[0], [], STROKES[1]]), r"a\.xml line 13: a stroke without points; expected <Point x= y= time=/> in it"),
    (xml([[]]), r"a\.xml line 8: a stroke without points"),
    (xml()[:-30], r"a\.xml line 20: (unclosed token|no element found); the file is damaged or not whole"),
    (xml().replace('x="890"', 'x="8q90"'), r"a\.xml line 10: a point with x='8q90'; expected a number"),
    (xml().replace('y="1000"', ""), r"a\.xml line 10: a point with y='nothing'; expected a number"),
    (xml().replace('x="890"', 'x="nan"'), r"x='nan'"), (xml().replace('x="890"', 'x="1e30"'), r"x='1e30'"),
    (HEAD + '<Point x="1" y="2"/>', r"a\.xml line 7: a point outside of a stroke; expected <Stroke> around it"),
    (xml().replace("</Stroke>", "</Strake>", 1), r"a\.xml line 12: mismatched tag; the file is damaged"),
    ("", r"a\.xml line 1: no element found"), ("text", r"a\.xml line 1: syntax error|not well-formed"),
    (BOMB, r"a\.xml line 2: a document type with definitions of its own; expected elements only"),
    (BOMB.replace('"aaaaaaaaaa"', 'SYSTEM "/etc/passwd"'), "a document type with definitions of its own"),
    ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a>&b;</a>', r"a\.xml has no strokes|line 1: undefined entity")])
def test_damaged_strokes_are_explained(tmp_path, content, message):
    file = write(tmp_path / "a.xml", content)
    refuses(lambda: read_strokes(file), "read_iam_ondb: .*" + message)
    if "document type" in message:
        refuses(lambda: read_writer(file), message)


@pytest.mark.parametrize("encoding", ["utf-8", "x-unknown", "utf-7", "shift_jis", "US-ASCII"])
def test_numbers_are_read_whatever_the_encoding(tmp_path, encoding):
    content = xml().replace("ISO-8859-1", encoding)
    for begin in ("", "\xef\xbb\xbf"):   # with a byte order mark, too
        assert len(read_strokes(write(tmp_path / "a.xml", begin + content))) == 6


def test_a_deep_document_is_no_matter(tmp_path):
    refuses(lambda: read_strokes(write(tmp_path / "a.xml", "<a>" * 100_000 + "</a>" * 100_000)), "has no strokes")


@pytest.mark.parametrize("content, message", [
    (FORM.replace(' writerID="10178"', ""), r'strokesu\.xml names no writer; expected <Form \.\.\. writerID="10178"/>'),
    (FORM.replace("10178", "ten"), r"strokesu\.xml line 4: writerID is 'ten'; expected a number"),
    (FORM[:100], r"strokesu\.xml line \d+: (unclosed token|no element found)")])
def test_damaged_forms_are_explained(tmp_path, content, message):
    data = read_iam_ondb(form(tmp_path, original=content))
    refuses(lambda: data.writer(0), "read_iam_ondb: .*" + message)


def test_a_form_is_read_up_to_its_writer(tmp_path):
    assert read_writer(write(tmp_path / "a.xml", FORM[:FORM.index("<CaptureTime")])) == 10178


def test_missing_files_are_named(tmp_path):
    refuses(lambda: read_iam_ondb(tmp_path), "holds no folder lineStrokes; give the folder that holds", FileNotFoundError)
    (tmp_path / "lineStrokes").mkdir()
    refuses(lambda: read_iam_ondb(tmp_path), "holds no folder ascii", FileNotFoundError)
    (tmp_path / "ascii").mkdir()
    refuses(lambda: read_iam_ondb(tmp_path), r"lineStrokes holds no line; expected files such as a01/a01-000/a01-000u-01\.xml")
    data = read_iam_ondb(form(tmp_path))
    (tmp_path / "ascii/a01/a01-000/a01-000u.txt").unlink()
    refuses(lambda: data[0], r"a01-000u\.txt does not exist; give the text of a form", FileNotFoundError)


def test_sizes_have_a_bound(tmp_path):
    with open(tmp_path / "a.xml", "wb") as file:
        file.truncate(2 ** 25 + 1)
    refuses(lambda: read_strokes(tmp_path / "a.xml"), r"a\.xml has 33,554,433 bytes, at most 33,554,432 are read")
    with open(tmp_path / "a.txt", "wb") as file:
        file.truncate(2 ** 16 + 1)
    refuses(lambda: read_text(tmp_path / "a.txt"), r"a\.txt has 65,537 bytes")


@pytest.mark.parametrize("read, content", [(read_strokes, xml()), (read_writer, FORM), (read_text, TEXT)],
                         ids=["strokes", "writer", "text"])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, read, content, data):
    file = tmp_path_factory.mktemp("iam") / "a"
    file.write_bytes(data.draw(damaged(content.encode("latin-1"))))
    refused_by_name(lambda: read(file), str(file))
