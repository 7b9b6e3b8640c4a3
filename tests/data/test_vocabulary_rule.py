"""The paper's vocabulary: frequent plain words of the training captions, against a pipeline of the shell and on real Flickr8k."""

import os
import pathlib
import random
import shutil
import subprocess

import pytest

from tinymm.data import read_flickr8k
from tinymm.text import SPECIALS, plain_words

REAL = pathlib.Path(os.environ.get("TINYMM_REAL_DATA", "")) / "flickr8k"
PIPELINE = r"""grep -F -f train.names tokens.txt | cut -f 2 | tr 'A-Z' 'a-z' | tr -cd 'a-z0-9 \n' | tr -s ' ' '\n' | grep . |
               LC_ALL=C sort | uniq -c | awk '$1 >= 5 {print $2, $1}'"""
shell = pytest.mark.skipif(not all(map(shutil.which, ("sh", "grep", "cut", "tr", "sort", "uniq", "awk"))), reason="no POSIX shell")


def counted_by_the_shell(folder: pathlib.Path, place: pathlib.Path) -> dict[str, int]:
    """Word -> count, of the captions whose picture is in the training list."""
    (place / "tokens.txt").write_bytes((folder / "Flickr8k.token.txt").read_bytes())
    names = (folder / "Flickr_8k.trainImages.txt").read_text().split()
    (place / "train.names").write_text("".join(f"{name}#\n" for name in names))
    lines = subprocess.run(["sh", "-c", PIPELINE], cwd=place, check=True, capture_output=True, text=True).stdout.splitlines()
    return {word: int(count) for word, count in map(str.split, lines)}


def ours(folder: pathlib.Path) -> dict[str, int]:
    vocabulary = read_flickr8k(folder).split("train").vocabulary()
    return dict(zip(vocabulary.words[len(SPECIALS):], vocabulary.counts[len(SPECIALS):].tolist()))


def test_plain_words():
    assert plain_words("A T-shirt , (red) isn't  5:30 -- !") == ["a", "tshirt", "red", "isnt", "530"]
    assert plain_words("\u201cCaf\u00e9\u201d") == ["caf\u00e9"]
    assert plain_words(" . ") == []


@shell
def test_the_rule_on_a_small_file(tmp_path):
    r = random.Random(0)
    words = "a A man man's mans T-shirt t-shirt, in . , \" red-and-white 2 two (two) dog dogs' running rare".split()
    weights = [9 if i < 4 else 3 for i in range(len(words))]
    names = [f"{i}_{r.randrange(10 ** 6)}.jpg" for i in range(20)]
    (tmp_path / "Flickr8k.token.txt").write_text("".join(
        f"{name}#{k}\t{' '.join(r.choices(words, weights, k=r.randint(1, 6)))}\n" for name in names for k in range(3)))
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("\n".join(names[:12]) + "\n")
    (tmp_path / "Flickr_8k.testImages.txt").write_text("\n".join(names[12:]) + "\n")
    (tmp_path / "work").mkdir()
    wanted = counted_by_the_shell(tmp_path, tmp_path / "work")
    assert ours(tmp_path) == wanted and 3 < len(wanted) < len({w for word in words for w in plain_words(word)})
    everything = read_flickr8k(tmp_path).split("train")
    assert len(everything.vocabulary(1)) > len(everything.vocabulary())


@pytest.mark.real
@pytest.mark.slow   # seldom given: elsewhere a skipped judge is a fault
@shell
@pytest.mark.skipif(not (REAL / "Flickr8k.token.txt").is_file(), reason="TINYMM_REAL_DATA has no flickr8k/Flickr8k.token.txt")
def test_2537_words_of_flickr8k(tmp_path):
    found = ours(REAL)
    assert len(found) == 2537 and found == counted_by_the_shell(REAL, tmp_path)
