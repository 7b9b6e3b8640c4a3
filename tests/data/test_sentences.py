"""One sentence a line, of files that may have millions."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import DataLoader
from tinymm.data.readers import files
from tinymm.data.readers.files import LineFile
from tinymm.data.readers.sentences import read_sentences

from .damage import damaged, refused_by_name, refuses

LINES = [f"this is sentence {i} , \u201cquoted\u201d .{' long' * (i % 7)}" for i in range(200)]


def write(folder, content):
    (folder / "books.txt").write_bytes(content)
    return folder / "books.txt"


@pytest.mark.parametrize("block", [1, 7, 64, 2 ** 20])
@pytest.mark.parametrize("content", [b"", b"a", b"a\n", b"\n", b"\n\na", b"a\r\nb\r\n", "\n".join(LINES).encode()])
def test_lines_whatever_the_blocks(tmp_path, monkeypatch, block, content):
    monkeypatch.setattr(files, "BLOCK", block)
    wanted = content.decode().replace("\r\n", "\n").split("\n")
    wanted = wanted[:-1] if wanted[-1] == "" else wanted   # the end of the last line
    lines = LineFile(write(tmp_path, content), "reader")
    assert len(lines) == len(wanted) and [lines.line(i) for i in range(len(lines))] == wanted
    assert lines.lines(0, len(lines)) == wanted and lines.lines(0, 0) == []
    for start, count in ((0, len(wanted) + 1), (-1, 1), (len(wanted), 1)):
        with pytest.raises(IndexError, match="reader: lines"):
            lines.lines(start, count)


def test_sentences(tmp_path):
    data = read_sentences(write(tmp_path, ("\ufeff" + "\r\n".join(LINES)).encode()))
    assert len(data) == 200 and list(data) == LINES and data[-1] == LINES[-1]
    assert data.triple(1) == tuple(LINES[:3]) and data.triple(198) == tuple(LINES[197:])
    for i in (0, 199, -1):
        with pytest.raises(IndexError, match="does not stand between two; choose 1 to 198"):
            data.triple(i)
    with pytest.raises(IndexError):
        data[200]
    assert next(iter(DataLoader(data, 3))) == LINES[:3]


def test_empty_lines_are_empty_sentences(tmp_path):
    data = read_sentences(write(tmp_path, b"one .\n  \n\ntwo .\n"))
    assert list(data) == ["one .", "", "", "two ."]


def test_memory_of_many_lines(tmp_path):
    """300,000 lines of 9 MB: the places of a 32nd of them are kept, and a block at a time is looked through."""
    file = write(tmp_path, b"a sentence of thirty bytes .\n" * 300_000)
    tracemalloc.start()
    data = read_sentences(file)
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) == 300_000 and data[299_999] == "a sentence of thirty bytes ."
    assert kept < 300_000 / 32 * 8 * 1.5 and most < 8 * 2 ** 20


def test_damage_is_explained(tmp_path):
    data = read_sentences(write(tmp_path, b"one\ncaf\xe9\nz\0ro\nfour"))
    refuses(lambda: data[1], r"read_sentences: .*books\.txt line 2: byte 0xe9 at position 3 is not UTF-8; convert")
    refuses(lambda: data[2], r"books\.txt line 3: a zero byte at position 1; the file is damaged, or in UTF-16")
    assert data[3] == "four"
    refuses(lambda: read_sentences(write(tmp_path, b"")), r"books\.txt is empty; expected a sentence a line")
    refuses(lambda: read_sentences(tmp_path), "is a folder; give a text file")
    refuses(lambda: read_sentences(tmp_path / "x"), "x does not exist; give a text file with a sentence a line", FileNotFoundError)


@pytest.mark.parametrize("before, line", [(b"", 1), (b"a\nb\n", 3), (b"a\n" * 30_000 + b"b" * (2 ** 20 - 1) + b"\n", 30_002)])
def test_a_line_without_end(tmp_path, before, line):
    for after in (b"", b"\n", b"\nc\n"):
        file = write(tmp_path, before + b"x" * (2 ** 20 + 1) + after)
        refuses(lambda: read_sentences(file), rf"books\.txt line {line}: more than 1,048,576 bytes; expected lines of text")
    assert len(read_sentences(write(tmp_path, before + b"x" * (2 ** 20 - 1) + b"\n"))[line - 1]) == 2 ** 20 - 1


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("books"), "\n".join(LINES[:40]).encode())
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: list(read_sentences(file)), str(file))
